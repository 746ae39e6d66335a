// SPDX-License-Identifier: Apache-2.0
// A LUN that holds a place: qualifier 001b, and nothing that could be mistaken for a disk.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LOGICAL_UNIT_NOT_SUPPORTED, Status } from '@lunkit/spec'
import { Bench } from '../../../../testing/kit/device-bench.ts'
import { deviceSuite } from '../../../../testing/kit/device-suite.ts'
import { device } from './index.ts'

deviceSuite(device, { size: null })

// Requirement: SPC-4, Standard INQUIRY data: qualifier 001b where a unit could be and is not connected, type 1Fh.
test('INQUIRY says that no unit is connected; the rest is refused', async () => {
  const bench = await Bench.open(device, null)
  const { status, data } = await bench.run([0x12, 0, 0, 0, 255, 0])
  assert.equal(status, Status.good)
  assert.equal(data[0], 0x3f)
  for (const opcode of [0x00, 0x28, 0x2a, 0x9e]) {
    assert.equal((await bench.run([opcode, 0, 0, 0, 0, 0])).sense, LOGICAL_UNIT_NOT_SUPPORTED)
  }
})
