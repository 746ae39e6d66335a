// SPDX-License-Identifier: Apache-2.0
// Discovery session: asks a portal for its targets with SendTargets (RFC 7143, 4.3 and appendix C).
import { RequestError, TransportError } from '@lunkit/initiator-core'
import { encodeText, parseText, textErrorText } from '@lunkit/spec'
import { establish } from './establish.ts'
import { type NodeOptions, settleOptions } from './options.ts'
import { type Portal, parsePortal, parseTargetAddress, type TargetAddress } from './portal.ts'
import { parseUrl } from './url.ts'

export interface FoundTarget {
  readonly name: string
  /** Where it is served; where the target did not say, the portal that was asked. */
  readonly portals: readonly TargetAddress[]
}

const LIMITS = { bytes: 16 * 1024 * 1024, pairs: 200_000 }
const LOGOUT_MS = 2000

/** Asks `iscsi://host[:port]`, `host[:port]` or a portal. Rejects with a LoginError or a TransportError. */
export async function discover(where: string | Portal, options: NodeOptions = {}): Promise<FoundTarget[]> {
  const { portal, user, password } = typeof where === 'string' ? parseWhere(where) : plain(where)
  const secret = options.chap?.secret ?? password
  const chap =
    secret === null || secret === undefined
      ? options.chap
      : { ...(user !== null && { user }), ...options.chap, secret }
  const settled = settleOptions({ ...options, ...(chap !== undefined && { chap }) })
  const lostWhileAsked = Promise.withResolvers<never>()
  lostWhileAsked.promise.catch(() => {})
  const { feature } = await establish({ portal, target: null }, settled, {
    ready() {},
    message() {},
    vanished() {},
    lost: (_, error) => lostWhileAsked.reject(error),
  })
  const limit = setTimeout(() => {
    const silent = `The portal did not answer SendTargets in ${settled.loginTimeoutMs} ms`
    feature.connection.fail(new TransportError('TRANSPORT_TIMEOUT', silent))
  }, settled.loginTimeoutMs)
  try {
    const question = encodeText([{ key: 'SendTargets', value: 'All' }])
    const asked = feature.exchanges.text(question, feature.settings.maxSendDataLength)
    const answer = await Promise.race([asked, lostWhileAsked.promise])
    const targets = readTargets(answer, feature.connection.portal)
    clearTimeout(limit)
    const patience = setTimeout(() => feature.connection.drop(), LOGOUT_MS)
    await feature.exchanges.logout().catch(() => {})
    clearTimeout(patience)
    return targets
  } finally {
    clearTimeout(limit)
    feature.connection.drop()
  }
}

const plain = (portal: Portal) => ({ portal, user: null, password: null })

function parseWhere(text: string) {
  if (/^iscsi:/i.test(text)) return parseUrl(text)
  const portal = parsePortal(text)
  if (portal !== null) return plain(portal)
  throw new RequestError('URL_INVALID', `'${text}' is no portal`, { hint: 'the form is host[:port]' })
}

/** Each TargetName is followed by its addresses (RFC 7143, appendix C). */
export function readTargets(answer: Uint8Array, asked: Portal): FoundTarget[] {
  const text = parseText(answer, 0, answer.length, LIMITS)
  if (!text.ok) throw broken(`a text that cannot be read: ${textErrorText(text.error)}`)
  const found: { name: string; portals: TargetAddress[] }[] = []
  for (const { key, value } of text.pairs) {
    if (key === 'TargetName') found.push({ name: value, portals: [] })
    else if (key === 'TargetAddress') {
      const address = parseTargetAddress(value)
      const last = found.at(-1)
      if (address === null) throw broken(`the address '${value}'`)
      if (last === undefined) throw broken('an address before any target')
      last.portals.push(address)
    }
  }
  for (const target of found) if (target.portals.length === 0) target.portals.push({ ...asked, group: null })
  return found
}

const broken = (what: string): TransportError =>
  new TransportError('TRANSPORT_PROTOCOL', `The portal answered SendTargets with ${what}`)
