// SPDX-License-Identifier: Apache-2.0
// An opened file as a store: picks the road of each request and never trusts bytes that the file no longer has.
import {
  type Ability,
  type BackingStore,
  OperatorError,
  StoreError,
  type StoreIo,
  type StoreUsage,
} from '@lunkit/target-api'
import { DirectTransfers } from '../direct/direct-transfers.ts'
import { sumsUp } from '../whole-request.ts'
import type { CachedReads } from './cached-reads.ts'
import { CachedWrites, NoWrites } from './cached-writes.ts'
import type { FileCalls } from './file-calls.ts'
import { type CopyEnd, FileCopy } from './file-copies.ts'
import { resizeFile, roomOf, sizeOf, wholeBlocks } from './file-space.ts'
import { Flusher } from './flusher.ts'
import { Holes } from './holes.ts'
import { LongCalls } from './long-calls.ts'
import type { OpenedFile } from './opened-file.ts'
import { FileTurns, type PoolTurns, processPool } from './pool-turns.ts'
import { ThreadTransfers, type TransferEnd } from './thread-transfers.ts'

/** The file's state is looked at with the first request after so many ms. */
const EXAMINE_AFTER = 500

export class FileStore implements BackingStore, TransferEnd {
  size: number
  readonly preferredBlock: number
  readonly canWrite: boolean
  readonly volatileCache: boolean
  readonly discards: 'none' | 'native'
  readonly writesZeroes: Ability
  readonly discardGranularity: number
  readonly discardedReadsZero = true
  /** Only where the file system keeps room. */
  readonly anchor?: (io: StoreIo) => void
  readonly identity: string
  /** The road of cached reads: `preadv2`, `readSync` or `threads`. */
  readonly how: string
  readonly note: string
  readonly #file: OpenedFile
  readonly #calls: FileCalls
  readonly #reads: CachedReads
  readonly #writes: CachedWrites | NoWrites
  readonly #threads: ThreadTransfers | DirectTransfers
  readonly #direct: DirectTransfers | null
  readonly #flusher: Flusher
  readonly #long: LongCalls
  readonly #holes: Holes | null
  /** Whose bytes each copy under way reads. */
  readonly #sources = new Map<StoreIo, FileStore>()
  /** Long calls under way that have to be durable when they are answered. */
  readonly #unsynced = new Set<StoreIo>()
  /** Copies of other stores that read this file. */
  #lent = 0
  /** Bytes from the start that the file has had without interruption; falls when it is cut, never rises. */
  #trusted: number
  #gone = false
  #closed = false
  /** The next request has to look at the file first. */
  #examineDue = false
  #examineTimer: NodeJS.Timeout
  #examining = 0
  #idle: (() => void) | null = null

  constructor(file: OpenedFile, calls: FileCalls, pool: PoolTurns = processPool()) {
    const turns = new FileTurns(pool)
    this.#file = file
    this.#calls = calls
    this.size = file.size
    this.preferredBlock = file.preferredBlock
    this.canWrite = file.canWrite
    this.volatileCache = file.canWrite && !file.sync
    // Where zeros might be holes, room that was taken would be lost.
    const zeroes = file.canWrite && file.space !== null && (file.takeRoom === null || file.anchors)
    const punches = zeroes && file.takeRoom === null
    this.discards = punches ? 'native' : 'none'
    this.writesZeroes = zeroes ? 'native' : file.canWrite ? 'emulated' : 'none'
    this.discardGranularity = file.holeSize
    this.identity = `file:${file.realPath}`
    this.how = file.direct === null ? file.reads.how : 'direct'
    this.note = file.note
    this.#trusted = file.size
    this.#reads = file.reads
    const cached = file.direct === null && !file.sync
    this.#writes = cached ? new CachedWrites(file.fd, calls, file.inMemory) : new NoWrites()
    this.#flusher = new Flusher(file.fd, calls, turns, (io, error) => this.#answer(io, error))
    this.#long = new LongCalls(turns, (io, error) => {
      this.#giveBack(io)
      if (this.#unsynced.delete(io) && error === StoreError.none) this.#flusher.add(io)
      else this.#answer(io, error)
    })
    this.#direct = file.direct && new DirectTransfers(file.direct, calls, this, turns, this.#long)
    this.#threads = this.#direct ?? new ThreadTransfers(calls, this, turns)
    this.#holes = file.space === null ? null : new Holes(file.fd, file.space, this.#long, file.anchors)
    if (punches && file.anchors) this.anchor = io => this.#doubted(io, zeroRoad)
    this.#examineTimer = this.#later()
  }

  read(io: StoreIo): void {
    if (this.#examineDue || io.offset + io.length > this.#trusted) this.#doubted(io, readRoad)
    else this.#read(io)
  }

  write(io: StoreIo): void {
    const end = io.offset + io.length
    if (this.#examineDue || io.forceUnitAccess || end > this.#trusted) this.#doubted(io, writeRoad)
    else this.#write(io)
  }

  /** Looks, as a durable write does, whether the file still has a name: nothing is kept of an unlinked one. */
  flush(io: StoreIo): void {
    if (!this.canWrite) io.finish(StoreError.none)
    else if (this.#closed) io.finish(StoreError.gone)
    else this.#look(() => this.#proceed(io, flushRoad))
  }

  /** What is discarded reads as zeros, whether it makes a hole or is too short for one. */
  discard(io: StoreIo): void {
    if (this.discards === 'none') io.finish(this.canWrite ? StoreError.internal : StoreError.readOnly)
    else this.#doubted(io, discardRoad)
  }

  writeZeroes(io: StoreIo): void {
    if (this.writesZeroes !== 'native') io.finish(this.canWrite ? StoreError.internal : StoreError.readOnly)
    else this.#doubted(io, zeroRoad)
  }

  map(io: StoreIo): void {
    this.#doubted(io, mapRoad)
  }

  /** Where the kernel can: both on this machine, neither read through a file system that makes no holes. */
  copiesFrom(source: BackingStore): boolean {
    if (this.#direct !== null || this.discards !== 'native') return false
    return source instanceof FileStore && source.#holes !== null
  }

  copy(io: StoreIo, source: BackingStore, sourceOffset: number): void {
    const from = source as FileStore
    const outside = sourceOffset < 0 || sourceOffset + io.length > from.size
    if (outside || !this.copiesFrom(source) || from.#closed) {
      io.finish(from.#closed ? StoreError.gone : StoreError.internal)
      return
    }
    this.#examining++
    from.#look(() => {
      this.#examining--
      const lost = from.#gone || from.#closed
      if (lost || sourceOffset + io.length > from.#trusted) {
        this.#answer(io, lost ? StoreError.gone : StoreError.medium)
        return
      }
      this.#sources.set(io, from)
      from.#lent++
      io.storeData = sourceOffset
      this.#doubted(io, copyRoad)
    })
  }

  usage(): Promise<StoreUsage | null> {
    return this.#closed ? Promise.resolve(null) : this.#during(roomOf(this.#file, this.#calls))
  }

  async resize(size: number): Promise<void> {
    this.#insist()
    const { takeRoom, direct } = this.#file
    if (direct !== null) wholeBlocks(this.#file.realPath, size, direct.block)
    await this.#during(resizeFile(this.#file, this.#calls, size))
    if (takeRoom !== null) {
      await this.#during(takeRoom(this.size, size)).catch(async error => {
        await this.#during(resizeFile(this.#file, this.#calls, this.size))
        throw error
      })
    }
    this.#take(size)
  }

  async rescan(): Promise<void> {
    this.#insist()
    const size = await this.#during(sizeOf(this.#file, this.#calls))
    this.#take(size - (size % (this.#file.direct?.block ?? 1)))
  }

  abort(io: StoreIo): void {
    if (this.#direct === null) this.#long.abort(io)
    else this.#direct.abort(io)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#examineDue = true
    clearTimeout(this.#examineTimer)
    if (!this.#isIdle()) await new Promise<void>(resolve => (this.#idle = resolve))
    const { fd, durableFd, direct, unlock } = this.#file
    if (direct !== null && direct.fd !== durableFd) await closed(this.#calls, direct.fd)
    if (durableFd !== -1) await closed(this.#calls, durableFd)
    await closed(this.#calls, fd)
    await unlock()
  }

  #read(io: StoreIo): void {
    if (!sumsUp(io)) {
      io.finish(StoreError.internal)
      return
    }
    const got = io.length === 0 ? 0 : this.#reads.read(io)
    if (got === io.length) io.finish(StoreError.none)
    else this.#threads.start(io, this.#file.fd, false, got)
  }

  #write(io: StoreIo): void {
    if (!sumsUp(io)) {
      io.finish(StoreError.internal)
      return
    }
    if (!this.canWrite) {
      io.finish(StoreError.readOnly)
      return
    }
    if (io.forceUnitAccess || this.#file.sync) {
      this.#writeDurably(io)
      return
    }
    const put = io.length === 0 ? 0 : this.#writes.write(io)
    if (put === io.length) io.finish(StoreError.none)
    else this.#threads.start(io, this.#file.fd, true, put)
  }

  #space(io: StoreIo, road: Road): void {
    const holes = this.#holes
    if (io.length === 0) {
      this.#giveBack(io)
      io.finish(StoreError.none)
    } else if (road === copyRoad) this.#copy(io)
    else if (road === mapRoad && holes !== null) holes.map(io)
    else if (road === mapRoad) {
      io.held = true
      io.anchored = false
      io.finish(StoreError.none)
    } else if (this.#direct === null) this.#clear(io, road)
    else this.#direct.zero(io, part => this.#clear(part, road))
  }

  #clear(io: StoreIo, road: Road): void {
    if (this.#file.sync) this.#unsynced.add(io)
    if (road === discardRoad) this.#holes!.discard(io)
    else this.#holes!.zero(io)
  }

  #copy(io: StoreIo): void {
    const source = this.#sources.get(io)!
    if (this.#file.sync) this.#unsynced.add(io)
    const copy = new FileCopy(source.#end, this.#end, Number(io.storeData), this.#file.space!, this.#calls)
    this.#long.start(io, copy.piece)
  }

  get #end(): CopyEnd {
    return { fd: this.#file.fd, holes: this.#holes!, block: this.#file.holeSize, end: () => this.#trusted }
  }

  #writeDurably(io: StoreIo): void {
    if (io.length === 0) {
      io.finish(StoreError.none)
      return
    }
    const { fd, durableFd } = this.#file
    this.#threads.start(io, durableFd === -1 ? fd : durableFd, true, 0)
  }

  transferred(io: StoreIo, error: StoreError, moved: number, writing: boolean): void {
    const { sync, durableFd } = this.#file
    const isDurable = durableFd !== -1 || !(sync || io.forceUnitAccess)
    if (error === StoreError.none && writing && !isDurable) {
      this.#flusher.add(io)
      return
    }
    if (error !== StoreError.none) io.failedAt = io.offset + moved
    this.#answer(io, error)
  }

  endMet(offset: number): void {
    if (offset < this.#trusted) this.#trusted = offset
  }

  /** Ends a request that left the event loop; a waiting close may then go on. */
  #answer(io: StoreIo, error: StoreError): void {
    io.finish(error)
    if (this.#idle !== null && this.#isIdle()) this.#idle()
  }

  #isIdle(): boolean {
    const { running } = this.#threads
    return running + this.#examining + this.#lent === 0 && this.#flusher.idle && this.#long.idle
  }

  #insist(): void {
    if (this.#closed) throw new OperatorError('FILE_CLOSED', `File '${this.#file.realPath}' is closed`)
  }

  /** The descriptor is not closed meanwhile. */
  async #during<T>(act: Promise<T>): Promise<T> {
    this.#examining++
    try {
      return await act
    } finally {
      this.#examining--
      if (this.#idle !== null && this.#isIdle()) this.#idle()
    }
  }

  /** What was cut off is not trusted again where the file is longer only now. */
  #take(size: number): void {
    if (this.#trusted === this.size || this.#trusted > size) this.#trusted = size
    this.size = size
  }

  /** The rare road: the file is looked at before the request, or the request cannot be served. */
  #doubted(io: StoreIo, road: Road): void {
    if (this.#closed || io.offset < 0 || io.offset + io.length > this.size) {
      this.#giveBack(io)
      io.finish(this.#closed ? StoreError.gone : StoreError.internal)
      return
    }
    this.#look(() => this.#proceed(io, road))
  }

  #look(next: () => void): void {
    if (!this.#gone) this.#examineDue = false
    this.#examining++
    this.#calls.fstat(this.#file.fd, (error, stats) => {
      this.#examining--
      this.#gone = error !== null || stats.nlink === 0
      if (error === null && stats.size < this.#trusted) this.#trusted = stats.size
      // A file that is gone is looked at again by every request.
      if (this.#gone || this.#closed) this.#examineDue = true
      else {
        this.#examineDue = false
        clearTimeout(this.#examineTimer)
        this.#examineTimer = this.#later()
      }
      next()
      if (this.#idle !== null && this.#isIdle()) this.#idle()
    })
  }

  /** The copy, if it is one, does not read its source any more. */
  #giveBack(io: StoreIo): void {
    const source = this.#sources.get(io)
    if (source === undefined) return
    this.#sources.delete(io)
    source.#lent--
    if (source.#idle !== null && source.#isIdle()) source.#idle()
  }

  /** Runs only after a look, so that an idle store wakes nobody. */
  #later(): NodeJS.Timeout {
    return setTimeout(() => {
      this.#examineDue = true
    }, EXAMINE_AFTER).unref()
  }

  #proceed(io: StoreIo, road: Road): void {
    if (this.#gone) {
      this.#giveBack(io)
      this.#answer(io, StoreError.gone)
      return
    }
    if (road === flushRoad) {
      if (this.#trusted < this.size) {
        this.#answer(io, StoreError.medium)
        return
      }
      this.#flusher.add(io)
      return
    }
    if (io.offset + io.length > this.#trusted) {
      io.failedAt = Math.max(io.offset, this.#trusted)
      this.#giveBack(io)
      this.#answer(io, StoreError.medium)
      return
    }
    if (road === readRoad) this.#read(io)
    else if (road === writeRoad) this.#write(io)
    else this.#space(io, road)
  }
}

const [readRoad, writeRoad, flushRoad, discardRoad, zeroRoad, mapRoad, copyRoad] = [
  0, 1, 2, 3, 4, 5, 6,
] as const
type Road = 0 | 1 | 2 | 3 | 4 | 5 | 6

/** An error of close says nothing that a flush has not said. */
function closed(calls: FileCalls, fd: number): Promise<void> {
  return new Promise(resolve => calls.close(fd, () => resolve()))
}
