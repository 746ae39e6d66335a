// SPDX-License-Identifier: Apache-2.0
// One rule of RFC 7143: what has to hold, in words of our own, whom it binds, and why it is not tested if it is not.

export type Binds = 'target' | 'initiator' | 'both'

export interface Rule {
  /** Section, a slash, and the rule's number within it. */
  readonly id: string
  readonly section: string
  readonly binds: Binds
  readonly text: string
  /** Why there is no test; null if there has to be one. */
  readonly leftOut: string | null
}

type Row = readonly [binds: Binds, text: string, leftOut?: string]

/** The rules of one section, numbered from 1 in their order. */
export const section = (number: string, ...rows: readonly Row[]): readonly Rule[] =>
  rows.map(([binds, text, leftOut], at) => ({
    id: `${number}/${at + 1}`,
    section: number,
    binds,
    text,
    leftOut: leftOut ?? null,
  }))
