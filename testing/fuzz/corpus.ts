// SPDX-License-Identifier: Apache-2.0
// Connections that once found something wrong: each run begins with them.

/** `was` says what went wrong. */
export interface Finding {
  readonly scenario: string
  readonly seed: number
  readonly was: string
}

export const CORPUS: readonly Finding[] = [
  {
    scenario: 'SNACKs of every kind for every range',
    seed: 1_053_098_474,
    was: 'A run that went around all numbers and ended within the data that was sent ended the process',
  },
  {
    scenario: 'SNACKs of every kind for every range',
    seed: 484_459_087,
    was: 'The same, at other lengths',
  },
  {
    scenario: 'answers that are never acknowledged',
    seed: 496_999_936,
    was: 'The connection ended without an event that tells why',
  },
  {
    scenario: 'requests that wait on a connection that is logged out',
    seed: 3_236_109_091,
    was: 'Requests behind a gap were carried out on a connection that was being logged out, and never ended',
  },
  {
    scenario: 'requests that wait on a connection that is logged out',
    seed: 408_566_277,
    was: 'The same, with other commands under way',
  },
]
