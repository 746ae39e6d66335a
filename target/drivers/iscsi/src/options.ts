// SPDX-License-Identifier: Apache-2.0
// What an iSCSI port is started with: portals, who may log in, limits; checked before anything listens.
import type { BlockList } from 'node:net'
import { OperatorError } from '@lunkit/target-api'
import type { AccessOptions } from './access/options.ts'
import { AccessTable } from './access/table.ts'
import type { Capture } from './capture/capture.ts'
import type { Redirect, RedirectDecision } from './control/redirect.ts'
import { addressSet } from './defence/address-key.ts'
import { partsOfSession, sessionBytesOf } from './defence/session-memory.ts'
import { isDestination } from './destination.ts'
import type { HandOver, Reception } from './handover/options.ts'
import { type Preferences, settlePreferences } from './login/preferences.ts'
import type { VendorKey } from './login/vendor-keys.ts'
import type { Trace } from './observe/connection-trace.ts'
import { LONGEST_TEXT } from './text.ts'
import type { TlsSource } from './tls/options.ts'

/** An address to listen on. Port 0 picks a free one; an empty host, `0.0.0.0` or `::` listens on all addresses. */
export interface Portal {
  readonly host: string
  readonly port: number
}

export interface PortalOptions extends Portal {
  /** TLS comes first on each connection, 1.2 or later. Initiators rarely speak it: tunnels such as stunnel do for them. */
  readonly tls?: TlsSource
  /** What initiators are told instead, where others reach it by another name: a host name or address, and the port. */
  readonly advertise?: { readonly host: string; readonly port?: number }
}

export interface Limits {
  /** From the connection to the end of login. */
  readonly loginTimeoutMs: number
  /** Connections that are not logged in yet, together and in bytes received. */
  readonly pendingConnections: number
  readonly pendingBytes: number
  /** Logged-in sessions, discovery included. */
  readonly sessions: number
  /** Discovery sessions among them: they may need no proof of who they are. */
  readonly discoverySessions: number
  /** Sessions of one initiator name, discovery included, and of one target. */
  readonly sessionsPerInitiator: number
  readonly sessionsPerTarget: number
  /** Open connections of one address. Not for trusted addresses, like what follows. */
  readonly connectionsPerAddress: number
  /**
   * How many first bits make an IPv6 address one with others, 16 to 128. 128: each is on its own. 64 where strangers can
   * come in: one of them has a whole /64 as a rule; but so have all hosts of a storage network together.
   */
  readonly ipv6PrefixBits: number
  /** New connections a second, and how many may come at once: of one address, then of all. 0 a second is no limit. */
  readonly addressLoginsPerSecond: number
  readonly addressLoginBurst: number
  readonly loginsPerSecond: number
  readonly loginBurst: number
  /**
   * An address whose logins fail this often, for want of a proof or a permission, and without a proof between, must wait
   * before it may connect again: 1 s, then twice that for each further failure, at most `loginBackOffMs`. 0 never waits.
   */
  readonly failedLogins: number
  readonly loginBackOffMs: number
  /** Our side of the negotiated keys, in bytes. */
  readonly maxRecvDataSegmentLength: number
  readonly firstBurst: number
  readonly maxBurst: number
  readonly maxOutstandingR2T: number
  /** Connections of one session, 1 to 64. */
  readonly maxConnections: number
  /** Highest error recovery level, 0 to 2: the initiator decides up to it. */
  readonly errorRecoveryLevel: number
  /** How long commands of a lost connection are kept at level 2, in seconds, besides the initiator's Time2Wait. */
  readonly time2RetainSeconds: number
  /** Answers waiting for a slow peer, in bytes: above, its requests are not read. */
  readonly sendQueueBytes: number
  /** How long an old session's tasks may take to end before a login that replaces it is refused. */
  readonly replaceTimeoutMs: number
  /** How long an initiator may owe a write's data without sending any; then its session ends. */
  readonly dataTimeoutMs: number
  /**
   * How long a command may go without an answer before an event tells of it, and how long an initiator may leave answers
   * unread before its connection ends.
   */
  readonly responseTimeoutMs: number
  /** Data of commands that wait, in bytes, for all sessions: above, further ones get TASK SET FULL. */
  readonly earlyDataBytes: number
  /** Longest text of one exchange after login, in bytes; it may come in 256 pieces. */
  readonly textBytes: number
  /**
   * What one session may hold, in bytes: data of its waiting commands, requests out of order, texts, answers that are not
   * read or not acknowledged. Above, commands that bring data get TASK SET FULL. It MUST NOT be less than what these take
   * by their own limits. 0: as much as that, and at least 64 MiB.
   */
  readonly sessionBytes: number
}

export interface Nop {
  /** Silence after which the peer is asked for a sign of life; 0 never asks. */
  readonly intervalMs: number
  /** Silence after that which ends the session. */
  readonly timeoutMs: number
}

export interface IscsiOptions extends AccessOptions {
  readonly portals: readonly PortalOptions[]
  readonly limits?: Partial<Limits>
  readonly nop?: Partial<Nop>
  readonly preferences?: Partial<Preferences>
  /**
   * Addresses and subnets without limits for each address and without login rates: `127.0.0.0/8` and `::1` if not given,
   * behind which are test suites, and tunnels that end on this machine. They hold to all other limits.
   */
  readonly trustedAddresses?: readonly string[]
  /** Target portal group tag and relative target port identifier, 1 to 65535. */
  readonly tpgt?: number
  /** Where all new sessions are sent instead of being served, or who decides that for each. */
  readonly redirect?: Redirect | RedirectDecision
  /** The same for single targets, by name; they come before `redirect`. */
  readonly redirects?: Readonly<Record<string, Redirect>>
  /**
   * Tells initiators at once, by asynchronous messages, when their list of LUNs or a capacity has changed; not if not given.
   * Linux (open-iscsi) then looks for LUNs by itself. The unit attention comes as well.
   */
  readonly asyncEvents?: boolean
  /** Answers private extension keys (`X-…`); without it none is understood. What it throws fails the login. */
  readonly vendorKey?: VendorKey
  /** Each command that takes this long from its turn to its answer is an event, in milliseconds; 0, as if not given, for none. */
  readonly slowMs?: number
  /**
   * How long the event loop looks for the next request before it sleeps, in microseconds, at most 10,000; 100 if not given, 0 for
   * never. Where requests do not come so soon, it stops looking.
   */
  readonly pollUs?: number
  /** Given each PDU as one line, without data. Slows everything down. MUST NOT throw. */
  readonly trace?: Trace
  /** Written what goes over the wire; whoever opened it closes it after the port has stopped. */
  readonly capture?: Capture
  /** Given each connection that logs in to a target: others serve it. Discovery is done here. */
  readonly handOver?: HandOver
  /** The port listens nowhere, whatever `portals` says: connections that another one has met come by `take`. */
  readonly reception?: Reception
  /** A faster CRC32C than the built-in one: same arguments and result as spec's `crc32c`. */
  readonly crc32c?: (bytes: Uint8Array, from: number, to: number, seed: number) => number
}

export const DEFAULT_LIMITS: Limits = Object.freeze({
  loginTimeoutMs: 15_000,
  pendingConnections: 64,
  pendingBytes: 4 * 1024 * 1024,
  sessions: 1024,
  discoverySessions: 64,
  sessionsPerInitiator: 256,
  sessionsPerTarget: 1024,
  connectionsPerAddress: 256,
  ipv6PrefixBits: 128,
  addressLoginsPerSecond: 20,
  addressLoginBurst: 256,
  loginsPerSecond: 200,
  loginBurst: 1024,
  failedLogins: 10,
  loginBackOffMs: 30_000,
  maxRecvDataSegmentLength: 262_144,
  firstBurst: 131_072,
  maxBurst: 1024 * 1024,
  maxOutstandingR2T: 16,
  maxConnections: 8,
  errorRecoveryLevel: 2,
  time2RetainSeconds: 20,
  sendQueueBytes: 4 * 1024 * 1024,
  replaceTimeoutMs: 10_000,
  dataTimeoutMs: 60_000,
  responseTimeoutMs: 90_000,
  earlyDataBytes: 128 * 1024 * 1024,
  textBytes: LONGEST_TEXT,
  sessionBytes: 0,
})

export const DEFAULT_NOP: Nop = Object.freeze({ intervalMs: 15_000, timeoutMs: 15_000 })

/** Options with everything filled in. */
export interface Settings {
  readonly portals: readonly PortalOptions[]
  /** As it was at the start. */
  readonly access: AccessTable
  readonly limits: Limits
  readonly nop: Nop
  readonly preferences: Preferences
  readonly trusted: BlockList
  readonly tpgt: number
  readonly redirect: Redirect | RedirectDecision | null
  readonly redirects: Readonly<Record<string, Redirect>>
  readonly vendorKey: VendorKey | null
  readonly asyncEvents: boolean
  readonly slowMs: number
  readonly pollUs: number
  readonly trace: Trace | null
  readonly capture: Capture | null
  readonly handOver: HandOver | null
  readonly reception: Reception | null
}

/** Limits in milliseconds and bytes for which any number will do. */
const POSITIVE = [
  'loginTimeoutMs',
  'replaceTimeoutMs',
  'dataTimeoutMs',
  'responseTimeoutMs',
  'pendingBytes',
  'sendQueueBytes',
  'earlyDataBytes',
] as const

/** Counts for which any number from 1 will do, and those where 0 switches the limit off. */
const COUNTS = [
  'sessionsPerInitiator',
  'sessionsPerTarget',
  'connectionsPerAddress',
  'addressLoginBurst',
  'loginBurst',
  'failedLogins',
] as const
const MAY_BE_ZERO = ['addressLoginsPerSecond', 'loginsPerSecond', 'loginBackOffMs'] as const

/** Somewhat more than a client on the same machine takes for its next request. */
const POLL_US = 100
const TRUSTED = ['127.0.0.0/8', '::1']

/**
 * Fills in defaults and checks. Throws OperatorError: no portal, value out of range, equal secrets, empty user.
 * `warn` hears of what is allowed but unwise; `others` are the access tables of the engine's other ports.
 */
export function settle(
  options: IscsiOptions,
  warn: (reason: string) => void,
  others: readonly AccessTable[] = [],
): Settings {
  if (options.portals.length === 0) {
    throw new OperatorError('PORTAL_MISSING', 'iSCSI port has no portal', { hint: 'give a host and port' })
  }
  for (const { host, port, advertise } of options.portals) {
    inRange(`Port of portal ${host}`, port, 0, 65_535)
    if (advertise !== undefined) checkAdvertised(advertise.host, advertise.port)
  }
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  // Whoever makes only MaxBurstLength small means both.
  if (options.limits?.firstBurst === undefined) {
    limits.firstBurst = Math.min(limits.firstBurst, Math.max(512, limits.maxBurst))
  }
  const nop = { ...DEFAULT_NOP, ...options.nop }
  const tpgt = options.tpgt ?? 1
  const slowMs = options.slowMs ?? 0
  const pollUs = options.pollUs ?? POLL_US
  inRange('Target portal group tag', tpgt, 1, 65_535)
  inRange('limits.maxRecvDataSegmentLength', limits.maxRecvDataSegmentLength, 512, 0xff_ffff)
  inRange('limits.maxBurst', limits.maxBurst, 512, 0xff_ffff)
  inRange('limits.firstBurst', limits.firstBurst, 512, limits.maxBurst)
  inRange('limits.maxOutstandingR2T', limits.maxOutstandingR2T, 1, 255)
  inRange('limits.maxConnections', limits.maxConnections, 1, 64)
  inRange('limits.errorRecoveryLevel', limits.errorRecoveryLevel, 0, 2)
  inRange('limits.time2RetainSeconds', limits.time2RetainSeconds, 0, 3600)
  inRange('limits.pendingConnections', limits.pendingConnections, 1, 65_535)
  inRange('limits.sessions', limits.sessions, 1, 65_535)
  inRange('limits.discoverySessions', limits.discoverySessions, 1, 65_535)
  for (const name of COUNTS) inRange(`limits.${name}`, limits[name], 1, 2 ** 31)
  for (const name of MAY_BE_ZERO) inRange(`limits.${name}`, limits[name], 0, 2 ** 31)
  for (const name of POSITIVE) {
    inRange(`limits.${name}`, limits[name], 1, 2 ** 40)
  }
  inRange('limits.ipv6PrefixBits', limits.ipv6PrefixBits, 16, 128)
  inRange('limits.textBytes', limits.textBytes, 1024, 2 ** 24)
  limits.sessionBytes = checkedSessionBytes(limits)
  inRange('slowMs', slowMs, 0, 2 ** 31)
  inRange('pollUs', pollUs, 0, 10_000)
  inRange('nop.intervalMs', nop.intervalMs, 0, 2 ** 40)
  inRange('nop.timeoutMs', nop.timeoutMs, 1, 2 ** 40)
  return {
    portals: options.portals,
    access: new AccessTable(options, warn, others),
    limits,
    nop,
    preferences: settlePreferences(options.preferences),
    trusted: trustedSet(options.trustedAddresses ?? TRUSTED),
    tpgt,
    redirect: options.redirect ?? null,
    redirects: options.redirects ?? {},
    vendorKey: options.vendorKey ?? null,
    asyncEvents: options.asyncEvents ?? false,
    slowMs,
    pollUs,
    trace: options.trace ?? null,
    capture: options.capture ?? null,
    handOver: options.handOver ?? null,
    reception: options.reception ?? null,
  }
}

function checkedSessionBytes(limits: Limits): number {
  inRange('limits.sessionBytes', limits.sessionBytes, 0, 2 ** 40)
  const bytes = sessionBytesOf(limits)
  const parts = partsOfSession(limits)
  if (bytes >= parts) return bytes
  throw new OperatorError('LIMIT_VALUE', `limits.sessionBytes is ${bytes}, but its parts may take ${parts}`, {
    hint: 'give at least that, or less to maxConnections, sendQueueBytes, textBytes or errorRecoveryLevel',
  })
}

function checkAdvertised(host: string, port = 1): void {
  inRange(`Port of advertised address ${host}`, port, 1, 65_535)
  if (isDestination(host)) return
  throw new OperatorError(
    'ADDRESS',
    `Advertised address '${host}' is nothing that initiators can connect to`,
    {
      hint: 'give a host name or an address',
    },
  )
}

function trustedSet(list: readonly string[]): BlockList {
  const set = addressSet(list)
  if (set !== null) return set
  const odd = list.find(one => addressSet([one]) === null)
  throw new OperatorError('ADDRESS', `'${odd}' is no address that can be trusted`, {
    hint: 'write 10.1.2.3, 10.0.0.0/8 or fd00::/8',
  })
}

function inRange(what: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw new OperatorError('LIMIT_VALUE', `${what} is ${value}`, {
    hint: `give a whole number from ${min} to ${max}`,
  })
}
