// SPDX-License-Identifier: Apache-2.0
// Extension keys (`X-…`, `X#…`), which the application may understand where the standard says nothing (RFC 7143, 13.22).
import {
  DEFAULT_VALUE_BYTES,
  isExtensionKey,
  KeyAnswer,
  type KeyStage,
  keyByName,
  type TextPair,
} from '@lunkit/spec'

/** Who sends an extension key, and when. */
export interface VendorKeyFacts {
  readonly initiator: string
  /** Name of the target; empty in a discovery session. */
  readonly target: string
  readonly stage: KeyStage
  /** The initiator has proved who it is, or nobody asks for that. */
  readonly authenticated: boolean
}

/** Gives the answer to a key, up to 255 bytes; undefined for a key that it does not understand. */
export type VendorKey = (key: string, value: string, from: VendorKeyFacts) => string | undefined

/** Keys of one negotiation that the application sees; those after them are not understood. */
const MOST_KEYS = 64
/** Control characters: a text with them is no text (RFC 7143, 6.1). */
const UNSENDABLE = /\p{Cc}/u

/** Whether a key is for the application. */
export const isVendorKey = (name: string): boolean => isExtensionKey(name) && keyByName(name) === undefined

/** The extension keys of one login or text exchange. */
export class VendorKeys {
  readonly #ask: VendorKey
  readonly #seen: Set<string> = new Set()

  constructor(ask: VendorKey) {
    this.#ask = ask
  }

  /**
   * Answers the extension keys among the pairs. Returns what is wrong with them, or null. Throws what the application
   * throws, and Error if its answer cannot be sent.
   */
  answer(pairs: readonly TextPair[], from: VendorKeyFacts, into: TextPair[]): string | null {
    for (const { key, value } of pairs) {
      if (!isVendorKey(key) || value === KeyAnswer.notUnderstood) continue
      if (this.#seen.has(key)) return `Key ${key} came twice`
      if (this.#seen.size >= MOST_KEYS) {
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
