// SPDX-License-Identifier: Apache-2.0
// The framer finds the same PDUs wherever the stream is cut, and stops at what it cannot follow.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { crc32cOf, writeDigest } from '@lunkit/spec'
import { builtInChecksum } from './digest.ts'
import { Frame, Framer } from './framer.ts'

interface Options {
  readonly header?: boolean
  readonly data?: boolean
  readonly ahs?: number
}

function digest(parts: Uint8Array[]): Buffer {
  const bytes = Buffer.alloc(4)
  writeDigest(bytes, 0, crc32cOf(parts))
  return bytes
}

/** A PDU with `length` data bytes of a pattern, padded with ones so that padding is seen to be skipped. */
function pdu(seed: number, length: number, { header = false, data = false, ahs = 0 }: Options = {}): Buffer {
  const bhs = Buffer.alloc(48 + ahs * 4, seed)
  bhs[4] = ahs
  bhs.writeUIntBE(length, 5, 3)
  const body = Buffer.from(Array.from({ length }, (_, i) => (seed + i) & 0xff))
  const padding = Buffer.alloc(-length & 3, 1)
  const parts = [bhs, ...(header ? [digest([bhs])] : []), body, padding]
  if (data && length > 0) parts.push(digest([body, padding]))
  return Buffer.concat(parts)
}

/** Lends what it is asked for, or nothing, and overwrites a chunk as soon as nobody holds it. */
class Landlord {
  readonly #lends: boolean
  #holds = 0
  #chunk: Buffer
  constructor(chunk: Buffer, lends: boolean) {
    this.#chunk = chunk
    this.#lends = lends
    this.#holds = 1
  }

  lend(): Landlord | null {
    if (!this.#lends) return null
    this.#holds++
    return this
  }

  copy(slice: Buffer): Buffer {
    return Buffer.from(slice)
  }

  giveBack(): void {
    if (--this.#holds === 0) this.#chunk.fill(0xa5)
  }

  abandon(): void {
    this.giveBack()
  }
}

type Lending = 'nothing' | 'all' | null

/** What a framer finds in these chunks, one line for each. */
function frames(
  chunks: readonly Buffer[],
  options: Options = {},
  maxData = 4096,
  lending: Lending = null,
): string[] {
  const framer = new Framer(maxData, builtInChecksum)
  framer.headerDigest = options.header ?? false
  framer.dataDigest = options.data ?? false
  const found: string[] = []
  for (const chunk of chunks) {
    const own = Buffer.from(chunk)
    const landlord = lending === null ? null : new Landlord(own, lending === 'all')
    framer.push(own, landlord)
    for (let frame = framer.next(); frame !== Frame.more; frame = framer.next()) {
      const data = Buffer.concat(framer.slices)
      found.push(
        `${frame} seed=${framer.header[framer.at]} ahs=${framer.ahsLength} ${data.length} ${data.toString('hex')}`,
      )
    }
    framer.settle()
    landlord?.giveBack()
  }
  return found
}

test('data that comes byte by byte is few slices', () => {
  const framer = new Framer(65_536, builtInChecksum)
  const whole = pdu(3, 40_000)
  for (let at = 0; at < whole.length; at++) {
    framer.push(Buffer.from(whole.subarray(at, at + 1)))
    if (framer.next() === Frame.more) continue
    assert.equal(at, whole.length - 1)
    assert.ok(framer.slices.length <= 3, `${framer.slices.length} slices`)
    assert.deepEqual(Buffer.concat(framer.slices), whole.subarray(48))
  }
})

describe('framer', () => {
  const shapes: Options[] = [
    {},
    { header: true },
    { data: true },
    { header: true, data: true },
    { header: true, data: true, ahs: 3 },
  ]
  for (const shape of shapes) {
    test(`finds the same at every split point: ${JSON.stringify(shape)}`, () => {
      const lengths = [0, 1, 4, 30, 0, 67]
      const stream = Buffer.concat(lengths.map((length, i) => pdu(i + 1, length, shape)))
      const whole = frames([stream], shape)
      assert.equal(whole.length, lengths.length)
      assert.deepEqual(
        whole.map(line => Number(line.split(' ')[3])),
        lengths,
      )
      assert.ok(whole.every(line => line.startsWith(`${Frame.pdu} `)))
      for (let at = 1; at < stream.length; at++) {
        assert.deepEqual(
          frames([stream.subarray(0, at), stream.subarray(at)], shape),
          whole,
          `split at ${at}`,
        )
      }
      const bytes = Array.from(stream, (_, i) => stream.subarray(i, i + 1))
      assert.deepEqual(frames(bytes, shape), whole, 'byte by byte')
    })

    test(`finds the same in memory that is used again: ${JSON.stringify(shape)}`, () => {
      const lengths = [0, 3000, 9, 4096, 0, 2100]
      const stream = Buffer.concat(lengths.map((length, i) => pdu(i + 1, length, shape)))
      const whole = frames([stream], shape)
      for (const size of [47, 49, 500, 2500, 4200, stream.length]) {
        const chunks: Buffer[] = []
        for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size))
        for (const lending of ['nothing', 'all'] as const) {
          assert.deepEqual(frames(chunks, shape, 4096, lending), whole, `chunks of ${size}, lent: ${lending}`)
        }
      }
    })
  }

  test('a wrong header digest ends the stream', () => {
    const bytes = Buffer.concat([pdu(1, 4, { header: true }), pdu(2, 0, { header: true })])
    bytes[20]! ^= 1
    const found = frames([bytes, bytes], { header: true })
    assert.equal(found.length, 1)
    assert.ok(found[0]!.startsWith(`${Frame.headerDigest} `))
  })

  test('a wrong data digest is told, and the stream goes on', () => {
    for (const where of [48, 48 + 5, 48 + 8]) {
      const first = pdu(1, 6, { data: true })
      first[where]! ^= 0x80
      const found = frames([first, pdu(2, 3, { data: true })], { data: true })
      assert.deepEqual(
        found.map(line => line[0]),
        [String(Frame.dataDigest), String(Frame.pdu)],
      )
    }
  })

  test('a data segment above the limit ends the stream before it is taken', () => {
    assert.deepEqual(
      frames([pdu(1, 513), pdu(2, 0)], {}, 512).map(line => line[0]),
      [String(Frame.tooLong)],
    )
    assert.deepEqual(
      frames([pdu(1, 512), pdu(2, 0)], {}, 512).map(line => line[0]),
      [String(Frame.pdu), String(Frame.pdu)],
    )
  })

  test('data is handed on without a copy, unless a small slice would keep a large chunk', () => {
    const framer = new Framer(65_536, builtInChecksum)
    const large = Buffer.concat([pdu(1, 4096), pdu(2, 64), pdu(3, 60_000)])
    framer.push(large)
    assert.equal(framer.next(), Frame.pdu)
    assert.equal(framer.slices[0]!.buffer, large.buffer)
    assert.equal(framer.next(), Frame.pdu)
    assert.notEqual(framer.slices[0]!.buffer, large.buffer)
    assert.equal(framer.slices[0]!.buffer.byteLength, 64)
    assert.equal(framer.next(), Frame.pdu)
    assert.equal(framer.slices[0]!.buffer, large.buffer)
  })

  test('digests that are switched on between PDUs hold from the next one on', () => {
    const framer = new Framer(4096, builtInChecksum)
    framer.push(Buffer.concat([pdu(1, 8), pdu(2, 8, { header: true, data: true })]))
    assert.equal(framer.next(), Frame.pdu)
    framer.headerDigest = true
    framer.dataDigest = true
    assert.equal(framer.next(), Frame.pdu)
    assert.equal(framer.next(), Frame.more)
  })
})
