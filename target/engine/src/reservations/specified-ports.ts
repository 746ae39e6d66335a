// SPDX-License-Identifier: Apache-2.0
// Which initiator ports TransportIDs mean: each one, or all of an initiator that the target knows.
import { ProtocolId, readTransportId } from '@lunkit/spec'
import type { TargetDevice } from '../lun-map.ts'

/**
 * TransportIDs in hex to those of single ports. An iSCSI name without ISID means its ports that are here now; undefined if there is
 * none.
 */
export function specifiedPorts(
  transportIds: readonly string[] | null,
  target: TargetDevice,
): readonly string[] | null | undefined {
  if (transportIds === null) return null
  const all = new Set<string>()
  for (const transportId of transportIds) {
    const id = readTransportId(Buffer.from(transportId, 'hex'))?.id
    const name = id?.protocol === ProtocolId.iscsi && id.isid === undefined ? id.name : null
    const ports = name === null ? [transportId] : portsOfInitiator(name, target)
    if (ports.length === 0) return undefined
    for (const port of ports) all.add(port)
  }
  return [...all]
}

function portsOfInitiator(name: string, { nexuses }: TargetDevice): string[] {
  return [...nexuses].filter(({ initiator }) => initiator.name === name).map(one => one.reserved.transportId)
}
