// SPDX-License-Identifier: Apache-2.0
// The security stage: which method, and CHAP's steps in their order (RFC 7143, 12.1).
import { LoginStatus, parseList, type TextPair } from '@lunkit/spec'
import type { Chap } from '../access/options.ts'
import { type AuthFailure, ChapExchange, type ChapStep } from './chap.ts'

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
      const failure = this.#choose(offer)
      if (failure !== null) return failure
      into.push({ key: 'AuthMethod', value: this.#method! })
    }
    if (transit && !this.#optional && this.#exchange !== null && this.#method === null)
      return failed('Initiator offers no authentication')
    const chapKeys = given.size - (offer === undefined ? 0 : 1)
    return chapKeys === 0 ? null : this.#chap(given, into)
  }

  #choose(offer: string): AuthFailure | null {
    if (this.#method !== null) return unfit('AuthMethod came twice')
    const wanted = this.#exchange === null ? ['None'] : this.#optional ? ['None', 'CHAP'] : ['CHAP']
    // The initiator's order decides (RFC 7143, 6.2).
    const method = (parseList(offer) ?? []).find(one => wanted.includes(one))
    if (method === undefined) return failed(`AuthMethod offers no ${wanted.join(' or ')}`)
    this.#method = method === 'CHAP' ? 'CHAP' : 'None'
    return null
  }

  #chap(given: ReadonlyMap<string, string>, into: TextPair[]): AuthFailure | null {
    const exchange = this.#exchange
    if (exchange === null || this.#method !== 'CHAP') return unfit('Keys of CHAP came without the method')
    const algorithms = given.get('CHAP_A')
    const name = given.get('CHAP_N')
    const response = given.get('CHAP_R')
    let step: ChapStep
    if (algorithms !== undefined && exchange.stage === 'algorithm' && name === undefined) {
      step = exchange.choose(algorithms)
    } else if (name !== undefined && response !== undefined && exchange.stage === 'response') {
      if (algorithms !== undefined) return unfit('CHAP_A came twice')
      step = exchange.verify(name, response, given.get('CHAP_I') ?? null, given.get('CHAP_C') ?? null)
    } else if (exchange.stage === 'response' && algorithms === undefined) {
      return { status: LoginStatus.missingParameter, failure: 'CHAP_N or CHAP_R is missing' }
    } else {
      return unfit('Keys of CHAP came in a wrong order')
    }
    if (!step.ok) return step
    for (const [key, value] of step.reply) into.push({ key, value })
    return null
  }
}
