// SPDX-License-Identifier: Apache-2.0
// A unit that is not ready: which rows run all the same, and what the others end with.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INQUIRY,
  LBA_OUT_OF_RANGE,
  LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS,
  LOGICAL_UNIT_NOT_READY_INITIALIZING_COMMAND_REQUIRED,
  MODE_PARAMETERS_CHANGED,
  MODE_SELECT_6,
  READ_10,
  READ_CAPACITY_16,
  REPORT_LUNS,
  REQUEST_SENSE,
  SANITIZE_COMMAND_FAILED,
  Status,
  TEST_UNIT_READY,
  WRITE_10,
} from '@lunkit/spec'
import { bench, Initiator } from './stand-in.test-kit.ts'

/** What each command ends with: its ASC and ASCQ, or GOOD. */
function outcomes(initiator: Initiator): string {
  const commands = [
    TEST_UNIT_READY,
    READ_10,
    WRITE_10,
    READ_CAPACITY_16,
    MODE_SELECT_6,
    INQUIRY,
    REPORT_LUNS,
    REQUEST_SENSE,
  ]
  for (const command of commands) initiator.send(command as typeof READ_10)
  return initiator.port.answers
    .splice(0)
    .map(({ status, sense }) =>
      status === Status.good ? 'good' : `${sense!.asc.toString(16)}/${sense!.ascq}`,
    )
    .join(' ')
}

test('a stopped unit answers what needs no medium', () => {
  const { port, device } = bench()
  const initiator = new Initiator(port)
  device.notReady = LOGICAL_UNIT_NOT_READY_INITIALIZING_COMMAND_REQUIRED
  assert.equal(outcomes(initiator), '4/2 4/2 4/2 4/2 good good good good')
  device.notReady = null
  assert.equal(outcomes(initiator), 'good good good good good good good good')
})

test('an occupied unit answers INQUIRY, REPORT LUNS and REQUEST SENSE alone, and tells how far it is', () => {
  const { port, device } = bench()
  const initiator = new Initiator(port)
  device.occupied = { code: LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS, progress: 0x1234, failed: false }
  assert.equal(outcomes(initiator), '4/4 4/4 4/4 4/4 4/4 good good good')
  initiator.send(TEST_UNIT_READY)
  assert.equal(port.answers[0]!.sense!.progress, 0x1234)
})

test('after a failed operation the rows that may mend it run, and no others', () => {
  const { port, device } = bench()
  const initiator = new Initiator(port)
  device.occupied = { code: SANITIZE_COMMAND_FAILED, progress: -1, failed: true }
  assert.equal(outcomes(initiator), '31/3 31/3 31/3 31/3 31/3 good good good')
})

test('a unit attention comes before, the range after it', () => {
  const { port, device, unit } = bench()
  const initiator = new Initiator(port)
  device.notReady = LOGICAL_UNIT_NOT_READY_INITIALIZING_COMMAND_REQUIRED
  unit.attention(MODE_PARAMETERS_CHANGED, null)
  initiator.send(READ_10, { lba: 5000, blocks: 1 })
  initiator.send(READ_10, { lba: 5000, blocks: 1 })
  device.notReady = null
  initiator.send(READ_10, { lba: 5000, blocks: 1 })
  assert.deepEqual(
    port.answers.map(one => one.sense!.asc),
    [MODE_PARAMETERS_CHANGED.asc, 4, LBA_OUT_OF_RANGE.asc],
  )
})
