// SPDX-License-Identifier: Apache-2.0
// A bridge that breaks its contract harms its own LUN alone, and is told of once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { READ_10, Status, TEST_UNIT_READY } from '@lunkit/spec'
import type { BridgeAnswer, BridgeRequest } from '@lunkit/target-passthrough'
import { cdbOf } from '@lunkit/testing/kit/device-bench.ts'
import { gatewayBench, until } from '@lunkit/testing/kit/gateway-bench.ts'
import { codeText } from '@lunkit/testing/kit/local-bridge.ts'

const READ = { lun: 0, cdb: cdbOf(READ_10, { lba: 7, blocks: 1 }), expectedIn: 512 }
const READY = { cdb: cdbOf(TEST_UNIT_READY) }
const GOOD: BridgeAnswer = {
  outcome: 'done',
  status: 0,
  sense: Buffer.alloc(0),
  received: 0,
  excess: 0,
  outResidual: 0,
  reason: '',
}

const LIES: Readonly<Record<string, Partial<BridgeAnswer>>> = {
  'more data than there is room for': { received: 513 },
  'less than no data': { received: -1 },
  'a part of a byte': { received: 1.5 },
  'a status that is none': { status: 4711 },
  'more data left over than were sent': { outResidual: 1 },
  'a negative excess': { excess: -5 },
  'no sense data but nothing': { status: 2, sense: null as unknown as Uint8Array },
}

for (const [name, lie] of Object.entries(LIES)) {
  test(`${name}: the command ends with HARDWARE ERROR, and all goes on`, async () => {
    const { engine, bridge, warnings, connect } = await gatewayBench()
    const one = await connect('one')
    bridge.instead = request => {
      if (request.cdb[0] !== READ_10.opcode) return false
      request.finish({ ...GOOD, ...lie })
      return true
    }
    const answer = await one.execute(READ)
    assert.deepEqual([answer.status, codeText(answer.sense)], [Status.checkCondition, '44/00'])
    bridge.instead = null
    assert.equal((await one.execute(READ)).dataIn.readUInt32BE(0), 7)
    assert.equal((await one.execute({ ...READY, lun: 1 })).status, Status.good)
    assert.match(warnings(), /The bridge of local:real /)
    await engine.close()
  })
}

test('what a bridge has not brought is zeros, not what was in that memory before', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const one = await connect('one')
  for (let i = 0; i < 4; i++) assert.equal((await one.execute(READ)).dataIn.readUInt32BE(0), 7)
  bridge.instead = request => {
    request.finish({ ...GOOD, received: request.dataIn.length })
    return true
  }
  for (const blocks of [1, 1024]) {
    const cdb = cdbOf(READ_10, { lba: 7, blocks })
    const { dataIn } = await one.execute({ lun: 0, cdb, expectedIn: 512 * blocks })
    assert.ok(dataIn.equals(Buffer.alloc(512 * blocks)))
  }
  bridge.instead = null
  await engine.close()
})

test('an answer given twice, and one long after the next command, change nothing', async () => {
  const { engine, bridge, warnings, connect } = await gatewayBench()
  const one = await connect('one')
  const stale: BridgeRequest[] = []
  bridge.instead = request => {
    if (request.cdb[0] !== READ_10.opcode || stale.length > 0) return false
    stale.push(request)
    request.finish({ ...GOOD, received: 512 })
    request.finish({ ...GOOD, received: 512 })
    return true
  }
  assert.equal((await one.execute(READ)).status, Status.good)
  bridge.held = []
  const read = one.execute(READ)
  await until(() => bridge.held?.length === 1)
  stale[0]!.finish(GOOD)
  bridge.release()
  assert.equal((await read).dataIn.readUInt32BE(0), 7)
  assert.match(warnings(), /answered a command that it had answered already/)
  await engine.close()
})

test('a bridge that throws has lost its unit, and finds it again', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const one = await connect('one')
  let throwing = true
  bridge.instead = () => {
    if (throwing) throw new Error('out of order')
    return false
  }
  const read = one.execute(READ)
  await until(() => bridge.cdbs.length > 0)
  throwing = false
  assert.equal((await read).dataIn.readUInt32BE(0), 7)
  await engine.close()
})

test('a bridge that never answers has lost its unit when the time is over; its memory is not used again', async () => {
  const { engine, bridge, events, connect } = await gatewayBench({ timeout: 1 })
  const one = await connect('one')
  let silent: BridgeRequest | null = null
  bridge.instead = request => {
    if (silent !== null || request.cdb[0] !== READ_10.opcode) return false
    silent = request
    return true
  }
  const answer = await one.execute(READ)
  assert.deepEqual([answer.status, codeText(answer.sense)], [Status.checkCondition, '44/00'])
  assert.equal((await one.execute({ ...READY, lun: 1 })).status, Status.good)
  await until(async () => codeText((await one.execute({ ...READY, lun: 0 })).sense) === '29/00')
  const read = await one.execute(READ)
  silent!.dataIn.fill(0xee)
  silent!.finish({ ...GOOD, received: 512 })
  assert.equal(read.dataIn.readUInt32BE(0), 7)
  assert.equal((await one.execute(READ)).dataIn.readUInt32BE(0), 7)
  assert.ok(events.some(event => event.type === 'command-failed'))
  await engine.close()
})

test('a bridge that answers anything at all, at any time, leaves each command with one answer', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const [one, two] = [await connect('one'), await connect('two')]
  const random = generator(0x70617373)
  const pick = <T>(...choices: readonly T[]): T => choices[random() % choices.length]!
  const stale: BridgeRequest[] = []
  bridge.instead = request => {
    if (request.cdb[0] !== READ_10.opcode) return false
    const answer: BridgeAnswer = {
      outcome: pick('done', 'done', 'done', 'ended', 'refused'),
      status: pick(0, 0, 2, 8, 0x18, 0x28, 0x40, 0x77, -1, 1e9),
      sense: pick(Buffer.alloc(0), Buffer.alloc(300, 0x70), Buffer.of(0x70, 0, 6), Buffer.of(0xff)),
      received: pick(0, 512, 511, 513, Number.NaN),
      excess: pick(0, 0, 7, -7),
      outResidual: pick(0, 0, 3),
      reason: 'by chance',
    }
    const finish = (): void => request.finish(answer)
    pick(
      finish,
      () => setImmediate(finish),
      () => queueMicrotask(finish),
    )()
    if (random() % 3 === 0) stale.push(request)
    if (random() % 5 === 0) stale[random() % Math.max(stale.length, 1)]?.finish(answer)
    return true
  }
  let answered = 0
  for (let round = 0; round < 60; round++) {
    const reads = Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? one : two).execute(READ))
    for (const { status, dataIn } of await Promise.all(reads)) {
      answered++
      assert.ok(status !== Status.good || dataIn.every(byte => byte === 0))
    }
  }
  assert.equal(answered, 960)
  bridge.instead = null
  await until(async () => (await one.execute(READ)).status === Status.good)
  assert.equal((await one.execute(READ)).dataIn.readUInt32BE(0), 7)
  assert.equal((await one.execute({ ...READY, lun: 1 })).status, Status.good)
  await engine.close()
})

/** Marsaglia's xorshift: the same numbers in every run. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state >>> 4
  }
}
