// SPDX-License-Identifier: Apache-2.0
// Connections that once found something wrong: each run begins with them.

/** `was` says what went wrong. */
export interface Finding {
  readonly scenario: string
  readonly seed: number
  readonly was: string
}

export const CORPUS: readonly Finding[] = []
