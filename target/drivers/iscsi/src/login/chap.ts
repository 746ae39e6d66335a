// SPDX-License-Identifier: Apache-2.0
// CHAP on the target's side: challenge, check, answer to the initiator's own challenge (RFC 7143, 12.1.3; RFC 1994).
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import {
  CHAP_BINARY_BYTES,
  encodeHexBinary,
  LoginStatus,
  parseBinary,
  parseList,
  parseNumber,
  type TextPair,
} from '@lunkit/spec'
import type { Chap } from '../access/options.ts'

/** Numbers from IANA's registry of PPP authentication algorithms, as CHAP_A has them. */
export const CHAP_ALGORITHMS = [
  { name: 'md5', number: 5, length: 16 },
  { name: 'sha1', number: 6, length: 20 },
  { name: 'sha256', number: 7, length: 32 },
  { name: 'sha3-256', number: 8, length: 32 },
] as const

export type ChapAlgorithm = (typeof CHAP_ALGORITHMS)[number]['name']
type AlgorithmRow = (typeof CHAP_ALGORITHMS)[number]

/** Response to a challenge: the hash of identifier, secret and challenge (RFC 1994, 4.1). */
export function chapResponse(
  algorithm: ChapAlgorithm,
  identifier: number,
  secret: string,
  challenge: Uint8Array,
): Buffer {
  return createHash(algorithm).update(Uint8Array.of(identifier)).update(secret).update(challenge).digest()
}

/** Why a login must fail: its status, and words for the event, without any secret. */
export interface AuthFailure {
  readonly status: number
  readonly failure: string
  /** A key that is answered in the refusal. */
  readonly answer?: TextPair
}

/** What the target sends next, or why there is nothing to send. */
export type ChapStep =
  | { readonly ok: true; readonly reply: readonly (readonly [key: string, value: string])[] }
  | ({ readonly ok: false } & AuthFailure)

const refuse = (failure: string, status: number = LoginStatus.authenticationFailure): ChapStep => ({
  ok: false,
  status,
  failure,
})
/** Keys and values that do not fit their step are no failure of authentication (RFC 7143, 9.2). */
const unfit = (failure: string): ChapStep => refuse(failure, LoginStatus.initiatorError)

/** Bytes of our challenges; at least as long as the longest hash. */
const CHALLENGE_BYTES = 32

/** One authentication. Each login makes a new one, so that no challenge is ever used twice. */
export class ChapExchange {
  /** What must come next: the list of algorithms, the response, or nothing more. */
  stage: 'algorithm' | 'response' | 'done' = 'algorithm'
  /** Whoever proves one of these has proved who it is. */
  readonly #accounts: readonly Chap[]
  #user: string | null = null
  #algorithm: AlgorithmRow | null = null
  #identifier = 0
  #challenge: Buffer = Buffer.alloc(0)

  constructor(accounts: readonly Chap[]) {
    this.#accounts = accounts
  }

  /** Whom the initiator has proved to be; null before. */
  get user(): string | null {
    return this.#user
  }

  /** Takes CHAP_A and gives CHAP_A, CHAP_I and CHAP_C. */
  choose(offer: string): ChapStep {
    const numbers = parseList(offer) ?? []
    // Who it is comes later: what all accounts allow goes before what only some do.
    for (const enough of [this.#accounts.length, 1]) {
      const row = this.#firstOf(numbers, enough)
      if (row === undefined) continue
      this.#algorithm = row
      this.#challenge = randomBytes(CHALLENGE_BYTES)
      this.#identifier = randomBytes(1)[0]!
      this.stage = 'response'
      return {
        ok: true,
        reply: [
          ['CHAP_A', String(row.number)],
          ['CHAP_I', String(this.#identifier)],
          ['CHAP_C', encodeHexBinary(this.#challenge)],
        ],
      }
    }
    return refuse('CHAP_A offers no algorithm that is allowed here')
  }

  /** The first algorithm of the offer that so many accounts allow. */
  #firstOf(numbers: readonly string[], enough: number): AlgorithmRow | undefined {
    const rows = numbers.flatMap(
      text => CHAP_ALGORITHMS.find(({ number }) => number === parseNumber(text)) ?? [],
    )
    return rows.find(row => this.#accounts.filter(account => allows(account, row)).length >= enough)
  }

  /** Takes CHAP_N and CHAP_R, and CHAP_I and CHAP_C for the other direction; gives CHAP_N and CHAP_R for that. */
  verify(name: string, response: string, identifier: string | null, challenge: string | null): ChapStep {
    const row = this.#algorithm!
    const given = parseBinary(response, CHAP_BINARY_BYTES)
    if (given === null) return unfit('CHAP_R is not a binary of at most 1024 bytes')
    const named = withName(this.#accounts, name)
    let account: Chap | null = null
    // As many responses are always computed, so that time does not tell an unknown name from a wrong secret.
    for (let i = 0; i < namesakes(this.#accounts); i++) {
      const one = named[i] ?? NOBODY
      const wanted = chapResponse(row.name, this.#identifier, one.secret, this.#challenge)
      const same = given.length === row.length && timingSafeEqual(given, wanted)
      if (same && one !== NOBODY) account ??= one
    }
    if (named.length === 0) return refuse(`CHAP user ${quoted(name)} is unknown`)
    if (account === null) return refuse(`CHAP response of user ${quoted(name)} is wrong`)
    if (!allows(account, row)) return refuse(`CHAP user ${quoted(name)} may not use ${row.name}`)
    if (identifier !== null || challenge !== null) {
      const step = this.#answer(account, row, identifier, challenge)
      if (!step.ok) return step
      this.#user = account.user
      return step
    }
    this.#user = account.user
    this.stage = 'done'
    return { ok: true, reply: [] }
  }

  #answer(
    { mutual }: Chap,
    row: AlgorithmRow,
    identifier: string | null,
    challenge: string | null,
  ): ChapStep {
    if (identifier === null || challenge === null) {
      return refuse('CHAP_I and CHAP_C came without each other', LoginStatus.missingParameter)
    }
    if (mutual === undefined) return refuse('Initiator asks for mutual CHAP, which is not set up here')
    const number = parseNumber(identifier)
    const bytes = parseBinary(challenge, CHAP_BINARY_BYTES)
    if (number === null || number > 255) return unfit('CHAP_I is not a number from 0 to 255')
    if (bytes === null || bytes.length === 0) return unfit('CHAP_C is not a binary of 1 to 1024 bytes')
    if (bytes.length === this.#challenge.length && timingSafeEqual(bytes, this.#challenge)) {
      return refuse("Initiator sent the target's own challenge back")
    }
    this.stage = 'done'
    return {
      ok: true,
      reply: [
        ['CHAP_N', mutual.user],
        ['CHAP_R', encodeHexBinary(chapResponse(row.name, number, mutual.secret, bytes))],
      ],
    }
  }
}

/** Stands in for an account that is not there: nobody knows its secret, and nobody can be it. */
const NOBODY: Chap = { user: '', secret: randomBytes(16).toString('hex') }

const allows = ({ algorithms }: Chap, { name }: AlgorithmRow): boolean =>
  algorithms === undefined || algorithms.includes(name)

/** Accounts of that name. Hashing first makes the lengths equal, which timingSafeEqual needs. */
function withName(accounts: readonly Chap[], name: string): Chap[] {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  const given = hash(name)
  return accounts.filter(({ user }) => timingSafeEqual(hash(user), given))
}

/** The most accounts that share a name: discovery may take those of several targets. */
function namesakes(accounts: readonly Chap[]): number {
  const counts = new Map<string, number>()
  for (const { user } of accounts) counts.set(user, (counts.get(user) ?? 0) + 1)
  return Math.max(...counts.values())
}

/** A name that a peer gave, for an event. */
export const quoted = (name: string): string => JSON.stringify(name.slice(0, 64))
