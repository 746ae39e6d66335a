// SPDX-License-Identifier: Apache-2.0
// How a kept command's data is cut: found by number as if the pieces had been laid out one by one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { IscsiTask } from '../iscsi-task.ts'
import { KeptCommand } from './kept-command.ts'

const GOOD = { status: 0, residual: 0, bidiResidual: 0, sense: Buffer.alloc(0) }
const one = { itt: 1, lunHigh: 0, lunLow: 0, connection: null, r2tsSent: 0 } as unknown as IscsiTask

/** Pieces from an offset on, the slow way: number, offset, length, whether it ends a burst. */
function laidOut(length: number, from: number, sn: number, piece: number, burst: number) {
  const pieces: [number, number, number, boolean][] = []
  let offset = from
  let number = sn
  while (offset < length) {
    const part = Math.min(length - offset, piece, burst - (offset % burst))
    offset += part
    pieces.push([number, offset - part, part, offset === length || offset % burst === 0])
    number = (number + 1) >>> 0
  }
  return pieces
}

test('every piece is where it was sent, through cuts and acknowledgements', () => {
  const size = fc.integer({ min: 1, max: 40 })
  const step = fc.record({ piece: size, acknowledge: fc.nat() })
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 300 }),
      fc.constantFrom(0, 3, 0xffff_fffe),
      fc.integer({ min: 1, max: 64 }),
      fc.array(step, { minLength: 1, maxLength: 4 }),
      (length, firstSn, burst, steps) => {
        const command = new KeptCommand(one, 1, Buffer.alloc(length), firstSn, GOOD)
        let [offset, sn]: [number, number] = [0, firstSn]
        for (const { piece, acknowledge } of steps) {
          command.cut(piece, burst)
          const expected = laidOut(length, offset, sn, piece, burst)
          assert.equal(command.count, expected.length)
          assert.equal(command.endSn, (sn + expected.length) >>> 0)
          for (const [number, at, bytes, ends] of expected) {
            assert.deepEqual(command.piece(number), { number, offset: at, length: bytes, endsBurst: ends })
          }
          assert.equal(command.piece(command.endSn), null)
          assert.equal(command.piece((sn - 1) >>> 0), null)
          assert.equal(command.acknowledge((command.endSn + 1) >>> 0), false)
          const taken = acknowledge % (expected.length + 1)
          if (taken > 0)
            [sn, offset] = [(sn + taken) >>> 0, expected[taken - 1]![1] + expected[taken - 1]![2]]
          assert.equal(command.acknowledge(sn), true)
          assert.deepEqual([command.ackedSn, command.ackedOffset], [sn, offset])
          if (taken > 0) assert.equal(command.piece((sn - 1) >>> 0), null)
        }
      },
    ),
  )
})
