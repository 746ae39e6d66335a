// SPDX-License-Identifier: Apache-2.0
// Requests of the image to the storage below it, used again, and their errors.
import { type BackingStore, BufferPool, StoreError, type StoreIo, Task } from '@lunkit/target-api'

/** Told how a part ended, and given it back. */
export interface PartEnd {
  partEnded(part: Part): void
}

/** A request to a store below. */
export class Part {
  readonly io: StoreIo
  end: PartEnd = null as unknown as PartEnd
  /** Where it begins in the guest's disk, for errors; -1 for what the image keeps for itself. */
  guest = -1

  constructor(pool: BufferPool) {
    this.io = new Task(pool, nobody).io
    this.io.onFinish = () => this.end.partEnded(this)
  }

  set(end: PartEnd, offset: number, length: number, segments: Buffer[], guest: number): StoreIo {
    const { io } = this
    this.end = end
    this.guest = guest
    io.offset = offset
    io.length = length
    io.segments = segments
    io.forceUnitAccess = false
    io.failedAt = -1
    io.reason = ''
    io.storeData = null
    return io
  }
}

const KEPT = 256
const NONE: Buffer[] = []

export class PartPool {
  readonly #buffers = new BufferPool(0)
  readonly #free: Part[] = []

  take(): Part {
    return this.#free.pop() ?? new Part(this.#buffers)
  }

  giveBack(part: Part): void {
    part.io.segments = NONE
    if (this.#free.length < KEPT) this.#free.push(part)
  }
}

/** What the storage below could not do, or what is wrong with the image; thrown off the road of mapped clusters. */
export class Fault extends Error {
  readonly storeError: StoreError
  /** Guest offset, or -1. */
  readonly failedAt: number
  constructor(storeError: StoreError, message: string, failedAt = -1) {
    super(message)
    this.storeError = storeError
    this.failedAt = failedAt
  }
}

/** What an exception on the way of a request is to whoever sent it. */
export const faultOf = (cause: unknown): Fault =>
  cause instanceof Fault ? cause : new Fault(StoreError.internal, String(cause))

type Call = 'read' | 'write' | 'flush' | 'discard'

/** Puts a request to a store. Rejects with Fault. */
export function ask(
  pool: PartPool,
  store: BackingStore,
  call: Call,
  offset = 0,
  segments: Buffer[] = NONE,
  length = segments.reduce((sum, { length }) => sum + length, 0),
): Promise<void> {
  return new Promise((resolve, reject) => {
    const part = pool.take()
    const end: PartEnd = {
      partEnded: ({ io }) => {
        const { error, reason } = io
        pool.giveBack(part)
        if (error === StoreError.none) resolve()
        else reject(new Fault(error, reason || `${call} of ${length} bytes at ${offset}: error ${error}`))
      },
    }
    store[call]!(part.set(end, offset, length, segments, -1))
  })
}

/** Others have their turn: what walks all tables is made of many steps that do not wait. */
export const othersTurn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

function nobody(): void {}
