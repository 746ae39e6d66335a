// SPDX-License-Identifier: Apache-2.0
// Which of two commands on one medium waits for the other, by what they are: a table, and overlap of blocks.
import type { OrderClass } from '@lunkit/spec'

/** Numbers for the classes; `nothing` and `head` order nothing by themselves. */
export const ClassNumber: Readonly<Record<OrderClass, number>> = Object.freeze({
  nothing: 0,
  read: 1,
  write: 2,
  atomic: 3,
  sync: 4,
  medium: 5,
  unit: 6,
  head: 7,
})

export const CLASSES = 8

/** May run beside the other; waits if the blocks overlap; the same under restricted reordering only; waits in any case. */
export const Rule = Object.freeze({ beside: 0, overlap: 1, restricted: 2, after: 3 } as const)

const { beside: __, overlap: ov, restricted: re, after: AF } = Rule

/**
 * Younger by row, older by column. Two writes of one block never run together, and nothing is in the blocks of an atomic
 * command beside it (SBC-4, atomic write operations; COMPARE AND WRITE). A read and a write may, unless QUEUE ALGORITHM
 * MODIFIER restricts reordering (SPC-4, Control mode page). SYNCHRONIZE CACHE is for what has ended before it.
 */
const MATRIX: Readonly<Record<OrderClass, readonly number[]>> = {
  // ------- nothing read write atomic sync medium unit head
  nothing: [__, __, __, __, __, __, __, __],
  read: [__, __, re, ov, __, AF, __, __],
  write: [__, re, ov, ov, __, AF, AF, __],
  atomic: [__, ov, ov, ov, __, AF, AF, __],
  sync: [__, __, __, __, __, AF, __, __],
  medium: [__, AF, AF, AF, AF, AF, AF, __],
  unit: [__, __, AF, AF, __, AF, AF, __],
  head: [__, __, __, __, __, __, __, __],
}

/** The matrix by `younger * CLASSES + older`. */
export const RULES: Uint8Array = Uint8Array.from(
  Object.entries(ClassNumber)
    .sort(([, one], [, other]) => one - other)
    .flatMap(([name]) => MATRIX[name as OrderClass]),
)
