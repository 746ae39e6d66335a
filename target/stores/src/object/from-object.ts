// SPDX-License-Identifier: Apache-2.0
// Makes a backing store of a plain object with async functions: what a user of the library writes.
import {
  type BackingStore,
  OperatorError,
  StoreError,
  type StoreIo,
  type StoreUsage,
} from '@lunkit/target-api'
import { errorOf } from '../errno.ts'

export interface CallOptions {
  /** Fires when the answer is no longer wanted: the command was aborted, or its session ended. */
  readonly signal: AbortSignal
}

/**
 * Storage as plain async functions. Calls may overlap. Offsets and lengths are in bytes, lie inside `size`, and are
 * multiples of the unit's block size. Throw (reject) to fail; the error's `code` says how (`ENOSPC`, `EROFS`, `EIO`, …).
 */
export interface ObjectStorage {
  /** Bytes; read by `fromObject`, and again after `resize` and when somebody asks for a new look. */
  readonly size: number
  /** What tells this storage from all others; seeds the unit's serial number. Absent: target and LUN do. */
  readonly identity?: string
  /** Bytes best read and written at once; a power of two, initially 4096. */
  readonly preferredBlock?: number
  /**
   * MUST fill the whole buffer. Answers with the number of bytes filled, or with nothing, which means all. The
   * buffer is zeroed, and the object's alone until the answer.
   */
  read(offset: number, buffer: Buffer, options: CallOptions): unknown
  /** Absent: the unit is read-only. The buffer is a copy, the object's to keep. Answers like `read`. */
  write?(offset: number, buffer: Buffer, options: CallOptions): unknown
  /** Makes finished writes durable. Absent: a finished write is durable. */
  flush?(options: CallOptions): unknown
  /** The bytes are no longer needed; later reads may bring anything, but for `discardedReadsZero`. */
  discard?(offset: number, length: number, options: CallOptions): unknown
  /** Every discarded byte reads as zero. */
  readonly discardedReadsZero?: boolean
  /** Least bytes of a discard that gives room back; a power of two, initially `preferredBlock`. */
  readonly discardGranularity?: number
  /** Answers whether the byte at `offset` is held, and for how many bytes that is so: 1 to `length`. */
  map?(offset: number, length: number, options: CallOptions): MappedRun | Promise<MappedRun>
  /** Answers with the bytes that it takes up, and how many more it may take; null where that is not known now. */
  usage?(): StoreUsage | null | Promise<StoreUsage | null>
  /** Makes the storage so many bytes long, and `size` with it. */
  resize?(size: number): unknown
  close?(): unknown
}

export interface MappedRun {
  readonly held: boolean
  readonly length: number
}

export interface ObjectOptions {
  /** How long an aborted call that changes data may ignore its signal before the store is fenced; ms. */
  readonly patience?: number
}

const PATIENCE = 2000

/** Throws OperatorError OBJECT_WRONG if the object cannot be a store. */
export function fromObject(object: ObjectStorage, options: ObjectOptions = {}): BackingStore {
  check(object)
  return new ObjectStore(object, options.patience ?? PATIENCE)
}

function check(object: ObjectStorage): void {
  const wrong = (what: string): OperatorError =>
    new OperatorError('OBJECT_WRONG', `A storage object ${what}`, {
      hint: 'it needs size in bytes and read(offset, buffer), and may have write, flush, discard, map, usage, resize and close',
    })
  if (typeof object !== 'object' || object === null) throw wrong('is no object')
  if (!Number.isSafeInteger(object.size) || object.size < 1)
    throw wrong(`has the size ${String(object.size)}`)
  if (typeof object.read !== 'function') throw wrong('has no function read')
  for (const name of ['write', 'flush', 'discard', 'map', 'usage', 'resize', 'close'] as const) {
    const value: unknown = object[name]
    if (value !== undefined && typeof value !== 'function') throw wrong(`has a ${name} that is no function`)
  }
  for (const name of ['preferredBlock', 'discardGranularity'] as const) {
    const block: unknown = object[name]
    if (
      block !== undefined &&
      !(typeof block === 'number' && block >= 1 && Number.isInteger(Math.log2(block)))
    ) {
      throw wrong(`has the ${name} ${String(block)}, which is no power of two`)
    }
  }
  if (object.identity !== undefined && typeof object.identity !== 'string') {
    throw wrong('has an identity that is no string')
  }
}

/** One request under way. */
interface Call {
  readonly abort: AbortController
  /** The request is answered; what the object still says is dropped. */
  answered: boolean
  readonly changesData: boolean
  timer: NodeJS.Timeout | null
}

class ObjectStore implements BackingStore {
  size: number
  readonly preferredBlock: number
  readonly canWrite: boolean
  readonly volatileCache: boolean
  readonly discards: 'none' | 'native'
  readonly discardGranularity: number
  readonly discardedReadsZero: boolean
  readonly writesZeroes: 'none' | 'emulated'
  readonly identity: string
  // Only where the object has one.
  readonly usage?: () => Promise<StoreUsage | null>
  readonly resize?: (size: number) => Promise<void>
  readonly #object: ObjectStorage
  readonly #patience: number
  /** Given-up calls that may still change data; while there are any, nothing else is let through. */
  #strays = 0
  #closed = false

  constructor(object: ObjectStorage, patience: number) {
    this.#object = object
    this.#patience = patience
    this.size = object.size
    this.preferredBlock = object.preferredBlock ?? 4096
    this.canWrite = object.write !== undefined
    this.volatileCache = this.canWrite && object.flush !== undefined
    this.discards = this.canWrite && object.discard !== undefined ? 'native' : 'none'
    this.discardGranularity = object.discardGranularity ?? this.preferredBlock
    this.discardedReadsZero = object.discardedReadsZero === true
    this.writesZeroes = this.canWrite ? 'emulated' : 'none'
    this.identity = object.identity ?? ''
    if (object.usage !== undefined) {
      this.usage = async () => {
        // Nobody waits for an object that never answers, a close least of all.
        const said = await inTime(object.usage!(), patience)
        return said !== null && said.used >= 0 && said.available >= 0 ? said : null
      }
    }
    if (this.canWrite && object.resize !== undefined) {
      this.resize = async size => {
        await object.resize!(checkedSize(size))
        await this.rescan()
      }
    }
  }

  read(io: StoreIo): void {
    if (!this.#takes(io, true)) return
    this.#call(io, false, async options => {
      const buffer = Buffer.alloc(io.length)
      const filled = await this.#object.read(io.offset, buffer, options)
      return () => {
        const error = this.#moved(io, filled)
        if (error === StoreError.none) scatter(buffer, io.segments)
        return error
      }
    })
  }

  write(io: StoreIo): void {
    if (!this.#takes(io, true)) return
    if (!this.canWrite) {
      io.finish(StoreError.readOnly)
      return
    }
    const { offset, length, forceUnitAccess } = io
    this.#call(io, true, async options => {
      const taken = await this.#object.write!(offset, joined(io.segments, length), options)
      if (forceUnitAccess && (taken === undefined || taken === length)) await this.#object.flush?.(options)
      return () => this.#moved(io, taken)
    })
  }

  flush(io: StoreIo): void {
    // It has no range: what stands in the request is from one before, perhaps to a longer store.
    const gone = this.#closed || this.#strays > 0
    if (gone || !this.volatileCache) {
      io.finish(gone ? StoreError.gone : StoreError.none)
      return
    }
    this.#call(io, false, async options => {
      await this.#object.flush!(options)
      return fine
    })
  }

  discard(io: StoreIo): void {
    if (!this.#takes(io, false)) return
    if (this.discards === 'none') {
      io.finish(this.canWrite ? StoreError.internal : StoreError.readOnly)
      return
    }
    const { offset, length } = io
    this.#call(io, true, async options => {
      await this.#object.discard!(offset, length, options)
      return fine
    })
  }

  map(io: StoreIo): void {
    if (!this.#takes(io, false)) return
    if (this.#object.map === undefined) {
      io.held = true
      io.finish(StoreError.none)
      return
    }
    const { offset, length } = io
    this.#call(io, false, async options => {
      const run = await this.#object.map!(offset, length, options)
      return () => {
        const found: unknown = run?.length
        if (typeof run?.held !== 'boolean' || typeof found !== 'number') return StoreError.internal
        if (!Number.isInteger(found) || found < 1 || found > length) return StoreError.internal
        io.held = run.held
        io.anchored = false
        io.length = found
        return StoreError.none
      }
    })
  }

  async rescan(): Promise<void> {
    this.size = checkedSize(this.#object.size)
  }

  /** A read or flush is answered at once; a call that changes data gets its time, for it must not come late. */
  abort(io: StoreIo): void {
    const call = io.storeData as Call | null
    if (call === null || call.answered || call.abort.signal.aborted) return
    call.abort.abort()
    if (call.answered) return
    if (!call.changesData) this.#answer(io, call, StoreError.aborted)
    else {
      call.timer = setTimeout(() => {
        this.#strays++
        this.#answer(io, call, StoreError.aborted)
      }, this.#patience)
    }
  }

  /** Resolves whatever the object's own close does, but not later than after `patience`. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await inTime(this.#object.close?.(), this.#patience)
  }

  /** Answers what cannot be served; true if the request can go to the object. */
  #takes(io: StoreIo, data: boolean): boolean {
    let error: StoreError = StoreError.none
    if (this.#closed || this.#strays > 0) error = StoreError.gone
    else if (io.offset < 0 || io.offset + io.length > this.size) error = StoreError.internal
    else if (data) {
      let sum = 0
      for (const part of io.segments) sum += part.length
      if (sum !== io.length) error = StoreError.internal
      else if (sum > 0) return true
    } else return true
    io.finish(error)
    return false
  }

  #call(io: StoreIo, changesData: boolean, act: (options: CallOptions) => Promise<() => StoreError>): void {
    const call: Call = { abort: new AbortController(), answered: false, changesData, timer: null }
    io.storeData = call
    const { signal } = call.abort
    act({ signal }).then(
      end => this.#settled(io, call, end),
      (error: unknown) =>
        this.#settled(io, call, () => {
          io.reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
          return signal.aborted ? StoreError.aborted : errorOf(error, changesData)
        }),
    )
  }

  /** `end` is only called while the request is still the store's: it may touch the segments. */
  #settled(io: StoreIo, call: Call, end: () => StoreError): void {
    if (!call.answered) this.#answer(io, call, end())
    else if (call.changesData) this.#strays--
  }

  #answer(io: StoreIo, call: Call, error: StoreError): void {
    call.answered = true
    if (call.timer !== null) clearTimeout(call.timer)
    io.storeData = null
    io.finish(error)
  }

  /** What the object's count of bytes means. */
  #moved(io: StoreIo, count: unknown): StoreError {
    if (count === undefined || count === io.length) return StoreError.none
    if (typeof count !== 'number' || !Number.isInteger(count) || count < 0 || count > io.length) {
      return StoreError.internal
    }
    io.failedAt = io.offset + count
    return StoreError.medium
  }
}

/** The answer, or null if there is none in `ms`. */
async function inTime<T>(answer: T, ms: number): Promise<Awaited<T> | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>(resolve => {
    timer = setTimeout(resolve, ms, null)
  })
  try {
    return (await Promise.race([answer, late])) ?? null
  } finally {
    clearTimeout(timer)
  }
}

function checkedSize(size: number): number {
  if (Number.isSafeInteger(size) && size >= 1) return size
  throw new OperatorError('OBJECT_WRONG', `A storage object has the size ${String(size)}`, {
    hint: 'its size is a number of bytes, 1 or more',
  })
}

function fine(): StoreError {
  return StoreError.none
}

function scatter(from: Buffer, segments: readonly Buffer[]): void {
  let at = 0
  for (const part of segments) at += from.copy(part, 0, at, at + part.length)
}

/** One buffer of its own, so that an object that keeps it, or comes late, harms nobody. */
function joined(segments: readonly Buffer[], length: number): Buffer {
  const whole = Buffer.allocUnsafeSlow(length)
  let at = 0
  for (const part of segments) at += part.copy(whole, at)
  return whole
}
