// SPDX-License-Identifier: Apache-2.0
// The security stage: which method, and CHAP's steps in their order (RFC 7143, 12.1).
import { KeyAnswer, LoginStatus, parseList, type TextPair } from '@lunkit/spec'
import type { Chap } from '../access/options.ts'
import { type AuthFailure, ChapExchange, type ChapStep } from './chap.ts'
import { isAnswerOnly } from './negotiate.ts'

const AUTH_KEYS: ReadonlySet<string> = new Set([
  'AuthMethod',
  'CHAP_A',
  'CHAP_I',
  'CHAP_C',
  'CHAP_N',
  'CHAP_R',
])

export const isAuthKey = (name: string): boolean => AUTH_KEYS.has(name)

const failed = (failure: string): AuthFailure => ({ status: LoginStatus.authenticationFailure, failure })
/** Keys that do not fit their step (RFC 7143, 9.2). */
const unfit = (failure: string): AuthFailure => ({ status: LoginStatus.initiatorError, failure })

/** The initiator's keys of each step of CHAP, and those that it may leave out (RFC 7143, 12.1.3). */
const STEPS: Readonly<
  Record<ChapExchange['stage'], { readonly keys: readonly string[]; readonly mayLack: readonly string[] }>
> = {
  algorithm: { keys: ['CHAP_A'], mayLack: [] },
  response: { keys: ['CHAP_N', 'CHAP_R', 'CHAP_I', 'CHAP_C'], mayLack: ['CHAP_I', 'CHAP_C'] },
  done: { keys: [], mayLack: [] },
}

/** Authentication of one login. */
export class Authentication {
  readonly #exchange: ChapExchange | null
  readonly #optional: boolean
  #method: 'CHAP' | 'None' | null = null

  /**
   * One of the accounts has to be proved, if there are any. With `optional`, an initiator that insists on CHAP may prove
   * itself, and one that does not need not.
   */
  constructor(accounts: readonly Chap[], optional = false) {
    this.#exchange = accounts.length === 0 ? null : new ChapExchange(accounts)
    this.#optional = optional
  }

  /** Whether the initiator need not prove anything more. */
  get done(): boolean {
    if (this.#optional && this.#method !== 'CHAP') return true
    return this.#exchange === null || this.#exchange.stage === 'done'
  }

  /** Whether the initiator has proved who it is. */
  get proved(): boolean {
    return this.user !== null
  }

  /** Whom it has proved to be; null as long as it has not. */
  get user(): string | null {
    return this.#exchange?.user ?? null
  }

  /** Takes the security keys of one request; returns why the login must fail, or null. `transit`: it wants to go on. */
  receive(pairs: readonly TextPair[], transit: boolean, into: TextPair[]): AuthFailure | null {
    const given = new Map(pairs.map(pair => [pair.key, pair.value]))
    if (given.size !== pairs.length) return unfit('A key of authentication came twice')
    const offer = given.get('AuthMethod')
    if (offer !== undefined) {
      given.delete('AuthMethod')
      const failure = this.#choose(offer)
      if (failure !== null) return failure
      into.push({ key: 'AuthMethod', value: this.#method! })
    }
    if (transit && !this.#optional && this.#exchange !== null && this.#method === null)
      return failed('Initiator offers no authentication')
    // The first step may come with the offer, or after its answer.
    return given.size === 0 && (offer !== undefined || this.done) ? null : this.#chap(given, into)
  }

  #choose(offer: string): AuthFailure | null {
    if (this.#method !== null) return unfit('AuthMethod came twice')
    if (isAnswerOnly(offer)) return unfit(`AuthMethod is offered as ${offer}`)
    const wanted = this.#exchange === null ? ['None'] : this.#optional ? ['None', 'CHAP'] : ['CHAP']
    // The initiator's order decides (RFC 7143, 6.2).
    const method = (parseList(offer) ?? []).find(one => wanted.includes(one))
    if (method === undefined) {
      const answer = { key: 'AuthMethod', value: KeyAnswer.reject }
      return { ...failed(`AuthMethod offers no ${wanted.join(' or ')}`), answer }
    }
    this.#method = method === 'CHAP' ? 'CHAP' : 'None'
    return null
  }

  /** Each step has its keys, none left out: a response that does not come MUST NOT be answered (RFC 7143, 9.2). */
  #chap(given: ReadonlyMap<string, string>, into: TextPair[]): AuthFailure | null {
    const exchange = this.#exchange
    if (exchange === null || this.#method !== 'CHAP')
      return given.size === 0 ? null : unfit('Keys of CHAP came without the method')
    const { keys, mayLack } = STEPS[exchange.stage]
    const stray = [...given.keys()].find(key => !keys.includes(key))
    if (stray !== undefined) return unfit(`${stray} came in a wrong order`)
    const missing = keys.find(key => !given.has(key) && !mayLack.includes(key))
    if (missing !== undefined)
      return { status: LoginStatus.missingParameter, failure: `${missing} is missing` }
    const value = (key: string): string | null => given.get(key) ?? null
    const step: ChapStep =
      exchange.stage === 'algorithm'
        ? exchange.choose(value('CHAP_A')!)
        : exchange.verify(value('CHAP_N')!, value('CHAP_R')!, value('CHAP_I'), value('CHAP_C'))
    if (!step.ok) return step
    for (const [key, text] of step.reply) into.push({ key, value: text })
    return null
  }
}
