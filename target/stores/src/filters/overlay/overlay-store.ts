// SPDX-License-Identifier: Apache-2.0
// The overlay as a store: which view a request meets, and the requests under way.
import {
  type BackingStore,
  type Controls,
  type Nexus,
  StoreError,
  type StoreIo,
  type StoreUsage,
  type StoreWatcher,
} from '@lunkit/target-api'
import { Gate } from './gate.ts'
import { GrainLock } from './grain-lock.ts'
import { type Call, OverlayRequest, type RequestOwner } from './request.ts'
import { findRun, newRun } from './view.ts'
import type { Views } from './views.ts'

export interface OverlayFacts {
  readonly below: BackingStore
  /** Bytes of the view. */
  readonly size: number
  readonly grain: number
  readonly identity: string
  /** Changes are in a file, and its cache may lose them with the power. */
  readonly volatileCache: boolean
  readonly perNexus: boolean
  readonly note: string
}

interface Waiting {
  readonly io: StoreIo
  readonly call: Call
}

export class OverlayStore implements BackingStore, RequestOwner {
  size: number
  readonly preferredBlock: number
  readonly canWrite = true
  readonly volatileCache: boolean
  readonly discards = 'native'
  readonly writesZeroes = 'native'
  readonly discardedReadsZero = true
  readonly discardGranularity: number
  readonly identity: string
  readonly perNexus: boolean
  readonly note: string
  readonly lock = new GrainLock()
  /** Shut while an operator exchanges what is below. */
  readonly gate = new Gate<Waiting>()
  readonly below: BackingStore
  controls: Controls = {}
  /** Where there is one view for all. */
  resize?: (size: number) => Promise<void>
  /** Told of each change to grains. */
  onChanged: ((first: number, end: number) => void) | null = null
  readonly #views: Views
  readonly #free: OverlayRequest[] = []
  readonly #run = newRun()
  #closed = false

  constructor(views: Views, { below, size, grain, identity, volatileCache, perNexus, note }: OverlayFacts) {
    this.#views = views
    this.below = below
    this.size = size
    this.preferredBlock = Math.max(below.preferredBlock, grain)
    this.discardGranularity = grain
    this.volatileCache = volatileCache
    this.identity = identity
    this.perNexus = perNexus
    this.note = [below.note ?? '', note].filter(text => text !== '').join('; ')
  }

  read(io: StoreIo): void {
    if (!this.#takes(io, true)) return
    if (this.gate.shut) {
      this.gate.wait({ io, call: 'read' })
      return
    }
    const run = this.#run
    const end = io.offset + io.length
    findRun(this.#views.of(io), io.offset, end, run)
    // What is below and only there is read as if there were no overlay.
    if (run.store === this.below && run.end === end) this.below.read(io)
    else this.#begin(io, 'read')
  }

  write(io: StoreIo): void {
    if (this.#takes(io, true)) this.#begin(io, 'write')
  }

  flush(io: StoreIo): void {
    if (this.#closed) io.finish(StoreError.gone)
    else if (!this.volatileCache) io.finish(StoreError.none)
    else this.#begin(io, 'flush')
  }

  discard(io: StoreIo): void {
    if (this.#takes(io, false)) this.#begin(io, 'zero')
  }

  writeZeroes(io: StoreIo): void {
    if (this.#takes(io, false)) this.#begin(io, 'zero')
  }

  map(io: StoreIo): void {
    if (!this.#takes(io, false)) return
    const run = this.#run
    findRun(this.#views.of(io), io.offset, io.offset + io.length, run)
    const { below } = this
    io.length = run.end - io.offset
    io.anchored = false
    io.held = run.store !== null
    // What it calls a hole has to read as zeros here, too.
    if (run.store === below && below.map !== undefined && below.discardedReadsZero === true) below.map(io)
    else io.finish(StoreError.none)
  }

  usage(): Promise<StoreUsage | null> {
    return this.#views.usage()
  }

  nexusLost(nexus: Nexus): void {
    this.#views.nexusLost(nexus)
    this.below.nexusLost?.(nexus)
  }

  /** Its size is its own, whatever becomes of that below. */
  watch(told: StoreWatcher): void {
    this.below.watch?.((event, reason) => {
      if (event !== 'resized') told(event, reason)
    })
  }

  abort(io: StoreIo): void {
    if (this.gate.takeOut(one => one.io === io) !== null) io.finish(StoreError.aborted)
    else if (io.storeData instanceof OverlayRequest) io.storeData.abort()
    else this.below.abort?.(io)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    try {
      await this.#views.close()
    } finally {
      await this.below.close()
    }
  }

  changed(first: number, end: number): void {
    this.onChanged?.(first, end)
  }

  done(request: OverlayRequest): void {
    this.#free.push(request)
    this.gate.leave()
  }

  /** What waited at the gate. */
  readonly again = ({ io, call }: Waiting): void => {
    this.#begin(io, call)
  }

  #begin(io: StoreIo, call: Call): void {
    if (this.gate.shut) {
      this.gate.wait({ io, call })
      return
    }
    const changes = call === 'write' || call === 'zero'
    const view = changes ? this.#views.forChange(io) : this.#views.of(io)
    if (view === null) {
      io.finish(io.task.aborted ? StoreError.aborted : StoreError.noSpace)
      return
    }
    this.gate.enter()
    const request = this.#free.pop() ?? new OverlayRequest(this)
    io.storeData = request
    request.begin(io, call, view)
  }

  /** Answers what cannot be served, and what is nothing. */
  #takes(io: StoreIo, data: boolean): boolean {
    const { offset, length } = io
    let error: StoreError = StoreError.none
    if (this.#closed) error = StoreError.gone
    else if (offset < 0 || offset + length > this.size || (data && !sumsUp(io))) error = StoreError.internal
    else if (length > 0) return true
    io.finish(error)
    return false
  }
}

function sumsUp({ segments, length }: StoreIo): boolean {
  let sum = 0
  for (let i = 0; i < segments.length; i++) sum += segments[i]!.length
  return sum === length
}
