// SPDX-License-Identifier: Apache-2.0
// One call of the store on its way: what is asked for, the request that is on the wire for it, and what came back. Pooled.
import { StoreError, type StoreIo } from '@lunkit/target-api'
import type { Connection } from './connection.ts'
import { Command, NbdError, REQUEST_LENGTH, REQUEST_MAGIC } from './protocol.ts'

export const Kind = Object.freeze({
  read: 0,
  write: 1,
  zeroes: 2,
  /** As zeroes, but the server may let go of the room. */
  discard: 3,
  /** What it holds then is anybody's guess. */
  trim: 4,
  map: 5,
  flush: 6,
} as const)
export type Kind = (typeof Kind)[keyof typeof Kind]

/** Pieces of one reply that may come before those that they follow. */
const MOST_APART = 1024
const NOTHING: Buffer[] = []

export class Call {
  kind: Kind = Kind.read
  /** Null where nobody waits for it any more: what comes is dropped. */
  io: StoreIo | null = null
  /** Order in which calls came. */
  number = 0
  /** The clock of the store when it came, and when it was sent. */
  came = 0
  sent = 0
  /** How often its server was lost, and the number of the outage that was counted last. */
  losses = 0
  outage = 0
  /** How many connections had been lost when its first request was made. */
  epoch = 0
  /** It was not answered in time; counted by its connection. */
  overdue = false

  // All of it: from and to where the server's smallest block allows, and how far it is.
  start = 0
  end = 0
  at = 0
  phase = 0
  /** What stands around the bytes of a write that does not begin or end with a block. */
  head: Buffer | null = null
  tail: Buffer | null = null

  // The request on the wire.
  connection: Connection | null = null
  slot = 0
  generation = 0
  command: number = Command.read
  flags = 0
  offset = 0
  length = 0
  readonly header: Buffer = Buffer.allocUnsafeSlow(REQUEST_LENGTH)
  /** Its number among those that were handed to the socket. */
  batch = 0
  /** Its reply is here, but not all of it has left. */
  replied = false
  /** Buffers to fill; the first byte of the first one is the export's at `base`. */
  parts: readonly Buffer[] = NOTHING
  base = 0

  // The reply so far.
  error: StoreError = StoreError.none
  failedAt = -1
  reason = ''
  /** All up to here is filled. */
  covered = 0
  /** What is filled behind: from, to, from, to … in order. */
  readonly #apart: number[] = []
  errors = 0
  /** Bytes and state of the extent, of a block status. */
  extent = 0
  extentState = 0
  #part = 0
  #partStart = 0

  get changesData(): boolean {
    return this.kind !== Kind.read && this.kind !== Kind.map && this.kind !== Kind.flush
  }

  /** Whether the request on the wire does. */
  get isChanging(): boolean {
    const { command } = this
    return command === Command.write || command === Command.trim || command === Command.writeZeroes
  }

  /** Counts the loss of its server; connections that are lost together, as those of a killed one are, count once. */
  lostIn(outage: number): number {
    if (outage !== this.outage) this.losses++
    this.outage = outage
    return this.losses
  }

  /** Before a request is sent: nothing of its reply is here. */
  expect(parts: readonly Buffer[], base: number): void {
    this.parts = parts
    this.base = base
    this.replied = false
    this.error = StoreError.none
    this.failedAt = -1
    this.reason = ''
    this.covered = this.offset
    this.#apart.length = 0
    this.errors = 0
    this.extent = 0
    this.#part = 0
    this.#partStart = base
  }

  writeHeader(): Buffer {
    const { header } = this
    header.writeUInt32BE(REQUEST_MAGIC, 0)
    header.writeUInt16BE(this.flags, 4)
    header.writeUInt16BE(this.command, 6)
    header.writeUInt32BE(this.generation, 8)
    header.writeUInt32BE(this.slot, 12)
    header.writeUInt32BE(Math.floor(this.offset / 2 ** 32), 16)
    header.writeUInt32BE(this.offset % 2 ** 32, 20)
    header.writeUInt32BE(this.length, 24)
    return header
  }

  /** Nobody waits for it: its buffers are somebody else's from now on. */
  abandon(): void {
    this.io = null
    this.parts = NOTHING
    this.#part = 0
    this.#partStart = this.base
  }

  /** Takes the range as filled; false if it is none of the request's, or filled already. */
  cover(from: number, to: number): boolean {
    if (from < this.covered || to > this.offset + this.length || to <= from) return false
    const apart = this.#apart
    if (from > this.covered) return this.#coverApart(from, to)
    if (apart.length > 0 && to > apart[0]!) return false
    this.covered = to
    while (apart.length > 0 && apart[0] === this.covered) {
      this.covered = apart[1]!
      apart.splice(0, 2)
    }
    return true
  }

  #coverApart(from: number, to: number): boolean {
    const apart = this.#apart
    let i = apart.length
    while (i > 0 && apart[i - 2]! >= to) i -= 2
    if (i > 0 && apart[i - 1]! > from) return false
    if (i > 0 && apart[i - 1] === from) apart[i - 1] = to
    else if (apart.length >= 2 * MOST_APART) return false
    else apart.splice(i, 0, from, to)
    return true
  }

  get isCovered(): boolean {
    return this.covered === this.offset + this.length
  }

  /**
   * Puts bytes of the export, those from `first` on, where they belong, or zeros where there are none; what nobody asked for
   * is dropped.
   */
  place(at: number, bytes: Buffer | null, first: number, length: number): void {
    const { parts } = this
    if (at < this.#partStart) {
      this.#part = 0
      this.#partStart = this.base
    }
    const end = at + length
    for (let from = Math.max(at, this.base); from < end; ) {
      const part = parts[this.#part]
      if (part === undefined) return
      const inside = from - this.#partStart
      if (inside >= part.length) {
        this.#part++
        this.#partStart += part.length
        continue
      }
      const count = Math.min(part.length - inside, end - from)
      if (bytes === null) part.fill(0, inside, inside + count)
      else bytes.copy(part, inside, first + from - at, first + from - at + count)
      from += count
    }
  }

  /** The first error counts. */
  fail(code: number, at: number, words: string): void {
    if (this.error !== StoreError.none) return
    this.error = errorOf(code, this.changesData)
    this.failedAt = at
    this.reason = `the NBD server answered with ${NAMES.get(code) ?? `error ${code}`}${words === '' ? '' : `: ${words}`}`
  }
}

const NAMES: ReadonlyMap<number, string> = new Map([
  [NbdError.permission, 'EPERM'],
  [NbdError.io, 'EIO'],
  [NbdError.memory, 'ENOMEM'],
  [NbdError.invalid, 'EINVAL'],
  [NbdError.noSpace, 'ENOSPC'],
  [NbdError.overflow, 'EOVERFLOW'],
  [NbdError.notSupported, 'ENOTSUP'],
  [NbdError.shutdown, 'ESHUTDOWN'],
])

/** An unknown error is as EINVAL (proto.md, error values): the server did not take the request. */
function errorOf(code: number, writing: boolean): StoreError {
  if (code === NbdError.io || code === NbdError.memory) return StoreError.medium
  if (code === NbdError.noSpace) return StoreError.noSpace
  if (code === NbdError.permission) return writing ? StoreError.readOnly : StoreError.medium
  return code === NbdError.shutdown ? StoreError.gone : StoreError.internal
}
