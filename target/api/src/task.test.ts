// SPDX-License-Identifier: Apache-2.0
// The task's buffers: sizes, reuse, nothing left over; and how answers are put into it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INVALID_FIELD_IN_CDB, READ_16, Status, UNRECOVERED_READ_ERROR, WRITE_ERROR } from '@lunkit/spec'
import { fail, failParameter, failStore, refuse, reply, succeed } from './answer.ts'
import { BufferPool, HEADROOM, LARGEST, PooledBuffer, TAILROOM } from './buffer-pool.ts'
import { on } from './device.ts'
import { StoreError } from './store-io.ts'
import { Task } from './task.ts'

function newTask(): { task: Task; answers: () => number } {
  let answers = 0
  const task = new Task(new BufferPool(), () => void answers++)
  return { task, answers: () => answers }
}

test('reserve gives exactly the bytes asked for, in buffers of at most LARGEST', () => {
  const { task } = newTask()
  for (const length of [1, 512, 4096, 4097, 65536, LARGEST, LARGEST + 512, 3 * LARGEST + 1]) {
    task.reserve(length)
    assert.equal(
      task.segments.reduce((sum, one) => sum + one.length, 0),
      length,
    )
    assert.equal(task.pooled.length, Math.ceil(length / LARGEST))
    for (const [i, pooled] of task.pooled.entries()) {
      assert.equal(task.segments[i]!.buffer, pooled.whole.buffer)
      assert.equal(task.segments[i]!.byteOffset, pooled.whole.byteOffset + HEADROOM)
      assert.equal(pooled.whole.length, HEADROOM + pooled.size + TAILROOM)
    }
    task.releaseData()
    assert.equal(task.segments.length + task.pooled.length, 0)
  }
})

test('the pool reuses buffers and keeps no more than it may', () => {
  const pool = new BufferPool(8192)
  const [a, b, c] = [pool.take(100), pool.take(4096), pool.take(4096)]
  assert.ok(a instanceof PooledBuffer)
  for (const one of [a, b, c]) pool.give(one)
  const again = new Set([pool.take(4096), pool.take(4096), pool.take(4096)])
  assert.equal([a, b, c].filter(one => again.has(one)).length, 2)
})

test('reply cuts to the allocation length and answers once', () => {
  const { task, answers } = newTask()
  reply(task, Buffer.from([1, 2, 3, 4]), 2)
  assert.equal(task.inLength, 2)
  assert.deepEqual([...task.segments[0]!], [1, 2])
  assert.equal(task.status, Status.good)
  assert.equal(answers(), 1)
  reply(task, Buffer.from([1, 2]), 0)
  assert.equal(task.segments.length, 0)
})

test('failing drops data and points at the field', () => {
  const { task, answers } = newTask()
  task.reserve(4096)
  task.inLength = 4096
  fail(task, INVALID_FIELD_IN_CDB, READ_16.cdb.field.protect)
  assert.equal(task.status, Status.checkCondition)
  assert.equal(task.senseCode, INVALID_FIELD_IN_CDB)
  assert.deepEqual([task.fieldByte, task.fieldBit, task.fieldInCdb], [1, 7, true])
  assert.equal(task.inLength + task.segments.length + task.pooled.length, 0)
  failParameter(task, INVALID_FIELD_IN_CDB, 5)
  assert.deepEqual([task.fieldByte, task.fieldInCdb], [5, false])
  refuse(task, Status.busy)
  succeed(task)
  assert.equal(answers(), 4)
})

test('a store error becomes the sense of its direction, with the LBA', () => {
  const { task } = newTask()
  task.io.error = StoreError.medium
  task.io.failedAt = 4096 * 7 + 100
  failStore(task, 4096, false)
  assert.equal(task.senseCode, UNRECOVERED_READ_ERROR)
  assert.equal(task.information, 7)
  failStore(task, 4096, true)
  assert.equal(task.senseCode, WRITE_ERROR)
})

test('reset leaves nothing of the command before', () => {
  const { task } = newTask()
  const blank = JSON.stringify(task, (key, value) => (key === 'task' ? undefined : value))
  task.tag = 0
  task.reserve(8192)
  task.aborted = true
  task.driverData = {}
  task.expectedOut = 9
  fail(task, INVALID_FIELD_IN_CDB, READ_16.cdb.field.protect)
  task.reset()
  assert.equal(
    JSON.stringify(task, (key, value) => (key === 'task' ? undefined : value)),
    blank,
  )
})

test('a binding takes the bits of the row but for those refused, and NACA', () => {
  const binding = on(READ_16, () => {}, { refuses: ['protect', 'group'] })
  assert.equal(binding.usage[1]! & 0xe0, 0)
  assert.notEqual(binding.usage[1]! & 0x08, 0)
  assert.equal(binding.usage[14], 0)
  assert.equal(binding.usage[15]! & 0x04, 4)
  assert.equal(binding.usage[2], 0xff)
})
