// SPDX-License-Identifier: Apache-2.0
// The framer: any split of the stream gives the same PDUs, and broken streams are refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BHS, BHS_LENGTH, crc32c, Opcode, writeDigest } from '@lunkit/spec'
import { Framer } from './framer.ts'

interface Given {
  readonly itt: number
  readonly ahs?: number
  readonly data?: Uint8Array
}

function wire(pdus: readonly Given[], headerDigest: boolean, dataDigest: boolean): Buffer {
  const parts: Uint8Array[] = []
  const digest = (...over: Uint8Array[]): void => {
    const bytes = new Uint8Array(4)
    writeDigest(bytes, 0, crc32c(Buffer.concat(over)))
    parts.push(bytes)
  }
  for (const { itt, ahs = 0, data = new Uint8Array(0) } of pdus) {
    const header = new Uint8Array(BHS_LENGTH + ahs * 4).fill(0xa5, BHS_LENGTH)
    BHS.write({ opcode: Opcode.nopIn, totalAhsLength: ahs, dataSegmentLength: data.length, itt }, header)
    parts.push(header)
    if (headerDigest) digest(header)
    if (data.length === 0) continue
    const padding = new Uint8Array(-data.length & 3)
    parts.push(data, padding)
    if (dataDigest) digest(data, padding)
  }
  return Buffer.concat(parts)
}

function collect(place: Uint8Array | null = null) {
  const seen: [itt: number, data: string][] = []
  const framer: Framer = new Framer(
    {
      place: () => place,
      pdu: (header, data) => seen.push([BHS.field.itt.get(header, 0), Buffer.from(data).toString('latin1')]),
    },
    1000,
  )
  return { framer, seen }
}

const PDUS: readonly Given[] = [
  { itt: 1 },
  { itt: 2, data: Buffer.from('a') },
  { itt: 3 },
  { itt: 4, data: Buffer.from('four') },
  { itt: 5, data: Buffer.from('x'.repeat(301)) },
  { itt: 6 },
]
const WANT = PDUS.map(({ itt, data }) => [itt, Buffer.from(data ?? []).toString('latin1')])

for (const [headerDigest, dataDigest] of [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const) {
  test(`every split gives the same PDUs, digests ${headerDigest}/${dataDigest}`, () => {
    const stream = wire(PDUS, headerDigest, dataDigest)
    for (let split = 0; split <= stream.length; split++) {
      const { framer, seen } = collect()
      framer.headerDigest = headerDigest
      framer.dataDigest = dataDigest
      framer.push(stream, 0, split)
      framer.push(Buffer.from(stream.subarray(split)), 0, stream.length - split)
      assert.deepEqual(seen, WANT, `split at ${split}`)
    }
    const { framer, seen } = collect()
    framer.headerDigest = headerDigest
    framer.dataDigest = dataDigest
    for (let i = 0; i < stream.length; i++) framer.push(stream, i, i + 1)
    assert.deepEqual(seen, WANT)
  })
}

test('data go to the place that the host gives, and nowhere else', () => {
  const place = Buffer.alloc(20, '.')
  const { framer, seen } = collect()
  const host = {
    place: (_: Uint8Array, __: number, one: Framer): Uint8Array => {
      one.at = 5
      return place
    },
    pdu: (header: Uint8Array, data: Uint8Array) => {
      seen.push([BHS.field.itt.get(header, 0), `${data.length}`])
    },
  }
  framer.handTo(host)
  const stream = wire([{ itt: 9, data: Buffer.from('payload') }], false, false)
  for (let i = 0; i < stream.length; i++) framer.push(stream, i, i + 1)
  assert.equal(place.toString(), '.....payload........')
  assert.deepEqual(seen, [[9, '0']])
})

test('a place that is too small is never written to', () => {
  const place = Buffer.alloc(6, '.')
  const { framer } = collect(place)
  const stream = wire([{ itt: 9, data: Buffer.from('payload') }], false, false)
  assert.throws(() => framer.push(stream, 0, stream.length), RangeError)
  assert.equal(place.toString(), '......')
})

// Requirement: RFC 7143, 13.12/4.
test('a data segment longer than agreed is refused before its data', () => {
  const { framer, seen } = collect()
  const stream = wire([{ itt: 1 }, { itt: 2, data: new Uint8Array(1001) }], false, false)
  assert.throws(() => framer.push(stream, 0, 2 * BHS_LENGTH), { code: 'TRANSPORT_PROTOCOL' })
  assert.equal(seen.length, 1)
})

test('an additional header is refused, with its PDU', () => {
  for (const digests of [false, true]) {
    const { framer, seen } = collect()
    framer.headerDigest = digests
    const stream = wire([{ itt: 1 }, { itt: 2, ahs: 1 }], digests, false)
    assert.throws(() => framer.push(stream, 0, stream.length), { code: 'TRANSPORT_PROTOCOL' })
    assert.equal(seen.length, 1)
  }
})

test('any flipped bit is found by the digests', () => {
  const stream = wire([{ itt: 7, data: Buffer.from('digest') }], true, true)
  for (let bit = 0; bit < stream.length * 8; bit++) {
    const broken = Buffer.from(stream)
    broken[bit >> 3]! ^= 1 << (bit & 7)
    const { framer, seen } = collect()
    framer.headerDigest = true
    framer.dataDigest = true
    // A flip in a length leaves the framer waiting for the rest: more bytes must end in the error, never in a PDU.
    assert.throws(
      () => {
        framer.push(broken, 0, broken.length)
        framer.push(Buffer.alloc(4096), 0, 4096)
      },
      (error: { code: string }) => error.code === 'TRANSPORT_DIGEST' || error.code === 'TRANSPORT_PROTOCOL',
      `bit ${bit}`,
    )
    assert.deepEqual(seen, [])
  }
})

test('nothing is taken after a stop inside a PDU', () => {
  const { framer, seen } = collect()
  framer.handTo({
    place: () => null,
    pdu: header => {
      seen.push([BHS.field.itt.get(header, 0), ''])
      framer.stop()
    },
  })
  const stream = wire([{ itt: 1 }, { itt: 2 }], false, false)
  framer.push(stream, 0, stream.length)
  assert.deepEqual(seen, [[1, '']])
})
