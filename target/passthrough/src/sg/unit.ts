// SPDX-License-Identifier: Apache-2.0
// The bridge to a SCSI device of this machine: commands at the tail of its queue, in order, through Linux's SCSI generic file.
import { Status } from '@lunkit/spec'
import { type Bridge, type BridgeRequest, unanswered } from '../bridge.ts'
import { AT, CDB_LENGTH, HEADER_LENGTH } from './header.ts'
import type { SgCalls } from './linux-sg.ts'
import {
  CANNOT_BE_SENT,
  ENDED_BY_RESET,
  type Outcome,
  ofRefusal,
  ofStatuses,
  TAKEN_BACK,
  TOO_LONG_BEHIND,
} from './outcome.ts'
import { makeSlots, type Slot } from './slot.ts'

/** Looks for the unit, wherever it is now: the path of its SCSI generic file, or rejects. */
export type FindUnit = () => Promise<string>

/** The unit is looked for so often at most while it is away, ms. */
const LOOK_AGAIN = 1000
/** What the unit had at a reset and has not given back after this time, ms, is given up. */
const AFTER_RESET = 500
/** How often is looked for commands that are out of time, ms. */
const LOOK_FOR_LATE = 1000
/** A reset has to wait while the kernel recovers the host adapter; it is asked again after this time, ms. */
const RESET_AGAIN = 100
const NO_SENSE = new Uint8Array(0)

export class SgUnit implements Bridge {
  readonly #calls: SgCalls
  readonly #find: FindUnit
  #path: string
  /** -1: the unit is away. */
  #fd: number
  readonly #slots: readonly Slot[]
  readonly #free: Slot[]
  /** Where ended commands are read to. */
  readonly #ended: readonly Buffer[]
  readonly #waiting: BridgeRequest[] = []
  /** Since when each of them waits, on the clock of `performance`. */
  readonly #since: number[] = []
  /** Given to the kernel in one call, in this order; it may take a part. */
  #batch: Slot[] = []
  readonly #headers: Buffer[] = []
  /** A call with the file is on a thread: it must not be closed, nor called again. */
  #busy = false
  /** `wanted`: as soon as no call is on its way. `settling`: the unit was reset, and gives back what it had. */
  #resetting: 'no' | 'wanted' | 'settling' = 'no'
  /** Answers are being given, within which the next commands come: they go together. */
  #answering = 0
  #opening = false
  #closed = false
  /** Why the unit is given up as soon as no call has its file, or is away. */
  #reason = ''
  /** When it was looked for last. */
  #looked = 0
  #timer: NodeJS.Timeout | undefined
  readonly #clock: NodeJS.Timeout
  #wasLate = false
  /**
   * `fd` is the open file of `path`, and the unit's from now on. More than `depth` commands are not given to the kernel: a call with one
   * that has no room would wait on its thread.
   */
  constructor(calls: SgCalls, path: string, fd: number, find: FindUnit, depth: number) {
    this.#calls = calls
    this.#path = path
    this.#fd = fd
    this.#find = find
    this.#slots = makeSlots(depth, calls)
    this.#free = [...this.#slots].reverse()
    this.#ended = this.#slots.map(() => Buffer.allocUnsafeSlow(HEADER_LENGTH))
    calls.watch(fd, this.#ready)
    this.#clock = setInterval(() => this.#lookForLate(performance.now()), LOOK_FOR_LATE).unref()
  }

  execute(request: BridgeRequest): void {
    if (request.direction === 'both' || request.cdb.length > CDB_LENGTH) this.#tell(request, CANNOT_BE_SENT)
    else if (this.#fd < 0 && !this.#opening && !this.#look()) this.#lost(request)
    else {
      this.#waiting.push(request)
      this.#since.push(performance.now())
      this.#goOn()
      // Linux can end no command that it has; one that it has not can still be taken back
      if (this.#waiting.at(-1) === request) request.cancel = () => this.#takeBack(request)
    }
  }

  reset(): void {
    const unsent = this.#takeWaiting(this.#waiting.length)
    if (this.#fd >= 0) {
      clearTimeout(this.#timer)
      this.#resetting = 'wanted'
    }
    this.#answering++
    if (!this.#busy) this.#endBatch()
    for (const request of unsent) this.#tell(request, ENDED_BY_RESET)
    this.#answered()
  }

  /** Nothing is under way any more. */
  close(): void {
    this.#closed = true
    clearInterval(this.#clock)
    this.#giveUp('it is closed')
  }

  /** The next thing to do, if no call has the file. */
  #goOn(): void {
    if (this.#busy || this.#answering > 0 || this.#fd < 0) return
    if (this.#reason !== '') this.#drop()
    else if (this.#resetting === 'wanted') this.#callReset()
    else if (this.#resetting === 'settling' && this.#underWay() > 0) return
    else this.#submit()
  }

  #answered(): void {
    this.#answering--
    this.#goOn()
  }

  // ---- Commands ----

  #underWay(): number {
    return this.#slots.length - this.#free.length - this.#batch.length
  }

  #submit(): void {
    this.#resetting = 'no'
    while (this.#waiting.length > 0 && this.#free.length > 0) {
      const slot = this.#free.pop()!
      const request = this.#waiting.shift()!
      this.#since.shift()
      request.cancel = null
      slot.fill(request)
      this.#batch.push(slot)
    }
    if (this.#batch.length === 0) return
    this.#headers.length = 0
    for (const slot of this.#batch) this.#headers.push(slot.header)
    this.#busy = true
    this.#calls.expect(this.#batch.length)
    this.#calls.submit(this.#fd, this.#headers, this.#submitted)
  }

  readonly #submitted = (failure: string, taken: number): void => {
    this.#busy = false
    this.#answering++
    const left = this.#batch.slice(failure === '' ? taken : 0)
    this.#calls.expect(-left.length)
    const refused = failure === '' ? undefined : left.shift()
    // The rest is still in front of all others
    this.#batch = left
    if (refused !== undefined) this.#refuse(this.#release(refused), ofRefusal(failure))
    if (this.#resetting === 'wanted') this.#endBatch()
    this.#answered()
  }

  #endBatch(): void {
    for (const slot of this.#batch.splice(0)) this.#tell(this.#release(slot), ENDED_BY_RESET)
  }

  readonly #ready = (gone: boolean): void => {
    let count = 0
    this.#answering++
    try {
      count = this.#calls.collect(this.#fd, this.#ended)
    } catch {
      gone = true
    }
    for (let i = 0; i < count; i++) this.#end(this.#ended[i]!)
    if (gone) this.#reason ||= 'it was taken away'
    this.#answered()
  }

  #end(header: Buffer): void {
    const slot = this.#slots[header.readInt32LE(AT.packId)]
    if (slot === undefined || slot.request === null) return
    this.#calls.expect(-1)
    const outcome = ofStatuses(header.readUInt16LE(AT.hostStatus), header.readUInt16LE(AT.driverStatus))
    const residual = Math.min(Math.max(header.readInt32LE(AT.residual), 0), slot.length)
    const received = slot.length - residual
    const senseLength = header[AT.senseLength]!
    const sense = senseLength === 0 ? NO_SENSE : Uint8Array.from(slot.sense.subarray(0, senseLength))
    const request = this.#release(slot)
    if (outcome !== null) this.#refuse(request, outcome)
    else {
      request.finish({
        outcome: 'done',
        status: header[AT.status]!,
        sense,
        received: request.direction === 'in' ? received : 0,
        excess: 0,
        outResidual: request.direction === 'out' ? residual : 0,
        reason: '',
      })
    }
  }

  #taken(): Slot[] {
    return this.#slots.filter(({ request }) => request !== null)
  }

  #release(slot: Slot): BridgeRequest {
    this.#free.push(slot)
    return slot.release()
  }

  /** The unit has not answered it. */
  #refuse(request: BridgeRequest, outcome: Outcome): void {
    if (outcome.kind === 'lost') {
      this.#reason ||= outcome.reason
      this.#lost(request)
    } else this.#tell(request, outcome)
  }

  #tell(request: BridgeRequest, { kind, reason }: Outcome): void {
    const answer = unanswered(kind === 'busy' ? 'refused' : kind, `${this.#path}: ${reason}`)
    request.finish(kind === 'busy' ? { ...answer, outcome: 'done', status: Status.busy, reason: '' } : answer)
  }

  #lost(request: BridgeRequest): void {
    request.finish(unanswered('lost', `${this.#path}: ${this.#reason}`))
  }

  #takeBack(request: BridgeRequest): void {
    const at = this.#waiting.indexOf(request)
    if (at < 0) return
    this.#waiting.splice(at, 1)
    this.#since.splice(at, 1)
    this.#tell(request, TAKEN_BACK)
  }

  /** Those that came first of the ones that wait. */
  #takeWaiting(count: number): BridgeRequest[] {
    this.#since.splice(0, count)
    return this.#waiting.splice(0, count)
  }

  #lookForLate(now: number): void {
    // The kernel should have ended them: looked at twice, since it may be this process that had no time
    const late = this.#slots.some(({ request, deadline }) => request !== null && now > deadline)
    if (late && this.#wasLate) this.#giveUp('a command hangs in its host adapter')
    this.#wasLate = late
    const inTime = this.#waiting.findIndex(({ timeout }, i) => now - this.#since[i]! <= timeout)
    const tooLong = this.#takeWaiting(inTime < 0 ? this.#waiting.length : inTime)
    for (const request of tooLong) this.#tell(request, TOO_LONG_BEHIND)
  }

  // ---- Reset ----

  #callReset(): void {
    this.#busy = true
    this.#calls.reset(this.#fd, failure => {
      this.#busy = false
      if (failure === 'EAGAIN') {
        this.#timer = setTimeout(() => this.#goOn(), RESET_AGAIN)
        return
      }
      if (failure !== '' && ofRefusal(failure).kind === 'lost') this.#reason ||= ofRefusal(failure).reason
      this.#resetting = failure === '' ? 'settling' : 'no'
      if (failure === '' && this.#underWay() > 0) this.#timer = setTimeout(() => this.#forsake(), AFTER_RESET)
      this.#goOn()
    })
  }

  /**
   * The adapter's driver keeps commands that the unit has forgotten. Their file is closed, so that nothing of them is
   * written to memory any more, and they end.
   */
  #forsake(): void {
    if (this.#busy || this.#resetting !== 'settling' || this.#fd < 0) return
    this.#busy = true
    this.#calls.open(this.#path, (failure, fd) => {
      this.#busy = false
      if (failure !== '' || this.#reason !== '') {
        if (failure === '') this.#calls.close(fd)
        this.#giveUp(`it cannot be opened (${failure})`)
        return
      }
      this.#shut()
      this.#use(fd)
      this.#resetting = 'no'
      this.#answering++
      for (const slot of this.#taken()) this.#tell(this.#release(slot), ENDED_BY_RESET)
      this.#answered()
    })
  }

  // ---- Coming and going ----

  #use(fd: number): void {
    this.#fd = fd
    this.#reason = ''
    this.#calls.watch(fd, this.#ready)
  }

  /** What is under way is not answered any more. */
  #shut(): void {
    this.#calls.expect(-this.#underWay())
    this.#calls.unwatch(this.#fd)
    this.#calls.close(this.#fd)
    this.#fd = -1
  }

  #giveUp(reason: string): void {
    this.#reason ||= reason
    this.#goOn()
  }

  #drop(): void {
    clearTimeout(this.#timer)
    this.#shut()
    this.#resetting = 'no'
    this.#batch = []
    this.#looked = performance.now()
    for (const slot of this.#taken()) this.#lost(this.#release(slot))
    this.#loseWaiting()
  }

  #loseWaiting(): void {
    for (const request of this.#takeWaiting(this.#waiting.length)) this.#lost(request)
  }

  /** Whether the unit is being looked for from now on. */
  #look(): boolean {
    if (this.#closed || performance.now() - this.#looked < LOOK_AGAIN) return false
    this.#opening = true
    void this.#open().then(
      fd => this.#found(fd),
      (error: Error) => this.#notFound(error.message),
    )
    return true
  }

  async #open(): Promise<number> {
    const path = await this.#find()
    const fd = await new Promise<number>((resolve, reject) => {
      this.#calls.open(path, (failure, file) =>
        failure === '' ? resolve(file) : reject(new Error(`it cannot be opened (${failure})`)),
      )
    })
    // The name may have got another unit meanwhile; from now on it cannot.
    const still = await this.#find().catch(() => '')
    if (still === path) this.#path = path
    else {
      this.#calls.close(fd)
      throw new Error('it was taken away')
    }
    return fd
  }

  #found(fd: number): void {
    this.#opening = false
    this.#use(fd)
    if (this.#closed) this.#giveUp('it is closed')
    else this.#goOn()
  }

  #notFound(reason: string): void {
    this.#opening = false
    this.#looked = performance.now()
    this.#reason = reason
    this.#loseWaiting()
  }
}
