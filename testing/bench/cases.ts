// SPDX-License-Identifier: Apache-2.0
// What the benchmark measures: one row a case.

export type Pattern = 'randread' | 'randwrite' | 'read' | 'write'

export interface Case {
  readonly name: string
  readonly pattern: Pattern
  /** Bytes a command. */
  readonly blockSize: number
  /** Commands under way at once. */
  readonly depth: number
  readonly unit: 'IOPS' | 'MiB/s'
}

const KIB = 1024

export const CASES: readonly Case[] = [
  ...[1, 8, 32].map(depth => row('randread', 4, depth)),
  row('randwrite', 4, 32),
  ...[128, 1024].flatMap(kib => [row('read', kib, 8), row('write', kib, 8)]),
]

/** The case with a goal: at least this many times the other target's rate, for a file in the page cache. */
export const GOAL = { case: 'randread-4k-qd32', ratio: 1.5 } as const

function row(pattern: Pattern, kib: number, depth: number): Case {
  const unit = pattern.startsWith('rand') ? 'IOPS' : 'MiB/s'
  return { name: `${pattern}-${kib}k-qd${depth}`, pattern, blockSize: kib * KIB, depth, unit }
}

/** Commands a second as the case's unit. */
export function rateOf(one: Case, iops: number): number {
  return one.unit === 'IOPS' ? iops : (iops * one.blockSize) / KIB / KIB
}
