// SPDX-License-Identifier: Apache-2.0
// MECHANISM STATUS, SET CD SPEED, SEEK, and streaming: a mechanism that is as fast as the network, whatever is asked of it.
import {
  INVALID_FIELD_IN_CDB,
  MECHANISM_HEADER,
  MECHANISM_STATUS,
  PARAMETER_LIST_LENGTH_ERROR,
  SEEK_10,
  SET_CD_SPEED,
  SET_STREAMING,
} from '@lunkit/spec'
import { type Binding, fail, on, reply, succeed, type Task } from '@lunkit/target-api'
import type { Drive } from '../drive.ts'

const { allocation } = MECHANISM_STATUS.cdb.field

const mechanismStatus = on(MECHANISM_STATUS, (task: Task, { trayOpen }: Drive) => {
  // Discs beside the drive are nobody's to choose: it is no changer, so there is one slot, and no table of slots.
  reply(task, MECHANISM_HEADER.write({ doorOpen: trayOpen ? 1 : 0, slots: 1 }), allocation.get(task.cdb, 0))
})

const { rotationControl } = SET_CD_SPEED.cdb.field

const setCdSpeed = on(SET_CD_SPEED, (task: Task) => {
  if (rotationControl.get(task.cdb, 0) > 1) return fail(task, INVALID_FIELD_IN_CDB, rotationControl)
  succeed(task)
})

const streaming = SET_STREAMING.cdb.field
/** Bytes of a performance descriptor. */
const PERFORMANCE = 28

const setStreaming = on(SET_STREAMING, (task: Task) => {
  const { cdb } = task
  // Type 5 is for the cache of Mount Rainier drives.
  if (streaming.type.get(cdb, 0) !== 0) return fail(task, INVALID_FIELD_IN_CDB, streaming.type)
  const length = streaming.parameterLength.get(cdb, 0)
  const received = Math.min(task.received, task.outLength)
  if (length !== 0 && (length !== PERFORMANCE || received < PERFORMANCE)) {
    return fail(task, PARAMETER_LIST_LENGTH_ERROR)
  }
  succeed(task)
})

export const mechanism: readonly Binding[] = [mechanismStatus, setCdSpeed, setStreaming, on(SEEK_10, succeed)]
