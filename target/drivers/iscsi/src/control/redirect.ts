// SPDX-License-Identifier: Apache-2.0
// Where a target has moved to: addresses as operators give them, and as TargetAddress tells them (RFC 7143, 13.8).
import { isIP } from 'node:net'
import { LoginStatus } from '@lunkit/spec'
import { OperatorError } from '@lunkit/target-api'
import { isDestination } from '../destination.ts'

/** Where initiators are to log in instead. */
export interface Redirect {
  /** `HOST[:PORT]` with a host name, an IPv4 address or a bracketed IPv6 address; or several of them. */
  readonly to: string | readonly string[]
  /** They may remember it; if not given, they ask here again next time. */
  readonly permanent?: boolean
}

/** A login that is through but for its last answer. */
export interface LoginFacts {
  readonly target: string
  /** The initiator's name, proved if the target asks for CHAP. */
  readonly initiator: string
  /** 12 hexadecimal digits. */
  readonly isid: string
  /** The peer as `host:port`, and the address it came to. */
  readonly address: string
  readonly localAddress: string
  /** Target portal group tag. */
  readonly tag: number
}

/**
 * Says where one login is to go; undefined lets it in. A promise may take as long as the login may; what it gives after
 * that counts for nothing. If it throws or rejects, the login is refused.
 */
export type RedirectDecision = (
  login: LoginFacts,
) => Redirect | undefined | null | Promise<Redirect | undefined | null>

/** A redirect as it is told. */
export interface Moved {
  readonly status: number
  /** Values of TargetAddress. */
  readonly addresses: readonly string[]
}

const ISCSI_PORT = 3260
/** As many as fit in one login response with room to spare. */
const MOST_ADDRESSES = 16

/** Throws OperatorError if it names nothing that an initiator can connect to. */
export function readRedirect(redirect: Redirect): Moved {
  const { to, permanent = false } = redirect
  const addresses = [to].flat()
  if (addresses.length === 0 || addresses.length > MOST_ADDRESSES) {
    throw new OperatorError(
      'REDIRECT',
      `A redirect has 1 to ${MOST_ADDRESSES} addresses, not ${addresses.length}`,
    )
  }
  return {
    status: permanent ? LoginStatus.targetMovedPermanently : LoginStatus.targetMovedTemporarily,
    addresses: addresses.map(readAddress),
  }
}

function readAddress(given: string): string {
  const parts = /^(?:\[([^\]]+)\]|([^:[\],]+))(?::(\d{1,5}))?$/.exec(String(given))
  const port = Number(parts?.[3] ?? ISCSI_PORT)
  const host = parts?.[1] ?? parts?.[2] ?? ''
  const isBracketed = parts?.[1] !== undefined
  if (isBracketed !== (isIP(host) === 6) || !isDestination(host) || port < 1 || port > 65_535) {
    throw new OperatorError('REDIRECT', `'${given}' is no address that initiators can be sent to`, {
      hint: 'write HOST, HOST:PORT or [V6]:PORT; a portal group is not told here (RFC 7143, 13.8)',
    })
  }
  return `${isBracketed ? `[${host}]` : host}:${port}`
}
