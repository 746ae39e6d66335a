// SPDX-License-Identifier: Apache-2.0
// Reads and writes that go around the page cache (O_DIRECT), of any bytes, from and to buffers at any address.
import { StoreError, type StoreIo } from '@lunkit/target-api'
import { Blockwise } from '../blockwise/blockwise.ts'
import { codeOf, errorOf } from '../errno.ts'
import type { FileCalls } from '../file/file-calls.ts'
import type { LongCalls } from '../file/long-calls.ts'
import type { FileTurns, Turn } from '../file/pool-turns.ts'
import type { TransferEnd } from '../file/thread-transfers.ts'
import { giveAligned, PIECE, takeAligned } from './aligned-memory.ts'

/** Interrupted calls are made again, but not for ever. */
const MOST_RETRIES = 100
const KEPT = 256

/** Descriptors that were opened with O_DIRECT. */
export interface DirectFile {
  readonly fd: number
  /** With O_DSYNC: what forced unit access goes through. */
  readonly durableFd: number
  /** Bytes that address, offset and length must be multiples of; the size is one. */
  readonly block: number
}

export class DirectTransfers {
  readonly file: DirectFile
  readonly calls: Pick<FileCalls, 'read' | 'write'>
  readonly end: TransferEnd
  readonly turns: FileTurns
  readonly #bytes: Blockwise
  #free: Piecemeal | null = null
  #kept = 0

  /** `long` makes what `zero` and `inner` are given to do. */
  constructor(
    file: DirectFile,
    calls: DirectTransfers['calls'],
    end: TransferEnd,
    turns: FileTurns,
    long: LongCalls,
  ) {
    this.file = file
    this.calls = calls
    this.end = end
    this.turns = turns
    const blocks = {
      readBlocks: (io: StoreIo) => this.#move(io, false),
      writeBlocks: (io: StoreIo) => this.#move(io, true),
      abortBlocks: (io: StoreIo) => {
        if (io.storeData instanceof Piecemeal) io.storeData.aborted = true
        else long.abort(io)
      },
    }
    this.#bytes = new Blockwise(file.block, blocks, (io, error) => this.#ended(io, error))
  }

  get running(): number {
    return this.#bytes.running
  }

  /** The segments MUST sum up to the request's length. */
  start(io: StoreIo, _fd: number, writing: boolean): void {
    if (writing) this.#bytes.write(io)
    else this.#bytes.read(io)
  }

  /** Zeros: whole blocks by `whole`, what is beside them by writes. */
  zero(io: StoreIo, whole: (io: StoreIo) => void): void {
    this.#bytes.zero(io, whole)
  }

  /** Whole blocks only, by `whole`. */
  inner(io: StoreIo, whole: (io: StoreIo) => void): void {
    this.#bytes.inner(io, whole)
  }

  abort(io: StoreIo): void {
    this.#bytes.abort(io)
  }

  keep(piecemeal: Piecemeal): void {
    if (this.#kept === KEPT) return
    piecemeal.nextFree = this.#free
    this.#free = piecemeal
    this.#kept++
  }

  #move(io: StoreIo, writing: boolean): void {
    let piecemeal = this.#free
    if (piecemeal === null) piecemeal = new Piecemeal(this)
    else {
      this.#free = piecemeal.nextFree
      this.#kept--
    }
    piecemeal.begin(io, writing)
  }

  #ended(io: StoreIo, error: StoreError): void {
    const moved = error === StoreError.none ? io.length : Math.max(io.failedAt - io.offset, 0)
    this.end.transferred(io, error, moved, false)
  }
}

/** One request of whole blocks, moved through an aligned buffer a piece at a time, on one thread. */
class Piecemeal implements Turn {
  /** In the queue for a thread. */
  next: Turn | null = null
  nextFree: Piecemeal | null = null
  aborted = false
  readonly #owner: DirectTransfers
  #io: StoreIo = null as unknown as StoreIo
  #buffer: Buffer | null = null
  #writing = false
  #moved = 0
  #asked = 0
  #retries = 0
  readonly #done: (error: Error | null, bytes: number) => void

  constructor(owner: DirectTransfers) {
    this.#owner = owner
    this.#done = (error, bytes) => this.#progress(error, bytes)
  }

  begin(io: StoreIo, writing: boolean): void {
    this.#io = io
    this.#writing = writing
    this.#moved = 0
    this.#retries = 0
    this.aborted = false
    io.storeData = this
    this.#owner.turns.take(this)
  }

  go(): void {
    if (this.aborted) {
      setImmediate(() => this.#finish(StoreError.aborted))
      return
    }
    try {
      this.#buffer = takeAligned()
    } catch {
      // The machine gives no more memory.
      setImmediate(() => this.#finish(StoreError.internal))
      return
    }
    this.#issue()
  }

  #issue(): void {
    const { calls, file } = this.#owner
    const { segments, offset, length, forceUnitAccess } = this.#io
    const buffer = this.#buffer!
    this.#asked = Math.min(PIECE, length - this.#moved)
    const at = offset + this.#moved
    if (this.#writing) {
      copySegments(segments, this.#moved, buffer, this.#asked, true)
      const fd = forceUnitAccess ? file.durableFd : file.fd
      calls.write(fd, buffer, 0, this.#asked, at, this.#done)
    } else calls.read(file.fd, buffer, 0, this.#asked, at, this.#done)
  }

  #progress(error: Error | null, bytes: number): void {
    const { block } = this.#owner.file
    if (error !== null) {
      const code = codeOf(error)
      if ((code === 'EINTR' || code === 'EAGAIN') && this.#retries++ < MOST_RETRIES) this.#issue()
      else this.#finish(errorOf(error, this.#writing))
      return
    }
    // What ends within a block has met the end of the storage.
    const whole = bytes - (bytes % block)
    if (!this.#writing) copySegments(this.#io.segments, this.#moved, this.#buffer!, whole, false)
    this.#moved += whole
    if (whole !== bytes || bytes === 0) {
      if (!this.#writing) this.#owner.end.endMet(this.#io.offset + this.#moved)
      this.#finish(StoreError.medium)
    } else if (this.#moved === this.#io.length) this.#finish(StoreError.none)
    else if (this.aborted) this.#finish(StoreError.aborted)
    else this.#issue()
  }

  #finish(error: StoreError): void {
    const io = this.#io
    if (error !== StoreError.none) io.failedAt = io.offset + this.#moved
    this.#io = null as unknown as StoreIo
    if (this.#buffer !== null) giveAligned(this.#buffer)
    this.#buffer = null
    io.storeData = null
    this.#owner.turns.done()
    this.#owner.keep(this)
    io.finish(error)
  }
}

/** Copies `length` bytes of the segments, from their byte `skip` on, to the start of `buffer`, or from there. */
function copySegments(
  segments: readonly Buffer[],
  skip: number,
  buffer: Buffer,
  length: number,
  gather: boolean,
): void {
  let at = 0
  let left = skip
  for (let i = 0; at < length; i++) {
    const part = segments[i]!
    if (left >= part.length) {
      left -= part.length
      continue
    }
    const take = Math.min(part.length - left, length - at)
    if (gather) part.copy(buffer, at, left, left + take)
    else buffer.copy(part, left, at, at + take)
    at += take
    left = 0
  }
}
