// SPDX-License-Identifier: Apache-2.0
// Messages come out the same however the stream is cut, and garbage is a fault and nothing else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FrameReader } from './frame-reader.ts'
import { ANSWER, HandlerFault, Kind } from './protocol.ts'

const message = fc.record({
  answer: fc.boolean(),
  sense: fc.uint8Array({ maxLength: 255 }),
  data: fc.uint8Array({ maxLength: 3000 }),
  cut: fc.integer({ min: 0, max: 3000 }),
})

test('answers and notices are the same, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }),
      (all, cuts) => {
        const wanted = all.map(({ answer, sense, data }) => (answer ? [[...sense], [...data]] : [[...data]]))
        const stream = Buffer.concat(
          all.flatMap(({ answer, sense, data }) => [
            ANSWER.write({
              length: data.length + (answer ? sense.length : 0),
              kind: answer ? Kind.answer : Kind.capacity,
              senseLength: answer ? sense.length : 0,
            }),
            answer ? sense : Buffer.alloc(0),
            data,
          ]),
        )
        const got: number[][][] = []
        let index = 0
        let into: Buffer[] = []
        const reader = new FrameReader({
          answerBegins() {
            const { data, cut } = all[index]!
            const first = Math.min(cut, data.length)
            into = [Buffer.alloc(first), Buffer.alloc(0), Buffer.alloc(data.length - first)]
            return into
          },
          answerEnds(_header, sense) {
            got.push([[...sense], [...Buffer.concat(into)]])
            index++
          },
          notice(_kind, body) {
            got.push([[...body]])
            index++
          },
        })
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const bytes = Math.min(cuts[turn % cuts.length]!, stream.length - at)
          reader.take(Buffer.concat([stream.subarray(at, at + bytes), Buffer.alloc(5, 0xee)]), bytes)
          at += bytes
        }
        assert.deepEqual(got, wanted)
      },
    ),
  )
})

test('garbage is a fault, or an answer that was asked for', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      const reader = new FrameReader({
        answerBegins: () => [Buffer.alloc(64)],
        answerEnds: () => {},
        notice: () => {},
      })
      try {
        reader.take(Buffer.from(bytes), bytes.length)
      } catch (error) {
        assert.ok(error instanceof HandlerFault, String(error))
      }
    }),
    { numRuns: 2000 },
  )
})
