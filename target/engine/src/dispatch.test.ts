// SPDX-License-Identifier: Apache-2.0
// The table from CDB to binding: what is found, what is not, and what is refused at load.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INQUIRY, READ_10, READ_16, READ_32, READ_CAPACITY_16, TEST_UNIT_READY } from '@lunkit/spec'
import { type DeviceType, on } from '@lunkit/target-api'
import { Dispatch } from './dispatch.ts'
import { bench, identity, StandInDevice, standInType } from './stand-in.test-kit.ts'

const nothing = (): void => {}
const typeOf = (...commands: (typeof READ_10 | typeof TEST_UNIT_READY)[]): DeviceType => ({
  ...standInType,
  bindings: commands.map(command => on(command as typeof READ_10, nothing)),
})

test('every binding is found by its CDB, and nothing else is', () => {
  const dispatch = new Dispatch(standInType, true)
  let found = 0
  for (let opcode = 0; opcode < 256; opcode++) {
    const cdb = new Uint8Array(32)
    cdb[0] = opcode
    for (let action = 0; action < 32; action++) {
      if (opcode === 0x7f) cdb[9] = action
      else cdb[1] = action
      const route = dispatch.find(cdb)
      const expected = standInType.bindings.find(
        ({ command }) =>
          command.opcode === opcode && (command.serviceAction < 0 || command.serviceAction === action),
      )
      assert.equal(route?.command, expected?.command)
      if (route !== null) found++
    }
  }
  assert.equal(found, 12 * 32 + 2)
})

test('two bindings of one command are an error when the unit is added', () => {
  const wrong = typeOf(READ_10, TEST_UNIT_READY, READ_10)
  const { engine } = bench()
  assert.throws(() => engine.addUnit(new StandInDevice(wrong), identity), { code: 'PLUGIN_BINDING' })
  const twice = { ...standInType, bindings: [on(READ_CAPACITY_16, nothing), on(READ_CAPACITY_16, nothing)] }
  assert.throws(() => new Dispatch(twice, true), { code: 'PLUGIN_BINDING' })
})

test('a plug-in for another contract is refused', () => {
  const { engine } = bench()
  const type = { ...standInType, apiVersion: 2 } as unknown as DeviceType
  assert.throws(() => engine.addUnit(new StandInDevice(type), identity), { code: 'PLUGIN_VERSION' })
})

test('a type with `otherwise` takes everything that no binding names', () => {
  const type: DeviceType = { ...typeOf(READ_10), otherwise: nothing }
  const dispatch = new Dispatch(type, true)
  const at = (opcode: number) => dispatch.find(Uint8Array.of(opcode, 0, 0, 0, 0, 0, 0, 0, 0, 0))!
  assert.equal(at(READ_10.opcode).command, READ_10)
  assert.equal(at(READ_16.opcode).run, nothing)
  assert.equal(at(READ_16.opcode).reportsAttention, true)
  assert.equal(at(INQUIRY.opcode).reportsAttention, false)
  assert.equal(at(READ_32.opcode).run, nothing)
})
