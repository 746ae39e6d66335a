// SPDX-License-Identifier: Apache-2.0
// Private extension keys (`X-…`), which the application may understand where the standard says nothing (RFC 7143, 13.22).
import { DEFAULT_VALUE_BYTES, KeyAnswer, type KeyStage, type TextPair } from '@lunkit/spec'
import { isAnswerOnly } from './negotiate.ts'

/** Who sends an extension key, and when. */
export interface VendorKeyFacts {
  readonly initiator: string
  /** Name of the target. */
  readonly target: string
  /** Who sends it has proved who it is by then, where anybody asks for that. */
  readonly stage: Exclude<KeyStage, 'security'>
}

/**
 * Gives the answer to a key, up to 255 bytes; undefined for a key that it does not understand. Not asked in discovery
 * sessions and in the security stage, which have no such keys (RFC 7143, 12 and 13.22).
 */
export type VendorKey = (key: string, value: string, from: VendorKeyFacts) => string | undefined

/** Keys of one negotiation that the application sees; those after them are not understood. */
const MOST_KEYS = 64
/** Control characters: a text with them is no text (RFC 7143, 6.1). */
const UNSENDABLE = /\p{Cc}/u

/** Whether a key is for the application. `X#` is no longer for anybody's use (RFC 7143, 14). */
export const isVendorKey = (name: string): boolean => name.startsWith('X-')

/** The extension keys of one login or text exchange. */
export class VendorKeys {
  readonly #ask: VendorKey
  readonly #seen: Set<string> = new Set()

  constructor(ask: VendorKey) {
    this.#ask = ask
  }

  /**
   * Answers the extension keys among the pairs; `from` is null where none are used. Returns what is wrong with them, or null.
   * Throws what the application throws, and Error if its answer cannot be sent.
   */
  answer(pairs: readonly TextPair[], from: VendorKeyFacts | null, into: TextPair[]): string | null {
    for (const { key, value } of pairs) {
      if (!isVendorKey(key)) continue
      if (isAnswerOnly(value)) return `Key ${key} is offered as ${value}`
      if (this.#seen.has(key)) return `Key ${key} came twice`
      if (from === null || this.#seen.size >= MOST_KEYS) {
        into.push({ key, value: KeyAnswer.notUnderstood })
        continue
      }
      this.#seen.add(key)
      into.push({ key, value: sendable(key, this.#ask(key, value, from)) })
    }
    return null
  }
}

function sendable(key: string, answer: unknown): string {
  if (answer === undefined) return KeyAnswer.notUnderstood
  if (
    typeof answer !== 'string' ||
    UNSENDABLE.test(answer) ||
    Buffer.byteLength(answer) > DEFAULT_VALUE_BYTES
  )
    throw new Error(`Answer to ${key} is no text of up to ${DEFAULT_VALUE_BYTES} bytes`)
  return answer
}
