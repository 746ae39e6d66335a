// SPDX-License-Identifier: Apache-2.0
// VERIFY and WRITE AND VERIFY (10), (12), (16) and (32): read back, and compare with the blocks that were sent.
import {
  type Field,
  INVALID_FIELD_IN_CDB,
  VERIFY_10,
  VERIFY_12,
  VERIFY_16,
  VERIFY_32,
  WRITE_AND_VERIFY_10,
  WRITE_AND_VERIFY_12,
  WRITE_AND_VERIFY_16,
  WRITE_AND_VERIFY_32,
} from '@lunkit/spec'
import { type Binding, fail, failStore, on, StoreError, succeed, type Task } from '@lunkit/target-api'
import { takeBlocks } from '../data-out.ts'
import type { Disk } from '../disk.ts'
import { Sweep } from '../sweep.ts'
import { walk } from '../walk.ts'

/** BYTCHK (SBC-4 VERIFY (10) command): nothing is sent, all blocks are, or one that stands for all. */
const ByteCheck = { none: 0, all: 1, one: 3 } as const

const dataOut = (bytchk: Field<number>) => (task: Task, disk: Disk) => {
  const mode = bytchk.get(task.cdb, 0)
  if (mode === ByteCheck.all) return task.blocks * disk.blockSize
  return mode === ByteCheck.one && task.blocks > 0 ? disk.blockSize : 0
}

const verify = (bytchk: Field<number>) => (task: Task, disk: Disk) => {
  const mode = bytchk.get(task.cdb, 0)
  if (mode === 2) return fail(task, INVALID_FIELD_IN_CDB, bytchk)
  if (mode === ByteCheck.none) {
    return walk(task, disk, new Sweep(task, task.blocks * disk.blockSize, null))
  }
  const length = takeBlocks(task, disk.blockSize)
  if (length < 0) return
  if (length === 0) return succeed(task)
  const repeats = mode === ByteCheck.one
  const slices = task.io.segments.slice()
  walk(task, disk, new Sweep(task, repeats ? task.blocks * disk.blockSize : length, { slices, repeats }))
}

const writeAndVerify = (bytchk: Field<number>) => (task: Task, disk: Disk) => {
  if (bytchk.get(task.cdb, 0) > ByteCheck.all) return fail(task, INVALID_FIELD_IN_CDB, bytchk)
  const length = takeBlocks(task, disk.blockSize)
  if (length < 0) return
  if (length === 0) return succeed(task)
  const { io } = task
  // Until it answers, what is in `io` is the store's.
  task.deviceData = bytchk.get(task.cdb, 0) === ByteCheck.all ? io.segments.slice() : null
  io.offset = task.lba * disk.blockSize
  // The medium is what is verified, so the blocks have to be on it.
  io.forceUnitAccess = true
  io.onFinish = written
  disk.store.write(io)
}

function written(task: Task): void {
  const disk = task.nexusUnit.unit.device as Disk
  if (task.io.error !== StoreError.none) failStore(task, disk.blockSize, true)
  else {
    const slices = task.deviceData as Buffer[] | null
    const length = Math.min(task.received, task.outLength)
    walk(task, disk, new Sweep(task, length, slices === null ? null : { slices, repeats: false }))
  }
}

const refuses = ['protect'] as const
const check = (bytchk: Field<number>) => ({ refuses, dataOut: dataOut(bytchk) })

export const verifies: readonly Binding[] = [
  on(VERIFY_10, verify(VERIFY_10.cdb.field.bytchk), check(VERIFY_10.cdb.field.bytchk)),
  on(VERIFY_12, verify(VERIFY_12.cdb.field.bytchk), check(VERIFY_12.cdb.field.bytchk)),
  on(VERIFY_16, verify(VERIFY_16.cdb.field.bytchk), check(VERIFY_16.cdb.field.bytchk)),
  on(VERIFY_32, verify(VERIFY_32.cdb.field.bytchk), check(VERIFY_32.cdb.field.bytchk)),
  on(WRITE_AND_VERIFY_10, writeAndVerify(WRITE_AND_VERIFY_10.cdb.field.bytchk), { refuses }),
  on(WRITE_AND_VERIFY_12, writeAndVerify(WRITE_AND_VERIFY_12.cdb.field.bytchk), { refuses }),
  on(WRITE_AND_VERIFY_16, writeAndVerify(WRITE_AND_VERIFY_16.cdb.field.bytchk), { refuses }),
  on(WRITE_AND_VERIFY_32, writeAndVerify(WRITE_AND_VERIFY_32.cdb.field.bytchk), { refuses }),
]
