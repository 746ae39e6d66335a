// SPDX-License-Identifier: Apache-2.0
// A LUN without a unit: what it says of itself, and that it refuses the rest.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LOGICAL_UNIT_NOT_SUPPORTED, readSense, STANDARD_INQUIRY, Status } from '@lunkit/spec'
import { Bench } from '../../../../testing/kit/device-bench.ts'
import { deviceSuite } from '../../../../testing/kit/device-suite.ts'
import { device } from './index.ts'

deviceSuite(device, { size: null })

// Requirement: SPC-4, Standard INQUIRY data: qualifier 011b and type 1Fh where no unit can be.
test('INQUIRY says that no unit can be here, to EVPD too', async () => {
  const bench = await Bench.open(device, null)
  const { status, data } = await bench.run([0x12, 0, 0, 0, 255, 0])
  assert.equal(status, Status.good)
  assert.equal(data[0], 0x7f)
  assert.equal(STANDARD_INQUIRY.field.additionalLength.get(data, 0), data.length - 5)
  assert.equal((await bench.run([0x12, 1, 0, 0, 255, 0])).status, Status.checkCondition)
  assert.equal((await bench.run([0x12, 0, 0x80, 0, 255, 0])).status, Status.checkCondition)
})

test('REPORT LUNS lists the units that there are', async () => {
  const bench = await Bench.open(device, null)
  bench.luns = [1, 300]
  const { data } = await bench.run([0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
  assert.equal(data.toString('hex'), '0000001000000000' + '0001000000000000' + '412c000000000000')
})

// Requirement: SPC-4, REQUEST SENSE command: at a LUN without a unit the parameter data says LOGICAL UNIT NOT SUPPORTED
// with GOOD status.
test('REQUEST SENSE is GOOD and carries the reason; the rest is refused with it', async () => {
  const bench = await Bench.open(device, null)
  const { status, data } = await bench.run([0x03, 0, 0, 0, 252, 0])
  assert.equal(status, Status.good)
  const { key, asc, ascq } = LOGICAL_UNIT_NOT_SUPPORTED
  const sense = readSense(data)!
  assert.deepEqual([sense.key, sense.asc, sense.ascq], [key, asc, ascq])
  for (const opcode of [0x00, 0x28, 0x1a, 0xa3, 0xff]) {
    assert.equal((await bench.run([opcode, 0, 0, 0, 0, 0])).sense, LOGICAL_UNIT_NOT_SUPPORTED)
  }
})
