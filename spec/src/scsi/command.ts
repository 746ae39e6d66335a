// SPDX-License-Identifier: Apache-2.0
// A SCSI command as a row: opcode, length, fields, data direction, what it touches, how it is admitted.
import { bit, bits, u8, u16 } from '../bytes/field.ts'
import { type FieldRows, type Layout, layout } from '../bytes/layout.ts'

/** Which way the command's data goes, seen from the initiator (SAM-5). */
export type DataDirection = 'none' | 'in' | 'out' | 'both'

/**
 * What a command touches. Decides order (who waits for whom), write protection and range checks:
 * `medium-read` and `medium-write` name blocks by LBA; `medium-sync` makes earlier writes durable; `medium-all`
 * changes the whole medium or its state (FORMAT UNIT, START STOP UNIT); `unit` changes the logical unit's own
 * state (MODE SELECT); `nothing` only looks.
 */
export type Touches = 'nothing' | 'unit' | 'medium-read' | 'medium-write' | 'medium-sync' | 'medium-all'

/**
 * Behaviour under another nexus's reservation (SPC-4, table "… commands that are allowed in the presence of various
 * reservations"): `allowed` always; `readers` where the reservation lets others read (Write Exclusive);
 * `registrants` only for holders and, in the registrants-only and all-registrants types, the registered;
 * `special` decided by the command itself (PERSISTENT RESERVE OUT, RESERVE, RELEASE).
 */
export type UnderReservation = 'allowed' | 'readers' | 'registrants' | 'special'

/**
 * A pending unit attention and this command (SAM-5, unit attention conditions): `reports` ends with it;
 * `passes` runs and leaves it (INQUIRY, REPORT LUNS); `takes` returns it as its own data (REQUEST SENSE).
 */
export type UnitAttentionRule = 'reports' | 'passes' | 'takes'

/**
 * When a command runs: `always`, even while a format or sanitize operation has the unit to itself; `recovers` as `ready`, and
 * after a sanitize operation that failed; `unready` also on a unit that is stopped or without medium; `ready` only on one
 * that is ready (SPC-4 and SBC-4, clauses of the commands). Where not said: `ready` for those that touch the medium, `unready` for others.
 */
export type Readiness = 'always' | 'recovers' | 'unready' | 'ready'

/**
 * In which asymmetric access states of the target port the command runs (SPC-4, target port asymmetric access states):
 * `active` in the active ones only; `standby` in standby as well; `unavailable` also in unavailable and offline;
 * `always` even while the state changes.
 */
export type AccessRule = 'active' | 'standby' | 'unavailable' | 'always'

/**
 * What a command is in the order of a task set. `read`, `write` and `atomic` have blocks: those of `lba` and `blocks`, or
 * the whole medium where the CDB does not name them; an atomic one is alone in its blocks. `sync` makes durable what has
 * ended; `medium` is alone with the medium; `unit` waits for changes of the medium and holds up later ones. `nothing`
 * waits for none of them; `head` MAY go at once whatever its attribute (SAM-5, implicit head of queue), and does, so
 * that no stuck command can keep a cluster from fencing.
 */
export type OrderClass = 'read' | 'write' | 'atomic' | 'sync' | 'medium' | 'unit' | 'nothing' | 'head'

/** The order of commands whose row names none. */
const ORDER_OF: Readonly<Record<Touches, OrderClass>> = {
  nothing: 'nothing',
  unit: 'unit',
  'medium-read': 'read',
  'medium-write': 'write',
  'medium-sync': 'sync',
  'medium-all': 'medium',
}

export interface Traits {
  readonly data: DataDirection
  readonly touches: Touches
  readonly reservation: UnderReservation
  readonly unitAttention?: UnitAttentionRule
  readonly readiness?: Readiness
  /** Changes what blocks hold, so a write-protected medium refuses it; not said: those that touch `medium-write`. */
  readonly writes?: boolean
  /** `active` if not given. */
  readonly access?: AccessRule
  /** Where it does not follow from `touches`. */
  readonly order?: OrderClass
}

/** A row. Field names with a meaning to the engine: `lba`, `blocks`, `allocation`, `parameterLength`, `naca`. */
export interface Command<R extends FieldRows = FieldRows> {
  readonly name: string
  readonly opcode: number
  /** Service action, or -1 where the command has none. */
  readonly serviceAction: number
  /** CDB length in bytes. */
  readonly length: number
  readonly data: DataDirection
  readonly touches: Touches
  readonly reservation: UnderReservation
  readonly unitAttention: UnitAttentionRule
  readonly readiness: Readiness
  readonly writes: boolean
  readonly access: AccessRule
  readonly order: OrderClass
  readonly cdb: Layout<R & ControlRows>
}

type ControlRows = { readonly opcode: ReturnType<typeof u8>; readonly naca: ReturnType<typeof bit> }

/** A row of a command without service action; `naca` of the CONTROL byte is added by itself. */
export function command<const R extends FieldRows>(
  opcode: number,
  length: number,
  name: string,
  cite: string,
  traits: Traits,
  fields: R,
): Command<R> {
  return row(opcode, -1, length, name, cite, traits, fields, {})
}

/** A row of a command told apart by a service action: in bits 4-0 of byte 1, or bytes 8-9 of a 7Fh CDB. */
export function serviceAction<const R extends FieldRows>(
  opcode: number,
  action: number,
  length: number,
  name: string,
  cite: string,
  traits: Traits,
  fields: R,
): Command<R> {
  const place: FieldRows =
    opcode === 0x7f ? { serviceAction: u16(8), additionalLength: u8(7) } : { serviceAction: bits(1, 4, 0) }
  return row(opcode, action, length, name, cite, traits, fields, place)
}

function row<const R extends FieldRows>(
  opcode: number,
  action: number,
  length: number,
  name: string,
  cite: string,
  traits: Traits,
  fields: R,
  place: FieldRows,
): Command<R> {
  const control = opcode === 0x7f ? 1 : length - 1
  const rows = { opcode: u8(0), ...place, ...fields, naca: bit(control, 2) }
  return Object.freeze({
    name,
    opcode,
    serviceAction: action,
    length,
    data: traits.data,
    touches: traits.touches,
    reservation: traits.reservation,
    unitAttention: traits.unitAttention ?? 'reports',
    writes: traits.writes ?? traits.touches === 'medium-write',
    order: traits.order ?? ORDER_OF[traits.touches],
    readiness: traits.readiness ?? (traits.touches.startsWith('medium') ? 'ready' : 'unready'),
    access: traits.access ?? 'active',
    cdb: layout(name, cite, length, rows) as unknown as Layout<R & ControlRows>,
  })
}
