// SPDX-License-Identifier: Apache-2.0
// The store handler: blocks that another process has, asked for over a Unix socket.
import {
  type BackingStore,
  type ParameterValues,
  StoreError,
  type StoreIo,
  type StoreType,
  type StoreWatcher,
} from '@lunkit/target-api'
import { Link, type LinkUser } from '../link/link.ts'
import {
  BlockStatus,
  CAPACITY,
  Flag,
  HandlerFault,
  type HandlerHello,
  Kind,
  RANGE,
} from '../link/protocol.ts'
import { HEADER, type Request } from '../link/request.ts'
import { holdOf, linkOptions, nameOf, WAYS } from '../link/ways.ts'

/** What a handler says of its blocks. */
interface BlocksHello extends HandlerHello {
  /** Bytes. */
  readonly size: number
  /** Bytes that are best read and written at once: 4096 if not given. */
  readonly block?: number
  /** A write may be lost until flush: false if not given. */
  readonly cache?: boolean
  /** What was answered is there still when the handler comes back after its end, flushed or not. */
  readonly keeps?: boolean
  readonly discard?: boolean
  readonly discardGranularity?: number
  readonly discardedReadsZero?: boolean
  readonly zero?: boolean
  readonly copy?: boolean
}

const ERRORS: Readonly<Record<number, StoreError>> = {
  [BlockStatus.good]: StoreError.none,
  [BlockStatus.medium]: StoreError.medium,
  [BlockStatus.noSpace]: StoreError.noSpace,
  [BlockStatus.readOnly]: StoreError.readOnly,
  [BlockStatus.away]: StoreError.gone,
  [BlockStatus.aborted]: StoreError.aborted,
}

const ENDS = { gone: StoreError.gone, lost: StoreError.gone, aborted: StoreError.aborted } as const
/** Longest data of one message. */
const MOST_BYTES = 2 ** 31
const NOTHING = (): void => {}

class HandlerStore implements BackingStore, LinkUser {
  size = 0
  preferredBlock = 4096
  canWrite = false
  volatileCache = false
  discards: 'none' | 'native' = 'none'
  writesZeroes: 'none' | 'emulated' | 'native' = 'none'
  discardGranularity = 4096
  discardedReadsZero = false
  identity = ''
  readonly #link: Link
  readonly #where: string
  #hello: BlocksHello | null = null
  #told: StoreWatcher = NOTHING
  /** Writes that were answered, and how many of them are durable. */
  #writes = 0
  #durable = 0
  /** Writes that were answered may be gone: the next flush has to say so. */
  #lostWrites = false

  constructor(values: ParameterValues) {
    const options = linkOptions(values, 'blocks')
    this.#where = nameOf(options)
    this.#link = new Link(options, this)
  }

  open(): Promise<void> {
    return this.#link.open()
  }

  read(io: StoreIo): void {
    this.#range(io, Kind.read, io.length, true)
  }

  write(io: StoreIo): void {
    if (this.canWrite) this.#range(io, Kind.write, io.length, true)
    else io.finish(StoreError.readOnly)
  }

  flush(io: StoreIo): void {
    if (this.#lostWrites) {
      this.#lostWrites = false
      io.reason = 'the handler went away with writes that were not flushed'
      io.finish(StoreError.medium)
    } else if (!this.volatileCache) io.finish(StoreError.none)
    else this.#ask(io, Kind.flush, 0, 0, this.#writes)
  }

  discard(io: StoreIo): void {
    if (this.discards === 'native') this.#range(io, Kind.discard, 0, false)
    else io.finish(this.canWrite ? StoreError.internal : StoreError.readOnly)
  }

  writeZeroes(io: StoreIo): void {
    if (this.writesZeroes === 'native') this.#range(io, Kind.zero, 0, false)
    else io.finish(this.canWrite ? StoreError.internal : StoreError.readOnly)
  }

  abort(io: StoreIo): void {
    if (io.storeData !== null) this.#link.abort(io.storeData as Request)
  }

  watch(told: StoreWatcher): void {
    this.#told = told
  }

  async rescan(): Promise<void> {}

  async close(): Promise<void> {
    this.#told = NOTHING
    this.#link.close()
  }

  #range(io: StoreIo, kind: number, data: number, moves: boolean, source = 0): void {
    let sum = 0
    for (let i = 0; i < io.segments.length; i++) sum += io.segments[i]!.length
    const fits = io.offset >= 0 && io.offset + io.length <= this.size
    if (!fits || (moves && sum !== io.length) || data > MOST_BYTES) io.finish(StoreError.internal)
    else if (io.length === 0) io.finish(StoreError.none)
    else this.#ask(io, kind, io.offset, io.length, 0, source)
  }

  #ask(io: StoreIo, kind: number, offset: number, length: number, note = 0, place = 0): void {
    const request = this.#link.take()
    request.io = io
    request.kind = kind
    request.bodyLength = RANGE.length
    request.note = note
    RANGE.field.offset.set(request.frame, HEADER, offset)
    RANGE.field.length.set(request.frame, HEADER, length)
    RANGE.field.place.set(request.frame, HEADER, place)
    if (kind === Kind.read) request.longestIn = length
    else if (kind === Kind.write) {
      request.out = io.segments
      request.outLength = length
      if (io.forceUnitAccess) request.flags = Flag.durable
    }
    io.storeData = request
    this.#link.submit(request)
  }

  // ---- of the link ----

  greeted(hello: HandlerHello): void {
    const given = checkHello(hello)
    const before = this.#hello
    if (before === null) this.#take(given)
    else {
      for (const name of FIXED) {
        if (given[name] !== before[name]) throw new HandlerFault(`it came back with another ${name}`)
      }
      this.#resize(given.size)
      this.#told('returned', `handler ${this.#where} is back`)
    }
  }

  roomFor({ kind, io, status, count, longestIn }: Request, bytes: number): readonly Buffer[] | null {
    if (!Object.hasOwn(ERRORS, status))
      throw new HandlerFault(`it answered with the unknown status ${status}`)
    if (kind !== Kind.read) {
      if (bytes > 0) throw new HandlerFault('it answered with data that nobody asked for')
      return null
    }
    if (status !== BlockStatus.good) {
      if (bytes > 0 && count > 0) throw new HandlerFault('it failed and answered with data')
      return null
    }
    if (bytes !== longestIn) throw new HandlerFault(`it read ${bytes} bytes of ${longestIn}`)
    return io.segments
  }

  answered({ kind, io, status, count, flags, note }: Request): void {
    io.storeData = null
    const error = ERRORS[status]!
    if (error === StoreError.none) {
      if (kind === Kind.flush) this.#durable = Math.max(this.#durable, note)
      else if (kind !== Kind.read && flags !== Flag.durable) this.#writes++
    } else if (count > 0 && count < io.length) io.failedAt = io.offset + count
    io.finish(error)
  }

  ended({ io }: Request, how: 'gone' | 'lost' | 'aborted'): void {
    io.storeData = null
    io.finish(ENDS[how])
  }

  /** Only within itself: another unit may be another handler's. */
  copiesFrom(source: BackingStore): boolean {
    return source === this && this.canWrite && this.#hello?.copy === true
  }

  copy(io: StoreIo, _source: BackingStore, sourceOffset: number): void {
    if (sourceOffset < 0 || sourceOffset + io.length > this.size) io.finish(StoreError.internal)
    else this.#range(io, Kind.copy, 0, false, sourceOffset)
  }

  /** Whoever reads or writes the same blocks waits meanwhile, so that a second time changes nothing. */
  mayRepeat(): boolean {
    return true
  }

  interrupted(): void {
    const unsafe = this.volatileCache && this.#hello?.keeps !== true
    if (unsafe && this.#writes > this.#durable) this.#lostWrites = true
    this.#durable = this.#writes
  }

  notice(kind: number, body: Buffer): void {
    if (kind !== Kind.capacity || body.length !== CAPACITY.length) {
      throw new HandlerFault(`it sent a message of the unknown kind ${kind}`)
    }
    const size = CAPACITY.field.size.get(body, 0)
    if (!isSize(size)) throw new HandlerFault(`it has the size ${size}`)
    this.#resize(size)
  }

  away(reason: string): void {
    this.#told('away', `handler ${this.#where}: ${reason}`)
  }

  #take(hello: BlocksHello): void {
    this.#hello = hello
    this.size = hello.size
    this.preferredBlock = hello.block ?? 4096
    this.canWrite = hello.readonly !== true
    this.volatileCache = this.canWrite && hello.cache === true
    this.discards = this.canWrite && hello.discard === true ? 'native' : 'none'
    this.discardGranularity = hello.discardGranularity ?? this.preferredBlock
    this.discardedReadsZero = hello.discardedReadsZero === true
    this.writesZeroes = !this.canWrite ? 'none' : hello.zero === true ? 'native' : 'emulated'
    this.identity = `handler:${hello.identity ?? this.#where}`
  }

  #resize(size: number): void {
    if (size === this.size) return
    this.size = size
    this.#told('resized')
  }
}

/** What a handler that comes back cannot have changed: the disk has told initiators. */
const FIXED = [
  'readonly',
  'block',
  'cache',
  'discard',
  'discardGranularity',
  'discardedReadsZero',
  'zero',
  'copy',
  'identity',
] as const satisfies readonly (keyof BlocksHello)[]

const isSize = (size: unknown): size is number => Number.isSafeInteger(size) && Number(size) > 0
const isPower = (value: unknown): boolean =>
  value === undefined || (isSize(value) && value <= 2 ** 30 && Number.isInteger(Math.log2(value)))

function checkHello(hello: HandlerHello): BlocksHello {
  const given = hello as BlocksHello
  if (!isSize(given.size)) throw new HandlerFault(`its hello has the size ${String(given.size).slice(0, 30)}`)
  for (const name of ['block', 'discardGranularity'] as const) {
    if (!isPower(given[name])) throw new HandlerFault(`its hello has a ${name} that is no power of two`)
  }
  const { identity } = given
  if (identity !== undefined && !/^[\x20-\x7e]{1,200}$/.test(identity)) {
    throw new HandlerFault('its hello has an identity that is not 1 to 200 printable ASCII characters')
  }
  return given
}

export const store: StoreType = {
  apiVersion: 1,
  name: 'handler',
  parameters: WAYS,
  hold: holdOf,
  async open(values) {
    const opened = new HandlerStore(values)
    await opened.open()
    return opened
  },
}
