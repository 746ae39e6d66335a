// SPDX-License-Identifier: Apache-2.0
// One request to an overlay: its runs in the stores, what has to be copied up first, and what is recorded at the end.
import { type BackingStore, BufferPool, StoreError, type StoreIo, Task } from '@lunkit/target-api'
import { allKept, NO_ROOM, placeIn, type Waiter } from './changes.ts'
import type { GrainLock, Held } from './grain-lock.ts'
import { Slices } from './slices.ts'
import { findRun, newRun, type View } from './view.ts'

export type Call = 'read' | 'write' | 'zero' | 'flush'

/** The overlay that it belongs to. */
export interface RequestOwner {
  readonly lock: GrainLock
  /** These grains have been changed. */
  changed(first: number, end: number): void
  /** The request has been answered, and can be used again. */
  done(request: OverlayRequest): void
}

/** What comes next. A write, or a part of a grain that is zeroed, is a job: the rest of its grains, then all of them. */
const [nextJob, head, tail, put, punch, mark, save, over] = [0, 1, 2, 3, 4, 5, 6, 7] as const
type Phase = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7

const NO_BYTES = Buffer.alloc(0)

export class OverlayRequest implements Held, Waiter {
  start = 0
  end = 0
  readonly #owner: RequestOwner
  /** Only there to carry the requests to the stores; it never meets the engine. */
  readonly #part: StoreIo
  readonly #run = newRun()
  /** The store that has `part` now. */
  #asked: BackingStore | null = null
  #io: StoreIo = null as unknown as StoreIo
  #call: Call = 'read'
  #view: View = null as unknown as View
  #phase: Phase = over
  #locked = false
  #copiesUp = false
  #inCall = false
  #answered = false
  /** The move under way: from and to in the view, and the slices for it. */
  #from = 0
  #to = 0
  #writing = false
  readonly #slices = new Slices()
  /** The caller's slices: a store may do with those in `io` as it likes. */
  #given: Buffer[] = []
  /** Jobs of a `zero`: its parts of grains at both ends; what lies between is recorded only. */
  #jobs: (readonly [from: number, to: number])[] = []
  #zeroed: readonly [first: number, end: number] = [0, 0]
  /** Grains of those before it have given their room back. */
  #punched = 0
  #job: readonly [from: number, to: number] = [0, 0]
  #head: Buffer = NO_BYTES
  #tail: Buffer = NO_BYTES
  #error: StoreError = StoreError.none

  constructor(owner: RequestOwner) {
    this.#owner = owner
    const carrier = new Task(
      new BufferPool(0),
      () => {},
      (_task, cause) => this.#threw(cause),
    )
    this.#part = carrier.io
  }

  /** The request lies in the view, and its segments sum up. */
  begin(io: StoreIo, call: Call, view: View): void {
    this.#io = io
    this.#call = call
    this.#view = view
    this.#locked = false
    this.#copiesUp = false
    this.#error = StoreError.none
    this.#part.task.nexus = io.task.nexus
    this.#given = io.segments.slice()
    const { grain, layers } = view
    if (call === 'flush') {
      this.#phase = save
      this.#go()
      return
    }
    if (call === 'read') {
      this.#move(io.offset, io.offset + io.length, this.#given, false)
      this.#phase = over
      this.#go()
      return
    }
    this.start = Math.floor(io.offset / grain)
    this.end = Math.ceil((io.offset + io.length) / grain)
    this.#phase = nextJob
    this.#locked = call === 'zero' || !allKept(layers[0]!, this.start, this.end)
    if (this.#locked) this.#owner.lock.enter(this)
    else this.entered()
  }

  entered(): void {
    const { offset, length } = this.#io
    if (this.#call === 'write') this.#jobs = [[offset, offset + length]]
    else this.#planZeros(offset, offset + length)
    this.#go()
  }

  saved(error: StoreError): void {
    this.#arrived(error)
  }

  /** Hurries the end: what waits for its grains ends at once, what is under way in a store as that can. */
  abort(): void {
    if (this.#locked && this.#owner.lock.giveUp(this)) {
      this.#locked = false
      this.#finish(StoreError.aborted)
    } else this.#asked?.abort?.(this.#part)
  }

  /** Whole grains are recorded as zeros; parts of grains are written. */
  #planZeros(from: number, to: number): void {
    const { grain, size } = this.#view
    const first = Math.ceil(from / grain)
    const end = to === size ? Math.ceil(to / grain) : Math.floor(to / grain)
    this.#zeroed = [first, Math.max(end, first)]
    this.#punched = first
    if (end <= first) this.#jobs = to > from ? [[from, to]] : []
    else {
      this.#jobs = []
      if (from < first * grain) this.#jobs.push([from, first * grain])
      if (to > end * grain) this.#jobs.push([end * grain, to])
    }
  }

  #go(): void {
    try {
      let waits = true
      do {
        this.#answered = false
        this.#inCall = true
        waits = this.#next()
        this.#inCall = false
      } while (waits && this.#answered && this.#error === StoreError.none)
      if (!waits || this.#answered) this.#finish(this.#error)
    } catch (cause) {
      this.#threw(cause)
    }
  }

  /** Starts what comes next in a store; false if nothing does, for all is done or has failed. */
  #next(): boolean {
    for (;;) {
      if (this.#error !== StoreError.none) return false
      if (this.#from < this.#to) {
        if (this.#writing ? this.#startWrite() : this.#startRead()) return true
        continue
      }
      switch (this.#phase) {
        case nextJob:
          this.#planJob()
          break
        case head:
          this.#phase = tail
          this.#move(this.#job[1], this.#job[1] + this.#tail.length, [this.#tail], false)
          break
        case tail:
          this.#phase = put
          this.#movePut()
          break
        case put:
          this.#phase = nextJob
          this.#record()
          break
        case punch:
          if (this.#startPunch()) return true
          this.#phase = mark
          break
        case mark:
          this.#phase = save
          this.#recordZeros()
          break
        case save:
          this.#phase = over
          this.#save()
          return true
        default:
          return false
      }
    }
  }

  /** Grains that are changed for the first time are written whole: what is missing of them is read first. */
  #planJob(): void {
    const job = this.#jobs.shift()
    if (job === undefined) {
      this.#phase = this.#call === 'zero' ? punch : save
      return
    }
    this.#job = job
    const { grain, size, layers } = this.#view
    const [from, to] = job
    if (this.#call === 'zero') {
      findRun(this.#view, from, to, this.#run)
      if (this.#run.store === null && this.#run.end === to) return
    }
    const first = Math.floor(from / grain)
    const last = Math.ceil(to / grain) - 1
    const headLength = layers[0]!.at(first) < 0 ? from - first * grain : 0
    const tailLength = layers[0]!.at(last) < 0 ? Math.min((last + 1) * grain, size) - to : 0
    this.#head = headLength > 0 ? Buffer.allocUnsafe(headLength) : NO_BYTES
    this.#tail = tailLength > 0 ? Buffer.allocUnsafe(tailLength) : NO_BYTES
    this.#copiesUp ||= !allKept(layers[0]!, first, last + 1)
    this.#phase = head
    this.#move(from - headLength, from, [this.#head], false)
  }

  #movePut(): void {
    const [from, to] = this.#job
    const slices = this.#call === 'write' ? this.#given : [Buffer.alloc(to - from)]
    const all = [this.#head, ...slices, this.#tail]
    this.#move(from - this.#head.length, to + this.#tail.length, all, true)
  }

  #record(): void {
    const { grain, layers } = this.#view
    const first = Math.floor(this.#job[0] / grain)
    const end = Math.ceil(this.#job[1] / grain)
    // What was there is there: its map stays as it is, and need not be saved.
    if (this.#copiesUp) layers[0]!.written(first, end)
    this.#owner.changed(first, end)
  }

  #recordZeros(): void {
    const [first, end] = this.#zeroed
    if (first === end) return
    this.#view.layers[0]!.zeroed(first, end)
    this.#owner.changed(first, end)
  }

  /** Bytes that nobody will read again go back, run by run; false if there are none left. */
  #startPunch(): boolean {
    const { grain, layers } = this.#view
    const top = layers[0]!
    const end = this.#zeroed[1]
    if (!top.punches) return false
    const first = top.nextKept(this.#punched, end)
    if (first === end) return false
    const at = top.at(first)
    let next = first + 1
    while (next < end && top.at(next) === at + (next - first) * grain) next++
    this.#punched = next
    this.#run.at = at
    this.#run.end = next * grain
    const part = this.#prepare(at, 0)
    part.length = (next - first) * grain
    this.#asked = top.data
    top.data.discard!(part)
    return true
  }

  #save(): void {
    const top = this.#view.layers[0]!
    if (this.#call === 'flush') top.flush(this)
    else top.save(this.start, this.end, this.#io.forceUnitAccess, this)
  }

  #move(from: number, to: number, slices: Buffer[], writing: boolean): void {
    this.#from = from
    this.#to = to
    this.#slices.begin(slices)
    this.#writing = writing
  }

  /** False if it was zeros, which are there already. */
  #startRead(): boolean {
    const run = this.#run
    findRun(this.#view, this.#from, this.#to, run)
    const part = this.#prepare(run.at, run.end - this.#from)
    this.#from = run.end
    if (run.store === null) {
      for (let i = 0; i < part.segments.length; i++) part.segments[i]!.fill(0)
      return false
    }
    this.#asked = run.store
    run.store.read(part)
    return true
  }

  /** False if there is no room. */
  #startWrite(): boolean {
    const { grain, layers } = this.#view
    const top = layers[0]!
    const from = this.#from
    let number = Math.floor(from / grain)
    const start = placeIn(top, number)
    if (start === NO_ROOM) {
      this.#error = StoreError.noSpace
      this.#io.failedAt = this.#inside(from)
      return false
    }
    const at = start + from - number * grain
    let end = Math.min((number + 1) * grain, this.#to)
    for (number++; end < this.#to && placeIn(top, number) === at + end - from; number++) {
      end = Math.min((number + 1) * grain, this.#to)
    }
    this.#run.at = at
    this.#run.end = end
    const part = this.#prepare(at, end - from)
    // What is copied up becomes durable with its record, when that is saved.
    part.forceUnitAccess = this.#io.forceUnitAccess && !this.#copiesUp
    this.#from = end
    this.#asked = top.data
    top.data.write(part)
    return true
  }

  #prepare(offset: number, length: number): StoreIo {
    const part = this.#part
    part.offset = offset
    part.length = length
    part.error = StoreError.none
    part.failedAt = -1
    part.reason = ''
    part.sense = null
    part.senseExtra = null
    part.forceUnitAccess = false
    part.onFinish = this.#partDone
    part.segments.length = 0
    this.#slices.take(length, part.segments)
    return part
  }

  readonly #partDone = (): void => {
    const part = this.#part
    this.#asked = null
    if (part.error !== StoreError.none) {
      const io = this.#io
      io.reason = part.reason
      io.sense = part.sense
      io.senseExtra = part.senseExtra
      const began = this.#run.end - part.length
      if (part.failedAt >= 0) io.failedAt = this.#inside(began + part.failedAt - this.#run.at)
    }
    this.#arrived(part.error)
  }

  /** What is copied up beside the request is nothing that its initiator knows of. */
  #inside(at: number): number {
    const { offset, length } = this.#io
    return Math.min(Math.max(at, offset), offset + Math.max(length - 1, 0))
  }

  #arrived(error: StoreError): void {
    this.#error = error
    this.#answered = true
    // Inside the call the loop goes on by itself, so that the stack does not grow.
    if (this.#inCall) return
    if (error === StoreError.none) this.#go()
    else this.#finish(error)
  }

  /** A store threw: the request ends here, and who began it learns of it as from a store of its own. */
  #threw(cause: unknown): void {
    const io = this.#io
    if (io === null) throw cause
    this.#inCall = false
    this.#leave(StoreError.internal)
    io.task.fault(cause)
  }

  #finish(error: StoreError): void {
    const io = this.#io
    this.#leave(error)
    io.finish(error)
  }

  #leave(error: StoreError): void {
    if (error !== StoreError.none && this.#copiesUp) this.#view.layers[0]!.release(this.start, this.end)
    this.#io.storeData = null
    this.#asked = null
    this.#io = null as unknown as StoreIo
    this.#view = null as unknown as View
    this.#from = 0
    this.#to = 0
    this.#given = []
    this.#slices.begin([])
    this.#jobs = []
    this.#head = NO_BYTES
    this.#tail = NO_BYTES
    this.#part.segments.length = 0
    this.#phase = over
    if (this.#locked) this.#owner.lock.leave(this)
    this.#owner.done(this)
  }
}
