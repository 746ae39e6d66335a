// SPDX-License-Identifier: Apache-2.0
// CmdSN: which request is next, which come too early, and how far the window is open (RFC 7143, 4.2.2.1).
import type { Connection } from './connection.ts'

/** A numbered request that came before its turn, with copies of what the framer would overwrite. */
export interface Parked {
  /** Where it came: null where nothing is left to do for it. */
  readonly connection: Connection | null
  /** Basic and additional header. */
  readonly header: Buffer
  readonly data: Buffer[]
  /** Unsolicited data that came behind it. */
  readonly behind: DataBehind[]
  /** Bytes that both count. */
  bytes: number
  /** There was no room for its data: it is answered with TASK SET FULL when its turn comes. */
  isCrowded: boolean
}

/** A Data-Out whose command waits for its turn. */
export interface DataBehind {
  readonly header: Buffer
  readonly data: Buffer[]
  readonly length: number
  /** Its data digest was wrong. */
  readonly damaged: boolean
}

export const Turn = Object.freeze({
  /** It is this one's turn: it has been counted. */
  now: 0,
  /** Within the window, but others must come first. */
  early: 1,
  /** Outside the window or a duplicate: to be ignored without an answer. */
  ignore: 2,
} as const)
export type Turn = (typeof Turn)[keyof typeof Turn]

/** Serial number arithmetic on 32 bits (RFC 1982): negative if `one` is before `other`. */
export const serialDistance = (one: number, other: number): number => (one - other) | 0

/** Bytes of parked requests of all sessions together. */
export interface ParkedTotal {
  bytes: number
}

export class CommandWindow {
  expected: number
  /** Highest number allowed so far. It never falls: what was promised stays. */
  #max: number
  readonly #parked: Map<number, Parked> = new Map()
  /** Data bytes of parked requests, and what came behind them. */
  parkedBytes = 0

  /** What was awaited when the clock was last told, and since when. */
  #awaited = -1
  #since = 0
  readonly #total: ParkedTotal

  constructor(first: number, total: ParkedTotal = { bytes: 0 }) {
    this.expected = first
    this.#total = total
    this.#max = (first - 1) >>> 0
  }

  #count(bytes: number): void {
    this.parkedBytes += bytes
    this.#total.bytes += bytes
  }

  get parkedCount(): number {
    return this.#parked.size
  }

  get max(): number {
    return this.#max
  }

  /** Opens the window for `room` requests beyond those that came; returns MaxCmdSN. */
  open(room: number): number {
    const free = room - this.#parked.size
    const top = (this.expected - 1 + Math.max(free, 0)) >>> 0
    if (serialDistance(top, this.#max) > 0) this.#max = top
    return this.#max
  }

  /** Whether an initiator that knows `max` could send another request. */
  get closed(): boolean {
    return serialDistance(this.#max, this.expected) < 0
  }

  /** Places a request's number; counts it if it is the next. */
  take(cmdSn: number): Turn {
    if (cmdSn === this.expected && serialDistance(cmdSn, this.#max) <= 0) {
      this.expected = (cmdSn + 1) >>> 0
      return Turn.now
    }
    if (serialDistance(cmdSn, this.expected) <= 0 || serialDistance(cmdSn, this.#max) > 0) return Turn.ignore
    return this.#parked.has(cmdSn) ? Turn.ignore : Turn.early
  }

  park(cmdSn: number, request: Parked): void {
    this.#parked.set(cmdSn, request)
    this.#count(request.bytes)
  }

  /** More has come for a parked request. */
  addTo(request: Parked, behind: DataBehind, bytes: number): void {
    request.behind.push(behind)
    request.bytes += bytes
    this.#count(bytes)
  }

  /** A parked command will be refused for want of room: nothing of its data is kept. */
  crowd(request: Parked): void {
    request.isCrowded = true
    request.data.length = 0
    request.behind.length = 0
    this.#count(-request.bytes)
    request.bytes = 0
  }

  /** For how long, in ticks of this clock, the same request has kept others waiting. */
  awaitedFor(clock: number): number {
    if (this.#parked.size === 0 || this.#awaited !== this.expected) {
      this.#awaited = this.expected
      this.#since = clock
    }
    return clock - this.#since
  }

  /** The request that was counted last was refused, and so not received: its number is the next again (RFC 7143, 7.3). */
  giveBack(cmdSn: number): void {
    if (cmdSn === (this.expected - 1) >>> 0) this.expected = cmdSn
  }

  /** The parked request whose turn has come, counted; or null. */
  unpark(): Parked | null {
    if (this.#parked.size === 0) return null
    const request = this.#parked.get(this.expected)
    if (request === undefined) return null
    this.#parked.delete(this.expected)
    this.#count(-request.bytes)
    this.expected = (this.expected + 1) >>> 0
    return request
  }

  /** Parked requests with their numbers. */
  parked(): IterableIterator<[number, Parked]> {
    return this.#parked.entries()
  }

  /** Requests of a connection that is gone have not been taken: the initiator may send them again elsewhere. */
  forget(connection: Connection): void {
    for (const [number, request] of this.#parked) {
      if (request.connection !== connection) continue
      this.#parked.delete(number)
      this.#count(-request.bytes)
    }
  }

  /** The request with this number, parked or not here yet, does nothing when its turn comes. */
  kill(cmdSn: number): void {
    this.#count(-(this.#parked.get(cmdSn)?.bytes ?? 0))
    this.#parked.set(cmdSn, KILLED)
  }

  clear(): void {
    this.#parked.clear()
    this.#count(-this.parkedBytes)
  }
}

const KILLED: Parked = Object.freeze({
  connection: null,
  header: Buffer.alloc(0),
  data: [],
  behind: [],
  bytes: 0,
  isCrowded: false,
})

/** Whether a parked request was killed before its turn. */
export const isKilled = (request: Parked): boolean => request.connection === null
