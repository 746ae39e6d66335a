// SPDX-License-Identifier: Apache-2.0
// One unit, many initiators: unit attentions, reservations, removal locks, names and read-only views of each.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CAPACITY_DATA_HAS_CHANGED,
  INQUIRY,
  LOG_SELECT,
  MICROCODE_HAS_BEEN_CHANGED,
  MODE_SENSE_6,
  MODE_SENSE_10,
  PREVENT_ALLOW_MEDIUM_REMOVAL,
  READ_10,
  REPORT_LUNS,
  REPORTED_LUNS_DATA_HAS_CHANGED,
  REQUEST_SENSE,
  RESERVE_6,
  Status,
  TEST_UNIT_READY,
  WRITE_10,
  WRITE_BUFFER,
} from '@lunkit/spec'
import { ManagementFunction, ManagementResponse } from '@lunkit/target-api'
import type { LocalNexus } from '@lunkit/target-driver-local'
import { cdbOf } from '@lunkit/testing/kit/device-bench.ts'
import { gatewayBench, until } from '@lunkit/testing/kit/gateway-bench.ts'
import { codeText } from '@lunkit/testing/kit/local-bridge.ts'

const READ = { lun: 0, cdb: cdbOf(READ_10, { lba: 7, blocks: 1 }), expectedIn: 512 }
const READY = { lun: 0, cdb: cdbOf(TEST_UNIT_READY) }
const WRITE = { lun: 0, cdb: cdbOf(WRITE_10, { lba: 7, blocks: 1 }), dataOut: Buffer.alloc(512) }

const codeOf = async (nexus: LocalNexus): Promise<string> => codeText((await nexus.execute(READY)).sense)

test('a unit attention of the unit is told to each initiator once', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const [one, two] = [await connect('one'), await connect('two')]
  bridge.unit.attention(MICROCODE_HAS_BEEN_CHANGED, null)
  assert.equal(codeText((await one.execute(READ)).sense), '3f/01')
  assert.equal((await one.execute(READ)).status, Status.good)
  assert.equal(codeText((await two.execute(READ)).sense), '3f/01')
  assert.equal((await two.execute(READ)).status, Status.good)
  await engine.close()
})

test('so is one that the unit tells as the data of REQUEST SENSE', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const [one, two] = [await connect('one'), await connect('two')]
  bridge.unit.attention(MICROCODE_HAS_BEEN_CHANGED, null)
  const sense = { lun: 0, cdb: cdbOf(REQUEST_SENSE, { allocation: 64 }), expectedIn: 64 }
  assert.equal(codeText((await one.execute(sense)).dataIn), '3f/01')
  assert.equal(await codeOf(two), '3f/01')
  assert.equal(await codeOf(one), '')
  await engine.close()
})

test('a changed capacity is known before the next command', async () => {
  const { engine, bridge, device, connect } = await gatewayBench()
  const one = await connect('one')
  bridge.unit.device.resized!(512 * 1024)
  assert.equal(await codeOf(one), '2a/09')
  assert.equal((await one.execute(READ)).status, Status.good)
  assert.deepEqual([device.blockSize, device.blocks], [512, 1024])
  assert.equal(CAPACITY_DATA_HAS_CHANGED.asc, 0x2a)
  await engine.close()
})

test("the real target's list of LUNs is no initiator's affair: the command is sent again", async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const one = await connect('one')
  bridge.unit.attention(REPORTED_LUNS_DATA_HAS_CHANGED, null)
  assert.equal((await one.execute(READ)).dataIn.readUInt32BE(0), 7)
  assert.deepEqual(bridge.opcodes.slice(-2), ['28', '28'])
  const luns = await one.execute({ lun: 0, cdb: cdbOf(REPORT_LUNS, { allocation: 64 }), expectedIn: 64 })
  assert.equal(luns.dataIn.readUInt32BE(0), 16, 'those of the gateway')
  await engine.close()
})

test('what one initiator changes at the unit, the others hear of', async () => {
  const { engine, connect } = await gatewayBench()
  const [one, two] = [await connect('one'), await connect('two')]
  assert.equal((await one.execute({ lun: 0, cdb: cdbOf(LOG_SELECT, { pcr: 1 }) })).status, Status.good)
  assert.equal(await codeOf(two), '2a/02')
  assert.equal(await codeOf(one), '')
  await engine.close()
})

test('each initiator has its own reservation, and the unit hears of none', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const [one, two] = [await connect('one'), await connect('two')]
  assert.equal((await one.execute({ lun: 0, cdb: cdbOf(RESERVE_6) })).status, Status.good)
  assert.equal((await two.execute(READ)).status, Status.reservationConflict)
  assert.equal((await one.execute(READ)).status, Status.good)
  assert.ok(!bridge.opcodes.includes('16'))
  await engine.close()
})

test('reservations=unit: they are those of the unit, and of all initiators together', async () => {
  const { engine, bridge, connect } = await gatewayBench({ reservations: 'unit' })
  const [one, two] = [await connect('one'), await connect('two')]
  assert.equal((await one.execute({ lun: 0, cdb: cdbOf(RESERVE_6) })).status, Status.good)
  assert.ok(bridge.opcodes.includes('16'))
  assert.equal((await two.execute(READ)).status, Status.good)
  await engine.close()
})

test('the medium is let go when the last that holds it allows it, or has gone', async () => {
  const { engine, bridge, connect } = await gatewayBench({}, { removable: true })
  const [one, two] = [await connect('one'), await connect('two')]
  const lock = (prevent: number) => ({ lun: 0, cdb: cdbOf(PREVENT_ALLOW_MEDIUM_REMOVAL, { prevent }) })
  const locks = (): number[] => bridge.cdbs.filter(cdb => cdb[0] === 0x1e).map(cdb => cdb[4]!)
  await one.execute(lock(1))
  await two.execute(lock(1))
  await one.execute(lock(0))
  assert.deepEqual(locks(), [1, 1])
  await two.close()
  await until(() => locks().at(-1) === 0)
  assert.deepEqual(locks(), [1, 1, 0])
  assert.equal(bridge.unit.removalPrevented, false)
  await engine.close()
})

test('an initiator that may only read changes nothing, not by commands that nobody knows either', async () => {
  const { engine, bridge, connect } = await gatewayBench({ readonly: true })
  const one = await connect('one')
  bridge.cdbs.length = 0
  for (const command of [
    WRITE,
    { lun: 0, cdb: cdbOf(WRITE_BUFFER, { mode: 5 }) },
    { lun: 0, cdb: Uint8Array.of(0xc1, 0, 0, 0, 0, 0) },
  ]) {
    assert.equal(codeText((await one.execute(command)).sense), '27/00')
  }
  assert.deepEqual(bridge.opcodes, [])
  assert.equal((await one.execute(READ)).status, Status.good)
  const six = { lun: 0, cdb: cdbOf(MODE_SENSE_6, { pageCode: 8, allocation: 64 }), expectedIn: 64 }
  const ten = { lun: 0, cdb: cdbOf(MODE_SENSE_10, { pageCode: 8, allocation: 64 }), expectedIn: 64 }
  assert.equal((await one.execute(six)).dataIn[2]! & 0x80, 0x80)
  assert.equal((await one.execute(ten)).dataIn[3]! & 0x80, 0x80)
  await engine.close()
})

test('performance: reads are zeros and writes are dropped without the unit', async () => {
  const { engine, bridge, connect } = await gatewayBench({ performance: true })
  const one = await connect('one')
  bridge.cdbs.length = 0
  assert.equal((await one.execute(WRITE)).status, Status.good)
  const { dataIn } = await one.execute(READ)
  assert.ok(dataIn.equals(Buffer.alloc(512)))
  assert.deepEqual(bridge.opcodes, [])
  await engine.close()
})

test('names and ports: the unit keeps its own, the ports are those of the gateway', async () => {
  const { engine, connect } = await gatewayBench()
  const one = await connect('one')
  const ask = async (values: Record<string, number>): Promise<Buffer> =>
    (await one.execute({ lun: 0, cdb: cdbOf(INQUIRY, { allocation: 255, ...values }), expectedIn: 255 }))
      .dataIn
  assert.equal((await ask({})).toString('latin1', 8, 32), 'ACME    REAL DISK       ')
  assert.equal((await ask({ evpd: 1, pageCode: 0x80 })).toString('latin1', 4), 'REAL-0001')
  const names = (await ask({ evpd: 1, pageCode: 0x83 })).toString('latin1')
  assert.ok(names.includes(Buffer.from([0x50, 1, 2, 3, 4, 5, 6, 7]).toString('latin1')))
  assert.ok(!names.includes('real,local'), 'the port of the real target is not shown')
  await engine.close()
})

test('LOGICAL UNIT RESET goes to the unit; each initiator hears of it once', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const [one, two] = [await connect('one'), await connect('two')]
  assert.equal(await one.manage(ManagementFunction.logicalUnitReset), ManagementResponse.complete)
  assert.equal(bridge.resets, 1)
  for (const nexus of [one, two]) {
    assert.equal(await codeOf(nexus), '29/03')
    assert.equal(await codeOf(nexus), '')
  }
  await engine.close()
})

test('ABORT TASK ends the command at the unit, where the bridge can do that', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const one = await connect('one')
  bridge.store.held = true
  const abort = new AbortController()
  const read = one.execute({ ...READ, signal: abort.signal })
  await until(() => bridge.store.underWay === 1)
  abort.abort(new Error('given up'))
  await until(() => bridge.store.aborts === 1)
  bridge.store.release()
  await assert.rejects(read, /given up/)
  bridge.store.held = false
  assert.equal((await one.execute(READ)).status, Status.good)
  await engine.close()
})

test('where it cannot, the end of the command is waited for, and no longer than the engine waits', async () => {
  const { engine, bridge, events, connect } = await gatewayBench({}, { limits: { managementMs: 50 } })
  const one = await connect('one')
  bridge.cancels = false
  bridge.held = []
  const abort = new AbortController()
  const read = one.execute({ ...READ, signal: abort.signal })
  await until(() => bridge.held?.length === 1)
  abort.abort(new Error('given up'))
  await assert.rejects(read, /given up/)
  assert.ok(events.some(event => event.type === 'command-failed' && event.reason.includes('has not ended')))
  bridge.release()
  assert.equal((await one.execute(READ)).dataIn.readUInt32BE(0), 7)
  await engine.close()
})
