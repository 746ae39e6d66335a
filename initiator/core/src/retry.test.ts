// SPDX-License-Identifier: Apache-2.0
// Which commands may run twice, and which answers ask for another try.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  COMPARE_AND_WRITE,
  type Command,
  DeviceType,
  INQUIRY,
  MODE_SELECT_6,
  ORWRITE_16,
  PERSISTENT_RESERVE_OUT_RESERVE,
  READ_10,
  READ_16,
  RESERVE_6,
  SBC_COMMANDS,
  SPC_COMMANDS,
  SSC_COMMANDS,
  Status,
  SYNCHRONIZE_CACHE_10,
  UNMAP,
  VERIFY_10,
  WRITE_10,
  WRITE_16,
  WRITE_SAME_16,
  writeSense,
} from '@lunkit/spec'
import { isRepeatable, retryDelay } from './retry.ts'

const { disk, tape } = DeviceType
const yes: readonly Command[] = [
  INQUIRY,
  READ_10,
  READ_16,
  WRITE_10,
  WRITE_16,
  WRITE_SAME_16,
  UNMAP,
  VERIFY_10,
  SYNCHRONIZE_CACHE_10,
]
const no: readonly Command[] = [
  COMPARE_AND_WRITE,
  ORWRITE_16,
  MODE_SELECT_6,
  RESERVE_6,
  PERSISTENT_RESERVE_OUT_RESERVE,
]

for (const row of yes) test(`${row.name} may be repeated`, () => assert.equal(isRepeatable(row, disk), true))
for (const row of no)
  test(`${row.name} may not be repeated`, () => assert.equal(isRepeatable(row, disk), false))

test('nothing that changes the unit or the whole medium is repeated, nor a command without a row', () => {
  let seen = 0
  for (const row of [...SPC_COMMANDS, ...SBC_COMMANDS]) {
    if (row.touches !== 'unit' && row.touches !== 'medium-all') continue
    seen++
    assert.equal(isRepeatable(row, disk), false, row.name)
  }
  assert.ok(seen > 20)
  assert.equal(isRepeatable(null, disk), false)
})

test('a tape has moved on: its reads and writes are not repeated', () => {
  for (const row of SSC_COMMANDS) {
    if (row.touches.startsWith('medium')) assert.equal(isRepeatable(row, tape), false, row.name)
  }
})

function sense(key: number, code: number, deferred = false): Uint8Array {
  const into = new Uint8Array(18)
  writeSense(into, false, { key, asc: code >> 8, ascq: code & 0xff, text: '' }, { deferred })
  return into
}

const NONE = new Uint8Array(0)
const CHECK = Status.checkCondition
const cases: readonly (readonly [
  string,
  number,
  Uint8Array,
  attempt: number,
  repeatable: boolean,
  again: boolean,
])[] = [
  ['BUSY', Status.busy, NONE, 1, false, true],
  ['BUSY for long', Status.busy, NONE, 13, false, false],
  ['TASK SET FULL', Status.taskSetFull, NONE, 5, false, true],
  ['TASK ABORTED of a read', Status.taskAborted, NONE, 1, true, true],
  ['TASK ABORTED of a reservation', Status.taskAborted, NONE, 1, false, false],
  ['RESERVATION CONFLICT', Status.reservationConflict, NONE, 1, true, false],
  ['ACA ACTIVE', Status.acaActive, NONE, 1, true, false],
  ['a unit attention', CHECK, sense(6, 0x2900), 1, false, true],
  ['a fifth unit attention', CHECK, sense(6, 0x2900), 5, true, false],
  ['becoming ready', CHECK, sense(2, 0x0401), 3, false, true],
  ['not ready for good', CHECK, sense(2, 0x3a00), 1, true, false],
  ['an aborted read', CHECK, sense(0xb, 0x4700), 1, true, true],
  ['an aborted reservation', CHECK, sense(0xb, 0x4700), 1, false, false],
  ['a medium error', CHECK, sense(3, 0x1100), 1, true, false],
  ['an illegal request', CHECK, sense(5, 0x2400), 1, true, false],
  ['an earlier command', CHECK, sense(6, 0x2900, true), 1, true, false],
  ['no sense data', CHECK, NONE, 1, true, false],
  ['broken sense data', CHECK, Uint8Array.of(0x70), 1, true, false],
]
for (const [name, status, data, attempt, repeatable, again] of cases) {
  test(`${name}: ${again ? 'again' : 'not again'}`, () => {
    assert.equal(retryDelay(status, data, attempt, repeatable) >= 0, again)
  })
}

test('waits grow, and stay below a second', () => {
  const waits = Array.from({ length: 12 }, (_, i) => retryDelay(Status.busy, NONE, i + 1, false))
  assert.deepEqual(waits.slice(0, 4), [10, 20, 40, 80])
  assert.equal(Math.max(...waits), 1000)
})
