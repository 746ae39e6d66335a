// SPDX-License-Identifier: Apache-2.0
// Negotiates operational keys as the rows of the spec say: offers out, answers judged, the target's offers answered.
import { LoginError } from '@lunkit/initiator-core'
import {
  encodeBoolean,
  isIrrelevant,
  type Key,
  KeyAnswer,
  type KeyValue,
  keyByName,
  parseBoolean,
  parseList,
  parseNumber,
  type TextPair,
} from '@lunkit/spec'

/** What this side wants: the value of an offer, and the preference where the target offers first. */
export type Wishes = Readonly<Record<string, string>>

export class Negotiation {
  /** What the target declared or both agreed on. */
  readonly #settled = new Map<string, KeyValue>()
  readonly #wishes: Wishes
  readonly #offered = new Map<string, string>()
  #answers: TextPair[] = []

  /** `known` holds values that are settled from the start, as SessionType. */
  constructor(wishes: Wishes, known: Readonly<Record<string, KeyValue>>) {
    this.#wishes = wishes
    for (const [name, value] of Object.entries(known)) this.#settled.set(name, value)
  }

  /** The value in force: settled, or the row's default. */
  value(name: string): KeyValue | null {
    return this.#settled.get(name) ?? keyByName(name)?.default ?? null
  }

  /** All settled values as text. */
  report(): ReadonlyMap<string, string> {
    const words = (value: KeyValue): string =>
      typeof value === 'boolean' ? encodeBoolean(value) : String(value)
    return new Map([...this.#settled].map(([name, value]) => [name, words(value)]))
  }

  /** Offers of all wishes that count in this session, once. */
  offers(): TextPair[] {
    const pairs: TextPair[] = []
    for (const [name, value] of Object.entries(this.#wishes)) {
      const key = keyByName(name)!
      if (this.#settled.has(name) || this.#offered.has(name)) continue
      if (isIrrelevant(key, one => this.#settled.get(one))) continue
      if (key.kind === 'negotiated') this.#offered.set(name, value)
      pairs.push({ key: name, value })
    }
    return pairs
  }

  /** Answers that are due, once each. */
  answers(): TextPair[] {
    const answers = this.#answers
    this.#answers = []
    return answers
  }

  /** Takes one pair from the target. Throws a LoginError on a breach of the rules. */
  receive({ key: name, value }: TextPair): void {
    const key = keyByName(name)
    if (key === undefined) {
      if (value !== KeyAnswer.notUnderstood) this.#answer(name, KeyAnswer.notUnderstood)
    } else if (key.sender === 'initiator') {
      throw broken(`sent ${name}, which only an initiator may send`)
    } else if (key.kind === 'declarative') {
      if (name !== 'MaxRecvDataSegmentLength' || value !== KeyAnswer.notUnderstood) {
        this.#settled.set(name, parseValue(key, value))
      }
    } else if (this.#offered.has(name)) this.#settle(key, value)
    else if (this.#settled.has(name)) throw broken(`negotiated ${name} twice`)
    else this.#meet(key, value)
  }

  /** Whether answers of ours are still to be sent. */
  get owes(): boolean {
    return this.#answers.length > 0
  }

  #answer(key: string, value: string): void {
    this.#answers.push({ key, value })
  }

  /** The target's answer to our offer. */
  #settle(key: Key, answer: string): void {
    const offer = this.#offered.get(key.name)!
    this.#offered.delete(key.name)
    if (answer === KeyAnswer.irrelevant || answer === KeyAnswer.notUnderstood) {
      if (key.default !== null) this.#settled.set(key.name, key.default)
      return
    }
    if (answer === KeyAnswer.reject) throw broken(`rejected ${key.name}=${offer}`)
    const result = decide(key, parseValue(key, answer), offer)
    if (result === null && key.rule === 'first-common') {
      throw new LoginError('LOGIN_REFUSED', `The target does not agree to ${key.name}=${offer}`)
    }
    if (result === null) throw broken(`answered ${key.name}=${answer} to the offer ${offer}`)
    this.#settled.set(key.name, result)
  }

  /** An offer of the target's, for which there was none of ours. */
  #meet(key: Key, offer: string): void {
    if (key.answer !== null) {
      this.#answer(key.name, key.answer)
      return
    }
    if (isIrrelevant(key, one => this.#settled.get(one))) {
      this.#answer(key.name, KeyAnswer.irrelevant)
      return
    }
    const wish = this.#wishes[key.name] ?? (key.default === null ? '' : words(key.default))
    const result = combine(key, offer, wish)
    if (result === null) {
      this.#answer(key.name, KeyAnswer.reject)
      return
    }
    this.#settled.set(key.name, result)
    this.#answer(key.name, words(result))
  }
}

/** Values from the words of `report`, of the keys with this use. */
export function settledValues(keys: ReadonlyMap<string, string>, use: Key['use']): Record<string, KeyValue> {
  const values: Record<string, KeyValue> = {}
  for (const [name, text] of keys) {
    const key = keyByName(name)
    if (key?.use === use) values[name] = parseValue(key, text)
  }
  return values
}

const words = (value: KeyValue): string => (typeof value === 'boolean' ? encodeBoolean(value) : String(value))

/** Reads a value by its row. Throws a LoginError. */
function parseValue(key: Key, text: string): KeyValue {
  const value = tryValue(key, text)
  if (value === null) throw broken(`sent ${key.name}=${text}, which is no value of that key`)
  return value
}

function tryValue(key: Key, text: string): KeyValue | null {
  if (key.type === 'boolean') return parseBoolean(text)
  if (key.type !== 'number') return text
  const value = parseNumber(text)
  return value !== null && value >= key.min! && value <= key.max! ? value : null
}

/** The result of an answer to an offer, or null if it is not allowed as one (RFC 7143, 6.2). */
function decide(key: Key, answer: KeyValue, offer: string): KeyValue | null {
  switch (key.rule) {
    case 'and':
      return answer === true && parseBoolean(offer) === true
    case 'or':
      return answer === true || parseBoolean(offer) === true
    case 'min':
      return Number(answer) <= parseNumber(offer)! ? answer : null
    case 'max':
      return Number(answer) >= parseNumber(offer)! ? answer : null
    case 'first-common':
      return offer.split(',').includes(String(answer)) ? answer : null
    default:
      return null
  }
}

/** The result of an offer of the target's and our wish, or null if there is none. */
function combine(key: Key, offer: string, wish: string): KeyValue | null {
  if (key.rule === 'first-common') {
    const wanted = wish.split(',')
    return parseList(offer)?.find(one => wanted.includes(one)) ?? null
  }
  const theirs = tryValue(key, offer)
  const ours = tryValue(key, wish)
  if (theirs === null || ours === null) return null
  switch (key.rule) {
    case 'and':
      return theirs === true && ours === true
    case 'or':
      return theirs === true || ours === true
    case 'min':
      return Math.min(Number(theirs), Number(ours))
    case 'max':
      return Math.max(Number(theirs), Number(ours))
    default:
      return null
  }
}

const broken = (what: string): LoginError => new LoginError('LOGIN_PROTOCOL', `The target ${what}`)
