// SPDX-License-Identifier: Apache-2.0
// The memory store: bytes in this process, gone when it ends; takes memory only for what was written.
import {
  type BackingStore,
  OperatorError,
  StoreError,
  type StoreIo,
  type StoreType,
} from '@lunkit/target-api'

const CHUNK = 262144

export class MemoryStore implements BackingStore {
  readonly size: number
  readonly preferredBlock = 4096
  readonly canWrite = true
  /** There is no power failure that it would survive, flushed or not. */
  readonly volatileCache = false
  readonly discards = 'native'
  readonly writesZeroes = 'native'
  readonly identity = ''
  /** Chunks that were written, by offset / CHUNK; what is absent reads as zeros. */
  readonly #chunks = new Map<number, Buffer>()
  constructor(size: number) {
    this.size = size
  }

  /** Bytes of memory that the store holds now. */
  get allocated(): number {
    return this.#chunks.size * CHUNK
  }

  read(io: StoreIo): void {
    if (!this.#fits(io, true)) {
      io.finish(StoreError.internal)
      return
    }
    const { segments } = io
    let at = io.offset
    for (let i = 0; i < segments.length; i++) {
      const part = segments[i]!
      for (let done = 0; done < part.length; ) {
        const from = at % CHUNK
        const length = Math.min(CHUNK - from, part.length - done)
        const chunk = this.#chunks.get((at - from) / CHUNK)
        if (chunk === undefined) part.fill(0, done, done + length)
        else chunk.copy(part, done, from, from + length)
        done += length
        at += length
      }
    }
    io.finish(StoreError.none)
  }

  write(io: StoreIo): void {
    if (!this.#fits(io, true)) {
      io.finish(StoreError.internal)
      return
    }
    const { segments } = io
    let at = io.offset
    for (let i = 0; i < segments.length; i++) {
      const part = segments[i]!
      for (let done = 0; done < part.length; ) {
        const from = at % CHUNK
        const length = Math.min(CHUNK - from, part.length - done)
        const chunk = this.#chunk((at - from) / CHUNK)
        if (chunk === null) {
          io.failedAt = at
          io.finish(StoreError.noSpace)
          return
        }
        part.copy(chunk, from, done, done + length)
        done += length
        at += length
      }
    }
    io.finish(StoreError.none)
  }

  flush(io: StoreIo): void {
    io.finish(StoreError.none)
  }

  /** Reads back zeros; whole chunks go back to the machine. */
  discard(io: StoreIo): void {
    if (!this.#fits(io, false)) {
      io.finish(StoreError.internal)
      return
    }
    const end = io.offset + io.length
    const whole = Math.ceil(io.offset / CHUNK)
    // A discard of all of a large store costs what is allocated, not what could be.
    if (end / CHUNK - whole > this.#chunks.size) {
      for (const [index, chunk] of this.#chunks) this.#clear(index, chunk, io.offset, end)
    } else {
      for (let index = Math.floor(io.offset / CHUNK); index * CHUNK < end; index++) {
        const chunk = this.#chunks.get(index)
        if (chunk !== undefined) this.#clear(index, chunk, io.offset, end)
      }
    }
    io.finish(StoreError.none)
  }

  writeZeroes(io: StoreIo): void {
    this.discard(io)
  }

  async close(): Promise<void> {
    this.#chunks.clear()
  }

  #clear(index: number, chunk: Buffer, offset: number, end: number): void {
    const start = index * CHUNK
    const from = Math.max(offset - start, 0)
    const to = Math.min(end - start, CHUNK)
    if (from === 0 && to === CHUNK) this.#chunks.delete(index)
    else if (from < to) chunk.fill(0, from, to)
  }

  #chunk(index: number): Buffer | null {
    let chunk = this.#chunks.get(index)
    if (chunk !== undefined) return chunk
    try {
      chunk = Buffer.alloc(CHUNK)
    } catch {
      return null
    }
    this.#chunks.set(index, chunk)
    return chunk
  }

  #fits(io: StoreIo, data: boolean): boolean {
    if (io.offset < 0 || io.offset + io.length > this.size) return false
    if (!data) return true
    let sum = 0
    for (let i = 0; i < io.segments.length; i++) sum += io.segments[i]!.length
    return sum === io.length
  }
}

export const store: StoreType = {
  apiVersion: 1,
  name: 'memory',
  parameters: {
    size: { type: 'size', help: 'Size of the unit', required: true, argument: true },
  },
  open: async values => {
    const size = Number(values['size'])
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new OperatorError('MEMORY_SIZE', `A memory store cannot have ${values['size']} bytes`, {
        hint: 'give a size such as memory:256M',
      })
    }
    return new MemoryStore(size)
  },
}
