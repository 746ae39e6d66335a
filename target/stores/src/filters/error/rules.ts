// SPDX-License-Identifier: Apache-2.0
// Rules of rehearsed faults: how they are written, and which requests they meet.
import { ascText, type SenseCode } from '@lunkit/spec'
import { OperatorError, StoreError, type StoreIo } from '@lunkit/target-api'
import type { Call } from '../passing.ts'

/** What becomes of a request that a rule meets. */
export type Outcome = StoreError | 'drop' | 'delay'

const OUTCOMES: Readonly<Record<string, Outcome>> = {
  medium: StoreError.medium,
  hardware: StoreError.internal,
  notready: StoreError.gone,
  nospace: StoreError.noSpace,
  readonly: StoreError.readOnly,
  busy: StoreError.busy,
  sense: StoreError.sense,
  drop: 'drop',
  delay: 'delay',
}

/** Requests by the word for them; what gives bytes back or zeroes them is one. */
const CALLS: Readonly<Record<string, readonly Call[]>> = {
  read: ['read'],
  write: ['write'],
  flush: ['flush'],
  discard: ['discard', 'writeZeroes', 'anchor'],
  any: ['read', 'write', 'flush', 'discard', 'writeZeroes', 'anchor'],
}

/** Keys with a number, and what is allowed. */
const NUMBERS: Readonly<Record<string, readonly [least: number, most: number]>> = {
  every: [1, Number.MAX_SAFE_INTEGER],
  count: [1, Number.MAX_SAFE_INTEGER],
  after: [0, Number.MAX_SAFE_INTEGER],
  percent: [0, 100],
  seed: [0, 0xffff_ffff],
  ms: [0, 3_600_000],
}

export const RULE_USAGE =
  'medium|hardware|notready|nospace|readonly|busy|drop|delay|sense=K/ASC/ASCQ' +
  '[:read|write|flush|discard|any][:lba=A[-B]][:every=N][:count=N][:after=N][:percent=P][:seed=N][:ms=N]'

export class Rule {
  readonly text: string
  readonly outcome: Outcome
  /** Of `sense`; else null. */
  readonly sense: SenseCode | null
  /** Of `delay`. */
  readonly ms: number
  /** First byte that it is for, and the one behind the last; all, where no blocks are named. */
  readonly start: number
  readonly end: number
  /** How many it has met. */
  hits = 0
  readonly #calls: readonly Call[]
  readonly #bounded: boolean
  readonly #every: number
  readonly #count: number
  readonly #after: number
  readonly #percent: number
  #seen = 0
  #random: number

  /** Throws OperatorError. `block`: bytes of a logical block. */
  constructor(text: string, block: number) {
    const [first = '', ...rest] = text.toLowerCase().split(':')
    const [outcome = '', value] = first.split('=')
    this.text = text
    if (!Object.hasOwn(OUTCOMES, outcome) || (value !== undefined) !== (outcome === 'sense'))
      throw wrong(text, first)
    this.outcome = OUTCOMES[outcome]!
    this.sense = value === undefined ? null : senseOf(text, value)
    const keys = new Map<string, string>()
    let calls: readonly Call[] = CALLS['any']!
    for (const part of rest) {
      const [key = '', ...more] = part.split('=')
      const known = more.length === 1 && (key === 'lba' || Object.hasOwn(NUMBERS, key)) && !keys.has(key)
      if (known) keys.set(key, more[0]!)
      else if (Object.hasOwn(CALLS, part)) calls = CALLS[part]!
      else throw wrong(text, part)
    }
    const number = (key: string, initial: number): number =>
      keys.has(key) ? numberOf(text, key, keys.get(key)!) : initial
    this.#calls = calls
    this.#every = number('every', 1)
    this.#count = number('count', Number.POSITIVE_INFINITY)
    this.#after = number('after', 0)
    this.#percent = number('percent', 100)
    this.#random = number('seed', 1)
    this.ms = number('ms', 1000)
    const lba = keys.get('lba')
    this.#bounded = lba !== undefined
    const [from, to] = lba === undefined ? [0, Number.MAX_SAFE_INTEGER] : blocksOf(text, lba)
    this.start = from * block
    this.end = lba === undefined ? to : (to + 1) * block
  }

  /** Whether it meets the request, which is counted thereby. */
  meets(call: Call, io: StoreIo): boolean {
    if (!this.#calls.includes(call)) return false
    // A flush is of no block in particular.
    if (this.#bounded && (call === 'flush' || io.offset >= this.end || io.offset + io.length <= this.start))
      return false
    if (this.hits >= this.#count) return false
    this.#seen++
    if (this.#seen <= this.#after || (this.#seen - this.#after) % this.#every !== 0) return false
    if (this.#percent < 100 && this.#next() * 100 >= this.#percent) return false
    this.hits++
    return true
  }

  /** From 0 to below 1, the same for the same seed (mulberry32). */
  #next(): number {
    this.#random = (this.#random + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(this.#random ^ (this.#random >>> 15), this.#random | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Throws OperatorError. */
export const parseRules = (texts: readonly string[], block: number): Rule[] =>
  texts.map(text => new Rule(text, block))

function wrong(text: string, part: string): OperatorError {
  return new OperatorError('ERROR_RULE', `'${part}' says nothing in the rule '${text}'`, {
    hint: `a rule is ${RULE_USAGE}`,
  })
}

function numberOf(text: string, key: string, value: string): number {
  const [least, most] = NUMBERS[key]!
  const number = Number(value)
  const whole = key === 'percent' || Number.isSafeInteger(number)
  if (/^[\d.]+$/.test(value) && whole && number >= least && number <= most) return number
  throw wrong(text, `${key}=${value}`)
}

function blocksOf(text: string, value: string): readonly [from: number, to: number] {
  const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(value) ?? []
  const from = Number(first)
  const to = Number(last ?? first)
  if (first === undefined || to < from || !Number.isSafeInteger(to)) throw wrong(text, `lba=${value}`)
  return [from, to]
}

/** Hex digits, as T10's lists have them: `4/44/0`. */
function senseOf(text: string, value: string): SenseCode {
  const [, key, asc, ascq] = /^([\da-f])\/([\da-f]{1,2})\/([\da-f]{1,2})$/.exec(value) ?? []
  if (key === undefined) throw wrong(text, `sense=${value}`)
  const [first, second] = [Number.parseInt(asc!, 16), Number.parseInt(ascq!, 16)]
  return { key: Number.parseInt(key, 16), asc: first, ascq: second, text: ascText(first, second) }
}
