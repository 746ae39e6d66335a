// SPDX-License-Identifier: Apache-2.0
// The road of a command through a gateway: order, data, residuals, sense data, and what is each initiator's own.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { READ_10, Status, TaskAttribute, WRITE_10 } from '@lunkit/spec'
import { cdbOf } from '@lunkit/testing/kit/device-bench.ts'
import { gatewayBench, until } from '@lunkit/testing/kit/gateway-bench.ts'
import { codeText } from '@lunkit/testing/kit/local-bridge.ts'

const read = (lba: number, blocks = 1) => ({
  lun: 0,
  cdb: cdbOf(READ_10, { lba, blocks }),
  expectedIn: 512 * blocks,
})
const write = (lba: number, data: Buffer) => ({
  lun: 0,
  cdb: cdbOf(WRITE_10, { lba, blocks: data.length / 512 }),
  dataOut: data,
})

test('commands reach the unit in the order in which they came, however its answers come', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const [one, two] = [await connect('one'), await connect('two')]
  bridge.cdbs.length = 0
  bridge.held = []
  const answers = []
  for (let lba = 0; lba < 40; lba++) answers.push((lba % 2 === 0 ? one : two).execute(read(lba)))
  await until(() => bridge.held?.length === 40)
  assert.deepEqual(
    bridge.cdbs.map(cdb => READ_10.cdb.field.lba.get(cdb, 0)),
    Array.from({ length: 40 }, (_, lba) => lba),
  )
  bridge.release(kept => kept.map((_, i) => kept[(i * 7 + 3) % 40]!))
  for (const [lba, answer] of (await Promise.all(answers)).entries()) {
    assert.equal(answer.status, Status.good)
    assert.equal(answer.dataIn.readUInt32BE(0), lba)
  }
  await engine.close()
  assert.equal(bridge.closed, true)
})

test('ORDERED commands wait for those before them, and hold up those behind them', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const one = await connect('one')
  bridge.cdbs.length = 0
  bridge.held = []
  const answers = [
    one.execute(read(1)),
    one.execute({ ...read(2), attribute: TaskAttribute.ordered }),
    one.execute(read(3)),
  ]
  await until(() => bridge.held?.length === 1)
  for (let seen = 1; seen <= 3; seen++) {
    assert.equal(bridge.cdbs.length, seen)
    bridge.held?.shift()?.()
    if (seen < 3) await until(() => bridge.held?.length === 1)
  }
  await Promise.all(answers)
  await engine.close()
})

test('long transfers, residuals and sense data are those of the unit', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const one = await connect('one')
  const data = Buffer.alloc(600 * 1024, 'gateway ')
  assert.equal((await one.execute(write(100, data))).status, Status.good)
  assert.ok(bridge.store.bytes.subarray(51_200, 51_200 + data.length).equals(data))
  const got = await one.execute(read(100, data.length / 512))
  assert.ok(got.dataIn.equals(data))
  assert.equal((await one.execute({ ...read(0), expectedIn: 2048 })).residual, 2048 - 512)
  assert.equal((await one.execute({ ...read(0, 8), expectedIn: 512 })).residual, 512 - 4096)
  const beyond = await one.execute(read(5000))
  assert.deepEqual([beyond.status, codeText(beyond.sense)], [Status.checkCondition, '21/00'])
  await engine.close()
})

test('a command that nobody knows goes to the unit, with the data of its initiator', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const one = await connect('one')
  bridge.instead = request => {
    if (request.cdb[0] !== 0xc7) return false
    assert.equal(request.cdb.length, 10)
    assert.equal(request.direction, 'in')
    request.dataIn.fill(0x33, 0, 5)
    const done = { outcome: 'done', status: 0, sense: Buffer.alloc(0), reason: '' } as const
    request.finish({ ...done, received: 5, excess: 0, outResidual: 0 })
    return true
  }
  const cdb = Uint8Array.of(0xc7, 0, 0, 0, 0, 0, 0, 0, 9, 0)
  const { status, dataIn, residual } = await one.execute({ lun: 0, cdb, expectedIn: 64 })
  assert.deepEqual([status, dataIn.toString('hex'), residual], [Status.good, '3333333333', 59])
  await engine.close()
})

test('sense data are passed as they came, whatever their length', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const one = await connect('one')
  const sense = Buffer.alloc(200, 0xee)
  sense.set([0x70, 0, 0x03, 0, 0, 0, 0, 192, 0, 0, 0, 0, 0x11, 0x05])
  bridge.instead = request => {
    const done = { outcome: 'done', status: Status.checkCondition, sense, reason: '' } as const
    request.finish({ ...done, received: 0, excess: 0, outResidual: 0 })
    return true
  }
  const answer = await one.execute(read(0))
  assert.equal(answer.status, Status.checkCondition)
  assert.ok(answer.sense.equals(sense))
  bridge.instead = null
  await engine.close()
})
