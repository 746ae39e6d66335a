// SPDX-License-Identifier: Apache-2.0
// REPORT and SET IDENTIFYING INFORMATION: what initiators wrote on the unit, to know it again.
import {
  DEVICE_IDENTIFIER_CHANGED,
  IDENTIFYING_INFORMATION,
  INFORMATION_SUPPORTED,
  INTERNAL_TARGET_FAILURE,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  InformationType,
  PARAMETER_LIST_LENGTH_ERROR,
  REPORT_IDENTIFYING_INFORMATION,
  SET_IDENTIFYING_INFORMATION,
} from '@lunkit/spec'
import { type Binding, fail, failParameter, on, reply, succeed, type Task } from '@lunkit/target-api'
import type { PrimaryDevice } from './primary-device.ts'

/** Most bytes of each kind (SPC-4, identifying information: the most that it allows). */
const KINDS: ReadonlyMap<number, number> = new Map([
  [InformationType.unit, 512],
  [InformationType.text, 256],
])

const asked = REPORT_IDENTIFYING_INFORMATION.cdb.field
const given = SET_IDENTIFYING_INFORMATION.cdb.field

const report = on(REPORT_IDENTIFYING_INFORMATION, (task: Task, { notes }: PrimaryDevice) => {
  const type = asked.informationType.get(task.cdb, 0)
  if (type !== InformationType.supported && !KINDS.has(type)) {
    return fail(task, INVALID_FIELD_IN_CDB, asked.informationType)
  }
  const body = type === InformationType.supported ? listKinds() : notes.information(type)
  const answer = new Uint8Array(IDENTIFYING_INFORMATION.length + body.length)
  IDENTIFYING_INFORMATION.write({ length: body.length }, answer)
  answer.set(body, IDENTIFYING_INFORMATION.length)
  reply(task, answer, asked.allocation.get(task.cdb, 0))
})

function listKinds(): Uint8Array {
  const { length } = INFORMATION_SUPPORTED
  const list = new Uint8Array(length * KINDS.size)
  let at = 0
  for (const [type, maxLength] of KINDS) {
    INFORMATION_SUPPORTED.write({ type, maxLength }, list, at)
    at += length
  }
  return list
}

const set = on(SET_IDENTIFYING_INFORMATION, (task: Task, { notes, unit }: PrimaryDevice) => {
  const type = given.informationType.get(task.cdb, 0)
  const most = KINDS.get(type)
  if (most === undefined) return fail(task, INVALID_FIELD_IN_CDB, given.informationType)
  const length = given.parameterLength.get(task.cdb, 0)
  if (length > most) return fail(task, INVALID_FIELD_IN_CDB, given.parameterLength)
  if (task.received < length) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
  const bytes = Buffer.concat(task.segments, length)
  const wrong = type === InformationType.text ? wrongText(bytes) : -1
  if (wrong >= 0) return failParameter(task, INVALID_FIELD_IN_PARAMETER_LIST, wrong)
  // Nothing is told of what stays as it is.
  if (bytes.equals(notes.information(type))) return succeed(task)
  notes.setInformation(type, bytes, error => {
    if (error !== null) {
      task.io.reason = error.message
      return fail(task, INTERNAL_TARGET_FAILURE)
    }
    unit.attention(DEVICE_IDENTIFIER_CHANGED, task.nexus)
    succeed(task)
  })
})

/** Text is UTF-8 and ends with its only zero; no text at all is fine. The offset of what is wrong, or -1. */
function wrongText(bytes: Buffer): number {
  if (bytes.length === 0) return -1
  const end = bytes.indexOf(0)
  if (end !== bytes.length - 1) return end < 0 ? bytes.length - 1 : end
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return -1
  } catch {
    return 0
  }
}

export const identifyingInformation: readonly Binding[] = [report, set]
