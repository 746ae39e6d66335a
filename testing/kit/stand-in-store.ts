// SPDX-License-Identifier: Apache-2.0
// A store in memory that can be slow, fail on demand and lose its cache, and that watches who asks it for what.
import assert from 'node:assert/strict'
import {
  type Ability,
  type BackingStore,
  StoreError,
  type StoreIo,
  type StoreUsage,
} from '@lunkit/target-api'

export type StoreCall = 'read' | 'write' | 'flush' | 'discard' | 'writeZeroes' | 'map' | 'anchor'

export interface StandInOptions {
  readonly size: number
  /** Answers inside the call, or later. */
  readonly later?: boolean
  readonly canWrite?: boolean
  readonly volatileCache?: boolean
  /** Takes blocks back and writes zeros by itself. */
  readonly thin?: boolean
  /** Thin, discarded bytes read as zeros, and the store tells which units of 4096 bytes it holds. */
  readonly maps?: boolean
  /** What `usage` tells; it may be changed later. */
  readonly room?: { used: number; available: number }
  readonly atomicWrite?: number
  /** What is discarded cannot be brought back. */
  readonly destroys?: boolean
}

/** What blocks hold at first, behind their number in the first four bytes. */
const PATTERN = Buffer.from(Array.from({ length: 512 }, (_, index) => (index * 3) & 0xff))

export class StandInStore implements BackingStore {
  readonly size: number
  readonly preferredBlock = 4096
  readonly canWrite: boolean
  readonly volatileCache: boolean
  readonly discards: Ability
  readonly writesZeroes: Ability
  readonly atomicWrite: number
  readonly identity = 'stand-in:1'
  readonly discardGranularity = 4096
  readonly discardedReadsZero: boolean
  readonly discardDestroys: boolean
  readonly usage?: () => Promise<StoreUsage | null>
  readonly anchor?: (io: StoreIo) => void
  /** One where a unit of 4096 bytes is held, two where room is kept for it. */
  readonly heldUnits: Uint8Array
  readonly bytes: Buffer
  /** What would be left after a power failure. */
  readonly durable: Buffer
  /** One line for each call: what, offset, length, and `fua`. */
  readonly calls: string[] = []
  /** Errors for the next calls of a kind, first first. */
  readonly failures: { call: StoreCall; error: StoreError; failedAt: number }[] = []
  /** While true, requests wait in the store. */
  held = false
  underWay = 0
  aborts = 0
  closed = false
  readonly #later: boolean
  readonly #waiting: (() => void)[] = []

  constructor(options: StandInOptions) {
    this.size = options.size
    this.#later = options.later ?? false
    this.canWrite = options.canWrite ?? true
    this.volatileCache = options.volatileCache ?? true
    this.discards = options.thin || options.maps ? 'native' : 'none'
    this.discardedReadsZero = options.maps === true
    this.discardDestroys = options.destroys === true
    if (options.maps) this.anchor = io => this.#anchor(io)
    const { room } = options
    if (room !== undefined) this.usage = async () => ({ ...room })
    this.heldUnits = new Uint8Array(Math.ceil(Math.min(options.size, 64 * 1024 * 1024) / 4096)).fill(1)
    this.writesZeroes = this.discards
    this.atomicWrite = options.atomicWrite ?? 0
    this.bytes = Buffer.alloc(Math.min(options.size, 64 * 1024 * 1024))
    for (let at = 0; at < this.bytes.length; at += 512)
      PATTERN.copy(this.bytes, at, 0, Math.min(512, options.size - at))
    for (let at = 0; at < this.bytes.length; at += 512) this.bytes.writeUInt32BE(at / 512, at)
    this.durable = Buffer.from(this.bytes)
  }

  read(io: StoreIo): void {
    this.#take('read', io, () => {
      let at = io.offset
      for (const segment of io.segments) {
        this.bytes.copy(segment, 0, at, at + segment.length)
        at += segment.length
      }
    })
  }

  write(io: StoreIo): void {
    assert.ok(this.canWrite, 'a store that cannot be written was written')
    this.#take('write', io, () => {
      let at = io.offset
      for (const segment of io.segments) at += segment.copy(this.bytes, at)
      this.heldUnits.fill(1, Math.floor(io.offset / 4096), Math.ceil(at / 4096))
      if (io.forceUnitAccess || !this.volatileCache) {
        this.bytes.copy(this.durable, io.offset, io.offset, io.offset + io.length)
      }
    })
  }

  flush(io: StoreIo): void {
    assert.ok(this.canWrite, 'a store that cannot be written was flushed')
    this.#take('flush', io, () => this.bytes.copy(this.durable))
  }

  /** What is given back reads as nonsense, unless zeros are promised: nobody may rely on it. */
  discard(io: StoreIo): void {
    assert.equal(this.discards, 'native', 'a store that takes nothing back was asked to')
    this.#take('discard', io, () => {
      this.#fill(io, this.discardedReadsZero ? 0 : 0xdd)
      const [first, last] = [Math.ceil(io.offset / 4096), Math.floor((io.offset + io.length) / 4096)]
      if (first < last) this.heldUnits.fill(0, first, last)
    })
  }

  #anchor(io: StoreIo): void {
    this.#take('anchor', io, () => {
      this.#fill(io, 0)
      const [first, last] = [Math.ceil(io.offset / 4096), Math.floor((io.offset + io.length) / 4096)]
      if (first < last) this.heldUnits.fill(2, first, last)
    })
  }

  /** One unit at a time: nobody may rely on long runs. */
  map(io: StoreIo): void {
    this.#take('map', io, () => {
      const index = Math.floor(io.offset / 4096)
      io.held = this.heldUnits[index] === 1
      io.anchored = this.heldUnits[index] === 2
      io.length = Math.min(io.length, (index + 1) * 4096 - io.offset)
    })
  }

  writeZeroes(io: StoreIo): void {
    assert.equal(this.writesZeroes, 'native', 'a store without it was asked for zeros')
    this.#take('writeZeroes', io, () => this.#fill(io, 0))
  }

  abort(): void {
    this.aborts++
  }

  async close(): Promise<void> {
    assert.equal(this.underWay, 0, 'closed while a request was under way')
    this.closed = true
  }

  failNext(call: StoreCall, error: StoreError, failedAt = -1): void {
    this.failures.push({ call, error, failedAt })
  }

  /** Lets requests that were held go on. */
  release(): void {
    this.held = false
    for (const go of this.#waiting.splice(0)) go()
  }

  /** All calls since the last time. */
  takeCalls(): string[] {
    return this.calls.splice(0)
  }

  /** A large stand-in holds only its first bytes. */
  #fill({ offset, length }: StoreIo, value: number): void {
    const { bytes } = this
    bytes.fill(value, Math.min(offset, bytes.length), Math.min(offset + length, bytes.length))
  }

  #take(call: StoreCall, io: StoreIo, perform: () => void): void {
    assert.equal(this.closed, false, `${call} after close`)
    if (call === 'flush') this.calls.push('flush')
    else {
      const bytes = io.segments.reduce((sum, { length }) => sum + length, 0)
      const moved = call === 'read' || call === 'write' ? io.length : 0
      assert.equal(bytes, moved, `${call}: the segments do not add up`)
      assert.ok(io.length > 0, `${call} of nothing`)
      assert.ok(io.offset >= 0 && io.offset + io.length <= this.size, `${call} leaves the store`)
      const fua = call === 'write' && io.forceUnitAccess ? ' fua' : ''
      this.calls.push(`${call} ${io.offset}+${io.length}${fua}`)
    }
    this.underWay++
    const answer = (): void => {
      const failure = this.failures[0]?.call === call ? this.failures.shift() : undefined
      if (failure === undefined) perform()
      else io.failedAt = failure.failedAt
      this.underWay--
      // What the device put into the request is the store's until here: nothing of it may be relied on later.
      if (call === 'read' || call === 'write') io.segments.length = 0
      io.finish(failure?.error ?? StoreError.none)
    }
    if (this.held) this.#waiting.push(answer)
    else if (this.#later) setImmediate(answer)
    else answer()
  }
}
