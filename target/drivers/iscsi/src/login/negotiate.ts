// SPDX-License-Identifier: Apache-2.0
// The target's side of text negotiation: each offered key is answered as its row in spec says (RFC 7143, 6.2).
import {
  encodeBoolean,
  isIrrelevant,
  type Key,
  KeyAnswer,
  type KeyStage,
  type KeyValue,
  keyByName,
  parseBoolean,
  parseIscsiName,
  parseList,
  parseNumber,
  type TextPair,
} from '@lunkit/spec'

/** A boolean, a number, or the items that are taken of a list. */
export type Want = boolean | number | readonly string[]

/**
 * A wish that follows from other keys. Those of `after` are answered first, whatever their order in the text; `want` may
 * ask for the value in force of any key (of one that was not negotiated, or comes in a later request, the default).
 */
export interface DependentWish {
  readonly after: readonly string[]
  readonly want: (value: (name: string) => KeyValue | undefined) => Want
}

/** What the target wants of the keys that it negotiates. */
export type Wishes = Readonly<Record<string, Want | DependentWish>>

export type Answer =
  /** The pair to send back. */
  | { readonly kind: 'reply'; readonly pair: TextPair }
  /** Noted; nothing to send back. */
  | { readonly kind: 'silent' }
  /** The negotiation cannot go on, because of this key. */
  | { readonly kind: 'fault'; readonly key: string; readonly reason: string }

const SILENT: Answer = Object.freeze({ kind: 'silent' })
const reply = (key: string, value: string): Answer => ({ kind: 'reply', pair: { key, value } })
const fault = (key: string, reason: string): Answer => ({
  kind: 'fault',
  key,
  reason: `Key ${key} ${reason}`,
})

const ANSWERS_ONLY: ReadonlySet<string> = new Set([
  KeyAnswer.reject,
  KeyAnswer.irrelevant,
  KeyAnswer.notUnderstood,
])
export const isAnswerOnly = (value: string): boolean => ANSWERS_ONLY.has(value)

/** Keys that are not known, of which a negotiation remembers that they came. */
const MOST_STRANGERS = 64

/** One negotiation: a login, or one text exchange after it. */
export class Negotiation {
  /** Results by key. */
  readonly settled: Map<string, KeyValue>
  readonly #wishes: Wishes
  /** Text of each key's offer, to tell a harmless repetition from a second negotiation. */
  readonly #offers: Map<string, string> = new Map()
  readonly #ranks: Map<string, number> = new Map()
  readonly #strangers: Set<string> = new Set()
  /** Whether it is for a session's first connection; on others the keys of the session stand (RFC 7143, 13). */
  leading = true

  constructor(wishes: Wishes, settled: ReadonlyMap<string, KeyValue> = new Map()) {
    this.#wishes = wishes
    this.settled = new Map(settled)
  }

  /** The value in force: negotiated, or the standard's. */
  value(name: string): KeyValue | undefined {
    return this.settled.get(name) ?? keyByName(name)?.default ?? undefined
  }

  /** Whether the key came in this negotiation. */
  has(name: string): boolean {
    return this.#offers.has(name)
  }

  /**
   * Answers all pairs of one request, those first on which others depend, whatever their order in the text. Stops at
   * the first fault.
   */
  answerAll(
    pairs: readonly TextPair[],
    stage: KeyStage,
    into: TextPair[],
  ): Extract<Answer, { kind: 'fault' }> | null {
    const ordered = pairs.map(pair => ({ pair, rank: this.#rank(pair.key) })).sort((a, b) => a.rank - b.rank)
    for (const { pair } of ordered) {
      const answer = this.answer(pair, stage)
      if (answer.kind === 'fault') return answer
      if (answer.kind === 'reply') into.push(answer.pair)
    }
    return null
  }

  /** A key's place: behind all on which its answer depends. Declarations, which depend on nothing, come first. */
  #rank(name: string): number {
    const known = this.#ranks.get(name)
    if (known !== undefined) return known
    const key = keyByName(name)
    if (key === undefined || key.kind === 'declarative') return 0
    const wish = this.#wishes[name]
    const before = [
      ...key.irrelevantWhen.flatMap(Object.keys),
      ...(key.notAbove === null ? [] : [key.notAbove]),
      ...(isDependent(wish) ? wish.after : []),
    ]
    this.#ranks.set(name, 1) // ends the search if rows or wishes depend on each other
    const rank = 1 + Math.max(0, ...before.map(one => this.#rank(one)))
    this.#ranks.set(name, rank)
    return rank
  }

  answer({ key: name, value }: TextPair, stage: KeyStage): Answer {
    const key = keyByName(name)
    // These are answers, and nothing was asked (RFC 7143, 6.2). An alias may be any words.
    if (isAnswerOnly(value) && key?.type !== 'local-name') return fault(name, `is offered as ${value}`)
    if (key === undefined) return this.#meetStranger(name)
    const before = this.#offers.get(name)
    this.#offers.set(name, value)
    // Keys that may be repeated are a target's.
    if (before !== undefined) {
      // Real initiators declare their names again in the next stage; that changes nothing.
      if (key.kind === 'declarative' && before === value && key.stages.includes('security')) return SILENT
      return fault(name, 'came twice')
    }
    if (key.sender === 'target') return fault(name, 'is not for an initiator to send')
    if (!(key.initiatorStages ?? key.stages).includes(stage)) {
      // Of login alone it is said that a key in the wrong stage is an error (RFC 7143, 6.3).
      return stage === 'full-feature'
        ? reply(name, KeyAnswer.reject)
        : fault(name, `is not for the ${stage} stage`)
    }
    if (key.use === 'leading-only' && !this.leading && key.kind === 'negotiated')
      return reply(name, KeyAnswer.reject)
    return key.kind === 'declarative' ? this.#declare(key, value) : this.#negotiate(key, value)
  }

  /** A key that is not known: no better than others if it comes twice. */
  #meetStranger(name: string): Answer {
    if (this.#strangers.has(name)) return fault(name, 'came twice')
    if (this.#strangers.size < MOST_STRANGERS) this.#strangers.add(name)
    return reply(name, KeyAnswer.notUnderstood)
  }

  #declare(key: Key, value: string): Answer {
    const parsed = parseDeclared(key, value)
    if (parsed === null) return fault(key.name, 'has an illegal value')
    this.settled.set(key.name, parsed)
    return SILENT
  }

  #negotiate(key: Key, value: string): Answer {
    if (key.rule === 'refuse') return reply(key.name, key.answer ?? KeyAnswer.reject)
    if (isIrrelevant(key, name => this.settled.get(name))) return reply(key.name, KeyAnswer.irrelevant)
    const result = this.#result(key, value)
    if (result === null) return reply(key.name, KeyAnswer.reject)
    this.settled.set(key.name, result)
    return reply(key.name, typeof result === 'boolean' ? encodeBoolean(result) : String(result))
  }

  #want(name: string): Want {
    const wish = this.#wishes[name]
    if (wish === undefined) throw new RangeError(`Key ${name} is negotiated elsewhere`)
    return isDependent(wish) ? wish.want(one => this.value(one)) : wish
  }

  #result(key: Key, value: string): KeyValue | null {
    const wish = this.#want(key.name)
    switch (key.rule) {
      case 'and':
      case 'or': {
        const offer = parseBoolean(value)
        if (offer === null) return null
        return key.rule === 'and' ? offer && wish === true : offer || wish === true
      }
      case 'min':
      case 'max': {
        const offer = parseNumber(value)
        if (offer === null || offer < key.min! || offer > key.max!) return null
        const one = key.rule === 'min' ? Math.min(offer, wish as number) : Math.max(offer, wish as number)
        return key.notAbove === null ? one : Math.min(one, this.value(key.notAbove) as number)
      }
      default:
        return (parseList(value) ?? []).find(item => (wish as readonly string[]).includes(item)) ?? null
    }
  }
}

const isDependent = (wish: Want | DependentWish | undefined): wish is DependentWish =>
  typeof wish === 'object' && 'want' in wish

function parseDeclared(key: Key, value: string): KeyValue | null {
  if (key.type === 'number') {
    const number = parseNumber(value)
    return number !== null && number >= key.min! && number <= key.max! ? number : null
  }
  if (key.type === 'iscsi-name') {
    const parsed = parseIscsiName(value, true)
    return parsed.ok ? parsed.name : null
  }
  return key.values === null || key.values.includes(value) ? value : null
}
