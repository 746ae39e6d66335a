// SPDX-License-Identifier: Apache-2.0
// All that pass-through shares with the side of the initiator: execute, and reset.

/** One real unit. */
export interface Bridge {
  /** Hands the request to the unit at the tail of its queue; requests reach it in the order of the calls. MUST NOT throw. */
  execute(request: BridgeRequest): void
  /**
   * Resets the unit (SAM-5, logical unit reset); what it was at ends with an answer. Requests of later calls reach it after the reset.
   * MUST NOT throw.
   */
  reset(): void
}

/** Where the data go, as the initiator sees it. */
export type Direction = 'none' | 'in' | 'out' | 'both'

/** One command for the unit, with a SIMPLE task attribute. The bridge answers by `finish`, exactly once, inside the call or later. */
export interface BridgeRequest {
  /** As long as the command is: 6 to 32 bytes. */
  readonly cdb: Uint8Array
  readonly direction: Direction
  /** Data for the unit, as it arrived: none, one piece or several. They are the request's until it is answered. */
  readonly dataOut: readonly Buffer[]
  /** One piece of memory to be filled from its front, empty if there is nothing to come; the unit may bring less. */
  readonly dataIn: Buffer
  /** How long the unit may take, ms. Then the bridge ends the command if it can, and answers `ended`. */
  readonly timeout: number
  /**
   * Set by the bridge within `execute`, if it can end a single command (ABORT TASK): called once at most, when nobody wants the answer any
   * more, and answered by `finish` as ever. A bridge that cannot do that leaves it null.
   */
  cancel: (() => void) | null
  finish(answer: BridgeAnswer): void
}

/**
 * done: the unit has answered. ended: it has not, and the command is over there (cancelled, reset, out of time). lost: the unit or the way
 * to it is gone, and nobody knows what became of the command. refused: the bridge cannot carry such a command, and the unit
 * has not seen it.
 */
export type BridgeOutcome = 'done' | 'ended' | 'lost' | 'refused'

/** How it went. What a bridge does not know is 0; all but `reason` counts only where the outcome is `done`. */
export interface BridgeAnswer {
  readonly outcome: BridgeOutcome
  /** SAM status of the unit. */
  readonly status: number
  /** Its sense data (autosense), as it came; empty if none. The request's once it is answered. */
  readonly sense: Uint8Array
  /** Bytes that were brought into `dataIn`. */
  readonly received: number
  /** Bytes that the unit would have brought beyond the length of `dataIn`. */
  readonly excess: number
  /** Bytes of `dataOut` that the unit did not take. */
  readonly outResidual: number
  /** A sentence for the operator, where the outcome is not `done`. */
  readonly reason: string
}

const NOTHING = new Uint8Array(0)

/** An answer without the unit's. */
export const unanswered = (outcome: Exclude<BridgeOutcome, 'done'>, reason: string): BridgeAnswer => ({
  outcome,
  status: 0,
  sense: NOTHING,
  received: 0,
  excess: 0,
  outResidual: 0,
  reason,
})
