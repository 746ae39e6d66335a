// SPDX-License-Identifier: Apache-2.0
// Makes writes durable with fdatasync: one under way, one waiting, and no forgetting of a lost write.
import { StoreError, type StoreIo } from '@lunkit/target-api'
import { codeOf, errorOf } from '../errno.ts'
import type { FileCalls } from './file-calls.ts'
import type { FileTurns, Turn } from './pool-turns.ts'

const MOST_RETRIES = 100

/**
 * A request that comes while an fdatasync runs waits for the next one, because the running one need not see its
 * writes; all that wait share that next one. After a failure the kernel counts the lost pages as clean and would call
 * a second fdatasync good: so the failure stays, for every later request, until the file is opened anew.
 */
export class Flusher implements Turn {
  next: Turn | null = null
  readonly #fd: number
  readonly #calls: FileCalls
  readonly #turns: FileTurns
  readonly #flushed: (io: StoreIo, error: StoreError) => void
  #running: StoreIo[] | null = null
  #waiting: StoreIo[] = []
  #lost: StoreError = StoreError.none
  #retries = 0

  /** `flushed` is called once for each request, never inside `add` of the same request unless writes are lost. */
  constructor(
    fd: number,
    calls: FileCalls,
    turns: FileTurns,
    flushed: (io: StoreIo, error: StoreError) => void,
  ) {
    this.#fd = fd
    this.#calls = calls
    this.#turns = turns
    this.#flushed = flushed
  }

  /** What the first failed fdatasync said; none as long as nothing is lost. */
  get lost(): StoreError {
    return this.#lost
  }

  get idle(): boolean {
    return this.#running === null
  }

  add(io: StoreIo): void {
    if (this.#lost !== StoreError.none) {
      this.#flushed(io, this.#lost)
      return
    }
    this.#waiting.push(io)
    if (this.#running === null) this.#start()
  }

  #start(): void {
    this.#running = this.#waiting
    this.#waiting = []
    this.#retries = 0
    this.#turns.take(this)
  }

  go(): void {
    this.#calls.fdatasync(this.#fd, this.#done)
  }

  readonly #done = (error: Error | null): void => {
    if (error !== null && codeOf(error) === 'EINTR' && this.#retries++ < MOST_RETRIES) {
      this.#calls.fdatasync(this.#fd, this.#done)
      return
    }
    this.#turns.done()
    let ended = this.#running!
    this.#running = null
    if (error !== null) {
      this.#lost = lossOf(error)
      ended = ended.concat(this.#waiting)
      this.#waiting = []
    } else if (this.#waiting.length > 0) this.#start()
    for (const io of ended) this.#flushed(io, this.#lost)
  }
}

/** Whatever the code: what was lost is bytes of the medium, unless there was no room for them or no file. */
function lossOf(error: Error): StoreError {
  const said = errorOf(error, true)
  return said === StoreError.noSpace || said === StoreError.gone ? said : StoreError.medium
}
