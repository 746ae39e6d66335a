// SPDX-License-Identifier: Apache-2.0
// An opened qcow2 image as a store: counts requests, takes them apart, and stops them while the image is changed as a whole.
import {
  type Ability,
  type BackingStore,
  type Controls,
  OperatorError,
  StoreError,
  type StoreIo,
  type StoreUsage,
} from '@lunkit/target-api'
import { Kind } from './clusters.ts'
import { controlsOf } from './controls.ts'
import { Gather, type GatherEnd } from './gather.ts'
import type { OpenedImage } from './image.ts'
import { Way } from './mapping.ts'
import { ask, faultOf } from './parts.ts'
import { GuestReads } from './reads.ts'
import { resizeImage } from './resize-image.ts'
import { GuestWrites } from './writes.ts'
import { GuestZeros } from './zeroing.ts'

const KEPT = 256
/** `map` looks at so many clusters of a table at once. */
const MOST_LOOKED_AT = 8192

type Call = 'read' | 'write' | 'flush' | 'discard' | 'map'

export class Qcow2Store implements BackingStore, GatherEnd {
  readonly canWrite: boolean
  readonly volatileCache: boolean
  readonly preferredBlock: number
  readonly discards: 'none' | 'native'
  readonly writesZeroes: Ability
  readonly discardGranularity: number
  readonly discardedReadsZero = true
  readonly identity: string
  readonly note: string
  /** Not of an image that cannot be written. */
  readonly resize?: (size: number) => Promise<void>
  readonly controls: Controls
  readonly #image: OpenedImage
  readonly #reads: GuestReads
  readonly #writes: GuestWrites
  readonly #zeros: GuestZeros
  readonly #free: Gather[] = []
  readonly #aborted = new WeakSet<StoreIo>()
  /** Requests that came while nothing may be under way. */
  #held: { io: StoreIo; call: Call }[] | null = null
  #closed = false

  constructor(image: OpenedImage) {
    const { geometry, file, mapping, clusters, refcounts, locks, freed, backing, compressed, commits } = image
    this.#image = image
    this.canWrite = image.canWrite
    this.volatileCache = image.canWrite
    this.preferredBlock = Math.min(geometry.clusterSize, 65536)
    this.discardGranularity = geometry.clusterSize
    // Version 2 has no zeros that hide a backing file.
    const zeros = image.canWrite && (backing === null || geometry.version > 2)
    this.discards = zeros ? 'native' : 'none'
    this.writesZeroes = zeros ? 'native' : image.canWrite ? 'emulated' : 'none'
    this.identity = image.identity
    this.note = image.note
    this.#reads = new GuestReads(geometry, file, mapping, clusters, compressed, backing)
    const parts = { geometry, file, mapping, clusters, refcounts, locks, freed, backing }
    const size = (): number => image.size
    const readGuest = (offset: number, buffer: Buffer) => this.#inner('read', offset, [buffer])
    const writeGuest = (offset: number, segments: Buffer[]) => this.#inner('write', offset, segments)
    this.#writes = new GuestWrites({ ...parts, size, readGuest })
    this.#zeros = new GuestZeros({ ...parts, size, writeGuest, commit: () => commits.run() })
    this.controls = controlsOf(image, act => this.alone(act))
    if (image.canWrite) this.resize = bytes => this.#resize(bytes)
  }

  get size(): number {
    return this.#image.size
  }

  read(io: StoreIo): void {
    if (this.#admits(io, 'read', true)) this.#reads.start(this.#begin(io), 0)
  }

  write(io: StoreIo): void {
    if (!this.canWrite) io.finish(StoreError.readOnly)
    else if (this.#admits(io, 'write', true)) {
      const gather = this.#begin(io)
      if (io.forceUnitAccess && !this.#image.commits.isClean) gather.commits = true
      this.#writes.start(gather)
    }
  }

  flush(io: StoreIo): void {
    const gone = this.#closed || this.#image.broken
    if (!this.canWrite || gone) io.finish(gone ? StoreError.gone : StoreError.none)
    else if (this.#held !== null) this.#held.push({ io, call: 'flush' })
    else if (this.#image.commits.isClean) this.#image.file.store.flush(io)
    else this.#commit(io)
  }

  discard(io: StoreIo): void {
    if (this.discards === 'none') io.finish(this.canWrite ? StoreError.internal : StoreError.readOnly)
    else if (this.#admits(io, 'discard', false)) {
      const gather = this.#begin(io)
      // The request is an object that is used again.
      this.#aborted.delete(io)
      const isAborted = (): boolean => this.#aborted.has(io)
      this.#ends(gather, this.#zeros.zero(io.offset, io.length, isAborted))
    }
  }

  writeZeroes(io: StoreIo): void {
    this.discard(io)
  }

  map(io: StoreIo): void {
    if (this.#admits(io, 'map', false)) this.#ends(this.#begin(io), this.#map(io))
  }

  usage(): Promise<StoreUsage | null> {
    return this.#image.file.store.usage?.() ?? Promise.resolve(null)
  }

  abort(io: StoreIo): void {
    this.#aborted.add(io)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#quiet()
    await this.#image.close()
  }

  gathered(gather: Gather): void {
    const { io, error } = gather
    if (gather.commits && error === StoreError.none) {
      gather.commits = false
      gather.hold()
      this.#image.commits.run().then(
        () => gather.release(),
        cause => {
          gather.failBy(faultOf(cause), -1)
          gather.release()
        },
      )
      return
    }
    io.failedAt = gather.failedAt
    if (gather.reason !== '') io.reason = gather.reason
    const { group } = gather
    gather.io = null as unknown as StoreIo
    if (this.#free.length < KEPT) this.#free.push(gather)
    io.finish(error)
    this.#image.generations.leave(group)
  }

  #begin(io: StoreIo): Gather {
    const gather = this.#free.pop() ?? new Gather(this.#image.file.parts, this)
    gather.begin(io, this.#image.generations.enter())
    return gather
  }

  /** False: it is answered, or waits. */
  #admits(io: StoreIo, call: Call, data: boolean): boolean {
    const outside = io.offset < 0 || io.offset + io.length > this.#image.size
    if (this.#image.broken) {
      io.finish(StoreError.gone)
      return false
    }
    if (this.#closed || outside || (data && !sumsUp(io))) {
      io.finish(this.#closed ? StoreError.gone : StoreError.internal)
      return false
    }
    if (this.#held === null) return true
    this.#held.push({ io, call })
    return false
  }

  #ends(gather: Gather, act: Promise<void>): void {
    const { offset } = gather.io
    act.then(
      () => gather.release(),
      cause => {
        gather.failBy(faultOf(cause), offset)
        gather.release()
      },
    )
  }

  #commit(io: StoreIo): void {
    this.#image.commits.run().then(
      () => io.finish(StoreError.none),
      cause => {
        const { storeError, message } = faultOf(cause)
        io.reason = message
        io.finish(storeError)
      },
    )
  }

  /** A request of the image to itself, within one of the guest's. Rejects with Fault. */
  #inner(call: 'read' | 'write', offset: number, segments: Buffer[]): Promise<void> {
    const inner = {
      read: (io: StoreIo) => this.#reads.start(this.#begin(io), 0),
      write: (io: StoreIo) => this.#writes.start(this.#begin(io)),
    }
    return ask(this.#image.file.parts, inner as unknown as BackingStore, call, offset, segments)
  }

  async #map(io: StoreIo): Promise<void> {
    const { geometry, mapping, clusters, backing } = this.#image
    const { clusterSize, l2Entries, l2Span } = geometry
    const index = Math.floor(io.offset / l2Span)
    const end = Math.min(io.offset + io.length, (index + 1) * l2Span)
    const backed = (at: number): boolean => backing !== null && at < backing.size
    io.anchored = false
    const way = io.length === 0 ? Way.none : mapping.wayOf(index)
    if (way === Way.none || way === Way.bad) {
      io.held = way === Way.bad || backed(io.offset)
      const to = io.held && way === Way.none ? Math.min(end, backing!.size) : end
      io.length = to - io.offset
      return
    }
    let table = mapping.peek(index)
    while (table === null) {
      await mapping.load(index)
      table = mapping.peek(index)
    }
    const heldAt = (at: number): boolean => {
      const kind = clusters.kindAt(table, Math.floor(at / clusterSize) % l2Entries)
      return kind === Kind.hole ? backed(at) : kind !== Kind.zero && kind !== Kind.zeroKept
    }
    const first = Math.floor(io.offset / clusterSize)
    io.held = heldAt(io.offset)
    let to = (first + 1) * clusterSize
    while (to < end && to < (first + MOST_LOOKED_AT) * clusterSize && heldAt(to) === io.held)
      to += clusterSize
    io.length = Math.min(to, end) - io.offset
  }

  async #resize(size: number): Promise<void> {
    if (this.#closed) throw new OperatorError('FILE_CLOSED', `Image '${this.#image.path}' is closed`)
    await this.alone(() => {
      const parts = { ...this.#image, image: this.#image, zeros: this.#zeros }
      return resizeImage(parts, size)
    })
  }

  /** Runs it while no request is under way; those that come wait. One at a time. */
  async alone<T>(act: () => Promise<T>): Promise<T> {
    while (this.#held !== null) await new Promise(resolve => setImmediate(resolve))
    if (this.#image.broken) {
      throw new OperatorError(
        'QCOW2_LOST',
        `Image '${this.#image.path}': a change of its header may have failed`,
        {
          hint: 'open it anew',
        },
      )
    }
    const held: { io: StoreIo; call: Call }[] = []
    this.#held = held
    try {
      await this.#quiet()
      return await act()
    } finally {
      this.#held = null
      for (const { io, call } of held) this[call](io)
    }
  }

  async #quiet(): Promise<void> {
    while (!this.#image.generations.idle) {
      await new Promise<void>(resolve => this.#image.generations.afterThese(resolve))
    }
  }
}

function sumsUp(io: StoreIo): boolean {
  const { segments } = io
  let sum = 0
  for (let i = 0; i < segments.length; i++) sum += segments[i]!.length
  return sum === io.length
}
