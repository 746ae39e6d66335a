// SPDX-License-Identifier: Apache-2.0
// Blocks in memory, no more than so many bytes of them: those that nobody looked at for longest make room.
import type { StoreIo } from '@lunkit/target-api'
import { SegmentCursor } from '../segment-cursor.ts'

/** A request of more than this part of the cache would push out everything else: it is not kept. */
const LARGEST_PART = 8

export class KeptBlocks {
  readonly #block: number
  readonly #most: number
  /** By number, the one that was wanted longest ago first. */
  readonly #blocks = new Map<number, Buffer>()

  constructor(block: number, bytes: number) {
    this.#block = block
    this.#most = Math.floor(bytes / block)
  }

  /** Fills the request's segments, if all of it is there; else leaves them as they are. */
  get(io: StoreIo): boolean {
    const end = io.offset + io.length
    for (let at = io.offset; at < end; at += this.#block) {
      if (!this.#blocks.has(at / this.#block)) return false
    }
    const cursor = new SegmentCursor(io.segments)
    for (let at = io.offset; at < end; at += this.#block) {
      const index = at / this.#block
      const block = this.#blocks.get(index)!
      this.#blocks.delete(index)
      this.#blocks.set(index, block)
      cursor.fill(block, Math.min(this.#block, end - at))
    }
    return true
  }

  /** Keeps the whole blocks in the request's segments: a short one at the end of the storage may be longer by now. */
  put(io: StoreIo): void {
    if (io.length > (this.#most * this.#block) / LARGEST_PART) {
      this.drop(io)
      return
    }
    const end = io.offset + io.length
    const cursor = new SegmentCursor(io.segments)
    let at = io.offset
    for (; at + this.#block <= end; at += this.#block) {
      const index = at / this.#block
      const block = this.#room(index)
      cursor.take(block, this.#block)
      this.#blocks.set(index, block)
    }
    if (at < end) this.#blocks.delete(at / this.#block)
  }

  drop(io: StoreIo): void {
    const first = Math.floor(io.offset / this.#block)
    const end = (io.offset + io.length) / this.#block
    if (end - first > this.#blocks.size) {
      for (const index of this.#blocks.keys()) if (index >= first && index < end) this.#blocks.delete(index)
    } else for (let index = first; index < end; index++) this.#blocks.delete(index)
  }

  clear(): void {
    this.#blocks.clear()
  }

  /** A buffer for the block: its own, that of the one that goes for it, or a new one. */
  #room(index: number): Buffer {
    let block = this.#blocks.get(index)
    if (block !== undefined) this.#blocks.delete(index)
    else if (this.#blocks.size === this.#most) {
      const [oldest] = this.#blocks.keys()
      block = this.#blocks.get(oldest!)!
      this.#blocks.delete(oldest!)
    }
    return block ?? Buffer.allocUnsafeSlow(this.#block)
  }
}
