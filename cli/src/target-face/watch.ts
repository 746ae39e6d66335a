// SPDX-License-Identifier: Apache-2.0
// What a target is to show of what goes on, as the driver takes it.
import type { IscsiOptions } from '@lunkit/target-driver-iscsi'

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
}

/** `limits` are others that hold as well. */
export function watchSettings(
  { responseTimeoutMs, ...rest }: WatchOptions,
  limits: IscsiOptions['limits'],
): Pick<IscsiOptions, 'slowMs' | 'trace' | 'limits'> {
  return { ...rest, limits: { ...limits, ...(responseTimeoutMs !== undefined && { responseTimeoutMs }) } }
}
