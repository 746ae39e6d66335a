// SPDX-License-Identifier: Apache-2.0
// What a session can be told, its defaults, and the check of what was told.
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { ConnectionOptions } from 'node:tls'
import { RequestError } from '@lunkit/initiator-core'
import { DEFAULT_VALUE_BYTES, keyByName, parseIscsiName } from '@lunkit/spec'
import { CHAP_ALGORITHMS, type ChapAlgorithm } from './chap.ts'
import type { SessionEvent } from './session-event.ts'
import { MAX_TASKS } from './task-table.ts'

/** `require` offers CRC32C alone, `prefer` before none, `allow` after none; `refuse` offers none alone. */
export type DigestPreference = 'require' | 'prefer' | 'allow' | 'refuse'

export interface ChapOptions {
  /** Name to log in with; where a URL names a user, that one if not given here. */
  readonly user?: string
  readonly secret: string | Uint8Array
  /** Hash functions to offer, best first. All four if not given. */
  readonly algorithms?: readonly ChapAlgorithm[]
}

export interface ReconnectOptions {
  /** Tries before the session is given up; 0 for none. */
  readonly attempts: number
  /** Waits in ms before each try; the last one repeats. */
  readonly delays: readonly number[]
}

/**
 * TLS as in node:tls: `ca` to trust in place of the well-known ones, `cert` and `key` to prove who this node is,
 * `servername` where the certificate does not name the host that is connected to.
 */
export type TlsOptions = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'servername'>

/** What a discovery and a normal session have in common. */
export interface NodeOptions {
  /** Name of this node; one made from the host's name if not given. */
  readonly initiatorName?: string
  readonly initiatorAlias?: string
  /** Six bytes, the first of which says in its two highest bits what they are made from; random ones if not given. */
  readonly isid?: Uint8Array
  readonly chap?: ChapOptions
  /** The target must prove that it knows this secret. `user` is checked if it is given. */
  readonly mutual?: Pick<ChapOptions, 'user' | 'secret'>
  /** The portal is spoken to through TLS. */
  readonly tls?: TlsOptions
  /** Limit for connecting and logging in, all redirects included. */
  readonly loginTimeoutMs?: number
  /** Gives up a connect, login or reconnect under way, and every wait for one. */
  readonly signal?: AbortSignal
}

export interface SessionOptions extends NodeOptions {
  readonly headerDigest?: DigestPreference
  readonly dataDigest?: DigestPreference
  readonly immediateData?: boolean
  readonly initialR2T?: boolean
  readonly firstBurstLength?: number
  readonly maxBurstLength?: number
  readonly maxOutstandingR2T?: number
  /** Longest data segment that this side receives. */
  readonly maxRecvDataSegmentLength?: number
  /** Connections to spread commands over, 1 to 64; the target may grant fewer. 1 if not given. */
  readonly connections?: number
  /**
   * Errors to recover from within the session (RFC 7143, 7.1): 0 none, 1 damaged and missing PDUs, 2 lost connections as
   * well. The target may grant less. 0 if not given.
   */
  readonly errorRecoveryLevel?: number
  /** Seconds to wait after a lost connection, and to keep its tasks after that; what is agreed on may be more or less. */
  readonly time2Wait?: number
  readonly time2Retain?: number
  /** Commands in flight at once, over all connections; more wait. */
  readonly queueDepth?: number
  /** A command without an answer for so long is aborted; 0 for no limit. */
  readonly commandTimeoutMs?: number
  /** A connection silent for so long is probed with a NOP-Out; 0 for never. Twice as long without any sign ends it. */
  readonly nopIntervalMs?: number
  readonly reconnect?: ReconnectOptions
  /** Told what happens to the session. Must not throw. */
  readonly onEvent?: (event: SessionEvent) => void
}

export interface Chap {
  readonly user: string
  readonly secret: Uint8Array
  readonly algorithms: readonly ChapAlgorithm[]
}

export interface Mutual {
  readonly user: string | null
  readonly secret: Uint8Array
}

/** Options with every blank filled in. */
export interface Settled {
  readonly initiatorName: string
  readonly initiatorAlias: string | null
  readonly isid: Uint8Array
  readonly chap: Chap | null
  readonly mutual: Mutual | null
  readonly tls: TlsOptions | null
  readonly loginTimeoutMs: number
  readonly signal: AbortSignal | null
  readonly headerDigest: DigestPreference
  readonly dataDigest: DigestPreference
  readonly immediateData: boolean
  readonly initialR2T: boolean
  readonly firstBurstLength: number
  readonly maxBurstLength: number
  readonly maxOutstandingR2T: number
  readonly maxRecvDataSegmentLength: number
  readonly connections: number
  readonly errorRecoveryLevel: number
  readonly time2Wait: number
  readonly time2Retain: number
  readonly queueDepth: number
  readonly commandTimeoutMs: number
  readonly nopIntervalMs: number
  readonly reconnect: ReconnectOptions
  readonly onEvent: (event: SessionEvent) => void
}

const RECONNECT: ReconnectOptions = { attempts: 10, delays: [0, 100, 250, 500, 1000, 2000, 4000] }
/** More are of no use: one connection carries what one core can send. */
const MAX_CONNECTIONS = 64
const nothing = (): void => {}

/** Checks options and fills the blanks. Throws a RequestError that names the option. */
export function settleOptions(options: SessionOptions): Settled {
  const chap = options.chap === undefined ? null : settleChap(options.chap)
  const mutual = options.mutual === undefined ? null : settleMutual(options.mutual, chap)
  const errorRecoveryLevel = keyNumber(
    'ErrorRecoveryLevel',
    'errorRecoveryLevel',
    options.errorRecoveryLevel ?? 0,
  )
  const maxBurstLength = keyNumber('MaxBurstLength', 'maxBurstLength', options.maxBurstLength ?? 1 << 20)
  return {
    initiatorName: settleName(options.initiatorName),
    initiatorAlias:
      options.initiatorAlias === undefined ? null : shortText('initiatorAlias', options.initiatorAlias),
    isid: settleIsid(options.isid),
    chap,
    mutual,
    tls: options.tls ?? null,
    loginTimeoutMs: whole('loginTimeoutMs', options.loginTimeoutMs ?? 15_000, 1, 2 ** 31 - 1),
    signal: options.signal ?? null,
    headerDigest: options.headerDigest ?? 'allow',
    dataDigest: options.dataDigest ?? 'allow',
    immediateData: options.immediateData ?? true,
    initialR2T: options.initialR2T ?? false,
    firstBurstLength: Math.min(
      maxBurstLength,
      keyNumber('FirstBurstLength', 'firstBurstLength', options.firstBurstLength ?? 256 * 1024),
    ),
    maxBurstLength,
    maxOutstandingR2T: keyNumber('MaxOutstandingR2T', 'maxOutstandingR2T', options.maxOutstandingR2T ?? 4),
    ...settleSegmentLength(options.maxRecvDataSegmentLength ?? 256 * 1024),
    connections: whole('connections', options.connections ?? 1, 1, MAX_CONNECTIONS),
    errorRecoveryLevel,
    time2Wait: keyNumber(
      'DefaultTime2Wait',
      'time2Wait',
      options.time2Wait ?? (errorRecoveryLevel === 2 ? 0 : 2),
    ),
    time2Retain: keyNumber(
      'DefaultTime2Retain',
      'time2Retain',
      options.time2Retain ?? (errorRecoveryLevel === 2 ? 60 : 0),
    ),
    queueDepth: whole('queueDepth', options.queueDepth ?? 32, 1, MAX_TASKS),
    commandTimeoutMs: whole('commandTimeoutMs', options.commandTimeoutMs ?? 60_000, 0, 2 ** 31 - 1),
    nopIntervalMs: whole('nopIntervalMs', options.nopIntervalMs ?? 10_000, 0, 2 ** 31 - 1),
    reconnect: settleReconnect(options.reconnect ?? RECONNECT),
    onEvent: options.onEvent ?? nothing,
  }
}

/** Throws a RequestError for a length that cannot be declared. */
export const settleSegmentLength = (length: number): Pick<Settled, 'maxRecvDataSegmentLength'> => ({
  maxRecvDataSegmentLength: keyNumber('MaxRecvDataSegmentLength', 'maxRecvDataSegmentLength', length),
})

/** A name that stays the same on one host, so that access lists and reservations hold. */
export function defaultInitiatorName(host: string = hostname()): string {
  const label = host
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 100)
  return `iqn.2026-11.org.lunkit:initiator${label === '' ? '' : `.${label}`}`
}

function settleName(name: string | undefined): string {
  if (name === undefined) return defaultInitiatorName()
  const parsed = parseIscsiName(name, true)
  if (parsed.ok) return parsed.name
  throw invalid('initiatorName', `'${name}' is no iSCSI name: ${parsed.cause}`)
}

/** A random ISID has the two highest bits 10 (RFC 7143, 11.12.5). */
function settleIsid(isid: Uint8Array | undefined): Uint8Array {
  if (isid === undefined) {
    const random = new Uint8Array(randomBytes(6))
    random[0] = 0x80
    return random
  }
  if (isid.length !== 6) throw invalid('isid', `it has ${isid.length} bytes, not 6`)
  const type = isid[0]! >> 6
  if (type === 3) throw invalid('isid', 'its two highest bits are 11, which is no naming authority')
  if (type > 0 && (isid[0]! & 0x3f) !== 0) throw invalid('isid', 'the rest of its first byte is reserved')
  return isid.slice()
}

function settleChap(chap: ChapOptions): Chap {
  if (chap.user === undefined || chap.user === '') throw invalid('chap.user', 'CHAP needs a user')
  const algorithms = chap.algorithms ?? CHAP_ALGORITHMS
  if (algorithms.length === 0) throw invalid('chap.algorithms', 'the list is empty')
  return {
    user: shortText('chap.user', chap.user),
    secret: secretBytes('chap.secret', chap.secret),
    algorithms,
  }
}

function settleMutual(mutual: Pick<ChapOptions, 'user' | 'secret'>, chap: Chap | null): Mutual {
  if (chap === null) throw invalid('mutual', 'mutual CHAP needs the option chap as well')
  const secret = secretBytes('mutual.secret', mutual.secret)
  if (Buffer.compare(secret, chap.secret) === 0) {
    throw new RequestError('CHAP_SECRET_INVALID', 'Both directions of CHAP have the same secret', {
      hint: 'give the target a secret of its own: with one secret, its answer proves nothing',
    })
  }
  return { user: mutual.user ?? null, secret }
}

function secretBytes(option: string, secret: string | Uint8Array): Uint8Array {
  const bytes = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret.slice()
  if (bytes.length > 0) return bytes
  throw new RequestError('CHAP_SECRET_INVALID', `Option ${option} is empty`)
}

/** A value that goes into a text as it is: at most 255 bytes (RFC 7143, 6.1), on one line. */
function shortText(option: string, text: string): string {
  const bytes = new TextEncoder().encode(text).length
  if (bytes > DEFAULT_VALUE_BYTES)
    throw invalid(option, `it has ${bytes} bytes, and ${DEFAULT_VALUE_BYTES} are the most`)
  if (/\p{Cc}/u.test(text)) throw invalid(option, 'it has a control character')
  return text
}

function settleReconnect({ attempts, delays }: ReconnectOptions): ReconnectOptions {
  whole('reconnect.attempts', attempts, 0, 1_000_000)
  if (attempts > 0 && delays.length === 0) throw invalid('reconnect.delays', 'the list is empty')
  for (const delay of delays) whole('reconnect.delays', delay, 0, 2 ** 31 - 1)
  return { attempts, delays: [...delays] }
}

/** A number within the range of a text key. */
function keyNumber(key: string, option: string, value: number): number {
  const row = keyByName(key)!
  return whole(option, value, row.min!, row.max!)
}

function whole(option: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw invalid(option, `${value} is not a whole number from ${min} to ${max}`)
}

const invalid = (option: string, cause: string): RequestError =>
  new RequestError('OPTION_INVALID', `Option ${option} cannot be used: ${cause}`)
