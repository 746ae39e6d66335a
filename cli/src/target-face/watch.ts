// SPDX-License-Identifier: Apache-2.0
// What a target is to show of what goes on, as the driver takes it.
import { type Observer, OperatorError } from '@lunkit/target-api'
import {
  Capture,
  type CaptureFile,
  type CaptureOptions,
  type IscsiOptions,
} from '@lunkit/target-driver-iscsi'

export interface WatchOptions {
  /** Each command that takes this long, in milliseconds, is a `slow-command` event. */
  readonly slowMs?: number
  /**
   * A command that has no answer after this time is a `stuck-command` event, and an initiator that leaves answers unread for
   * this time loses its connection: 90000 if not given.
   */
  readonly responseTimeoutMs?: number
  /** Given each iSCSI PDU as one line, without its data. Slows everything down. MUST NOT throw. */
  readonly trace?: (line: string) => void
  /** Writes what goes over the wire into pcapng files, which Wireshark reads: data, and the exchanges of CHAP, are in them. */
  readonly capture?: CaptureOptions
}

type WatchSettings = Pick<IscsiOptions, 'slowMs' | 'trace' | 'limits' | 'capture'>

/** `limits` are others that hold as well. The capture is to begin when the ports listen, and to be closed after them. Rejects with OperatorError. */
export async function openWatch(
  { responseTimeoutMs, capture, ...rest }: WatchOptions,
  limits: IscsiOptions['limits'],
  observe: Observer,
): Promise<{ readonly settings: WatchSettings; readonly capture: Capture | null }> {
  const warn = (reason: string): void => observe({ type: 'warning', reason })
  const opened = capture === undefined ? null : await Capture.prepare(capture, warn, openUnserved)
  return {
    settings: {
      ...rest,
      ...(opened !== null && { capture: opened }),
      limits: { ...limits, ...(responseTimeoutMs !== undefined && { responseTimeoutMs }) },
    },
    capture: opened,
  }
}

/** Locked as images are, by device and inode: no disk is taken for a capture, whatever it is called and whoever serves it. */
async function openUnserved(path: string, mode: number): Promise<CaptureFile> {
  const { openOwnFile } = await import('@lunkit/target-stores/file')
  try {
    return await openOwnFile(path, { parameter: 'capture', mode })
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'FILE_IN_USE') throw error
    throw new OperatorError('CAPTURE_FILE', `Capture ${path} is the storage of a LUN, or another capture`, {
      hint: 'name a new file',
      cause: error,
    })
  }
}
