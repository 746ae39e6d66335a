// SPDX-License-Identifier: Apache-2.0
// PERSISTENT RESERVE IN: who is registered, who holds the reservation, and what is possible.
import {
  type Command,
  FULL_STATUS_DESCRIPTOR,
  PERSISTENT_RESERVE_IN_READ_FULL_STATUS,
  PERSISTENT_RESERVE_IN_READ_KEYS,
  PERSISTENT_RESERVE_IN_READ_RESERVATION,
  PERSISTENT_RESERVE_IN_REPORT_CAPABILITIES,
  RESERVATION_CAPABILITIES,
  RESERVATION_DESCRIPTOR,
  RESERVATION_KEY,
  RESERVATION_TYPES,
  RESERVE_IN_HEADER,
} from '@lunkit/spec'
import {
  type Binding,
  on,
  type PersistentState,
  type Registration,
  type Reservations,
  reply,
  type Task,
} from '@lunkit/target-api'

const { allocation } = PERSISTENT_RESERVE_IN_READ_KEYS.cdb.field

/** ALLOW COMMANDS (SPC-4, REPORT CAPABILITIES): TEST UNIT READY runs under every reservation; nothing is said of the others. */
const ALLOWS_TEST_UNIT_READY = 1

// biome-ignore lint/suspicious/noExplicitAny: the rows differ in their literal types only
const answers = (command: Command<any>, data: (reservations: Reservations) => Uint8Array): Binding =>
  on(command, (task: Task) => {
    const room = allocation.get(task.cdb, 0)
    const all = data(task.nexusUnit.unit.reservations)
    // Of a long list only what is taken is kept until it has left.
    reply(task, all.length > room ? all.slice(0, room) : all)
  })

/** The header with the generation, and room for `length` bytes behind it. */
function listOf({ generation }: PersistentState, length: number): Uint8Array {
  const list = new Uint8Array(RESERVE_IN_HEADER.length + length)
  return RESERVE_IN_HEADER.write({ generation, length }, list)
}

function readKeys({ state }: Reservations): Uint8Array {
  const { length } = RESERVATION_KEY
  const list = listOf(state, length * state.registrations.size)
  let at = RESERVE_IN_HEADER.length
  for (const { key } of state.registrations.values()) {
    RESERVATION_KEY.write({ key }, list, at)
    at += length
  }
  return list
}

function readReservation({ state }: Reservations): Uint8Array {
  const { type, holder, registrations } = state
  if (type === 0) return listOf(state, 0)
  const list = listOf(state, RESERVATION_DESCRIPTOR.length)
  // Where all registrants hold it there is no one key.
  const key = holder === null ? 0n : registrations.get(holder)!.key
  return RESERVATION_DESCRIPTOR.write({ key, type }, list, RESERVE_IN_HEADER.length)
}

function reportCapabilities({ state, canPersist }: Reservations): Uint8Array {
  return RESERVATION_CAPABILITIES.write({
    length: RESERVATION_CAPABILITIES.length,
    rlrC: 1,
    crh: 1,
    sipC: 1,
    atpC: 1,
    ptplC: canPersist ? 1 : 0,
    tmv: 1,
    allowCommands: ALLOWS_TEST_UNIT_READY,
    ptplA: state.aptpl ? 1 : 0,
    writeExclusive: 1,
    exclusiveAccess: 1,
    writeExclusiveRegistrantsOnly: 1,
    exclusiveAccessRegistrantsOnly: 1,
    writeExclusiveAllRegistrants: 1,
    exclusiveAccessAllRegistrants: 1,
  })
}

function readFullStatus({ state }: Reservations): Uint8Array {
  const parts = [...state.registrations].map(([name, one]) => describe(state, name, one))
  const body = Buffer.concat(parts)
  const list = listOf(state, body.length)
  list.set(body, RESERVE_IN_HEADER.length)
  return list
}

function describe({ type, holder }: PersistentState, name: string, registration: Registration): Uint8Array {
  const transportId = Buffer.from(registration.transportId, 'hex')
  const holds = holder === name || RESERVATION_TYPES.get(type)?.allHold === true
  const descriptor = new Uint8Array(FULL_STATUS_DESCRIPTOR.length + transportId.length)
  descriptor.set(transportId, FULL_STATUS_DESCRIPTOR.length)
  return FULL_STATUS_DESCRIPTOR.write(
    {
      key: registration.key,
      allTgPt: registration.allPorts ? 1 : 0,
      rHolder: holds ? 1 : 0,
      // Scope and type belong to the holder.
      type: holds ? type : 0,
      port: registration.port,
      transportIdLength: transportId.length,
    },
    descriptor,
  )
}

export const persistentReserveIns: readonly Binding[] = [
  answers(PERSISTENT_RESERVE_IN_READ_KEYS, readKeys),
  answers(PERSISTENT_RESERVE_IN_READ_RESERVATION, readReservation),
  answers(PERSISTENT_RESERVE_IN_REPORT_CAPABILITIES, reportCapabilities),
  answers(PERSISTENT_RESERVE_IN_READ_FULL_STATUS, readFullStatus),
]
