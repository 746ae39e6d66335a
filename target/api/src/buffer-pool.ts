// SPDX-License-Identifier: Apache-2.0
// Read buffers by size class, each with room for a transport's header before and its trailer behind.

/** Room before the data, for one PDU header and its digest (iSCSI: 48 + 4, and AHS is never sent with data). */
export const HEADROOM = 64
/** Room behind the data, for padding and a data digest. */
export const TAILROOM = 8

const CLASSES = [4096, 16384, 65536, 262144] as const
/** The largest single buffer; longer transfers are made of several. */
export const LARGEST = 262144

/** One buffer of the pool. The bytes may hold old data: whoever shows them must have filled them. */
export class PooledBuffer {
  readonly whole: Buffer<ArrayBuffer>
  /** The data's place: `size` bytes from HEADROOM on. */
  readonly data: Buffer
  readonly size: number
  next: PooledBuffer | null = null
  #first: Buffer
  #part: Buffer
  constructor(size: number) {
    this.whole = Buffer.alloc(HEADROOM + size + TAILROOM)
    this.data = this.whole.subarray(HEADROOM, HEADROOM + size)
    this.size = size
    this.#first = this.data
    this.#part = this.whole
  }

  /** The first `length` bytes of the data. */
  first(length: number): Buffer {
    if (this.#first.length !== length) this.#first = this.data.subarray(0, length)
    return this.#first
  }

  /** `whole` from `from` to `to`: no new object where the last one was the same part. */
  part(from: number, to: number): Buffer {
    const last = this.#part
    if (last.length === to - from && last.byteOffset - this.whole.byteOffset === from) return last
    this.#part = this.whole.subarray(from, to)
    return this.#part
  }
}

/**
 * Free lists of buffers. Holds back at most `keep` bytes of free ones; the rest goes back to the system.
 * It does not limit what is out: the engine's memory budget does.
 */
export class BufferPool {
  readonly #free: (PooledBuffer | null)[] = CLASSES.map(() => null)
  readonly #keep: number
  #held = 0
  constructor(keep = 16 * 1024 * 1024) {
    this.#keep = keep
  }

  /** A buffer whose `size` is at least `length` (which is at most LARGEST). */
  take(length: number): PooledBuffer {
    let index = 0
    while (CLASSES[index]! < length) index++
    const buffer = this.#free[index]!
    if (buffer === null) return new PooledBuffer(CLASSES[index]!)
    this.#free[index] = buffer.next
    buffer.next = null
    this.#held -= buffer.size
    return buffer
  }

  give(buffer: PooledBuffer): void {
    if (this.#held + buffer.size > this.#keep) {
      // At once: left to the garbage collector, they come to several times what is in use.
      buffer.whole.buffer.transfer(0)
      return
    }
    let index = 0
    while (CLASSES[index]! < buffer.size) index++
    buffer.next = this.#free[index]!
    this.#free[index] = buffer
    this.#held += buffer.size
  }
}
