// SPDX-License-Identifier: Apache-2.0
// The security stage of a login: the choice of a method, and CHAP one-way and mutual (RFC 7143, 12.1; RFC 1994).
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { LoginError } from '@lunkit/initiator-core'
import { CHAP_BINARY_BYTES, encodeHexBinary, parseBinary, parseNumber, type TextPair } from '@lunkit/spec'
import type { Chap, Mutual } from './options.ts'

export type ChapAlgorithm = 'SHA3-256' | 'SHA-256' | 'SHA-1' | 'MD5'

interface Hash {
  readonly code: number
  readonly node: string
  readonly bytes: number
}

// Codes that IANA keeps for CHAP (RFC 7143, 12.1.3).
const HASHES: Readonly<Record<ChapAlgorithm, Hash>> = {
  MD5: { code: 5, node: 'md5', bytes: 16 },
  'SHA-1': { code: 6, node: 'sha1', bytes: 20 },
  'SHA-256': { code: 7, node: 'sha256', bytes: 32 },
  'SHA3-256': { code: 8, node: 'sha3-256', bytes: 32 },
}

/** What is offered by default. SHA-256 is last because tgt takes its code for SHA-1, and would choose it. */
export const CHAP_ALGORITHMS: readonly ChapAlgorithm[] = ['SHA3-256', 'SHA-1', 'MD5', 'SHA-256']

const CHALLENGE_BYTES = 32

/** H(identifier, secret, challenge) (RFC 1994, 4.1). */
export function chapResponse(
  algorithm: ChapAlgorithm,
  identifier: number,
  secret: Uint8Array,
  challenge: Uint8Array,
): Uint8Array {
  return createHash(HASHES[algorithm].node)
    .update(Uint8Array.of(identifier))
    .update(secret)
    .update(challenge)
    .digest()
}

type Step = 'offered' | 'chosen' | 'answered' | 'done'

/** Keys that a target may send in each step (RFC 7143, 12.1.3). */
const DUE: Readonly<Record<Step, readonly string[]>> = {
  offered: ['AuthMethod'],
  chosen: ['CHAP_A', 'CHAP_I', 'CHAP_C'],
  answered: ['CHAP_N', 'CHAP_R'],
  done: [],
}

export interface Turn {
  readonly send: readonly TextPair[]
  /** This side is ready for the next stage once `send` is sent. */
  readonly ready: boolean
}

const NOTHING: Turn = { send: [], ready: false }

/** The initiator's half of the security stage. */
export class Authentication {
  readonly #chap: Chap | null
  readonly #mutual: Mutual | null
  #step: Step = 'offered'
  #algorithm: ChapAlgorithm = 'MD5'
  #identifier = 0
  #challenge: Uint8Array = new Uint8Array(0)

  constructor(chap: Chap | null, mutual: Mutual | null) {
    this.#chap = chap
    this.#mutual = mutual
  }

  begin(): Turn {
    if (this.#chap === null) return { send: [{ key: 'AuthMethod', value: 'None' }], ready: true }
    // A target that asks for nothing is fine, unless it has to prove itself.
    return {
      send: [{ key: 'AuthMethod', value: this.#mutual === null ? 'CHAP,None' : 'CHAP' }],
      ready: false,
    }
  }

  /** Takes the security keys of one answer. Throws a LoginError. */
  receive(keys: ReadonlyMap<string, string>): Turn {
    for (const key of keys.keys()) {
      if (!DUE[this.#step].includes(key)) throw broken(`sent ${key} out of its turn`)
    }
    switch (this.#step) {
      case 'offered':
        return this.#method(keys.get('AuthMethod'))
      case 'chosen':
        return this.#answer(keys)
      case 'answered':
        this.#verify(keys)
        return { send: [], ready: true }
      case 'done':
        return { send: [], ready: true }
    }
  }

  /** The target leaves the stage: throws a LoginError if it still owed a proof. */
  finish(): void {
    if (this.#mutual !== null && this.#step !== 'done') {
      throw refused('The target went on without having proved itself, and mutual CHAP was asked for')
    }
    if (this.#step === 'chosen') throw broken('left the security stage in the middle of CHAP')
  }

  #method(method: string | undefined): Turn {
    if (method === undefined) return NOTHING
    if (method === 'None' && this.#mutual === null) {
      this.#step = 'done'
      return { send: [], ready: true }
    }
    if (this.#chap === null || method !== 'CHAP') {
      throw refused(
        method === 'Reject' || method === 'None'
          ? `The target refused the authentication method that was offered`
          : `The target chose authentication method ${method}, which was not offered`,
        this.#chap === null ? 'give a CHAP user and secret' : '',
      )
    }
    this.#step = 'chosen'
    const codes = this.#chap.algorithms.map(name => HASHES[name].code)
    return { send: [{ key: 'CHAP_A', value: codes.join(',') }], ready: false }
  }

  #answer(keys: ReadonlyMap<string, string>): Turn {
    const code = keys.get('CHAP_A')
    if (code === undefined) {
      if (keys.size === 0) return NOTHING
      throw broken('sent a CHAP challenge without its algorithm')
    }
    const chap = this.#chap!
    const algorithm = chap.algorithms.find(name => String(HASHES[name].code) === code)
    if (algorithm === undefined)
      throw refused(`The target chose CHAP algorithm ${code}, which was not offered`)
    const identifier = parseNumber(keys.get('CHAP_I') ?? '')
    const challenge = parseBinary(keys.get('CHAP_C') ?? '', CHAP_BINARY_BYTES)
    if (identifier === null || identifier > 255) throw broken('sent no CHAP identifier from 0 to 255')
    if (challenge === null || challenge.length === 0)
      throw broken('sent no CHAP challenge of 1 to 1024 bytes')
    const response = chapResponse(algorithm, identifier, chap.secret, challenge)
    const send = [
      { key: 'CHAP_N', value: chap.user },
      { key: 'CHAP_R', value: encodeHexBinary(response) },
    ]
    this.#algorithm = algorithm
    this.#step = this.#mutual === null ? 'done' : 'answered'
    if (this.#mutual === null) return { send, ready: true }
    this.#identifier = randomBytes(1)[0]!
    // Random and so never the target's own: a reflected challenge would let it borrow our answer.
    this.#challenge = randomBytes(CHALLENGE_BYTES)
    send.push(
      { key: 'CHAP_I', value: String(this.#identifier) },
      { key: 'CHAP_C', value: encodeHexBinary(this.#challenge) },
    )
    return { send, ready: true }
  }

  #verify(keys: ReadonlyMap<string, string>): void {
    const name = keys.get('CHAP_N')
    const mutual = this.#mutual!
    const response = parseBinary(keys.get('CHAP_R') ?? '', CHAP_BINARY_BYTES)
    if (name === undefined || response === null) {
      throw refused(
        'The target did not answer the challenge of mutual CHAP',
        'set up the target for mutual CHAP',
      )
    }
    if (mutual.user !== null && name !== mutual.user) {
      throw refused(`The target proved itself as '${name}', not as '${mutual.user}'`)
    }
    const want = chapResponse(this.#algorithm, this.#identifier, mutual.secret, this.#challenge)
    if (response.length !== want.length || !timingSafeEqual(response, want)) {
      throw refused('The target does not know the secret of mutual CHAP', 'check the mutual secret')
    }
    this.#step = 'done'
  }
}

const refused = (message: string, hint = ''): LoginError =>
  new LoginError('LOGIN_AUTHENTICATION', message, { hint })
const broken = (what: string): LoginError => new LoginError('LOGIN_PROTOCOL', `The target ${what}`)
