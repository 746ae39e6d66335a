// SPDX-License-Identifier: Apache-2.0
// An opened block device as a store: everything goes around the page cache, and nothing is trusted that the device does not say.
import {
  type Ability,
  type BackingStore,
  OperatorError,
  StoreError,
  type StoreIo,
  type StoreWatcher,
} from '@lunkit/target-api'
import { type DirectFile, DirectTransfers } from '../direct/direct-transfers.ts'
import type { FileCalls } from '../file/file-calls.ts'
import { Flusher } from '../file/flusher.ts'
import type { SpaceCalls } from '../file/linux-calls.ts'
import { LongCalls, type Piece } from '../file/long-calls.ts'
import { FileTurns, processPool } from '../file/pool-turns.ts'
import type { TransferEnd } from '../file/thread-transfers.ts'
import { isInside, sumsUp } from '../whole-request.ts'
import { GivenBack } from './given-back.ts'

/** One call gives back no more than this, so that an abort need not wait for terabytes. */
const LONGEST = 2 ** 30

/** The device is asked so often how long it is. */
const LOOK_MS = 5000

/** What `open` found out and made. */
export interface OpenedDevice extends DirectFile {
  readonly path: string
  readonly identity: string
  readonly size: number
  readonly physical: number
  readonly canWrite: boolean
  readonly volatileCache: boolean
  /** Null where zeros and discards cannot be asked for. */
  readonly space: SpaceCalls | null
  /** How blocks are given back: as zeros, with whatever they read as then, or not at all. */
  readonly discards: 'zeros' | 'anything' | 'none'
  readonly discardGranularity: number
  readonly note: string
  /** Bytes of the device now; null: it is not there any more. */
  readonly sizeNow: () => Promise<number | null>
  /** Lets other lunkits open the device; called once, last. */
  readonly unlock: () => Promise<void>
}

export class BlockStore implements BackingStore, TransferEnd {
  size: number
  readonly preferredBlock: number
  readonly canWrite: boolean
  readonly volatileCache: boolean
  readonly discards: Ability
  readonly writesZeroes: Ability
  readonly discardGranularity: number
  readonly discardedReadsZero: boolean
  readonly identity: string
  readonly note: string
  /** Only where what is given back reads as zeros. */
  readonly map?: (io: StoreIo) => void
  readonly #device: OpenedDevice
  readonly #calls: Pick<FileCalls, 'read' | 'write' | 'fdatasync' | 'close'>
  readonly #transfers: DirectTransfers
  readonly #flusher: Flusher
  readonly #long: LongCalls
  readonly #givenBack = new GivenBack()
  #told: StoreWatcher = () => {}
  #watching: NodeJS.Timeout | null = null
  #away = false
  #looking = 0
  #closed = false
  #idle: (() => void) | null = null

  constructor(device: OpenedDevice, calls: Pick<FileCalls, 'read' | 'write' | 'fdatasync' | 'close'>) {
    const turns = new FileTurns(processPool())
    this.#device = device
    this.#calls = calls
    this.size = device.size
    this.preferredBlock = device.physical
    this.canWrite = device.canWrite
    this.volatileCache = device.canWrite && device.volatileCache
    const asks = device.canWrite && device.space !== null
    this.discards = asks && device.discards !== 'none' ? 'native' : 'none'
    this.writesZeroes = asks ? 'native' : device.canWrite ? 'emulated' : 'none'
    this.discardGranularity = device.discardGranularity
    this.discardedReadsZero = device.discards === 'zeros'
    this.identity = device.identity
    this.note = device.note
    if (this.discards === 'native' && this.discardedReadsZero) this.map = io => this.#map(io)
    this.#long = new LongCalls(turns, (io, error) => io.finish(error))
    this.#transfers = new DirectTransfers(device, calls, this, turns, this.#long)
    this.#flusher = new Flusher(device.fd, calls as FileCalls, turns, (io, error) => this.#answer(io, error))
  }

  read(io: StoreIo): void {
    if (this.#takes(io, true)) this.#transfers.start(io, this.#device.fd, false)
  }

  write(io: StoreIo): void {
    if (!this.canWrite) io.finish(StoreError.readOnly)
    else if (this.#takes(io, true)) {
      this.#givenBack.remove(io.offset, io.offset + io.length)
      this.#transfers.start(io, this.#device.fd, true)
    }
  }

  flush(io: StoreIo): void {
    if (this.#closed) io.finish(StoreError.gone)
    else if (this.volatileCache) this.#flusher.add(io)
    else io.finish(StoreError.none)
  }

  /** Where discarded bytes read as zeros, those of half a block do too. */
  discard(io: StoreIo): void {
    if (this.discards === 'none') io.finish(this.canWrite ? StoreError.internal : StoreError.readOnly)
    else if (!this.#takes(io)) return
    else if (this.discardedReadsZero) this.#transfers.zero(io, this.#punch)
    else this.#transfers.inner(io, this.#discard)
  }

  writeZeroes(io: StoreIo): void {
    if (this.writesZeroes !== 'native') io.finish(this.canWrite ? StoreError.internal : StoreError.readOnly)
    else if (this.#takes(io)) this.#transfers.zero(io, this.#zero)
  }

  #map(io: StoreIo): void {
    if (!this.#takes(io)) return
    const { held, end } = this.#givenBack.at(io.offset, io.offset + io.length)
    io.held = held
    io.anchored = false
    io.length = end - io.offset
    io.finish(StoreError.none)
  }

  async rescan(): Promise<void> {
    const now = this.#closed ? null : await this.#device.sizeNow()
    if (now !== null && now >= this.#device.block) {
      this.#take(now)
      return
    }
    const { path } = this.#device
    throw new OperatorError('BLOCK_GONE', `Block device '${path}' is not there any more`, {
      hint: 'bring it back and serve it anew',
    })
  }

  /** No kernel tells of another size, so the device is asked now and then. */
  watch(told: StoreWatcher): void {
    this.#told = told
    this.#watching = setInterval(() => void this.#look(), LOOK_MS).unref()
  }

  async #look(): Promise<void> {
    const now = await this.#device.sizeNow()
    if (this.#closed) return
    const { path, block } = this.#device
    if (now === null || now < block) {
      if (!this.#away) this.#told('away', `Block device '${path}' is not there any more`)
      this.#away = true
      return
    }
    const { size } = this
    this.#take(now)
    if (this.size !== size)
      this.#told('resized', `Block device '${path}' has ${this.size} bytes, not ${size}`)
    if (this.#away) this.#told('returned', `Block device '${path}' is back`)
    this.#away = false
  }

  #take(now: number): void {
    // What lies behind the end may be anything when it comes back.
    if (now < this.size) this.#givenBack.remove(now, Number.POSITIVE_INFINITY)
    this.size = now - (now % this.#device.block)
  }

  abort(io: StoreIo): void {
    this.#transfers.abort(io)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#watching !== null) clearInterval(this.#watching)
    if (!this.#isIdle()) await new Promise<void>(resolve => (this.#idle = resolve))
    const { fd, durableFd, unlock } = this.#device
    for (const one of [durableFd, fd]) {
      if (one !== -1) await new Promise<void>(resolve => this.#calls.close(one, () => resolve()))
    }
    await unlock()
  }

  transferred(io: StoreIo, error: StoreError): void {
    if (error === StoreError.none) this.#answer(io, error)
    else this.#blame(io, error)
  }

  endMet(): void {}

  /** Called with whole blocks, which nobody writes meanwhile. */
  readonly #punch = (io: StoreIo): void => {
    const { offset, length } = io
    this.#inPieces(io, (space, fd, from, part, answer) =>
      space.punch(fd, from, part, (result, errno) => {
        if (errno === 0 && from + part === offset + length) this.#givenBack.add(offset, offset + length)
        answer(result, errno)
      }),
    )
  }
  readonly #zero = (io: StoreIo): void => {
    this.#givenBack.remove(io.offset, io.offset + io.length)
    this.#inPieces(io, (space, ...range) => space.zero(...range))
  }
  readonly #discard = (io: StoreIo): void => this.#inPieces(io, (space, ...range) => space.discard(...range))

  #inPieces(io: StoreIo, call: (space: SpaceCalls, ...range: Parameters<SpaceCalls['zero']>) => void): void {
    const { fd, space } = this.#device
    const piece: Piece = ({ offset, length }, done, answer) => {
      const part = Math.min(length - done, LONGEST)
      call(space!, fd, offset + done, part, (_result, errno) => answer(part, errno))
    }
    this.#long.start(io, piece)
  }

  /** An error of a device that is shorter now, or is not there any more, is that and no other. */
  #blame(io: StoreIo, error: StoreError): void {
    this.#looking++
    this.#device.sizeNow().then(now => {
      this.#looking--
      if (now === null || now === 0) this.#answer(io, StoreError.gone)
      else if (io.offset + io.length > now) {
        io.failedAt = Math.max(io.offset, now)
        this.#answer(io, StoreError.medium)
      } else this.#answer(io, error)
    })
  }

  #takes(io: StoreIo, hasData = false): boolean {
    if (!this.#closed && isInside(io, this.size) && (!hasData || sumsUp(io))) return true
    io.finish(this.#closed ? StoreError.gone : StoreError.internal)
    return false
  }

  #answer(io: StoreIo, error: StoreError): void {
    io.finish(error)
    if (this.#idle !== null && this.#isIdle()) this.#idle()
  }

  #isIdle(): boolean {
    return this.#transfers.running + this.#looking === 0 && this.#flusher.idle && this.#long.idle
  }
}
