// SPDX-License-Identifier: Apache-2.0
// What a target is to show of what goes on, as the driver takes it.
import { realpath } from 'node:fs/promises'
import { type Observer, OperatorError } from '@lunkit/target-api'
import { Capture, type CaptureOptions, type IscsiOptions } from '@lunkit/target-driver-iscsi'

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

/** `served` is the storage of the LUNs, `limits` are others that hold as well. The capture is to begin when the ports listen, and to be closed after them. Rejects with OperatorError. */
export async function openWatch(
  { responseTimeoutMs, capture, ...rest }: WatchOptions,
  limits: IscsiOptions['limits'],
  observe: Observer,
  served: readonly { readonly storage: string }[] = [],
): Promise<{ readonly settings: WatchSettings; readonly capture: Capture | null }> {
  const warn = (reason: string): void => observe({ type: 'warning', reason })
  const opened = capture === undefined ? null : await Capture.prepare(capture, warn)
  if (typeof capture?.file === 'string') await refuseServed(capture.file, served)
  return {
    settings: {
      ...rest,
      ...(opened !== null && { capture: opened }),
      limits: { ...limits, ...(responseTimeoutMs !== undefined && { responseTimeoutMs }) },
    },
    capture: opened,
  }
}

/** A disk may hold what looks like a capture, since initiators decide what is in it. */
async function refuseServed(file: string, served: readonly { readonly storage: string }[]): Promise<void> {
  const path = await realpath(file).catch(() => null)
  if (path === null || !served.some(({ storage }) => storage.endsWith(`:${path}`))) return
  throw new OperatorError('CAPTURE_FILE', `Capture ${file} is the storage of a LUN`, {
    hint: 'name a new file',
  })
}
