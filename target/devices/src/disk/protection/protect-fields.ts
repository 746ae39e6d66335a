// SPDX-License-Identifier: Apache-2.0
// The fields of a CDB that concern protection information: what they allow, and what they say of the tags.
import {
  type Field as CdbField,
  type Command,
  INVALID_COMMAND_OPERATION_CODE,
  INVALID_FIELD_IN_CDB,
  ProtectionType,
} from '@lunkit/spec'
import { type Binding, fail, type Task } from '@lunkit/target-api'
import { COMPARED, Field, PROTECT } from './checks.ts'
import type { CommandTags, Protection } from './protection.ts'
import type { Expectation } from './tags.ts'

// biome-ignore lint/suspicious/noExplicitAny: rows of different fields share one table
type AnyCommand = Command<any>

/** What a row has of them. */
export interface ProtectFields {
  readonly protect: CdbField<number>
  readonly bytchk: CdbField<number> | null
  readonly ndob: CdbField<number> | null
  readonly unmap: CdbField<number> | null
  readonly anchor: CdbField<number> | null
  /** EXPECTED INITIAL LOGICAL BLOCK REFERENCE TAG and the two of the application tag, in CDBs of 32 bytes. */
  readonly reference: CdbField<number> | null
  readonly application: CdbField<number> | null
  readonly mask: CdbField<number> | null
  /** A CDB of 32 bytes: those, and no others, move tags in type 2. */
  readonly long: boolean
  readonly writes: boolean
}

export function protectFields(command: AnyCommand): ProtectFields | null {
  const fields = command.cdb.field as unknown as Readonly<Record<string, CdbField<number>>>
  const protect = fields['protect']
  if (protect === undefined) return null
  return {
    protect,
    bytchk: fields['bytchk'] ?? null,
    ndob: fields['ndob'] ?? null,
    unmap: fields['unmap'] ?? null,
    anchor: fields['anchor'] ?? null,
    reference: fields['referenceTag'] ?? null,
    application: fields['applicationTag'] ?? null,
    mask: fields['applicationTagMask'] ?? null,
    long: command.length === 32,
    writes: command.touches === 'medium-write',
  }
}

/** The CDB bits that a disk with protection takes beyond those that one without does. */
export function usageOf(
  binding: Binding,
  { protect, reference, application, mask }: ProtectFields,
): Uint8Array {
  let { usage } = binding
  for (const field of [protect, reference, application, mask])
    if (field !== null) usage = withField({ usage }, field)
  return usage
}

/** The usage with the bits of one more field. */
export function withField({ usage }: Pick<Binding, 'usage'>, field: CdbField<number>): Uint8Array {
  const wider = Uint8Array.from(usage)
  let { byte, bit } = field
  for (let left = field.width; left > 0; left--) {
    wider[byte]! |= 1 << bit
    if (bit-- === 0) {
      bit = 7
      byte++
    }
  }
  return wider
}

/** Whether the command moves tags: its data has eight bytes more for each block. */
export const movesTags = (task: Task, fields: ProtectFields): boolean => fields.protect.get(task.cdb, 0) !== 0

/** True if this disk takes the protect field as it is; else the task has its answer (SBC-4 Protection types). */
export function checkProtect(task: Task, protection: Protection, fields: ProtectFields): boolean {
  const wrong = objection(task, protection, fields)
  if (wrong === INVALID_FIELD_IN_CDB) fail(task, wrong, fields.protect)
  else if (wrong !== null) fail(task, wrong)
  return wrong === null
}

/** The sense for a protect field that this disk does not take, or null. */
export function objection(
  task: Task,
  { type, rwwp, formatted }: Protection,
  { protect, long, writes }: ProtectFields,
) {
  const value = protect.get(task.cdb, 0)
  if (value === 0) return writes && rwwp && formatted ? INVALID_FIELD_IN_CDB : null
  if (!formatted || PROTECT[value] === null) return INVALID_FIELD_IN_CDB
  // In type 2 the reference tag has to be known, and only these CDBs have it; elsewhere they are not defined.
  return long === (type === ProtectionType.type2) ? null : INVALID_COMMAND_OPERATION_CODE
}

/** What a command that is taken says of its tags, before any are there. */
export function commandTags(task: Task, protection: Protection, fields: ProtectFields): CommandTags {
  const { cdb } = task
  const value = fields.protect.get(cdb, 0)
  const knows = fields.long && protection.type === ProtectionType.type2
  const reference = knows ? (fields.reference?.get(cdb, 0) ?? -1) : -1
  const named = knows && protection.ato
  const applicationMask = named ? (fields.mask?.get(cdb, 0) ?? 0) : 0
  let checks = value === 0 && protection.dpicz ? 0 : PROTECT[value]!.checks
  if (reference < 0) checks = protection.plainChecks(checks)
  if (applicationMask === 0) checks &= ~Field.application
  return {
    checks,
    reference,
    application: fields.application?.get(cdb, 0) ?? 0,
    applicationMask,
    sent: null,
    makesGuards: false,
    tagsZeros: false,
    compared: null,
    compares: 0,
    kept: null,
  }
}

/** The fields that the medium's tags are compared in. */
export function comparedFields(task: Task, { ato, type }: Protection, { protect }: ProtectFields): number {
  let compares = COMPARED[protect.get(task.cdb, 0)]!
  if (!ato) compares &= ~Field.application
  else if (type === ProtectionType.type3) compares &= ~Field.reference
  return compares
}

/** What is expected of the tags of blocks from `lba` on. */
export function expectation(tags: CommandTags, protection: Protection, task: Task): Expectation {
  const { checks, reference, application, applicationMask } = tags
  return {
    checks,
    reference: reference < 0 ? protection.referenceOf(task.lba) : reference,
    application,
    applicationMask,
  }
}
