// SPDX-License-Identifier: Apache-2.0
// Example: memory as a store on the hot path, with callbacks and without a promise for each request.
import { type BackingStore, StoreError, type StoreIo } from 'lunkit/target'

export class Memory implements BackingStore {
  readonly preferredBlock = 4096
  readonly canWrite = true
  readonly volatileCache = false
  readonly discards = 'native'
  readonly discardedReadsZero = true
  readonly writesZeroes = 'native'
  readonly identity = ''
  readonly #bytes: Buffer

  constructor(size: number) {
    this.#bytes = Buffer.alloc(size)
  }

  get size(): number {
    return this.#bytes.length
  }

  read(io: StoreIo): void {
    this.#within(io, () => {
      let at = io.offset
      for (const segment of io.segments) at += this.#bytes.copy(segment, 0, at, at + segment.length)
    })
  }

  write(io: StoreIo): void {
    this.#within(io, () => {
      let at = io.offset
      for (const segment of io.segments) at += segment.copy(this.#bytes, at)
    })
  }

  flush(io: StoreIo): void {
    io.finish(StoreError.none)
  }

  discard(io: StoreIo): void {
    this.#within(io, () => this.#bytes.fill(0, io.offset, io.offset + io.length))
  }

  writeZeroes(io: StoreIo): void {
    this.discard(io)
  }

  async close(): Promise<void> {}

  /** Each request has exactly one answer. */
  #within(io: StoreIo, act: () => void): void {
    const fits = io.offset + io.length <= this.size
    if (fits) act()
    io.finish(fits ? StoreError.none : StoreError.internal)
  }
}
