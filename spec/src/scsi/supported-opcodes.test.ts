// SPDX-License-Identifier: Apache-2.0
// The reports of supported commands and task management functions against bytes typed by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as opcodes from './supported-opcodes.ts'
import { SUPPORTED_TASK_MANAGEMENT } from './task-management.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('golden REPORT SUPPORTED OPERATION CODES data', () => {
  assert.equal(hex(opcodes.ALL_COMMANDS_HEADER.write({ length: 0x128 })), '00000128')
  assert.equal(
    hex(
      opcodes.COMMAND_DESCRIPTOR.write({
        opcode: 0x9e,
        serviceAction: 0x10,
        ctdp: 1,
        servactv: 1,
        cdbLength: 16,
      }),
    ),
    '9e00001000030010',
  )
  assert.equal(
    hex(
      opcodes.ONE_COMMAND_HEADER.write({ ctdp: 1, support: opcodes.CommandSupport.standard, cdbLength: 10 }),
    ),
    '0083000a',
  )
  assert.equal(
    hex(opcodes.COMMAND_TIMEOUTS.write({ length: 10, nominal: 1, recommended: 60 })),
    '000a0000000000010000003c',
  )
})

test('golden REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS data', () => {
  const made = SUPPORTED_TASK_MANAGEMENT.write({
    abortTask: 1,
    abortTaskSet: 1,
    clearTaskSet: 1,
    unitReset: 1,
    nexusReset: 1,
    additionalLength: 12,
  })
  assert.equal(hex(made.subarray(0, 4)), 'd801000c')
})
