// SPDX-License-Identifier: Apache-2.0
// Ten thousand races of two initiators for one block by COMPARE AND WRITE: each has one winner.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COMPARE_AND_WRITE, readSense, SenseKey, Status } from '@lunkit/spec'
import type { LocalNexus } from '@lunkit/target-driver-local'
import { cdbOf } from '../kit/device-bench.ts'
import { localBench } from '../kit/local-bench.ts'

const ROUNDS = 10_000
const BLOCK = 512
/** Where a block says who wrote it, behind the round. */
const OWNER_AT = 300

function blockOf(round: number, owner: number): Buffer {
  const block = Buffer.alloc(BLOCK, round & 0xff)
  block.writeUInt32BE(round, 0)
  block[OWNER_AT] = owner
  return block
}

// Requirement: SBC-4, COMPARE AND WRITE command: no other command comes between the compare and the write.
test('two nexuses race 10,000 times for one block: one wins each time, and the other learns where it differs', async () => {
  const { engine, store, connect } = await localBench({ later: true })
  const racers: readonly LocalNexus[] = [await connect('one'), await connect('two')]
  const cdb = cdbOf(COMPARE_AND_WRITE, { lba: 3, blocks: 1 })
  let now = blockOf(0, 9)
  now.copy(store.bytes, 3 * BLOCK)
  const wins = [0, 0]
  for (let round = 1; round <= ROUNDS; round++) {
    const expected = now
    // Who comes first is not always the same one.
    const order = (round * 2_654_435_761) % 7 < 3 ? [0, 1] : [1, 0]
    const tries = order.map(async owner => {
      const dataOut = Buffer.concat([expected, blockOf(round, owner)])
      return { owner, answer: await racers[owner]!.execute({ lun: 0, cdb, dataOut }) }
    })
    const results = await Promise.all(tries)
    const winners = results.filter(({ answer }) => answer.status === Status.good)
    assert.equal(winners.length, 1, `round ${round}`)
    const { owner } = winners[0]!
    now = blockOf(round, owner)
    assert.ok(now.equals(store.bytes.subarray(3 * BLOCK, 4 * BLOCK)), `round ${round}`)
    wins[owner]!++
    const sense = readSense(results.find(one => one.owner !== owner)!.answer.sense)
    assert.equal(sense?.key, SenseKey.miscompare)
    assert.equal(sense?.information, firstDifference(expected, now))
  }
  assert.ok(wins[0]! > ROUNDS / 4 && wins[1]! > ROUNDS / 4, `${wins}`)
  await engine.close()
})

const firstDifference = (one: Buffer, other: Buffer): number =>
  one.findIndex((byte, at) => byte !== other[at])
