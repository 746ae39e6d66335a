// SPDX-License-Identifier: Apache-2.0
// How targets are registered with iSNS servers; checked before anything is sent.
import { hostname } from 'node:os'
import { ISNS_PORT } from '@lunkit/spec'
import { OperatorError } from '@lunkit/target-api'
import { isDestination } from '../destination.ts'

export interface IsnsOptions {
  /** `HOST`, `HOST:PORT` or `[V6]:PORT`; port 3205 if not given. Each gets the whole registration. */
  readonly servers: readonly string[]
  /** Name of the network entity, unique at the server: made of the host's name and the first portal if not given. */
  readonly entity?: string
  /** How often a server asks whether the portals are still there, in seconds: 60 if not given, 0 never. */
  readonly esiSeconds?: number
  /** Port for such inquiries, beside each portal: a free one if not given. */
  readonly esiPort?: number
  /** After how long without a message a server may forget the registration, in seconds: 300 if not given. */
  readonly periodSeconds?: number
  /** How long an answer of a server is waited for, in milliseconds: 10,000 if not given. */
  readonly timeoutMs?: number
  /** The first and the longest wait before a server is tried again, in milliseconds: 1000 and 60,000 if not given. */
  readonly retryMs?: number
  readonly longestRetryMs?: number
}

export interface IsnsServer {
  readonly host: string
  readonly port: number
}

export interface IsnsSettings {
  readonly servers: readonly IsnsServer[]
  /** Null: to be made of the first portal. */
  readonly entity: string | null
  readonly esiSeconds: number
  readonly esiPort: number
  readonly periodSeconds: number
  readonly timeoutMs: number
  readonly retryMs: number
  readonly longestRetryMs: number
}

const MOST_SERVERS = 16
/** Longest entity identifier, with its zero byte (RFC 4171, 6.2.1). */
const ENTITY_BYTES = 256

/** Fills in defaults. Throws OperatorError. */
export function settleIsns(options: IsnsOptions): IsnsSettings {
  const { servers, entity = null } = options
  if (servers.length === 0 || servers.length > MOST_SERVERS) {
    throw new OperatorError('ISNS_SERVER', `There are ${servers.length} iSNS servers`, {
      hint: `name 1 to ${MOST_SERVERS}`,
    })
  }
  if (
    entity !== null &&
    (entity === '' || Buffer.byteLength(entity) >= ENTITY_BYTES || entity.includes('\0'))
  ) {
    throw new OperatorError('ISNS_ENTITY', `'${entity}' is no name for an iSNS entity`, {
      hint: `give 1 to ${ENTITY_BYTES - 1} bytes`,
    })
  }
  const retryMs = inRange('retryMs', options.retryMs ?? 1000, 1, 3_600_000)
  return {
    servers: servers.map(readServer),
    entity,
    esiSeconds: inRange('esiSeconds', options.esiSeconds ?? 60, 0, 86_400),
    esiPort: inRange('esiPort', options.esiPort ?? 0, 0, 65_535),
    periodSeconds: inRange('periodSeconds', options.periodSeconds ?? 300, 3, 604_800),
    timeoutMs: inRange('timeoutMs', options.timeoutMs ?? 10_000, 1, 600_000),
    retryMs,
    longestRetryMs: inRange(
      'longestRetryMs',
      options.longestRetryMs ?? Math.max(60_000, retryMs),
      retryMs,
      3_600_000,
    ),
  }
}

function inRange(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new OperatorError('ISNS_VALUE', `isns.${name} is ${value}`, {
    hint: `give a whole number from ${min} to ${max}`,
  })
}

function readServer(given: string): IsnsServer {
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(given)
  const host = parts?.[1] ?? parts?.[2] ?? ''
  const port = Number(parts?.[3] ?? ISNS_PORT)
  if (isDestination(host) && port >= 1 && port <= 65_535) return { host, port }
  throw new OperatorError('ISNS_SERVER', `'${given}' is no address of an iSNS server`, {
    hint: 'write HOST, HOST:PORT or [V6]:PORT',
  })
}

/** What a host without another name for its entity is known as. */
export const defaultEntity = (port: number): string =>
  `lunkit:${hostname()}:${port}`.slice(0, ENTITY_BYTES - 1)
