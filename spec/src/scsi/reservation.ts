// SPDX-License-Identifier: Apache-2.0
// Persistent reservations: types, and the parameter lists and data of PERSISTENT RESERVE OUT and IN.
import { big64, bit, bits, u16, u32 } from '../bytes/field.ts'
import { layout } from '../bytes/layout.ts'

/** TYPE (SPC-4, persistent reservations type). */
export const ReservationType = Object.freeze({
  writeExclusive: 1,
  exclusiveAccess: 3,
  writeExclusiveRegistrantsOnly: 5,
  exclusiveAccessRegistrantsOnly: 6,
  writeExclusiveAllRegistrants: 7,
  exclusiveAccessAllRegistrants: 8,
} as const)

/** What a type means. */
export interface ReservationTypeTraits {
  readonly name: string
  /** Others may read. */
  readonly othersRead: boolean
  /** Who is registered has the holder's access. */
  readonly registrantsToo: boolean
  /** Everybody who is registered holds it. */
  readonly allHold: boolean
}

const traits = (name: string, othersRead: boolean, registrantsToo: boolean, allHold: boolean) =>
  Object.freeze({ name, othersRead, registrantsToo, allHold })

/** All types, by their code. */
export const RESERVATION_TYPES: ReadonlyMap<number, ReservationTypeTraits> = new Map([
  [ReservationType.writeExclusive, traits('Write Exclusive', true, false, false)],
  [ReservationType.exclusiveAccess, traits('Exclusive Access', false, false, false)],
  [
    ReservationType.writeExclusiveRegistrantsOnly,
    traits('Write Exclusive - Registrants Only', true, true, false),
  ],
  [
    ReservationType.exclusiveAccessRegistrantsOnly,
    traits('Exclusive Access - Registrants Only', false, true, false),
  ],
  [
    ReservationType.writeExclusiveAllRegistrants,
    traits('Write Exclusive - All Registrants', true, true, true),
  ],
  [
    ReservationType.exclusiveAccessAllRegistrants,
    traits('Exclusive Access - All Registrants', false, true, true),
  ],
])

/** SCOPE: the whole logical unit; all others are obsolete. */
export const RESERVATION_SCOPE_LU = 0

const OUT_CITE = 'SPC-4 PERSISTENT RESERVE OUT command'
const IN_CITE = 'SPC-4 PERSISTENT RESERVE IN command'

/** The list of all service actions but REGISTER AND MOVE. Bytes 16-19, 22 and 23 are obsolete: whatever they say. */
export const RESERVE_OUT_LIST = layout(
  'PERSISTENT RESERVE OUT parameter list',
  `${OUT_CITE}, basic parameter list`,
  24,
  {
    key: big64(0),
    newKey: big64(8),
    obsolete: u32(16),
    specIPt: bit(20, 3),
    allTgPt: bit(20, 2),
    aptpl: bit(20, 0),
    obsoleteToo: u16(22),
  },
)
/** What follows it with SPEC_I_PT: the length of the TransportIDs behind it. */
export const ADDITIONAL_PORTS = layout(
  'PERSISTENT RESERVE OUT additional parameter data',
  `${OUT_CITE}, specified initiator ports additional parameter data`,
  4,
  { length: u32(0) },
)
export const REGISTER_AND_MOVE_LIST = layout(
  'REGISTER AND MOVE parameter list',
  `${OUT_CITE}, PERSISTENT RESERVE OUT with REGISTER AND MOVE parameters`,
  24,
  {
    key: big64(0),
    newKey: big64(8),
    unreg: bit(17, 1),
    aptpl: bit(17, 0),
    port: u16(18),
    transportIdLength: u32(20),
  },
)

/** First bytes of READ KEYS, READ RESERVATION and READ FULL STATUS data. */
export const RESERVE_IN_HEADER = layout(
  'PERSISTENT RESERVE IN data',
  `${IN_CITE}, READ KEYS service action`,
  8,
  {
    generation: u32(0),
    length: u32(4),
  },
)
export const RESERVATION_DESCRIPTOR = layout(
  'READ RESERVATION data',
  `${IN_CITE}, READ RESERVATION service action`,
  16,
  { key: big64(0), scope: bits(13, 7, 4), type: bits(13, 3, 0) },
)
export const RESERVATION_CAPABILITIES = layout(
  'REPORT CAPABILITIES data',
  `${IN_CITE}, REPORT CAPABILITIES service action`,
  8,
  {
    length: u16(0),
    rlrC: bit(2, 7),
    crh: bit(2, 4),
    sipC: bit(2, 3),
    atpC: bit(2, 2),
    ptplC: bit(2, 0),
    tmv: bit(3, 7),
    allowCommands: bits(3, 6, 4),
    ptplA: bit(3, 0),
    writeExclusiveAllRegistrants: bit(4, 7),
    exclusiveAccessRegistrantsOnly: bit(4, 6),
    writeExclusiveRegistrantsOnly: bit(4, 5),
    exclusiveAccess: bit(4, 3),
    writeExclusive: bit(4, 1),
    exclusiveAccessAllRegistrants: bit(5, 0),
  },
)
/** One registration of READ FULL STATUS; its TransportID follows. */
export const FULL_STATUS_DESCRIPTOR = layout(
  'Full status descriptor',
  `${IN_CITE}, READ FULL STATUS service action`,
  24,
  {
    key: big64(0),
    allTgPt: bit(12, 1),
    rHolder: bit(12, 0),
    scope: bits(13, 7, 4),
    type: bits(13, 3, 0),
    port: u16(18),
    transportIdLength: u32(20),
  },
)
/** One key of READ KEYS. */
export const RESERVATION_KEY = layout('Reservation key', `${IN_CITE}, READ KEYS service action`, 8, {
  key: big64(0),
})
