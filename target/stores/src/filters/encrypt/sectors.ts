// SPDX-License-Identifier: Apache-2.0
// AES-256-XTS sector by sector, each with its number as the tweak, as dm-crypt's aes-xts-plain64 has it.
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import { SegmentCursor } from '../segment-cursor.ts'

/** What sector numbers count, however long a sector is. */
const COUNTED = 512
/** The event loop does something else after so many bytes. */
const AT_ONCE = 65536

export class Sectors {
  readonly #key: KeyObject
  readonly #sector: number
  readonly #scratch: Buffer
  readonly #tweak = Buffer.alloc(16)

  constructor(key: KeyObject, sector: number) {
    this.#key = key
    this.#sector = sector
    this.#scratch = Buffer.alloc(sector)
  }

  /** From `from` to `to`, which may be the same; `offset` is that of the first byte. Calls `done` at once or later. */
  turn(
    way: 'encrypt' | 'decrypt',
    from: readonly Buffer[],
    to: readonly Buffer[],
    offset: number,
    length: number,
    done: () => void,
  ): void {
    const source = new SegmentCursor(from)
    const target = new SegmentCursor(to)
    let at = 0
    const go = (): void => {
      const end = Math.min(at + AT_ONCE, length)
      for (; at < end; at += this.#sector) {
        source.take(this.#scratch, this.#sector)
        target.fill(this.#one(way, offset + at), this.#sector)
      }
      if (at === length) done()
      else setImmediate(go)
    }
    go()
  }

  #one(way: 'encrypt' | 'decrypt', offset: number): Buffer {
    this.#tweak.writeBigUInt64LE(BigInt(offset / COUNTED))
    const make = way === 'encrypt' ? createCipheriv : createDecipheriv
    return make('aes-256-xts', this.#key, this.#tweak).update(this.#scratch)
  }
}
