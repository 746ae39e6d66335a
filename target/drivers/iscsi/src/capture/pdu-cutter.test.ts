// SPDX-License-Identifier: Apache-2.0
// Segments begin with PDUs whatever the chunks, keep headers, and have every byte of any stream once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BHS, Opcode } from '@lunkit/spec'
import fc from 'fast-check'
import { PduCutter } from './pdu-cutter.ts'
import { MOST_PAYLOAD } from './tcp-flow.ts'

interface Segment {
  readonly bytes: Buffer
  readonly kept: number
}

/** Feeds `stream` in pieces of these lengths, the last of them again and again. */
function cut(
  stream: Buffer,
  pieces: readonly number[],
  snap = Number.MAX_SAFE_INTEGER,
  digests = { headerDigest: false, dataDigest: false },
): Segment[] {
  const segments: Segment[] = []
  const cutter = new PduCutter(digests, snap, (slices, length, kept) => {
    const bytes = Buffer.concat(slices)
    assert.equal(bytes.length, length)
    assert.ok(kept <= length)
    segments.push({ bytes, kept })
  })
  for (let at = 0, i = 0; at < stream.length; i++) {
    const length = pieces[Math.min(i, pieces.length - 1)]!
    cutter.feed(stream.subarray(at, at + length))
    at += length
  }
  cutter.cut()
  return segments
}

function pdu(opcode: number, dataLength: number, trailer = 0, ahsWords = 0): Buffer {
  const bytes = Buffer.alloc(48 + ahsWords * 4 + ((dataLength + 3) & ~3) + trailer, opcode)
  bytes.fill(0, 0, 48)
  BHS.field.opcode.set(bytes, 0, opcode)
  BHS.field.totalAhsLength.set(bytes, 0, ahsWords)
  BHS.field.dataSegmentLength.set(bytes, 0, dataLength)
  return bytes
}

test('each PDU is a segment, however it came', () => {
  const pdus = [
    pdu(Opcode.scsiCommand, 0),
    pdu(Opcode.dataOut, 510),
    pdu(Opcode.scsiCommand, 3, 0, 5),
    pdu(Opcode.nopOut, 0),
  ]
  for (const length of [1000, 1]) {
    const segments = cut(Buffer.concat(pdus), [length])
    assert.deepEqual(
      segments.map(({ bytes }) => bytes),
      pdus,
    )
  }
})

test('digests belong to PDUs, but not to those of login', () => {
  const digests = { headerDigest: true, dataDigest: true }
  const pdus = [
    pdu(Opcode.loginRequest, 10),
    pdu(Opcode.scsiCommand, 0, 4),
    pdu(Opcode.dataOut, 5, 8),
    pdu(Opcode.nopOut, 0, 4),
  ]
  const segments = cut(Buffer.concat(pdus), [4096], undefined, digests)
  assert.deepEqual(
    segments.map(({ bytes }) => bytes.length),
    pdus.map(({ length }) => length),
  )
})

test('a PDU longer than a packet is several segments, the next one begins anew', () => {
  const long = pdu(Opcode.dataOut, 200_000)
  const segments = cut(Buffer.concat([long, pdu(Opcode.nopOut, 0)]), [1_000_000])
  assert.deepEqual(
    segments.map(({ bytes }) => bytes.length),
    [MOST_PAYLOAD, MOST_PAYLOAD, MOST_PAYLOAD, long.length - 3 * MOST_PAYLOAD, 48],
  )
})

test('of data no more is kept than is wanted, of headers all', () => {
  const long = pdu(Opcode.dataOut, 100_000, 0, 2)
  const whole = pdu(Opcode.scsiCommand, 30)
  const segments = cut(Buffer.concat([long, whole]), [1_000_000], 64)
  assert.deepEqual(
    segments.map(({ kept }) => kept),
    [48 + 8 + 64, 0, 48 + 32],
  )
  assert.deepEqual(
    cut(whole, [1000], 0).map(({ kept }) => kept),
    [48],
  )
})

test('any bytes in any chunks are in one segment each, and no segment is longer than a packet', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 4000 }),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 }),
      fc.nat(100),
      fc.boolean(),
      fc.boolean(),
      (bytes, pieces, snap, headerDigest, dataDigest) => {
        const stream = Buffer.from(bytes)
        const segments = cut(stream, pieces, snap, { headerDigest, dataDigest })
        assert.ok(Buffer.concat(segments.map(segment => segment.bytes)).equals(stream))
        assert.ok(segments.every(segment => segment.bytes.length <= MOST_PAYLOAD))
      },
    ),
    { numRuns: 500 },
  )
})
