// SPDX-License-Identifier: Apache-2.0
// The memory store: bytes in this process, gone when it ends; takes memory only for what was written.
import { freemem } from 'node:os'
import {
  type BackingStore,
  OperatorError,
  StoreError,
  type StoreIo,
  type StoreType,
  type StoreUsage,
} from '@lunkit/target-api'

const CHUNK = 262144
/** Longest write whose memory is taken before the first byte changes. */
const MOST_AT_ONCE = 16 * 1024 * 1024
/** A copy, or the making of room, gives other work its turn after so many bytes. */
const COPIED_AT_ONCE = 16 * CHUNK
/** `map` cuts a run there: so many chunks take a millisecond. */
const LOOKED_AT_ONCE = 16384

export class MemoryStore implements BackingStore {
  size: number
  readonly preferredBlock = 4096
  readonly canWrite = true
  /** There is no power failure that it would survive, flushed or not. */
  readonly volatileCache = false
  readonly discards = 'native'
  readonly writesZeroes = 'native'
  readonly discardGranularity = CHUNK
  readonly discardedReadsZero = true
  readonly discardDestroys = true
  readonly identity = ''
  /** A write is one turn of the process, and nothing outlives the process. */
  readonly atomicWrite = MOST_AT_ONCE
  /** Chunks that were written, by offset / CHUNK; what is absent reads as zeros. */
  readonly #chunks = new Map<number, Buffer>()
  /** Those of them that are kept for later and hold zeros. */
  readonly #anchored = new Set<number>()
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
    if (!this.#takeRoom(io)) return
    let at = io.offset
    for (let i = 0; i < segments.length; i++) {
      const part = segments[i]!
      for (let done = 0; done < part.length; ) {
        const from = at % CHUNK
        const length = Math.min(CHUNK - from, part.length - done)
        const chunk = this.#chunks.get((at - from) / CHUNK)!
        if (this.#anchored.size > 0) this.#anchored.delete((at - from) / CHUNK)
        part.copy(chunk, from, done, done + length)
        done += length
        at += length
      }
    }
    io.finish(StoreError.none)
  }

  /** All memory of a write before its first byte, so that it is done whole or not at all. */
  #takeRoom(io: StoreIo): boolean {
    const end = io.offset + io.length
    for (let index = Math.floor(io.offset / CHUNK); index * CHUNK < end; index++) {
      if (this.#chunk(index) !== null) continue
      io.failedAt = Math.max(io.offset, index * CHUNK)
      io.finish(StoreError.noSpace)
      return false
    }
    return true
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

  anchor(io: StoreIo): void {
    if (this.#fits(io, false)) this.#anchor(io, io.offset)
    else io.finish(StoreError.internal)
  }

  writeZeroes(io: StoreIo): void {
    this.discard(io)
  }

  map(io: StoreIo): void {
    if (!this.#fits(io, false)) {
      io.finish(StoreError.internal)
      return
    }
    const end = io.offset + io.length
    let index = Math.floor(io.offset / CHUNK)
    io.anchored = this.#anchored.has(index)
    io.held = this.#chunks.has(index) && !io.anchored
    if (this.#chunks.size > 0) {
      const last = index + LOOKED_AT_ONCE
      const { held, anchored } = io
      const same = (one: number): boolean =>
        this.#anchored.has(one) === anchored && (this.#chunks.has(one) && !anchored) === held
      index++
      while (index < last && index * CHUNK < end && same(index)) index++
      io.length = Math.min(end, index * CHUNK) - io.offset
    }
    io.finish(StoreError.none)
  }

  /** What it may still take is what the machine has now, should that be less than the rest of the unit. */
  async usage(): Promise<StoreUsage> {
    const used = this.allocated
    return { used, available: Math.max(Math.min(this.size - used, freemem()), 0) }
  }

  copiesFrom(source: BackingStore): boolean {
    return source instanceof MemoryStore
  }

  copy(io: StoreIo, source: BackingStore, sourceOffset: number): void {
    if (sourceOffset < 0 || !this.#fits(io, false)) io.finish(StoreError.internal)
    else this.#copy(io, source as MemoryStore, sourceOffset, 0)
  }

  async resize(size: number): Promise<void> {
    checkSize(size)
    for (const [index, chunk] of this.#chunks) this.#clear(index, chunk, size, Number.MAX_SAFE_INTEGER)
    this.size = size
  }

  async close(): Promise<void> {
    this.size = 0
    this.#chunks.clear()
    this.#anchored.clear()
  }

  #anchor(io: StoreIo, start: number): void {
    const end = io.offset + io.length
    const stop = Math.min((Math.floor(start / CHUNK) + COPIED_AT_ONCE / CHUNK) * CHUNK, end)
    for (let at = start; at < stop; ) {
      const index = Math.floor(at / CHUNK)
      const to = Math.min((index + 1) * CHUNK, stop)
      const held = this.#chunks.get(index)
      if (held !== undefined) held.fill(0, at - index * CHUNK, to - index * CHUNK)
      else if (this.#chunk(index) === null) {
        io.failedAt = at
        io.finish(StoreError.noSpace)
        return
      }
      if (held === undefined || to - at === CHUNK) this.#anchored.add(index)
      at = to
    }
    if (stop === end) io.finish(StoreError.none)
    else setImmediate(() => this.#anchor(io, stop))
  }

  #copy(io: StoreIo, from: MemoryStore, sourceOffset: number, start: number): void {
    // It may have been closed or made shorter since: what is not there is no zeros.
    if (sourceOffset + io.length > from.size) {
      io.failedAt = io.offset + start
      io.finish(StoreError.internal)
      return
    }
    const stop = Math.min(start + COPIED_AT_ONCE, io.length)
    for (let done = start; done < stop; ) {
      const fromRest = CHUNK - ((sourceOffset + done) % CHUNK)
      const toAt = (io.offset + done) % CHUNK
      const length = Math.min(fromRest, CHUNK - toAt, stop - done)
      const taken = from.#chunks.get(Math.floor((sourceOffset + done) / CHUNK))
      const index = (io.offset + done - toAt) / CHUNK
      if (taken !== undefined) {
        const chunk = this.#chunk(index)
        if (chunk === null) {
          io.failedAt = io.offset + done
          io.finish(StoreError.noSpace)
          return
        }
        this.#anchored.delete(index)
        taken.copy(chunk, toAt, CHUNK - fromRest, CHUNK - fromRest + length)
      } else {
        const chunk = this.#chunks.get(index)
        if (chunk !== undefined) this.#clear(index, chunk, io.offset + done, io.offset + done + length)
      }
      done += length
    }
    if (stop === io.length) io.finish(StoreError.none)
    else setImmediate(() => this.#copy(io, from, sourceOffset, stop))
  }

  #clear(index: number, chunk: Buffer, offset: number, end: number): void {
    const start = index * CHUNK
    const from = Math.max(offset - start, 0)
    const to = Math.min(end - start, CHUNK)
    if (from === 0 && to === CHUNK) {
      this.#chunks.delete(index)
      this.#anchored.delete(index)
    } else if (from < to) chunk.fill(0, from, to)
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
    checkSize(size)
    return new MemoryStore(size)
  },
}

function checkSize(size: number): void {
  if (Number.isSafeInteger(size) && size >= 1) return
  throw new OperatorError('MEMORY_SIZE', `A memory store cannot have ${size} bytes`, {
    hint: 'give a size such as memory:256M',
  })
}
