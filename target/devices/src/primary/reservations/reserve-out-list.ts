// SPDX-License-Identifier: Apache-2.0
// The parameter lists of PERSISTENT RESERVE OUT: what they ask for, or where they are wrong.
import {
  ADDITIONAL_PORTS,
  ProtocolId,
  parseIscsiName,
  REGISTER_AND_MOVE_LIST,
  RESERVE_OUT_LIST,
  readTransportId,
  type TransportId,
  writeTransportId,
} from '@lunkit/spec'
import type { ReservationAction, ReservationRequest } from '@lunkit/target-api'

/** `length`: PARAMETER LIST LENGTH ERROR; `field`: the one at byte and bit. */
export interface ParameterFault {
  readonly fault: 'length' | 'field'
  readonly byte: number
  readonly bit: number
}

export interface ReadList {
  readonly fields: Omit<ReservationRequest, 'action' | 'type'>
}

const LENGTH: ParameterFault = { fault: 'length', byte: -1, bit: -1 }
const wrong = (byte: number, bit: number): ParameterFault => ({ fault: 'field', byte, bit })

/** Actions for which ALL_TG_PT and APTPL count; others have zeros there, or what is ignored. */
const REGISTERS: ReadonlySet<ReservationAction> = new Set(['register', 'register-and-ignore'])

export function readBasicList(
  list: Uint8Array,
  action: ReservationAction,
  protocol: number,
): ReadList | ParameterFault {
  const { length, field } = RESERVE_OUT_LIST
  if (list.length < length) return LENGTH
  const stray = RESERVE_OUT_LIST.reserved(list)
  if (stray !== null) return wrong(stray.byte, stray.bit)
  const more = field.specIPt.get(list, 0) === 1
  if (more && action !== 'register') return wrong(field.specIPt.byte, field.specIPt.bit)
  const others = more ? readPorts(list, protocol) : null
  if (others !== null && 'fault' in others) return others
  if (!more && list.length !== length) return LENGTH
  const registers = REGISTERS.has(action)
  return {
    fields: {
      key: field.key.get(list, 0),
      newKey: field.newKey.get(list, 0),
      aptpl: (registers || action === 'replace-lost') && field.aptpl.get(list, 0) === 1,
      allPorts: registers && field.allTgPt.get(list, 0) === 1,
      others,
      move: null,
    },
  }
}

/** The TransportIDs of SPEC_I_PT. */
function readPorts(list: Uint8Array, protocol: number): string[] | ParameterFault {
  const start = RESERVE_OUT_LIST.length
  if (list.length < start + ADDITIONAL_PORTS.length) return LENGTH
  const first = start + ADDITIONAL_PORTS.length
  if (list.length !== first + ADDITIONAL_PORTS.field.length.get(list, start)) return LENGTH
  const ports: string[] = []
  for (let at = first; at < list.length; ) {
    const port = readPort(list, at, protocol)
    if (port === null) return wrong(at, 7)
    ports.push(port.transportId)
    at += port.length
  }
  return ports
}

export function readMoveList(list: Uint8Array, protocol: number): ReadList | ParameterFault {
  const { length, field } = REGISTER_AND_MOVE_LIST
  if (list.length < length) return LENGTH
  const stray = REGISTER_AND_MOVE_LIST.reserved(list)
  if (stray !== null) return wrong(stray.byte, stray.bit)
  if (list.length !== length + field.transportIdLength.get(list, 0)) return LENGTH
  const port = readPort(list, length, protocol)
  // One port, and a name without its ISID is none.
  if (port === null || port.anyPort || port.length !== list.length - length) return wrong(length, 7)
  return {
    fields: {
      key: field.key.get(list, 0),
      newKey: field.newKey.get(list, 0),
      aptpl: field.aptpl.get(list, 0) === 1,
      allPorts: false,
      others: null,
      move: {
        transportId: port.transportId,
        port: field.port.get(list, 0),
        unregister: field.unreg.get(list, 0) === 1,
      },
    },
  }
}

interface ReadPort {
  readonly transportId: string
  readonly length: number
  readonly anyPort: boolean
}

/** A TransportID of that protocol in its one normal form, or null. */
function readPort(list: Uint8Array, at: number, protocol: number): ReadPort | null {
  const read = readTransportId(list, at)
  if (read === null || read.id.protocol !== protocol) return null
  const id = normal(read.id)
  if (id === null) return null
  const transportId = Buffer.from(writeTransportId(id)).toString('hex')
  const anyPort = id.protocol === ProtocolId.iscsi && id.isid === undefined
  return { transportId, length: read.length, anyPort }
}

/** iSCSI names in the form in which sessions have them. */
function normal(id: TransportId): TransportId | null {
  if (id.protocol !== ProtocolId.iscsi) return id
  const parsed = parseIscsiName(id.name)
  return parsed.ok ? { ...id, name: parsed.name } : null
}
