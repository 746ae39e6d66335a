// SPDX-License-Identifier: Apache-2.0
// From a URL to a disk that can be read and written, or to a session with a target.
import { type CommandOptions, RequestError, Unit } from '@lunkit/initiator-core'
import { parseIscsiName } from '@lunkit/spec'
import { type SessionOptions, settleOptions } from './options.ts'
import { type Portal, parsePortal } from './portal.ts'
import { Session } from './session.ts'
import { parseUrl } from './url.ts'

/** Options of `connect` and `openSession`; what a URL says is taken where they do not say it. */
export interface ConnectOptions extends SessionOptions {
  /** `host[:port]`, brackets around IPv6, or a portal. */
  readonly portal?: string | Portal
  readonly target?: string
  readonly lun?: number
}

/** A unit with the session that was made for it. */
export class Disk extends Unit {
  declare readonly session: Session

  /** Lets commands under way end, logs out and disconnects. Safe to call again. */
  close(): Promise<void> {
    return this.session.close()
  }

  /** Round trip to the target in ms, without the unit. */
  ping(): Promise<number> {
    return this.session.ping()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Connects to one unit: `iscsi://[user[%password]@]host[:port]/target/lun`, or the same as options. Rejects with a
 * RequestError (wrong URL or option, `LUN_MISSING`), a LoginError, or a TransportError.
 */
export async function connect(where: string | ConnectOptions, more: ConnectOptions = {}): Promise<Disk> {
  const options = merge(where, more)
  if (options.lun === undefined) {
    throw new RequestError('URL_INVALID', 'The iSCSI URL names no LUN', {
      hint: 'add one: iscsi://host/target-name/0',
    })
  }
  const session = await openSession(options)
  const disk = new Disk(session, options.lun)
  const ask: CommandOptions = options.signal === undefined ? {} : { signal: options.signal }
  try {
    await disk.open(ask)
    return disk
  } catch (error) {
    await session.close()
    throw error
  }
}

/** Logs in to a target; its units are found with `discoverUnits`. */
export async function openSession(
  where: string | ConnectOptions,
  more: ConnectOptions = {},
): Promise<Session> {
  const { portal, target, ...options } = merge(where, more)
  if (target === undefined) {
    throw new RequestError('URL_INVALID', 'The iSCSI URL names no target', {
      hint: 'list the targets of the portal by discovery',
    })
  }
  const at = typeof portal === 'string' ? parsePortal(portal) : portal
  if (at === null || at === undefined) {
    throw new RequestError(
      'OPTION_INVALID',
      `Option portal cannot be used: '${portal ?? ''}' is no host[:port]`,
    )
  }
  // Names are compared in their normal form (RFC 7143, 4.2.7), and so sent.
  const name = parseIscsiName(target, true)
  if (!name.ok) {
    throw new RequestError(
      'OPTION_INVALID',
      `Option target cannot be used: it is no iSCSI name: ${name.cause}`,
    )
  }
  return Session.open({ portal: at, target: name.name }, settleOptions(options))
}

function merge(where: string | ConnectOptions, more: ConnectOptions): ConnectOptions {
  if (typeof where !== 'string') return { ...where, ...more }
  const { portal, target, lun, user, password } = parseUrl(where)
  const secret = more.chap?.secret ?? password
  if (user !== null && secret === null) {
    throw new RequestError('CHAP_SECRET_INVALID', 'The user of the iSCSI URL has no secret', {
      hint: 'give it apart from the URL; in the URL it stands behind a %, where others can see it',
    })
  }
  return {
    portal,
    ...(target !== null && { target }),
    ...(lun !== null && { lun }),
    ...more,
    ...(secret !== null && { chap: { ...(user !== null && { user }), ...more.chap, secret } }),
  }
}
