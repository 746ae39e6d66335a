// SPDX-License-Identifier: Apache-2.0
// What initiators write on a unit: identifying information and the clock, told to the others and kept in the records.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  DEVICE_IDENTIFIER_CHANGED,
  INTERNAL_TARGET_FAILURE,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  PARAMETER_LIST_LENGTH_ERROR,
  REPORT_IDENTIFYING_INFORMATION,
  REPORT_TIMESTAMP,
  SET_IDENTIFYING_INFORMATION,
  SET_TIMESTAMP,
  Status,
  TIMESTAMP_CHANGED,
} from '@lunkit/spec'
import type { UnitRecords } from '@lunkit/target-api'
import { cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk/disk.test-kit.ts'

/** Keeps texts, late; or fails to. */
function recordsOf(fails = false) {
  const kept = new Map<string, string | null>()
  const records: UnitRecords = {
    read: name => kept.get(name) ?? null,
    write(name, text, done) {
      if (!fails) kept.set(name, text)
      setImmediate(() => done(fails ? new Error('disk full') : null))
    },
  }
  return { kept, records }
}

const askInformation = (informationType = 0, allocation = 1024) =>
  cdbOf(REPORT_IDENTIFYING_INFORMATION, { informationType, allocation })
const giveInformation = (parameterLength: number, informationType = 0) =>
  cdbOf(SET_IDENTIFYING_INFORMATION, { informationType, parameterLength })

// Requirement: SPC-4, SET IDENTIFYING INFORMATION command: kept over restarts, told to all other nexuses, once.
test('identifying information is kept, and the others are told once', async () => {
  const { records } = recordsOf()
  const { bench } = await openDisk({}, {}, records)
  assert.equal((await bench.run(askInformation())).data.toString('hex'), '00000000')
  const out = Buffer.from('rack 7')
  assert.equal((await bench.run(giveInformation(6), { out })).status, Status.good)
  assert.equal((await bench.run(giveInformation(6), { out })).status, Status.good)
  assert.deepEqual(
    bench.nexusUnits.map(({ attentions }) => attentions.map(code => code.text)),
    [[], [DEVICE_IDENTIFIER_CHANGED.text]],
  )
  assert.equal((await bench.run(askInformation())).data.toString('latin1', 4), 'rack 7')
  assert.equal((await bench.run(askInformation(0, 6))).data.toString('latin1'), '\0\0\0\x06ra')
  assert.equal((await bench.run(askInformation(2))).data.length, 4)
  const again = await openDisk({}, {}, records)
  assert.equal((await again.bench.run(askInformation())).data.toString('latin1', 4), 'rack 7')
  await again.bench.run(giveInformation(0))
  assert.equal((await again.bench.run(askInformation())).data.length, 4)
})

// Requirement: SPC-4, REPORT IDENTIFYING INFORMATION command: which kinds there are, and how long each may be.
test('the kinds that may be set are listed', async () => {
  const { bench } = await openDisk()
  const { data } = await bench.run(askInformation(0x7f))
  assert.equal(data.toString('hex'), '00000008' + '00000200' + '04000100')
})

// Requirement: SPC-4, SET IDENTIFYING INFORMATION command: unknown kinds, too much, and what is no text are refused.
test('identifying information that cannot be is refused', async () => {
  const { bench } = await openDisk()
  for (const type of [1, 3, 4, 0x7f]) {
    const { sense, field } = await bench.run(giveInformation(1, type), { out: Buffer.alloc(1) })
    assert.deepEqual([sense, field?.byte], [INVALID_FIELD_IN_CDB, 10])
  }
  assert.equal((await bench.run(askInformation(4))).sense, INVALID_FIELD_IN_CDB)
  const long = await bench.run(giveInformation(513), { out: Buffer.alloc(513) })
  assert.deepEqual([long.sense, long.field?.byte], [INVALID_FIELD_IN_CDB, 6])
  assert.equal((await bench.run(giveInformation(512), { out: Buffer.alloc(512, 1) })).status, Status.good)
  const short = await bench.run(giveInformation(4), { out: Buffer.alloc(3) })
  assert.equal(short.sense, PARAMETER_LIST_LENGTH_ERROR)
  const texts: [string, number][] = [
    ['abc', 2],
    ['a\0c\0', 1],
    ['\xff\xfe\0', 0],
  ]
  for (const [text, byte] of texts) {
    const out = Buffer.from(text, 'latin1')
    const { sense, field } = await bench.run(giveInformation(out.length, 2), { out })
    assert.deepEqual([sense, field?.byte], [INVALID_FIELD_IN_PARAMETER_LIST, byte])
  }
  const out = Buffer.from('Grüße\0')
  assert.equal((await bench.run(giveInformation(out.length, 2), { out })).status, Status.good)
  assert.deepEqual((await bench.run(askInformation(2))).data.subarray(4), out)
})

test('what cannot be kept is not taken', async () => {
  const { bench } = await openDisk({}, {}, recordsOf(true).records)
  const { sense } = await bench.run(giveInformation(1), { out: Buffer.alloc(1) })
  assert.equal(sense, INTERNAL_TARGET_FAILURE)
  assert.equal((await bench.run(askInformation())).data.length, 4)
  assert.deepEqual(bench.nexusUnits[1]!.attentions, [])
  const clock = await bench.run(cdbOf(SET_TIMESTAMP, { parameterLength: 12 }), { out: Buffer.alloc(12) })
  assert.equal(clock.sense, INTERNAL_TARGET_FAILURE)
})

const askClock = () => cdbOf(REPORT_TIMESTAMP, { allocation: 12 })

// Requirement: SPC-4, SET TIMESTAMP command: the clock goes on from there; all other nexuses are told.
test('the clock is the machine’s until it is set, and runs on from there', async () => {
  const { records } = recordsOf()
  const { bench } = await openDisk({}, {}, records)
  const before = Date.now()
  const first = (await bench.run(askClock())).data
  assert.equal(first.toString('hex', 0, 4), '000a0300')
  const now = first.readUIntBE(4, 6)
  assert.ok(now >= before && now <= Date.now())
  const out = Buffer.alloc(12)
  out.writeUIntBE(1_000_000, 4, 6)
  assert.equal((await bench.run(cdbOf(SET_TIMESTAMP, { parameterLength: 12 }), { out })).status, Status.good)
  assert.deepEqual(
    bench.nexusUnits.map(({ attentions }) => attentions.map(code => code.text)),
    [[], [TIMESTAMP_CHANGED.text]],
  )
  for (const { bench: one } of [{ bench }, await openDisk({}, {}, records)]) {
    const { data } = await one.run(askClock())
    assert.equal(data.toString('hex', 0, 4), '000a0200')
    const set = data.readUIntBE(4, 6)
    assert.ok(set >= 1_000_000 && set < 1_060_000)
  }
})

// Requirement: SPC-4, SET TIMESTAMP command: a list that is cut off, or has reserved bits set, changes nothing.
test('a broken clock setting is refused', async () => {
  const { bench } = await openDisk()
  assert.equal((await bench.run(cdbOf(SET_TIMESTAMP))).status, Status.good)
  for (let length = 1; length < 12; length++) {
    const out = Buffer.alloc(length)
    const promised = await bench.run(cdbOf(SET_TIMESTAMP, { parameterLength: length }), { out })
    const came = await bench.run(cdbOf(SET_TIMESTAMP, { parameterLength: 12 }), { out })
    assert.deepEqual([promised.sense, came.sense], [PARAMETER_LIST_LENGTH_ERROR, PARAMETER_LIST_LENGTH_ERROR])
  }
  for (const byte of [0, 1, 2, 3, 10, 11]) {
    const out = Buffer.alloc(12)
    out[byte] = 1
    const { sense, field } = await bench.run(cdbOf(SET_TIMESTAMP, { parameterLength: 12 }), { out })
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_PARAMETER_LIST, { byte, bit: 0, inCdb: false }])
  }
  assert.equal((await bench.run(askClock())).data[2], 3)
})
