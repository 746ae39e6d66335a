// SPDX-License-Identifier: Apache-2.0
// The store: calls become requests, wait while the server is away, are sent again where that is safe, and are given up in time.
import {
  type Ability,
  type BackingStore,
  StoreError,
  type StoreIo,
  type StoreWatcher,
} from '@lunkit/target-api'
import { abilitiesOf } from './abilities.ts'
import { Call, Kind } from './call.ts'
import type { Connection } from './connection.ts'
import type { Opened } from './handshake.ts'
import { Link, type LinkHost, type LinkOptions } from './link.ts'
import { NarrowWrites } from './narrow-writes.ts'
import { Parked } from './parked.ts'
import { Patience, TURN_MS } from './patience.ts'
import { Command } from './protocol.ts'
import {
  begin,
  hasProgress,
  isDurable,
  type Limits,
  limitsOf,
  nextRequest,
  rewind,
  tellExtent,
  took,
} from './steps.ts'
import { Unflushed } from './unflushed.ts'
import { identityOf } from './uri.ts'

export interface NbdStoreOptions extends LinkOptions {
  /** How long requests wait for a server that is away. */
  readonly waitMs: number
  readonly readonly: boolean
}

/** A call that took its server down so often is not sent again, nor one that was met with so many faults of the protocol. */
const MOST_LOSSES = 8
const MOST_FAULTS = 3
/** After so many times that a request may take, a connection with unanswered writes is let go. */
const HOPELESS = 10
const MOST_POOLED = 256

export class NbdStore implements BackingStore, LinkHost {
  size: number
  readonly preferredBlock: number
  readonly canWrite: boolean
  readonly volatileCache: boolean
  readonly discards: Ability
  readonly writesZeroes: Ability
  readonly discardedReadsZero: boolean
  readonly identity: string
  readonly note: string
  readonly map?: (io: StoreIo) => void
  readonly #limits: Limits
  readonly #link: Link
  readonly #unflushed = new Unflushed()
  readonly #uri: string
  readonly #patience: Patience
  readonly #pool: Call[] = []
  readonly #parked = new Parked()
  /** Sent calls, by what they wait for. */
  readonly #sent = new Set<Call>()
  /** Null where the server takes single bytes. */
  readonly #narrow: NarrowWrites | null
  #number = 0
  #clock = 0
  /** Counts lost connections. */
  #epoch = 0
  /** When the last connection was lost; -1: there is one. */
  #downSince = -1
  #timer: NodeJS.Timeout | null = null
  #isClosed = false
  #told: StoreWatcher = () => {}
  constructor(options: NbdStoreOptions, opened: Opened) {
    const { size, preferredBlock, context, minBlock } = opened.facts
    this.size = size
    this.#uri = options.place.uri
    this.identity = identityOf(options.place)
    this.preferredBlock = preferredBlock
    const abilities = abilitiesOf(opened.facts, options.readonly)
    this.canWrite = abilities.canWrite
    this.volatileCache = abilities.volatileCache
    this.discards = abilities.discards
    this.writesZeroes = abilities.writesZeroes
    this.discardedReadsZero = abilities.discardedReadsZero
    this.note = abilities.note
    this.#limits = limitsOf(opened.facts)
    this.#patience = new Patience(options)
    this.#narrow = minBlock > 1 ? new NarrowWrites() : null
    if (context >= 0) this.map = io => this.#map(io)
    this.#link = new Link(options, opened, this)
  }

  read(io: StoreIo): void {
    if (this.#takes(io, true)) this.#start(Kind.read, io)
  }

  write(io: StoreIo): void {
    if (this.#takes(io, true, true)) this.#start(Kind.write, io)
  }

  discard(io: StoreIo): void {
    if (this.#takes(io, false, true)) this.#start(this.discardedReadsZero ? Kind.discard : Kind.trim, io)
  }

  writeZeroes(io: StoreIo): void {
    if (this.#takes(io, false, true)) this.#start(Kind.zeroes, io)
  }

  flush(io: StoreIo): void {
    if (this.#isClosed) io.finish(StoreError.gone)
    else if (!this.#refuses(io) && this.#unflushed.add(io)) this.#flush()
  }

  watch(told: StoreWatcher): void {
    this.#told = told
  }

  /** Takes the size that the server tells now; that of its last connection, where it takes but one. */
  async rescan(): Promise<void> {
    await this.#link.look()
    this.size = this.#link.facts.size
  }

  /** What is not sent, and what changes nothing, ends at once; a write that is sent ends with its answer. */
  abort(io: StoreIo): void {
    const call = io.storeData
    if (call === this.#unflushed) this.#unflushed.abort(io)
    if (!(call instanceof Call) || call.io !== io) return
    if (this.#withdraw(call)) this.#finish(call, StoreError.aborted)
    else if (call.connection !== null && !call.isChanging) this.#giveUp(call, StoreError.aborted, '')
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#link.close()
    for (const call of this.#parked.take()) this.#finish(call, StoreError.gone)
  }

  // What the connections tell.

  answered(call: Call, connection: Connection): void {
    this.#sent.delete(call)
    if (call.error === StoreError.gone || connection.isLeaving) this.#leaves(connection)
    if (call.error === StoreError.gone) {
      this.#again(call)
      return
    }
    this.#link.works()
    if (call.error !== StoreError.none) {
      if (call.io !== null) {
        call.io.failedAt = call.failedAt
        call.io.reason = call.reason
      }
      this.#finish(call, call.error)
      return
    }
    const stale = call.epoch !== this.#epoch && call.changesData && hasProgress(call)
    took(call)
    if (call.io === null && call.kind !== Kind.flush) this.#release(call)
    else if (stale) this.#again(call)
    else this.#proceed(call)
    if (this.#parked.length > 0) this.#drain()
  }

  lost(connection: Connection, calls: Call[], why: string, byPeer: boolean): void {
    if (this.#isClosed) return
    this.#epoch++
    this.#unflushed.lost()
    this.#link.dropped(connection, `NBD server '${this.#uri}' was lost: ${why}`)
    if (this.#link.connections.length === 0 && this.#downSince < 0) {
      this.#downSince = this.#clock
      this.#told('away', this.#link.why)
    }
    for (const call of calls) {
      this.#sent.delete(call)
      const ended = call.io === null && call.kind !== Kind.flush
      if (ended) this.#release(call)
      // Nobody knows whether it was done, or is still being done: sent once more it might undo a later one.
      else if (!byPeer && call.isChanging)
        this.#fail(call, connection.isBroken ? StoreError.internal : StoreError.gone)
      else this.#again(call, connection.isBroken ? MOST_FAULTS : MOST_LOSSES)
    }
    this.#arm()
    this.#drain()
  }

  /** The server is shutting down: its successor is asked, when all that it still does is done. */
  #leaves(connection: Connection): void {
    connection.isLeaving = true
    if (connection.inFlight > 0) return
    if (connection.isReplaced) this.#link.retire(connection)
    else {
      connection.disconnect()
      this.lost(connection, [], 'it is shutting down', true)
    }
  }

  connected(): void {
    const { size } = this.#link.facts
    if (this.#downSince >= 0) {
      this.#downSince = -1
      if (size !== this.size) {
        this.size = size
        this.#told('resized', `NBD server '${this.#uri}' came back with ${size} bytes`)
      }
      this.#told('returned', `NBD server '${this.#uri}' is back`)
    }
    this.#drain()
  }

  // The road of a call.

  #takes(io: StoreIo, data: boolean, changing = false): boolean {
    let error: StoreError = StoreError.none
    if (this.#isClosed) error = StoreError.gone
    else if (io.offset < 0 || io.offset + io.length > this.size) error = StoreError.internal
    else if (changing && !this.canWrite) error = StoreError.readOnly
    else if (data) {
      let sum = 0
      for (let i = 0; i < io.segments.length; i++) sum += io.segments[i]!.length
      if (sum !== io.length) error = StoreError.internal
    }
    if (error === StoreError.none && io.length > 0) return !this.#refuses(io)
    io.finish(error)
    return false
  }

  /** While the server has been away, or silent, for longer than anybody is to wait. */
  #refuses(io: StoreIo): boolean {
    const { silent } = this.#link
    const away = this.#downSince >= 0 && this.#clock - this.#downSince >= this.#patience.away
    if (!silent && !away) return false
    io.reason = silent ? `NBD server '${this.#uri}' does not answer` : this.#link.why
    io.finish(StoreError.gone)
    return true
  }

  #start(kind: Kind, io: StoreIo): void {
    const call = this.#newCall(kind, io)
    io.storeData = call
    if (this.#narrow === null || !call.changesData || this.#narrow.enter(call)) this.#proceed(call)
  }

  #newCall(kind: Kind, io: StoreIo | null): Call {
    const call = this.#pool.pop() ?? new Call()
    begin(call, kind, io, this.#limits)
    call.number = this.#number++
    call.came = this.#clock
    call.epoch = this.#epoch
    call.outage = this.#link.outages
    return call
  }

  #proceed(call: Call): void {
    if (nextRequest(call, this.#limits)) this.#submit(call)
    else this.#done(call)
  }

  #flush(): void {
    if (this.#limits.flush && this.canWrite) this.#proceed(this.#newCall(Kind.flush, null))
    else this.#unflushed.ended(StoreError.none, '')
  }

  #submit(call: Call): void {
    if (this.#timer === null) this.#arm()
    const connection = this.#link.pick()
    if (connection === null) {
      this.#parked.add(call)
      return
    }
    call.sent = this.#clock
    this.#sent.add(call)
    connection.send(call)
  }

  /** Sent once more, from the start where its first pieces may be lost with the server that had answered them. */
  #again(call: Call, most = MOST_LOSSES): void {
    if (call.io === null && call.kind !== Kind.flush) this.#release(call)
    else if (call.lostIn(this.#link.outages) > most) this.#fail(call, StoreError.medium)
    else {
      if (call.changesData) {
        rewind(call)
        call.epoch = this.#epoch
        nextRequest(call, this.#limits)
      }
      this.#parked.add(call)
    }
  }

  /** False if it does not wait to be sent. */
  #withdraw(call: Call): boolean {
    return this.#parked.withdraw(call) || this.#narrow?.withdraw(call) === true
  }

  #drain(): void {
    if (this.#parked.length === 0 || this.#link.pick() === null) return
    for (const call of this.#parked.take()) {
      // What came back half-way is sent as it was.
      call.expect(call.parts, call.base)
      this.#submit(call)
    }
  }

  #done(call: Call): void {
    const { io } = call
    if (call.kind === Kind.map) tellExtent(call, io!, this.discardedReadsZero)
    if (call.changesData && !isDurable(call, this.#limits)) this.#unflushed.wrote(io!)
    this.#finish(call, StoreError.none)
  }

  #fail(call: Call, error: StoreError): void {
    ;(call.io ?? call).reason = this.#link.why
    this.#finish(call, error)
  }

  #finish(call: Call, error: StoreError): void {
    const { io, kind, reason } = call
    this.#release(call)
    if (kind === Kind.flush) {
      this.#unflushed.ended(error, reason)
      if (this.#unflushed.next()) this.#flush()
    } else if (io !== null) {
      io.storeData = null
      io.finish(error)
    }
  }

  #release(call: Call): void {
    const next = call.changesData ? this.#narrow?.leave(call) : undefined
    call.abandon()
    call.head = call.tail = null
    if (this.#pool.length < MOST_POOLED) this.#pool.push(call)
    if (next !== undefined) for (const one of next) this.#proceed(one)
  }

  /** Answers it now; its reply is dropped when it comes. */
  #giveUp(call: Call, error: StoreError, reason: string): void {
    const { io, kind } = call
    call.abandon()
    if (kind === Kind.flush) {
      // From here on it is nobody's, as one without a request of the store is.
      call.kind = Kind.map
      this.#unflushed.ended(error, reason)
      if (this.#unflushed.next()) this.#flush()
      return
    }
    io!.storeData = null
    io!.reason = reason
    io!.finish(error)
  }

  #map(io: StoreIo): void {
    if (this.#takes(io, false)) this.#start(Kind.map, io)
  }

  // Time.

  #arm(): void {
    this.#timer ??= setInterval(() => this.#look(), TURN_MS)
    this.#timer.unref()
  }

  /** One turn of the clock: gives up what has waited too long. */
  #look(): void {
    this.#clock++
    if (this.#sent.size === 0 && this.#parked.length === 0 && this.#downSince < 0 && this.#timer !== null) {
      clearInterval(this.#timer)
      this.#timer = null
      return
    }
    for (const call of this.#patience.over(this.#clock, this.#downSince, this.#parked, this.#narrow))
      if (this.#withdraw(call)) this.#fail(call, StoreError.gone)
    for (const call of [...this.#sent]) {
      const age = this.#clock - call.sent
      if (age >= this.#patience.answer && call.connection !== null) this.#late(call, call.connection, age)
    }
  }

  /** A request was not answered in time. */
  #late(call: Call, connection: Connection, age: number): void {
    const reason = `NBD server '${this.#uri}' does not answer`
    if (call.isChanging && !call.overdue) {
      call.overdue = true
      connection.overdue++
    }
    // Bytes that are still in this process would be somebody else's by the time they leave.
    const waits = call.io !== null || call.kind === Kind.flush
    if (waits && (call.command !== Command.write || connection.hasLeft(call)))
      this.#giveUp(call, StoreError.gone, reason)
    // With a write under way, the end of the connection would not be its end: done late, it could undo a later one.
    if (connection.changing === 0 || age >= this.#patience.answer * HOPELESS) connection.reset(reason)
  }
}
