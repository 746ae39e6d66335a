// SPDX-License-Identifier: Apache-2.0
// The URL of a unit that is used: whole, and without a secret.
import { lookup } from 'node:dns/promises'
import { formatUrl, type IscsiUrl, parseUrl, RequestError } from '@lunkit/initiator-driver-iscsi'
import { OperatorError } from '@lunkit/target-api'

export type UnitUrl = IscsiUrl & { readonly target: string; readonly lun: number }

/** Throws OperatorError, which never shows a secret. */
export function urlOf(where: string): UnitUrl {
  let url: IscsiUrl
  try {
    url = parseUrl(where)
  } catch (error) {
    if (!(error instanceof RequestError)) throw error
    throw new OperatorError(error.code, error.message, { hint: error.hint, cause: error })
  }
  if (url.password !== null) {
    throw new OperatorError('URL_INVALID', 'The URL of a unit has a secret in it', {
      hint: 'put it into a file and give chap-file=PATH',
    })
  }
  if (url.target !== null && url.lun !== null) return url as UnitUrl
  throw new OperatorError('URL_INVALID', `'${where}' names no unit`, {
    hint: 'write iscsi://HOST/TARGET/LUN; lunkit ls iscsi://HOST lists them',
  })
}

/** The same for all names of the portal's address; a unit with several portals has several. */
export async function placeOf({ portal, target, lun }: UnitUrl): Promise<string> {
  const host = await lookup(portal.host).then(
    ({ address }) => (address === '::1' ? '127.0.0.1' : address),
    () => portal.host.toLowerCase(),
  )
  return formatUrl({ ...portal, host }, target, lun)
}
