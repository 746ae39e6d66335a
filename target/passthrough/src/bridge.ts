// SPDX-License-Identifier: Apache-2.0
// All that pass-through shares with the side of the initiator: execute, and reset.

/** One real unit. */
export interface Bridge {
  /** Hands the request to the unit at the tail of its queue; requests reach it in the order of the calls. */
  execute(request: BridgeRequest): void
  /** Resets the unit; what it was at ends with an answer. */
  reset(): void
}

export type Direction = 'none' | 'in' | 'out' | 'both'

/** One command for the unit. The bridge answers by `finish`, exactly once, inside the call or later. */
export interface BridgeRequest {
  readonly cdb: Uint8Array
  readonly direction: Direction
  /** Data for the unit, as it arrived; the request's until it is answered. */
  readonly dataOut: readonly Buffer[]
  /** Buffers to be filled from the front; the unit may bring less. */
  readonly dataIn: readonly Buffer[]
  /** How long the unit may take, ms. */
  readonly timeout: number
  finish(answer: BridgeAnswer): void
}

/** How it went. */
export interface BridgeAnswer {
  /** `done`: the unit has answered. `lost`: unit or path are away, and what became of the command is not known. */
  readonly outcome: 'done' | 'lost'
  /** SAM status of the unit. */
  readonly status: number
  /** Its sense data, as it came; empty if none. */
  readonly sense: Uint8Array
  /** Bytes that were brought into `dataIn`. */
  readonly received: number
  /** Bytes of `dataOut` that the unit did not take. */
  readonly outResidual: number
  /** For the operator, where the outcome is `lost`. */
  readonly reason: string
}
