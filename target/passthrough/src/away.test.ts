// SPDX-License-Identifier: Apache-2.0
// A unit that goes away in the middle: what waits, what fails, what initiators hear when it is back, and what another unit gets: nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INQUIRY,
  MODE_SELECT_6,
  READ_10,
  REQUEST_SENSE,
  Status,
  TEST_UNIT_READY,
  WRITE_10,
} from '@lunkit/spec'
import { cdbOf } from '@lunkit/testing/kit/device-bench.ts'
import { gatewayBench, until } from '@lunkit/testing/kit/gateway-bench.ts'
import { codeText } from '@lunkit/testing/kit/local-bridge.ts'

const READ = { lun: 0, cdb: cdbOf(READ_10, { lba: 7, blocks: 1 }), expectedIn: 512 }
const READY = { lun: 0, cdb: cdbOf(TEST_UNIT_READY) }

test('reads and writes wait for the unit, and all initiators hear when it is back', async () => {
  const { engine, bridge, warnings, connect } = await gatewayBench()
  const [one, two] = [await connect('one'), await connect('two')]
  const data = Buffer.alloc(1024, 'late')
  bridge.away = 'the cable was pulled'
  const read = one.execute(READ)
  const write = two.execute({ lun: 0, cdb: cdbOf(WRITE_10, { lba: 9, blocks: 2 }), dataOut: data })
  const sense = await two.execute({ lun: 0, cdb: cdbOf(REQUEST_SENSE, { allocation: 32 }), expectedIn: 32 })
  assert.equal(codeText(sense.dataIn), '04/00')
  const inquiry = await two.execute({ lun: 0, cdb: cdbOf(INQUIRY, { allocation: 96 }), expectedIn: 96 })
  assert.equal(inquiry.dataIn.toString('latin1', 8, 16), 'ACME    ')
  assert.equal((await one.execute({ ...READY, lun: 1 })).status, Status.good)
  bridge.away = null
  assert.equal((await read).dataIn.readUInt32BE(0), 7)
  assert.equal((await write).status, Status.good)
  assert.ok(bridge.store.bytes.subarray(9 * 512, 11 * 512).equals(data))
  for (const nexus of [one, two]) assert.equal(codeText((await nexus.execute(READY)).sense), '29/00')
  for (const nexus of [one, two]) assert.equal((await nexus.execute(READY)).status, Status.good)
  assert.match(warnings(), /local:real is away: the cable was pulled[\s\S]*local:real is back/)
  await engine.close()
})

test('what may not run twice fails at once; what waits, when the time is over', async () => {
  const { engine, bridge, connect } = await gatewayBench({ wait: 1 })
  const one = await connect('one')
  bridge.away = 'gone'
  const select = cdbOf(MODE_SELECT_6, { pf: 1, parameterLength: 4 })
  const unsure = await one.execute({ lun: 0, cdb: select, dataOut: Buffer.alloc(4) })
  assert.equal(codeText(unsure.sense), '08/00')
  assert.equal(codeText((await one.execute(READ)).sense), '04/00')
  const seen = bridge.cdbs.length
  assert.equal(codeText((await one.execute(READ)).sense), '04/00')
  assert.ok(
    bridge.opcodes.slice(seen).every(opcode => opcode === '12'),
    'only questions go to a unit that is away',
  )
  bridge.away = null
  await until(async () => codeText((await one.execute(READY)).sense) === '29/00')
  assert.equal((await one.execute(READ)).status, Status.good)
  await engine.close()
})

test('an aborted command does not wait', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const one = await connect('one')
  bridge.away = 'gone'
  const abort = new AbortController()
  const read = one.execute({ ...READ, signal: abort.signal })
  await until(() => bridge.opcodes.includes('12'))
  abort.abort(new Error('given up'))
  await assert.rejects(read, /given up/)
  await engine.close()
})

test('another unit in its place is not served', async () => {
  const { engine, bridge, warnings, connect } = await gatewayBench({ wait: 0 })
  const one = await connect('one')
  bridge.away = 'gone'
  assert.equal(codeText((await one.execute(READ)).sense), '04/00')
  const { identity } = bridge.unit
  bridge.unit.identity = { ...identity, serial: 'ANOTHER', naa: Uint8Array.of(0x50, 9, 9, 9, 9, 9, 9, 9) }
  bridge.away = null
  await until(() => warnings().includes('another unit'))
  assert.equal(codeText((await one.execute(READ)).sense), '04/00')
  bridge.unit.identity = identity
  await until(async () => codeText((await one.execute(READY)).sense) === '29/00')
  assert.equal((await one.execute(READ)).dataIn.readUInt32BE(0), 7)
  await engine.close()
})
