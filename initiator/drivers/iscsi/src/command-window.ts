// SPDX-License-Identifier: Apache-2.0
// Serial numbers and the window of commands that a target accepts (RFC 7143, 4.2.2).

/** Whether `a` comes after `b` in 32-bit serial arithmetic (RFC 1982). */
export const isAfter = (a: number, b: number): boolean => ((a - b) | 0) > 0

/** The number after `n`. */
export const next = (n: number): number => (n + 1) >>> 0

/**
 * Commands that are sent ahead of the lowest one that is not taken in, at most: far from where a number that is sent again
 * would be taken for a new one (RFC 7143, 4.2.2.1).
 */
const WIDEST = 2 ** 30

/** The initiator's numbers of one session. */
export class CommandWindow {
  /** Number of the next command that is not immediate. */
  cmdSn: number
  #expCmdSn: number
  #maxCmdSn: number

  constructor(cmdSn: number) {
    this.cmdSn = cmdSn
    this.#expCmdSn = cmdSn
    // Closed until the target has said how far it is open.
    this.#maxCmdSn = (cmdSn - 1) >>> 0
  }

  /** The lowest number that the target has not taken in. */
  get expCmdSn(): number {
    return this.#expCmdSn
  }

  /** Whether the target has taken the command of this number in. */
  acknowledged(cmdSn: number): boolean {
    return isAfter(this.#expCmdSn, cmdSn)
  }

  /** Commands that may still be sent. */
  get room(): number {
    const open = ((this.#maxCmdSn - this.cmdSn) | 0) + 1
    return Math.max(0, Math.min(open, WIDEST - ((this.cmdSn - this.#expCmdSn) | 0)))
  }

  /** Takes the numbers of an answer; ones that run backwards are ignored (RFC 7143, 4.2.2.1). */
  update(expCmdSn: number, maxCmdSn: number): void {
    if (isAfter((expCmdSn - 1) >>> 0, maxCmdSn)) return
    if (isAfter(maxCmdSn, this.#maxCmdSn)) this.#maxCmdSn = maxCmdSn
    if (isAfter(expCmdSn, this.#expCmdSn)) this.#expCmdSn = expCmdSn
  }
}
