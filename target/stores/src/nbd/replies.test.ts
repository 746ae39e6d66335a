// SPDX-License-Identifier: Apache-2.0
// Replies in whatever pieces they come, in whatever order, and spoilt: the right bytes, or Violation and nothing else.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chunk, data, simple, uint32, uint64 } from '@lunkit/testing/kit/nbd-peer.ts'
import { pattern } from '@lunkit/testing/kit/store-exchange.ts'
import fc from 'fast-check'
import { Call, Kind } from './call.ts'
import { Command } from './protocol.ts'
import { Replies, Violation } from './replies.ts'

const SIZE = 8192
const OFFSET = 4096
const BYTES = pattern(SIZE, 1)

/** A read of SIZE bytes at OFFSET, in these parts, and what reads its replies. */
class Reading {
  readonly call = new Call()
  readonly buffer = Buffer.alloc(SIZE + 64, 0xa5)
  answers = 0
  readonly replies: Replies

  constructor(cut: number, structured = true) {
    const { call } = this
    call.kind = Kind.read
    call.command = Command.read
    call.offset = OFFSET
    call.length = SIZE
    call.slot = 3
    call.generation = 9
    const inside = this.buffer.subarray(32, 32 + SIZE)
    call.expect([inside.subarray(0, cut), inside.subarray(cut)], OFFSET)
    this.replies = new Replies(
      {
        callOf: (slot, generation) => (slot === 3 && generation === 9 && this.answers === 0 ? call : null),
        answered: () => {
          this.answers++
        },
      },
      structured,
      7,
    )
  }

  take(bytes: Buffer, cuts: readonly number[]): void {
    let from = 0
    for (const cut of [...cuts].sort((one, other) => one - other)) {
      const to = Math.max(from, cut % (bytes.length + 1))
      this.replies.take(bytes.subarray(from, to))
      from = to
    }
    this.replies.take(bytes.subarray(from))
  }

  /** Nothing around the buffers was written. */
  guarded(): void {
    assert.ok(this.buffer.subarray(0, 32).every(byte => byte === 0xa5))
    assert.ok(this.buffer.subarray(32 + SIZE).every(byte => byte === 0xa5))
  }
}

const COOKIE = Buffer.concat([uint32(9), uint32(3)])

interface Piece {
  readonly from: number
  readonly to: number
  readonly hole: boolean
}

/** The whole read as pieces that follow each other, then shuffled. */
const pieces: fc.Arbitrary<Piece[]> = fc
  .tuple(fc.array(fc.integer({ min: 1, max: SIZE - 1 }), { maxLength: 12 }), fc.array(fc.boolean()))
  .chain(([ends, holes]) => {
    const edges = [...new Set([0, ...ends, SIZE])].sort((one, other) => one - other)
    const all = edges.slice(1).map((to, i) => ({ from: edges[i]!, to, hole: holes[i] === true }))
    return fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })
  })

const bytesOf = (all: readonly Piece[], none: boolean): Buffer =>
  Buffer.concat([
    ...all.map(({ from, to, hole }, i) => {
      const last = !none && i === all.length - 1
      const at = OFFSET + from
      return hole
        ? chunk(COOKIE, 2, Buffer.concat([uint64(at), uint32(to - from)]), last)
        : data(COOKIE, at, BYTES.subarray(from, to), last)
    }),
    ...(none ? [chunk(COOKIE, 0, Buffer.alloc(0))] : []),
  ])

test('chunks in any order, cut anywhere, fill what was asked for', () => {
  fc.assert(
    fc.property(
      pieces,
      fc.boolean(),
      fc.integer({ min: 0, max: SIZE }),
      fc.array(fc.nat()),
      (all, none, cut, cuts) => {
        const reading = new Reading(cut)
        reading.take(bytesOf(all, none), cuts)
        const wanted = Buffer.from(BYTES)
        for (const { from, to, hole } of all) if (hole) wanted.fill(0, from, to)
        assert.equal(reading.answers, 1)
        assert.ok(reading.buffer.subarray(32, 32 + SIZE).equals(wanted))
        reading.guarded()
      },
    ),
    { numRuns: 200 },
  )
})

test('a piece too many, or too few, is a violation', () => {
  fc.assert(
    fc.property(pieces, fc.nat(), (all, which) => {
      const one = all[which % all.length]!
      const twice = new Reading(100)
      assert.throws(() => twice.take(bytesOf([one, ...all], true), []), Violation)
      const less = new Reading(100)
      const others = all.filter(piece => piece !== one)
      assert.throws(() => less.take(bytesOf(others, true), []), Violation)
      assert.equal(twice.answers + less.answers, 0)
    }),
    { numRuns: 100 },
  )
})

test('whatever is spoilt, nothing but a violation comes of it, and nothing is written elsewhere', () => {
  const spoilt = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 8,
  })
  fc.assert(
    fc.property(pieces, spoilt, fc.array(fc.nat()), fc.boolean(), (all, changes, cuts, structured) => {
      const reading = new Reading(77, structured)
      const bytes = structured ? bytesOf(all, true) : simple(COOKIE, 0, BYTES)
      // Where headers are, it hurts most.
      for (const [at, value] of changes) bytes[at % (at % 2 === 0 ? 40 : bytes.length)] = value
      try {
        reading.take(bytes, cuts)
      } catch (error) {
        assert.ok(error instanceof Violation, String(error))
      }
      reading.guarded()
      assert.ok(reading.answers <= 1)
    }),
    { numRuns: 500 },
  )
})

test('what is covered is what a map of single bytes says', () => {
  const range = fc.tuple(fc.integer({ min: -2, max: 70 }), fc.integer({ min: -1, max: 20 }))
  fc.assert(
    fc.property(fc.array(range, { maxLength: 30 }), ranges => {
      const call = new Call()
      call.offset = 1
      call.length = 64
      call.expect([], 1)
      const model = new Uint8Array(66)
      for (const [from, length] of ranges) {
        const to = from + length
        const inside = length > 0 && from >= 1 && to <= 65
        const wanted = inside && model.subarray(from, to).every(byte => byte === 0)
        assert.equal(call.cover(from, to), wanted, `${from} to ${to}`)
        if (wanted) model.fill(1, from, to)
        assert.equal(
          call.isCovered,
          model.subarray(1, 65).every(byte => byte === 1),
        )
      }
    }),
    { numRuns: 500 },
  )
})
