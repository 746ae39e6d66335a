// SPDX-License-Identifier: Apache-2.0
// PERSISTENT RESERVE OUT: the parameter lists read and checked, the engine asked, its outcome told.
import {
  type Command,
  INSUFFICIENT_REGISTRATION_RESOURCES,
  INTERNAL_TARGET_FAILURE,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  INVALID_RELEASE_OF_PERSISTENT_RESERVATION,
  PARAMETER_LIST_LENGTH_ERROR,
  PERSISTENT_RESERVE_OUT_CLEAR,
  PERSISTENT_RESERVE_OUT_PREEMPT,
  PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT,
  PERSISTENT_RESERVE_OUT_REGISTER,
  PERSISTENT_RESERVE_OUT_REGISTER_AND_IGNORE_EXISTING_KEY,
  PERSISTENT_RESERVE_OUT_REGISTER_AND_MOVE,
  PERSISTENT_RESERVE_OUT_RELEASE,
  PERSISTENT_RESERVE_OUT_REPLACE_LOST_RESERVATION,
  PERSISTENT_RESERVE_OUT_RESERVE,
  REGISTER_AND_MOVE_LIST,
  RESERVATION_SCOPE_LU,
  RESERVE_OUT_LIST,
  type SenseCode,
  Status,
} from '@lunkit/spec'
import {
  type Binding,
  type FieldPlace,
  fail,
  failParameter,
  on,
  type ReservationAction,
  type ReservationOutcome,
  refuse,
  succeed,
  type Task,
} from '@lunkit/target-api'
import { type ParameterFault, readBasicList, readMoveList } from './reserve-out-list.ts'

const { scope, type, parameterLength, serviceAction } = PERSISTENT_RESERVE_OUT_REGISTER.cdb
  .field as unknown as Record<'scope' | 'type' | 'parameterLength' | 'serviceAction', CdbField>
type CdbField = FieldPlace & { get(bytes: Uint8Array, at: number): number }

/** A thousand initiator ports with long names; longer lists are refused before they take memory. */
const LONGEST_LIST = 256 * 1024

/** Actions for which SCOPE and TYPE count (SPC-4, PERSISTENT RESERVE OUT service actions and valid parameters). */
const TYPED: ReadonlySet<ReservationAction> = new Set([
  'reserve',
  'release',
  'preempt',
  'preempt-and-abort',
  'replace-lost',
])

/** A type that no reservation has. */
const NO_TYPE = -1

function reserveOut(task: Task, action: ReservationAction) {
  const { cdb } = task
  const promised = parameterLength.get(cdb, 0)
  if (promised > LONGEST_LIST) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
  const list = Buffer.concat(task.segments, Math.min(task.received, task.outLength))
  if (list.length < promised) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
  const { protocol } = task.nexus.port
  const read =
    action === 'register-and-move' ? readMoveList(list, protocol) : readBasicList(list, action, protocol)
  if ('fault' in read) return failList(task, read)
  const typed = TYPED.has(action)
  const wholeUnit = scope.get(cdb, 0) === RESERVATION_SCOPE_LU
  // Releasing what is not there is no fault, so RELEASE learns of a wrong scope as of a wrong type.
  if (typed && !wholeUnit && action !== 'release') return fail(task, INVALID_FIELD_IN_CDB, scope)
  const wanted = typed && wholeUnit ? type.get(cdb, 0) : typed ? NO_TYPE : 0
  const { reservations } = task.nexusUnit.unit
  reservations.perform(task, { ...read.fields, action, type: wanted }, outcome => tell(task, action, outcome))
}

function failList(task: Task, { fault, byte, bit }: ParameterFault): void {
  if (fault === 'length') fail(task, PARAMETER_LIST_LENGTH_ERROR)
  else failParameter(task, INVALID_FIELD_IN_PARAMETER_LIST, byte, bit)
}

/** What the outcomes that are faults say, where the parameter list has the same fields for all actions. */
const FAULTS = {
  type: [INVALID_FIELD_IN_CDB, type, null],
  action: [INVALID_FIELD_IN_CDB, serviceAction, null],
  failed: [INTERNAL_TARGET_FAILURE, null, null],
  release: [INVALID_RELEASE_OF_PERSISTENT_RESERVATION, null, null],
  resources: [INSUFFICIENT_REGISTRATION_RESOURCES, null, null],
  'new-key': [INVALID_FIELD_IN_PARAMETER_LIST, null, RESERVE_OUT_LIST.field.newKey],
  aptpl: [INVALID_FIELD_IN_PARAMETER_LIST, null, RESERVE_OUT_LIST.field.aptpl],
  ports: [INVALID_FIELD_IN_PARAMETER_LIST, null, RESERVE_OUT_LIST.field.specIPt],
  'target-port': [INVALID_FIELD_IN_PARAMETER_LIST, null, REGISTER_AND_MOVE_LIST.field.port],
} as const satisfies Record<
  Exclude<ReservationOutcome, 'good' | 'conflict'>,
  readonly [code: SenseCode, inCdb: FieldPlace | null, inList: FieldPlace | null]
>

/** Where REGISTER AND MOVE has them elsewhere. */
const MOVE_PLACES: Readonly<Record<string, FieldPlace>> = {
  aptpl: REGISTER_AND_MOVE_LIST.field.aptpl,
  ports: { byte: REGISTER_AND_MOVE_LIST.length, bit: 7 },
}

function tell(task: Task, action: ReservationAction, outcome: ReservationOutcome) {
  if (outcome === 'good') return succeed(task)
  if (outcome === 'conflict') return refuse(task, Status.reservationConflict)
  const [code, inCdb, inList] = FAULTS[outcome]
  const place = (action === 'register-and-move' ? MOVE_PLACES[outcome] : undefined) ?? inList
  if (place === null) fail(task, code, inCdb)
  else failParameter(task, code, place.byte, place.bit)
}

// biome-ignore lint/suspicious/noExplicitAny: the rows differ in their literal types only
const action = (command: Command<any>, name: ReservationAction): Binding =>
  on(command, (task: Task) => reserveOut(task, name), {
    dataOut: task => Math.min(parameterLength.get(task.cdb, 0), LONGEST_LIST),
  })

export const persistentReserveOuts: readonly Binding[] = [
  action(PERSISTENT_RESERVE_OUT_REGISTER, 'register'),
  action(PERSISTENT_RESERVE_OUT_RESERVE, 'reserve'),
  action(PERSISTENT_RESERVE_OUT_RELEASE, 'release'),
  action(PERSISTENT_RESERVE_OUT_CLEAR, 'clear'),
  action(PERSISTENT_RESERVE_OUT_PREEMPT, 'preempt'),
  action(PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT, 'preempt-and-abort'),
  action(PERSISTENT_RESERVE_OUT_REGISTER_AND_IGNORE_EXISTING_KEY, 'register-and-ignore'),
  action(PERSISTENT_RESERVE_OUT_REGISTER_AND_MOVE, 'register-and-move'),
  action(PERSISTENT_RESERVE_OUT_REPLACE_LOST_RESERVATION, 'replace-lost'),
]
