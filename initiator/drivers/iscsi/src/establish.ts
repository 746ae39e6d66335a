// SPDX-License-Identifier: Apache-2.0
// From a portal to a connection in full feature phase: connect, log in, follow redirects, within one time limit.
import { type InitiatorError, LoginError } from '@lunkit/initiator-core'
import { Connection } from './connection.ts'
import { FullFeature, type FullFeatureHost } from './full-feature.ts'
import { Links } from './links.ts'
import { Login, type LoginOutcome, type Seat } from './login.ts'
import type { Settled } from './options.ts'
import { type Portal, portalText } from './portal.ts'

/** Redirects that are followed in one login: more is a loop. */
const REDIRECTS = 4

export interface Destination {
  readonly portal: Portal
  /** Null for a discovery session. */
  readonly target: string | null
}

export interface Established {
  readonly feature: FullFeature
  /** Where to connect the next time: the portal, or where it moved to for good. */
  readonly home: Portal
}

/**
 * Without a seat the connection begins a session. Rejects with a LoginError, a TransportError, or the reason of
 * `options.signal` or `signal`.
 */
export async function establish(
  destination: Destination,
  options: Settled,
  host: FullFeatureHost,
  signal: AbortSignal | null = null,
  seat: Seat | null = null,
): Promise<Established> {
  const limit = new AbortController()
  const timer = setTimeout(() => {
    const message = `Login at ${portalText(destination.portal)} did not end in ${options.loginTimeoutMs} ms`
    limit.abort(
      new LoginError('LOGIN_TIMEOUT', message, { hint: 'check that an iSCSI target listens there' }),
    )
  }, options.loginTimeoutMs)
  const signals = [limit.signal, options.signal, signal].filter(one => one !== null)
  try {
    return await follow(destination, options, host, AbortSignal.any(signals), seat)
  } finally {
    clearTimeout(timer)
  }
}

async function follow(
  { portal, target }: Destination,
  options: Settled,
  host: FullFeatureHost,
  signal: AbortSignal,
  seat: Seat | null,
): Promise<Established> {
  let at = portal
  let home = portal
  for (let redirects = 0; redirects <= REDIRECTS; redirects++) {
    const outcome = await attempt({ portal: at, target }, options, host, signal, seat ?? leadingSeat(options))
    if (outcome instanceof FullFeature) return { feature: outcome, home }
    if (outcome.type === 'failed') throw outcome.error
    if (outcome.type !== 'redirected') continue
    at = { host: outcome.to.host, port: outcome.to.port }
    if (outcome.permanent) home = at
    options.onEvent({ type: 'redirected', portal: at, permanent: outcome.permanent })
  }
  throw new LoginError(
    'LOGIN_REDIRECTED',
    `The login at ${portalText(portal)} was redirected more than ${REDIRECTS} times, at last to ${portalText(at)}`,
    { hint: 'look where each of these portals sends initiators' },
  )
}

const leadingSeat = ({ queueDepth }: Settled): Seat => ({
  links: new Links(queueDepth),
  cid: 0,
  expStatSn: 0,
})

/** One connection and one login. */
async function attempt(
  { portal, target }: Destination,
  options: Settled,
  host: FullFeatureHost,
  signal: AbortSignal,
  seat: Seat,
): Promise<FullFeature | LoginOutcome> {
  const { promise, resolve, reject } = Promise.withResolvers<FullFeature | LoginOutcome>()
  let connection: Connection | null = null
  const login = new Login(options, target, seat, outcome => {
    if (outcome.type !== 'done') return resolve(outcome)
    resolve(new FullFeature(connection!, outcome.settings, seat, options, host))
  })
  connection = await Connection.open(portal, login, options, signal)
  const abort = (): void => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    login.start(connection)
    const outcome = await promise
    if (!(outcome instanceof FullFeature)) connection.drop()
    return outcome
  } catch (error) {
    connection.drop()
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Whether it makes no sense to try the same login again. */
export function isFinal(error: unknown): error is InitiatorError {
  if (!(error instanceof LoginError)) return false
  return (
    error.code === 'LOGIN_AUTHENTICATION' ||
    error.code === 'LOGIN_FORBIDDEN' ||
    error.code === 'LOGIN_PROTOCOL'
  )
}
