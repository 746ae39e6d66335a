// SPDX-License-Identifier: Apache-2.0
// The contract between the initiator's core and its drivers: a session that carries commands to a target.

/** A LUN as its number (below 16384), or as the 8 bytes of SAM-5 where the number does not say enough. */
export type Lun = number | Uint8Array

export interface CommandRequest {
  readonly lun: Lun
  readonly cdb: Uint8Array
  /** Data to send, in one piece or in several. The driver reads it until the promise settles. */
  readonly dataOut?: Uint8Array | readonly Uint8Array[] | undefined
  /** Buffer to fill; its length is the expected length. The driver writes to it until the promise settles. */
  readonly dataIn?: Uint8Array | undefined
  /** Bytes expected where no buffer is given: the driver makes one. */
  readonly expectedIn?: number | undefined
  /** Task attribute (`TaskAttribute` of the spec); SIMPLE if not given. */
  readonly attribute?: number | undefined
  /** May be sent again after a lost connection, when it is unknown whether it ran. Not if not given. */
  readonly repeatable?: boolean | undefined
  /** Ends the command by ABORT TASK; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Replaces the session's command timeout; 0 waits for ever. */
  readonly timeoutMs?: number | undefined
}

export interface CommandResult {
  /** SAM status code (`Status` of the spec). Also a status other than GOOD resolves the promise. */
  readonly status: number
  /** Sense data, empty if there were none. */
  readonly sense: Uint8Array
  /** The part of the buffer that was filled. */
  readonly dataIn: Uint8Array
  /** Bytes of the expected length that were not moved. */
  readonly underflow: number
  /** Bytes that the target would have moved beyond the expected length. */
  readonly overflow: number
}

/** Task management functions (SAM-5, task management functions) by name; each driver has its own numbers. */
export type TaskManagement =
  | 'abort-task-set'
  | 'clear-aca'
  | 'clear-task-set'
  | 'logical-unit-reset'
  | 'target-warm-reset'
  | 'target-cold-reset'

/** Service responses (SAM-5, task management procedure calls), as far as a target can give them. */
export type ManagementResponse = 'complete' | 'no-such-task' | 'no-such-lun' | 'unsupported' | 'rejected'

/** An I_T nexus. All promises reject with a `TransportError` if the road fails. */
export interface InitiatorSession {
  /** Name of the target's port or node, for messages. */
  readonly target: string
  /** Commands that the session keeps in flight; more wait their turn. */
  readonly queueDepth: number
  execute(request: CommandRequest): Promise<CommandResult>
  /** ABORT TASK is not among the functions: give a signal to `execute`. */
  manage(action: TaskManagement, lun: Lun): Promise<ManagementResponse>
  /** Lets commands under way end, then ends the nexus. Safe to call again. */
  close(): Promise<void>
}
