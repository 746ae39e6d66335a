// SPDX-License-Identifier: Apache-2.0
// A store that throws where it should have answered: the command fails, and the disk goes on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  COMPARE_AND_WRITE,
  ORWRITE_16,
  SCSI_RESPONSE,
  Status,
  WRITE_10,
  WRITE_AND_VERIFY_10,
  WRITE_SAME_10,
} from '@lunkit/spec'
import type { StoreIo } from '@lunkit/target-api'
import { cdbOf } from '../../../../testing/kit/device-bench.ts'
import { type IscsiBench, withBench } from '../../../../testing/kit/iscsi-bench.ts'
import { fieldsOf, type RawPeer } from '../../../../testing/kit/raw-peer.ts'

const BLOCK = Buffer.alloc(512, 7)
const AT = { lba: 3, blocks: 1 }

async function status(peer: RawPeer, cdb: Uint8Array, data: Buffer): Promise<number> {
  peer.command(cdb, { write: 1, expectedDataTransferLength: data.length }, data)
  return fieldsOf(SCSI_RESPONSE, await peer.receive()).status
}

/** From now on the store throws at the call of this number, counted from 1, of reads and writes. */
function throwAt({ store }: IscsiBench, number: number, later: boolean): void {
  let count = 0
  const { read, write } = { read: store.read.bind(store), write: store.write.bind(store) }
  const wrap = (call: (io: StoreIo) => void) => (io: StoreIo) => {
    if (++count === number) throw new TypeError('a bug of the store')
    if (later) setImmediate(call, io)
    else call(io)
  }
  store.read = wrap(read)
  store.write = wrap(write)
}

const CASES = [
  { name: 'WRITE', cdb: cdbOf(WRITE_10, AT), data: BLOCK, calls: 1 },
  { name: 'WRITE SAME', cdb: cdbOf(WRITE_SAME_10, { lba: 0, blocks: 1024 }), data: BLOCK, calls: 2 },
  { name: 'ORWRITE', cdb: cdbOf(ORWRITE_16, AT), data: BLOCK, calls: 2 },
  { name: 'WRITE AND VERIFY', cdb: cdbOf(WRITE_AND_VERIFY_10, AT), data: BLOCK, calls: 2 },
]

for (const later of [false, true]) {
  for (const { name, cdb, data, calls } of CASES) {
    for (let number = 1; number <= calls; number++) {
      test(`${name}, request ${number}, ${later ? 'later' : 'at once'}`, () =>
        withBench({}, async bench => {
          const peer = await bench.peer()
          throwAt(bench, number, later)
          assert.equal(await status(peer, cdb, data), Status.checkCondition)
          // Needs the disk for itself, and then lets others in again.
          const same = Buffer.from(bench.store.bytes.subarray(5 * 512, 6 * 512))
          const compare = cdbOf(COMPARE_AND_WRITE, { lba: 5, blocks: 1 })
          assert.equal(await status(peer, compare, Buffer.concat([same, BLOCK])), Status.good)
          assert.equal(await status(peer, cdbOf(WRITE_10, AT), BLOCK), Status.good)
        }))
    }
  }
}

test('one that waited for another command does not take that one with it', () =>
  withBench({}, async bench => {
    const peer = await bench.peer()
    bench.store.held = true
    peer.command(cdbOf(WRITE_10, AT), { write: 1, expectedDataTransferLength: 512 }, BLOCK)
    await bench.until(() => bench.store.underWay === 1)
    const or = peer.command(cdbOf(ORWRITE_16, AT), { write: 1, expectedDataTransferLength: 512 }, BLOCK)
    await bench.until(() => bench.watched.submitted === or)
    throwAt(bench, 1, false)
    bench.store.release()
    const answers = [await peer.receive(), await peer.receive()].map(pdu => fieldsOf(SCSI_RESPONSE, pdu))
    assert.deepEqual(answers.map(({ status: one }) => one).sort(), [Status.good, Status.checkCondition])
    assert.equal(await status(peer, cdbOf(WRITE_10, AT), BLOCK), Status.good)
  }))
