// SPDX-License-Identifier: Apache-2.0
// Registrations and their end as iSNS messages (RFC 4171, 5.6.5.1 and 5.6.5.4).
import { isIPv4 } from 'node:net'
import {
  encodeIsnsAttributes,
  ISNS_HEADER,
  ISNS_HEADER_BYTES,
  ISNS_VERSION,
  type IsnsAttribute,
  IsnsEntityProtocol,
  IsnsFlag,
  IsnsFunction,
  IsnsNodeType,
  IsnsTag,
  isnsAddress,
  isnsDelimiter,
  isnsNumber,
  isnsText,
} from '@lunkit/spec'
import type { ListedNode, PlacedPortal } from './listing.ts'

export interface IsnsRequest {
  readonly functionId: number
  readonly replace: boolean
  readonly attributes: readonly IsnsAttribute[]
}

/** What is registered in one go. */
export interface Registration {
  readonly entity: string
  readonly nodes: readonly ListedNode[]
  readonly portals: readonly PlacedPortal[]
  /** In seconds. */
  readonly period: number
  readonly esiSeconds: number
  /** Port that answers inquiries for a portal; undefined for none. */
  esiPort(portal: PlacedPortal): number | undefined
  /** Whether portal group tags are registered: a server may not know them. */
  readonly groups: boolean
}

/** Nodes in one message: with their names and portal groups it stays below the length of a PDU. */
const NODES_AT_ONCE = 32
/** Portals that are registered at most, for the same reason. */
export const MOST_PORTALS = 64

/** The whole registration as requests in their order; the first may replace all that the entity had. */
export function registration(what: Registration, replace: boolean): IsnsRequest[] {
  const { entity, nodes, portals } = what
  const requests: IsnsRequest[] = []
  for (let at = 0; at === 0 || at < nodes.length; at += NODES_AT_ONCE) {
    const some = nodes.slice(at, at + NODES_AT_ONCE)
    const attributes = [
      isnsText(IsnsTag.iscsiName, nodes[0]!.name),
      isnsText(IsnsTag.entityIdentifier, entity),
    ]
    attributes.push(isnsDelimiter, isnsText(IsnsTag.entityIdentifier, entity))
    if (at === 0) {
      attributes.push(isnsNumber(IsnsTag.entityProtocol, IsnsEntityProtocol.iscsi))
      attributes.push(isnsNumber(IsnsTag.registrationPeriod, what.period))
      for (const portal of portals) attributes.push(...portalAttributes(what, portal))
    }
    for (const node of some) attributes.push(...nodeAttributes(what, node))
    requests.push({
      functionId: IsnsFunction.deviceAttributeRegistration,
      replace: replace && at === 0,
      attributes,
    })
  }
  return requests
}

function portalAttributes(what: Registration, portal: PlacedPortal): IsnsAttribute[] {
  const attributes = [
    isnsAddress(IsnsTag.portalAddress, addressBytes(portal.address)),
    isnsNumber(IsnsTag.portalPort, portal.port),
  ]
  const esi = what.esiPort(portal)
  if (esi !== undefined) {
    attributes.push(isnsNumber(IsnsTag.esiInterval, what.esiSeconds), isnsNumber(IsnsTag.esiPort, esi))
  }
  return attributes
}

function nodeAttributes({ portals, groups }: Registration, { name, alias }: ListedNode): IsnsAttribute[] {
  const attributes = [
    isnsText(IsnsTag.iscsiName, name),
    isnsNumber(IsnsTag.iscsiNodeType, IsnsNodeType.target),
  ]
  if (alias !== '') attributes.push(isnsText(IsnsTag.iscsiAlias, alias))
  if (!groups) return attributes
  for (const tag of new Set(portals.map(portal => portal.tag))) {
    attributes.push(isnsNumber(IsnsTag.groupTag, tag))
    for (const portal of portals.filter(one => one.tag === tag)) {
      attributes.push(isnsAddress(IsnsTag.groupPortalAddress, addressBytes(portal.address)))
      attributes.push(isnsNumber(IsnsTag.groupPortalPort, portal.port))
    }
  }
  return attributes
}

/** Nodes and portals that are no more; the source is a node that is registered. */
export function departure(
  source: string,
  nodes: readonly ListedNode[],
  portals: readonly PlacedPortal[],
): IsnsRequest {
  const gone = [
    ...portals.flatMap(({ address, port }) => [
      isnsAddress(IsnsTag.portalAddress, addressBytes(address)),
      isnsNumber(IsnsTag.portalPort, port),
    ]),
    ...nodes.map(({ name }) => isnsText(IsnsTag.iscsiName, name)),
  ]
  return dereg(source, gone)
}

/** The end of the entity, with all that it has. */
export const farewell = (source: string, entity: string): IsnsRequest =>
  dereg(source, [isnsText(IsnsTag.entityIdentifier, entity)])

const dereg = (source: string, gone: readonly IsnsAttribute[]): IsnsRequest => ({
  functionId: IsnsFunction.deviceDeregistration,
  replace: false,
  attributes: [isnsText(IsnsTag.iscsiName, source), isnsDelimiter, ...gone],
})

/** One PDU. Throws RangeError if the payload is too long for it. */
export function encodeMessage(
  functionId: number,
  flags: number,
  transaction: number,
  payload: Uint8Array,
): Buffer {
  if (payload.length > 0xffff) throw new RangeError(`iSNS message of ${payload.length} bytes`)
  const pdu = Buffer.alloc(ISNS_HEADER_BYTES + payload.length)
  const header = { version: ISNS_VERSION, functionId, length: payload.length, transaction, sequence: 0 }
  ISNS_HEADER.write({ ...header, flags: flags | IsnsFlag.firstPdu | IsnsFlag.lastPdu }, pdu)
  pdu.set(payload, ISNS_HEADER_BYTES)
  return pdu
}

export const encodeRequest = (request: IsnsRequest, transaction: number): Buffer =>
  encodeMessage(
    request.functionId,
    IsnsFlag.fromClient | (request.replace ? IsnsFlag.replace : 0),
    transaction,
    encodeIsnsAttributes(request.attributes),
  )

/** Bytes of an address that `isIP` knows. */
export function addressBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split('.'), Number)
  const [head = '', tail] = address.split('::')
  const groups = (part: string): number[] =>
    part === ''
      ? []
      : part.split(':').flatMap(group => {
          if (!group.includes('.')) return [Number.parseInt(group, 16)]
          const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
          return [(a << 8) | b, (c << 8) | d]
        })
  const front = groups(head)
  const back = tail === undefined ? [] : groups(tail)
  const zeros = new Array<number>(8 - front.length - back.length).fill(0)
  return Uint8Array.from([...front, ...zeros, ...back].flatMap(group => [group >> 8, group & 0xff]))
}
