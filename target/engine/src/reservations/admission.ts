// SPDX-License-Identifier: Apache-2.0
// Which commands a reservation keeps from whom: classes of commands from their rows, and the classes that are barred.
import {
  type Command,
  PERSISTENT_RESERVE_IN_READ_KEYS,
  PERSISTENT_RESERVE_OUT_REGISTER,
  PERSISTENT_RESERVE_OUT_REPLACE_LOST_RESERVATION,
  PREVENT_ALLOW_MEDIUM_REMOVAL,
  type ReservationTypeTraits,
  START_STOP_UNIT,
  TEST_UNIT_READY,
} from '@lunkit/spec'

/** Classes of commands; a nexus has those that it may not send as a mask. */
const READS = 1
const WRITES = 2
/** They depend on the CDB: START STOP UNIT, PREVENT ALLOW MEDIUM REMOVAL. */
const CONDITIONAL = 4
/** Allowed under every persistent reservation, but not under another's RESERVE. */
const ASKS = 8
const PERSISTENT = 16
const REPLACES = 32
const RESERVES = 64

// biome-ignore lint/suspicious/noExplicitAny: rows of any fields
type AnyCommand = Command<any>

/** The class of a command as a mask of one bit, or 0: nothing ever keeps it from anybody. */
export function classOf(command: AnyCommand): number {
  const { opcode, serviceAction } = command
  if (opcode === PERSISTENT_RESERVE_IN_READ_KEYS.opcode) return PERSISTENT
  if (opcode === PERSISTENT_RESERVE_OUT_REGISTER.opcode) {
    const replaces = serviceAction === PERSISTENT_RESERVE_OUT_REPLACE_LOST_RESERVATION.serviceAction
    return replaces ? REPLACES : PERSISTENT
  }
  if (opcode === TEST_UNIT_READY.opcode) return ASKS
  switch (command.reservation) {
    case 'readers':
      return READS
    case 'registrants':
      return WRITES
    case 'special':
      return isConditional(opcode) ? CONDITIONAL : RESERVES
    default:
      return 0
  }
}

const isConditional = (opcode: number): boolean =>
  opcode === START_STOP_UNIT.opcode || opcode === PREVENT_ALLOW_MEDIUM_REMOVAL.opcode

const { start, powerCondition } = START_STOP_UNIT.cdb.field
const { prevent } = PREVENT_ALLOW_MEDIUM_REMOVAL.cdb.field

/** Whether this CDB asks for the harmless half of its command: START of the unit, or removal allowed. */
export function isHarmless(cdb: Uint8Array): boolean {
  if (cdb[0] === START_STOP_UNIT.opcode) return start.get(cdb, 0) === 1 && powerCondition.get(cdb, 0) === 0
  return cdb[0] === PREVENT_ALLOW_MEDIUM_REMOVAL.opcode && prevent.get(cdb, 0) === 0
}

/** Somebody else's persistent reservation. */
export const barredByType = (traits: ReservationTypeTraits): number =>
  WRITES | CONDITIONAL | (traits.othersRead ? 0 : READS)

/** SPC-2, RESERVE: persistent reservations are kept from everybody while it is there, the rest from all but one. */
export const BARRED_BY_OWN_RESERVE = PERSISTENT | REPLACES
export const BARRED_BY_RESERVE = BARRED_BY_OWN_RESERVE | READS | WRITES | CONDITIONAL | ASKS

/** Nobody knows who may do what: only what is allowed to everybody always, and to replace what was lost. */
export const BARRED_BY_LOSS = READS | WRITES | CONDITIONAL | ASKS | PERSISTENT | RESERVES
