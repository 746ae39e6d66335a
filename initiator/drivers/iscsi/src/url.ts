// SPDX-License-Identifier: Apache-2.0
// Reads and writes iscsi:// URLs, in the form that libiscsi and QEMU use.
import { RequestError } from '@lunkit/initiator-core'
import { parseIscsiName } from '@lunkit/spec'
import { ISCSI_PORT, type Portal, parsePortal, portalText } from './portal.ts'

export interface IscsiUrl {
  readonly portal: Portal
  /** Name of the target, or null where the URL names a portal only. */
  readonly target: string | null
  /** LUN, or null where the URL ends at the target. */
  readonly lun: number | null
  readonly user: string | null
  readonly password: string | null
}

const FORM = 'iscsi://[user[%password]@]host[:port][/target-name[/lun]]'

/**
 * Reads `iscsi://[user[%password]@]host[:port][/target-name[/lun]]`; IPv6 addresses stand in brackets. User and password
 * are taken as they stand, as libiscsi does: one with a slash cannot be in a URL. In the target's name `%` and two
 * hexadecimal digits are a byte. Throws a RequestError (`URL_INVALID`) that never shows the password.
 */
export function parseUrl(text: string): IscsiUrl {
  const scheme = /^iscsi:\/\//i.exec(text)
  if (scheme === null) throw bad('it does not begin with iscsi://')
  const rest = text.slice(scheme[0].length)
  // The name of a target has no @, so the last one before the first slash ends the user part.
  const slash = rest.indexOf('/')
  const authority = slash < 0 ? rest : rest.slice(0, slash)
  const path = slash < 0 ? '' : rest.slice(slash + 1)
  if (/[?#]/.test(path)) throw bad('it has options, and there are none')
  const sign = authority.lastIndexOf('@')
  const portal = parsePortal(authority.slice(sign + 1))
  if (portal === null) throw bad('its host or port is not one')
  const { user, password } = sign < 0 ? { user: null, password: null } : parseUser(authority.slice(0, sign))
  return { portal, ...parsePath(path), user, password }
}

function parsePath(path: string): Pick<IscsiUrl, 'target' | 'lun'> {
  if (path === '' || path === '/') return { target: null, lun: null }
  const slash = path.indexOf('/')
  const name = parseIscsiName(decode(slash < 0 ? path : path.slice(0, slash)), true)
  if (!name.ok) throw bad(`the name of its target is not one: ${name.cause}`)
  const digits = slash < 0 ? '' : path.slice(slash + 1)
  if (digits === '') return { target: name.name, lun: null }
  if (!/^\d{1,5}$/.test(digits) || Number(digits) > 16_383)
    throw bad('its LUN is not a number from 0 to 16383')
  return { target: name.name, lun: Number(digits) }
}

function parseUser(text: string): Pick<IscsiUrl, 'user' | 'password'> {
  const sign = text.indexOf('%')
  const user = sign < 0 ? text : text.slice(0, sign)
  if (user === '') throw bad('it has an @ but no user before it')
  return { user, password: sign < 0 ? null : text.slice(sign + 1) }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw bad('the name of its target has a broken % escape')
  }
}

const bad = (cause: string): RequestError =>
  new RequestError('URL_INVALID', `The iSCSI URL cannot be used: ${cause}`, { hint: `the form is ${FORM}` })

/** The URL of a unit. A password is never written. */
export function formatUrl(portal: Portal, target: string, lun: number, user?: string): string {
  const host = portal.port === ISCSI_PORT ? portalText(portal).replace(/:\d+$/, '') : portalText(portal)
  return `iscsi://${user === undefined ? '' : `${user}@`}${host}/${target}/${lun}`
}
