// SPDX-License-Identifier: Apache-2.0
// What comes of a control line, as plain fields that pass through sockets and between processes.
import type { ControlAnswer } from '@lunkit/target-api'
import { describeError, type Told } from '../exit.ts'
import { exitCodeOf } from '../exit-codes.ts'

export type Reply =
  | { readonly answer: ControlAnswer }
  /** `exit`: what `lunkit control` ends with. */
  | { readonly error: Told; readonly exit: number }

/** Obeys one line that has neither comment nor blanks around it. Never rejects. */
export type Obey = (line: string) => Promise<Reply>

export const failed = (error: unknown): Reply => ({ error: describeError(error), exit: exitCodeOf(error) })

export async function replyOf(act: () => ControlAnswer | Promise<ControlAnswer>): Promise<Reply> {
  try {
    return { answer: await act() }
  } catch (error) {
    return failed(error)
  }
}

/** Names of snapshots are as their image has them: a terminal is to obey none. */
const shown = (text: string): string => text.replaceAll(/\p{Cc}/gu, '?')

/** Names that a person wrote, such as rules and snapshots: behind these, `=4` would read as a part of them. */
const WRITTEN = /[\s=:]/

/** For people: `done bytes=4096`; texts, and numbers with a longer name, are on lines of their own. */
export function answerWords(answer: ControlAnswer): string {
  const words = Object.entries(answer).map(([name, value]) => {
    if (typeof value === 'string') return `\n  ${shown(name)} ${shown(value)}`.trimEnd()
    return WRITTEN.test(name) ? `\n  ${shown(name)}  ${value}` : ` ${shown(name)}=${value}`
  })
  return `done${words.join('')}`
}
