// SPDX-License-Identifier: Apache-2.0
// What the engine's order means for a disk: atomic commands race, and a cache that goes off keeps what came before.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COMPARE_AND_WRITE, MODE_SELECT_6, Status, TEST_UNIT_READY, WRITE_10 } from '@lunkit/spec'
import { cdbOf } from '../kit/device-bench.ts'
import { localBench } from '../kit/local-bench.ts'

const swap = (from: number, to: number) => ({
  lun: 0,
  cdb: cdbOf(COMPARE_AND_WRITE, { blocks: 1 }),
  dataOut: Buffer.concat([Buffer.alloc(512, from), Buffer.alloc(512, to)]),
})
const write = (value: number, lba = 0) => ({
  lun: 0,
  cdb: cdbOf(WRITE_10, { lba, blocks: 1 }),
  dataOut: Buffer.alloc(512, value),
})

for (const later of [false, true]) {
  const when = later ? 'later' : 'inside the call'

  // Requirement: SBC-4, COMPARE AND WRITE command: compare and write are one operation for every other command.
  test(`of many at one block exactly one wins, and plain writes are not lost: ${when}`, async () => {
    const { engine, store, connect } = await localBench({ later })
    const initiators = [await connect('one'), await connect('two')]
    store.bytes.fill(0, 0, 512)
    store.held = true
    const answers = [1, 2, 3, 4].map(to => initiators[to % 2]!.execute(swap(0, to)))
    const more = [initiators[0]!.execute(write(9)), initiators[1]!.execute(swap(9, 10))]
    store.release()
    const statuses = (await Promise.all(answers)).map(({ status }) => status)
    assert.deepEqual(statuses, [Status.good, ...Array(3).fill(Status.checkCondition)])
    for (const answer of more) assert.equal((await answer).status, Status.good)
    assert.deepEqual(store.bytes.subarray(0, 512), Buffer.alloc(512, 10))
    await engine.close()
  })
}

test('a command that waits for another and is aborted ends without touching the store', async () => {
  const { engine, store, connect } = await localBench()
  const initiator = await connect('one')
  store.held = true
  const first = initiator.execute(swap(0, 1))
  const gone = new Error('Changed my mind')
  const aborts = [swap(0, 1), write(1)].map(command => {
    const controller = new AbortController()
    const answer = initiator.execute({ ...command, signal: controller.signal })
    controller.abort(gone)
    return assert.rejects(answer, gone)
  })
  await Promise.all(aborts)
  store.release()
  await first
  assert.deepEqual(store.takeCalls(), ['read 0+512'])
  await engine.close()
})

// Requirement: SBC-4, Caching mode page: a cache that is switched off holds nothing that was written before.
test('a cache that is switched off while a write is under way is flushed after it', async () => {
  const { engine, store, connect } = await localBench()
  const initiator = await connect('one')
  const list = Buffer.from([0, 0, 0, 0, 8, 18, ...Array(18).fill(0)])
  store.held = true
  const before = initiator.execute(write(4))
  const select = initiator.execute({
    lun: 0,
    cdb: cdbOf(MODE_SELECT_6, { pf: 1, parameterLength: list.length }),
    dataOut: list,
  })
  const after = initiator.execute(write(5, 1))
  assert.deepEqual(store.takeCalls(), ['write 0+512'])
  store.release()
  for (const answer of [before, select, after]) assert.equal((await answer).status, Status.good)
  assert.deepEqual(store.takeCalls(), ['flush', 'write 512+512 fua'])
  assert.deepEqual(store.durable, store.bytes)
  await engine.close()
})

test('nobody waits for a stuck write but those that would touch its blocks', async () => {
  const { engine, store, connect } = await localBench()
  const [one, two] = [await connect('one'), await connect('two')]
  store.held = true
  const stuck = one.execute(write(1))
  store.held = false
  const ready = await two.execute({ lun: 0, cdb: cdbOf(TEST_UNIT_READY) })
  assert.deepEqual([ready.status, (await two.execute(write(2, 1))).status], [Status.good, Status.good])
  const behind = two.execute(write(3))
  assert.deepEqual(store.takeCalls(), ['write 0+512', 'write 512+512'])
  store.release()
  await Promise.all([stuck, behind])
  assert.equal(store.bytes[0], 3)
  await engine.close()
})
