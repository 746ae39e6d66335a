// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 13.11: InitialR2T and ImmediateData together decide what comes without being asked for.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Opcode, R2T, Status } from '@lunkit/spec'
import { BLOCK, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf } from '../../kit/raw-peer.ts'
import { dataOut, response, write } from '../../kit/raw-requests.ts'

/** ABORTED COMMAND, UNEXPECTED UNSOLICITED DATA. */
const UNEXPECTED_DATA = '0b0c0c'

const COMBINATIONS = [
  { InitialR2T: 'No', ImmediateData: 'No', behind: true, with: false },
  { InitialR2T: 'No', ImmediateData: 'Yes', behind: true, with: true },
  { InitialR2T: 'Yes', ImmediateData: 'No', behind: false, with: false },
  { InitialR2T: 'Yes', ImmediateData: 'Yes', behind: false, with: true },
] as const

describe('unsolicited data', () => {
  for (const { InitialR2T, ImmediateData, ...may } of COMBINATIONS) {
    const keys = { InitialR2T, ImmediateData }

    // Requirement: RFC 7143, 13.11/3.
    test(`InitialR2T=${InitialR2T} and ImmediateData=${ImmediateData}: each kind for itself`, () =>
      withBench({}, async bench => {
        const peer = await bench.peer({ keys })
        const block = (fill: number): Buffer => Buffer.alloc(BLOCK, fill)
        const isStored = (lba: number, fill: number): boolean =>
          bench.store.bytes.subarray(lba * BLOCK, (lba + 1) * BLOCK).equals(block(fill))

        write(peer, 1, 1, block(1))
        const immediate = await response(peer)
        assert.equal(immediate.sense, may.with ? '' : UNEXPECTED_DATA)
        assert.equal(isStored(1, 1), may.with)

        dataOut(peer, { itt: write(peer, 2, 1, undefined, { final: 0 }) }, block(2))
        const behind = await response(peer)
        assert.equal(behind.sense, may.behind ? '' : UNEXPECTED_DATA)
        assert.equal(isStored(2, 2), may.behind)

        // What is asked for is taken in any case.
        const itt = write(peer, 3, 1)
        const { ttt, desiredLength } = fieldsOf(R2T, await peer.receive(Opcode.r2t))
        assert.equal(desiredLength, BLOCK)
        dataOut(peer, { itt, ttt }, block(3))
        assert.equal((await response(peer)).status, Status.good)
        assert.ok(isStored(3, 3))
      }))
  }
})
