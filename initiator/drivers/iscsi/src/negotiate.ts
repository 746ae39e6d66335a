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

/** Answers that leave a key as it was (RFC 7143, 6.2). */
const NO_VALUES: ReadonlySet<string> = new Set([
  KeyAnswer.reject,
  KeyAnswer.irrelevant,
  KeyAnswer.notUnderstood,
])
/** Keys that targets of the first edition of the standard do not know. */
const LATER: ReadonlySet<string> = new Set(['TaskReporting', 'iSCSIProtocolLevel'])
/** Declarations of ours that a target may do without. */
const SPARED: ReadonlySet<string> = new Set(['InitiatorAlias', 'MaxRecvDataSegmentLength'])

export class Negotiation {
  /** What the target declared or both agreed on. */
  readonly #settled = new Map<string, KeyValue>()
  readonly #wishes: Wishes
  readonly #offered = new Map<string, string>()
  /** Names that the target has sent: none comes twice. */
  readonly #heard = new Set<string>()
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
    if (this.#heard.has(name) && key?.repeatable !== true) throw broken(`negotiated ${name} twice`)
    this.#heard.add(name)
    if (key?.kind !== 'declarative' && NO_VALUES.has(value) && !this.#offered.has(name)) {
      throw broken(`sent ${name}=${value}, which answers nothing`)
    }
    if (key === undefined) this.#answer(name, KeyAnswer.notUnderstood)
    else if (key.kind === 'declarative') this.#declared(key, value)
    else if (this.#offered.has(name)) this.#settle(key, value)
    else if (this.#settled.has(name)) throw broken(`negotiated ${name} twice`)
    else this.#meet(key, value)
  }

  /** Offers that were not answered, at the end of a login: who agrees to the strict value of a boolean need not say so. */
  finish(): void {
    for (const [name, offer] of this.#offered) {
      const key = keyByName(name)!
      const strict = key.rule === 'and' ? 'No' : key.rule === 'or' ? 'Yes' : null
      if (offer === strict) this.#settled.set(name, parseBoolean(offer)!)
      else this.#leave(key, offer)
    }
    this.#offered.clear()
  }

  /** Whether answers of ours are still to be sent. */
  get owes(): boolean {
    return this.#answers.length > 0
  }

  #answer(key: string, value: string): void {
    this.#answers.push({ key, value })
  }

  #declared(key: Key, value: string): void {
    const { name, sender } = key
    const isSpurned = value === KeyAnswer.notUnderstood
    if (isSpurned && SPARED.has(name)) return
    if (sender === 'initiator') {
      throw broken(
        isSpurned ? `does not understand ${name}` : `sent ${name}, which only an initiator may send`,
      )
    }
    this.#settled.set(name, parseValue(key, value))
  }

  /** The target's answer to our offer. */
  #settle(key: Key, answer: string): void {
    const { name } = key
    const offer = this.#offered.get(name)!
    this.#offered.delete(name)
    if (answer === KeyAnswer.notUnderstood && !LATER.has(name)) {
      throw broken(`does not understand ${name}, a key of the standard`)
    }
    if (NO_VALUES.has(answer)) {
      this.#leave(key, offer)
      return
    }
    const result = decide(key, parseValue(key, answer), offer)
    if (result === null && key.rule === 'first-common') throw disagreed(name, offer)
    if (result === null) throw broken(`answered ${name}=${answer} to the offer ${offer}`)
    this.#settled.set(name, result)
  }

  /** A key that is not agreed on keeps its default, which must be among what was offered. */
  #leave(key: Key, offer: string): void {
    if (key.default === null) return
    if (key.rule === 'first-common' && !offer.split(',').includes(String(key.default))) {
      throw disagreed(key.name, offer)
    }
    this.#settled.set(key.name, key.default)
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
      return answer === true && offer === 'No' ? null : answer
    case 'or':
      return answer === false && offer === 'Yes' ? null : answer
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

const disagreed = (name: string, offer: string): LoginError =>
  new LoginError('LOGIN_REFUSED', `The target does not agree to ${name}=${offer}`)
const broken = (what: string): LoginError => new LoginError('LOGIN_PROTOCOL', `The target ${what}`)
