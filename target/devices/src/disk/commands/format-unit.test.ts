// SPDX-License-Identifier: Apache-2.0
// FORMAT UNIT: patterns, progress, what stops it, and every way to get its parameter list wrong.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  FORMAT_LONG_HEADER,
  FORMAT_SHORT_HEADER,
  FORMAT_UNIT,
  INITIALIZATION_PATTERN,
  INVALID_FAST_FORMAT,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS,
  MEDIUM_FORMAT_CORRUPTED,
  PARAMETER_LIST_LENGTH_ERROR,
  READ_10,
  REQUEST_SENSE,
  readSense,
  Status,
  TEST_UNIT_READY,
  WRITE_PROTECTED,
} from '@lunkit/spec'
import { StoreError, TaskState } from '@lunkit/target-api'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk.test-kit.ts'

type Values = Record<string, number>

function listOf(header: Values, pattern: Values | null = null, bytes: readonly number[] = [], long = false) {
  const parts = [(long ? FORMAT_LONG_HEADER : FORMAT_SHORT_HEADER).write(header)]
  if (pattern !== null) parts.push(INITIALIZATION_PATTERN.write({ length: bytes.length, ...pattern }))
  return Buffer.concat([...parts, Uint8Array.from(bytes)])
}

const format = (values: Values = {}) => cdbOf(FORMAT_UNIT, { fmtdata: 1, ...values })

// Requirement: SBC-4, FORMAT UNIT command: without a pattern the medium gets the default one.
test('without a parameter list the medium reads zeros, by the way that the store has', async () => {
  for (const [options, call] of [
    [{}, 'write 0+262144'],
    [{ thin: true }, 'writeZeroes 0+2097152'],
    [{ maps: true }, 'discard 0+2097152'],
  ] as const) {
    const { bench, store } = await openDisk({}, options)
    assert.equal((await bench.run(cdbOf(FORMAT_UNIT))).status, Status.good)
    const calls = store.takeCalls()
    assert.deepEqual([calls[0], calls.at(-1)], [call, 'flush'])
    assert.ok(store.bytes.every(byte => byte === 0))
    assert.deepEqual(store.durable, store.bytes)
  }
})

test('a pattern is repeated in each block from its start', async () => {
  for (const long of [false, true]) {
    const { bench, store } = await openDisk({}, { size: 300 * 1024 })
    const out = listOf({ fov: 1, ip: 1 }, { type: 1 }, [1, 2, 3], long)
    assert.equal((await bench.run(format({ longlist: long ? 1 : 0 }), { out })).status, Status.good)
    for (let block = 0; block < 600; block++) {
      for (const at of [0, 1, 2, 3, 510, 511]) assert.equal(store.bytes[block * 512 + at], 1 + (at % 3))
    }
  }
})

test('a fast format leaves the blocks, and takes no pattern', async () => {
  const { bench, store } = await openDisk()
  const before = Buffer.from(store.bytes)
  const out = listOf({ fov: 1, dcrt: 1 })
  assert.equal((await bench.run(format({ fastFormat: 1 }), { out })).status, Status.good)
  assert.deepEqual(store.bytes, before)
  const pattern = listOf({ fov: 1, ip: 1 }, { type: 1 }, [1])
  assert.equal((await bench.run(format({ fastFormat: 1 }), { out: pattern })).sense, INVALID_FAST_FORMAT)
})

// Requirement: SBC-4, FORMAT UNIT command: IMMED answers first; meanwhile commands end with FORMAT IN PROGRESS and how far it is.
test('IMMED: the answer comes at once, the progress by TEST UNIT READY and REQUEST SENSE', async () => {
  const { bench, store, disk } = await openDisk({}, { later: true, thin: false })
  store.held = true
  const answer = await bench.run(format(), { out: listOf({ immed: 1 }) })
  assert.equal(answer.status, Status.good)
  assert.equal(disk.occupied?.failed, false)
  let last = -1
  for (let i = 0; i < 4; i++) {
    const ready = await bench.run(cdbOf(TEST_UNIT_READY))
    assert.equal(ready.sense, LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS)
    assert.ok(ready.progress > last)
    last = ready.progress
    const sense = readSense((await bench.run(cdbOf(REQUEST_SENSE, { allocation: 252 }))).data)
    assert.deepEqual([sense?.asc, sense?.ascq, sense?.progress], [4, 4, last])
    store.release()
    store.held = true
    await new Promise(resolve => setImmediate(resolve))
  }
  store.release()
  while (disk.occupied !== null) await new Promise(resolve => setImmediate(resolve))
  assert.equal((await bench.run(cdbOf(TEST_UNIT_READY))).status, Status.good)
  assert.ok(store.bytes.every(byte => byte === 0))
})

// Requirement: SBC-4, FORMAT UNIT command: after a failure the medium is format corrupt until a format goes well.
test('a failure leaves the medium corrupt for every command but another format', async () => {
  const { bench, store } = await openDisk()
  store.failNext('write', StoreError.medium)
  assert.equal((await bench.run(cdbOf(FORMAT_UNIT))).sense, MEDIUM_FORMAT_CORRUPTED)
  assert.equal((await bench.run(cdbOf(READ_10, { blocks: 1 }))).sense, MEDIUM_FORMAT_CORRUPTED)
  bench.device.reset()
  assert.equal((await bench.run(cdbOf(TEST_UNIT_READY))).sense, MEDIUM_FORMAT_CORRUPTED)
  assert.equal((await bench.run(cdbOf(FORMAT_UNIT))).status, Status.good)
  assert.equal((await bench.run(cdbOf(READ_10, { blocks: 1 }))).status, Status.good)
})

test('an aborted FORMAT UNIT is let go at once, and the format goes on', async () => {
  const { bench, store, disk } = await openDisk()
  store.held = true
  const task = bench.submit(cdbOf(FORMAT_UNIT))
  assert.equal(task.state, TaskState.execute)
  task.aborted = true
  bench.device.abort(task)
  assert.equal(task.state, TaskState.respond)
  store.release()
  while (disk.occupied !== null) await new Promise(resolve => setImmediate(resolve))
  assert.ok(store.bytes.every(byte => byte === 0))
})

test('close stops it and waits for the store', async () => {
  const { bench, store } = await openDisk({}, { later: true })
  await bench.run(format(), { out: listOf({ immed: 1 }) })
  await bench.device.close()
  assert.equal(store.closed, true)
})

test('what is refused, and where', async () => {
  const { bench, store, disk } = await openDisk()
  const inCdb = async (values: Values, byte: number, bit: number) => {
    const { sense, field } = await bench.run(format(values), { out: listOf({}) })
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_CDB, { byte, bit, inCdb: true }])
  }
  await inCdb({ fmtpinfo: 1 }, 1, 6)
  await inCdb({ fastFormat: 2 }, 4, 1)
  await inCdb({ defectListFormat: 6 }, 1, 2)
  const inList = async (out: Buffer, byte: number, bit: number, longlist = 0) => {
    const { sense, field } = await bench.run(format({ longlist }), { out })
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_PARAMETER_LIST, { byte, bit, inCdb: false }])
  }
  await inList(listOf({ protectionFieldUsage: 1 }), 0, 2)
  for (const [name, bit] of Object.entries({ dpry: 6, dcrt: 5, stpf: 4, ip: 3 })) {
    await inList(listOf({ [name]: 1 }), 1, bit)
  }
  await inList(Buffer.of(0x80, 0, 0, 0), 0, 7)
  await inList(Buffer.of(0, 1, 0, 0), 1, 0)
  await inList(listOf({ defectListLength: 8 }), 2, -1)
  await inList(listOf({ defectListLength: 8 }, null, [], true), 4, -1, 1)
  await inList(listOf({ intervalExponent: 1 }, null, [], true), 3, 3, 1)
  const patterned = (pattern: Values, bytes: number[] = []) => listOf({ fov: 1, ip: 1 }, pattern, bytes)
  await inList(patterned({ securityInitialize: 1 }), 4, 5)
  await inList(patterned({ type: 2 }), 5, -1)
  await inList(patterned({ type: 0 }, [1]), 6, -1)
  await inList(patterned({ type: 1 }), 6, -1)
  await inList(patterned({ type: 1 }, Array(513).fill(1)), 6, -1)
  assert.equal(
    (await bench.run(format({ fastFormat: 0 }), { out: listOf({ fov: 1, dpry: 1, dcrt: 1, stpf: 1 }) }))
      .status,
    Status.good,
  )
  store.takeCalls()
  const whole = patterned({ type: 1 }, [1, 2, 3])
  for (let length = 0; length < whole.length; length++) {
    const { sense } = await bench.run(format(), { out: whole.subarray(0, length) })
    assert.equal(sense, PARAMETER_LIST_LENGTH_ERROR, `${length} bytes`)
  }
  disk.writable = false
  assert.equal((await bench.run(cdbOf(FORMAT_UNIT))).sense, WRITE_PROTECTED)
  assert.deepEqual(store.takeCalls(), [])
})
