// SPDX-License-Identifier: Apache-2.0
// What an operator can have a device or a store do while it is used: snapshots, resets, rates, faults.

/** What came of it, in plain fields; empty where there is nothing to tell. */
export type ControlAnswer = Readonly<Record<string, number | string>>

/** One thing that it can be told to do. */
export interface Control {
  /** The words that it takes, for help, such as `[PATH]`; empty for none. */
  readonly usage: string
  /** Whether initiators may find the medium, what is on it or how long it is, another one than before. */
  readonly changes: 'nothing' | 'medium'
  /**
   * Rejects with OperatorError where the words are none of `usage`, or it cannot be; then nothing is changed. `changed` is called when
   * the medium is another one from now on, before any request meets it: initiators are told, and the store's size is taken over.
   */
  run(words: readonly string[], changed: () => void): Promise<ControlAnswer>
}

/** By name, in lower case. A filter adds its own to those of the store below; where both have one of a name, the filter's is meant. */
export type Controls = Readonly<Record<string, Control>>
