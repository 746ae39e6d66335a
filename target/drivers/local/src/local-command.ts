// SPDX-License-Identifier: Apache-2.0
// What a local initiator sends, and what it gets.

export interface LocalCommand {
  readonly lun: number
  /** At most 32 bytes. */
  readonly cdb: Uint8Array
  /** Not copied: leave it as it is until the answer. */
  readonly dataOut?: Uint8Array
  /** Bytes of data-in that are wanted at most; 0 if not given. */
  readonly expectedIn?: number
  /** A spec TaskAttribute; SIMPLE if not given. */
  readonly attribute?: number
  /** Sends ABORT TASK when it fires; the promise rejects with its reason once the target has let go. */
  readonly signal?: AbortSignal
}

export interface LocalAnswer {
  readonly status: number
  readonly sense: Buffer
  readonly dataIn: Buffer
  /** Bytes expected less bytes that the command had to move: above zero an underflow, below an overflow. */
  readonly residual: number
}
