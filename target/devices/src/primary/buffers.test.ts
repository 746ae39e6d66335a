// SPDX-License-Identifier: Apache-2.0
// READ BUFFER and WRITE BUFFER in each mode, and READ MEDIA SERIAL NUMBER.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INVALID_FIELD_IN_CDB,
  PARAMETER_LIST_LENGTH_ERROR,
  READ_BUFFER_10,
  READ_BUFFER_16,
  READ_MEDIA_SERIAL_NUMBER,
  Status,
  WRITE_BUFFER,
} from '@lunkit/spec'
import { type Bench, cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk/disk.test-kit.ts'

const SIZE = 64 * 1024

const write = (bench: Bench, out: Buffer, values: Record<string, number>, nexus: 0 | 1 = 0) =>
  bench.run(cdbOf(WRITE_BUFFER, { parameterLength: out.length, ...values }), { out, nexus })
const read = (bench: Bench, values: Record<string, number>, nexus: 0 | 1 = 0) =>
  bench.run(cdbOf(READ_BUFFER_10, { allocation: 0xff_ffff, ...values }), { nexus })

const bytes = (length: number, seed = 1): Buffer =>
  Buffer.from(Array.from({ length }, (_, index) => (index * 7 + seed) & 0xff))

// Requirement: SPC-4, READ BUFFER command: descriptor mode.
test('descriptors of the data and the echo buffer', async () => {
  const { bench } = await openDisk()
  assert.equal((await read(bench, { mode: 3 })).data.toString('hex'), '00010000')
  assert.equal((await read(bench, { mode: 3, bufferId: 1 })).data.toString('hex'), '00000000')
  assert.equal((await read(bench, { mode: 0x0b })).data.toString('hex'), '01001000')
})

// Requirement: SPC-4, WRITE BUFFER and READ BUFFER commands: data mode.
test('data mode: what one nexus writes, all read, from any offset', async () => {
  const { bench } = await openDisk()
  const data = bytes(1000)
  assert.equal((await write(bench, data, { mode: 2, offset: 513 })).status, Status.good)
  const whole = (await read(bench, { mode: 2 }, 1)).data
  assert.equal(whole.length, SIZE)
  assert.deepEqual(whole.subarray(513, 1513), data)
  assert.ok(whole.subarray(1513).every(byte => byte === 0))
  assert.deepEqual(
    (await read(bench, { mode: 2, offset: 1000, allocation: 100 })).data,
    whole.subarray(1000, 1100),
  )
  const long = await bench.run(cdbOf(READ_BUFFER_16, { mode: 2, offset: 513, allocation: 1000 }))
  assert.deepEqual(long.data, data)
  assert.equal((await write(bench, bytes(1), { mode: 2, offset: SIZE - 1 })).status, Status.good)
  assert.equal((await read(bench, { mode: 2, offset: SIZE })).data.length, 0)
})

// Requirement: SPC-4, WRITE BUFFER and READ BUFFER commands: combined header and data mode.
test('combined mode: four bytes before the data', async () => {
  const { bench } = await openDisk()
  const data = bytes(300)
  await write(bench, Buffer.concat([Buffer.alloc(4), data]), { mode: 0 })
  const whole = (await read(bench, { mode: 0 })).data
  assert.deepEqual([whole.length, whole.toString('hex', 0, 4)], [4 + SIZE, '00010000'])
  assert.deepEqual(whole.subarray(4, 304), data)
})

// Requirement: SPC-4, WRITE BUFFER and READ BUFFER commands: echo buffer.
test('echo buffer: each nexus its own, as long as what was written last', async () => {
  const { bench } = await openDisk()
  assert.equal((await read(bench, { mode: 0x0a })).sense, INVALID_FIELD_IN_CDB)
  const [one, two] = [bytes(4096), bytes(77, 9)]
  await write(bench, one, { mode: 0x0a }, 0)
  await write(bench, two, { mode: 0x0a }, 1)
  assert.deepEqual((await read(bench, { mode: 0x0a }, 0)).data, one)
  assert.deepEqual((await read(bench, { mode: 0x0a }, 1)).data, two)
  bench.device.nexusLost(bench.nexusUnits[1]!.nexus)
  assert.equal((await read(bench, { mode: 0x0a }, 1)).sense, INVALID_FIELD_IN_CDB)
  assert.deepEqual((await read(bench, { mode: 0x0a }, 0)).data, one)
  bench.device.reset()
  assert.equal((await read(bench, { mode: 0x0a }, 0)).sense, INVALID_FIELD_IN_CDB)
})

// Requirement: SPC-4, WRITE BUFFER command: modes that are not supported, microcode among them, are refused.
test('what cannot be done is refused, with its place, and writes nothing', async () => {
  const { bench } = await openDisk()
  const modes = Array.from({ length: 32 }, (_, mode) => mode)
  for (const mode of modes.filter(one => ![0, 2, 0x0a].includes(one))) {
    const { sense, field } = await write(bench, bytes(8), { mode })
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_CDB, { byte: 1, bit: 4, inCdb: true }])
  }
  for (const mode of modes.filter(one => ![0, 2, 3, 0x0a, 0x0b].includes(one))) {
    assert.deepEqual((await read(bench, { mode })).field, { byte: 1, bit: 4, inCdb: true })
  }
  const wrong: [Record<string, number>, number, number][] = [
    [{ mode: 2, bufferId: 1 }, 2, 7],
    [{ mode: 0, offset: 4 }, 3, 7],
    [{ mode: 0x0a, offset: 4 }, 3, 7],
    [{ mode: 2, offset: SIZE + 1 }, 3, 7],
    [{ mode: 2, offset: SIZE - 7 }, 6, 7],
    [{ mode: 0x0a, parameterLength: 4097 }, 6, 7],
    [{ mode: 2, parameterLength: 0xff_ffff }, 6, 7],
    [{ mode: 2, modeSpecific: 1 }, 1, 7],
  ]
  for (const [values, byte, bit] of wrong) {
    const { sense, field } = await write(bench, bytes(8), values)
    assert.deepEqual([sense, field], [INVALID_FIELD_IN_CDB, { byte, bit, inCdb: true }])
  }
  for (const mode of [0, 2, 0x0a]) {
    for (const length of [0, 3, 7]) {
      const answer = await write(bench, bytes(length), { mode, parameterLength: 8 })
      assert.equal(answer.sense, PARAMETER_LIST_LENGTH_ERROR)
    }
  }
  assert.ok((await read(bench, { mode: 2 })).data.every(byte => byte === 0))
  for (const mode of [0, 2]) assert.equal((await write(bench, bytes(0), { mode })).status, Status.good)
})

// Requirement: SPC-4, READ MEDIA SERIAL NUMBER command: the serial number, filled to a multiple of four bytes.
test('the medium has the unit’s serial number, filled to four bytes', async () => {
  const { bench } = await openDisk()
  const { data } = await bench.run(cdbOf(READ_MEDIA_SERIAL_NUMBER, { allocation: 100 }))
  assert.equal(data.toString('latin1', 4), 'serial-0001\0')
  assert.equal(data.readUInt32BE(0), 12)
})
