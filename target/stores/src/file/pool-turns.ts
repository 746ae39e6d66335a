// SPDX-License-Identifier: Apache-2.0
// Who may use Node's thread pool: no file takes the last threads, which are for files that have none.

/** libuv's own number, unless the process was started with another. */
const USUAL_THREADS = 4

/** One call that takes a thread for a while. */
export interface Turn {
  /** The next in its file's queue; the queue's own. */
  next: Turn | null
  /** There is a thread: `FileTurns.done` says when the call is over. */
  go(): void
}

/**
 * All files of the process share its threads. A quarter of these, one at least, goes only to files that have no call under way: a
 * file whose calls hang or wait for a disk leaves the others one each. What waits gets its turn file by file.
 */
export class PoolTurns {
  readonly #threads: number
  readonly #shared: number
  #running = 0
  readonly #waiting: FileTurns[] = []

  constructor(threads: number) {
    this.#threads = Math.max(threads, 2)
    this.#shared = this.#threads - Math.max(1, this.#threads >> 2)
  }

  allows(own: number): boolean {
    return this.#running < (own === 0 ? this.#threads : this.#shared)
  }

  begun(): void {
    this.#running++
  }

  wait(file: FileTurns): void {
    this.#waiting.push(file)
  }

  /** A thread is free: the first file that may have it gets it, and is the last then. */
  ended(): void {
    this.#running--
    const waiting = this.#waiting
    for (let i = 0; i < waiting.length; i++) {
      const file = waiting[i]!
      if (!this.allows(file.running)) continue
      waiting.splice(i, 1)
      if (file.hasSeveral) waiting.push(file)
      file.goOn()
      return
    }
  }
}

/** The turns of one file, in the order of its calls. */
export class FileTurns {
  running = 0
  readonly #pool: PoolTurns
  #first: Turn | null = null
  #last: Turn | null = null

  constructor(pool: PoolTurns) {
    this.#pool = pool
  }

  take(turn: Turn): void {
    if (this.#first === null && this.#pool.allows(this.running)) {
      this.#begin(turn)
      return
    }
    if (this.#last === null) {
      this.#first = turn
      this.#pool.wait(this)
    } else this.#last.next = turn
    this.#last = turn
  }

  done(): void {
    this.running--
    this.#pool.ended()
  }

  /** More than one waits. */
  get hasSeveral(): boolean {
    return this.#first !== this.#last
  }

  /** The pool's: begins the first that waits. */
  goOn(): void {
    const turn = this.#first!
    this.#first = turn.next
    turn.next = null
    if (this.#first === null) this.#last = null
    this.#begin(turn)
  }

  #begin(turn: Turn): void {
    this.running++
    this.#pool.begun()
    turn.go()
  }
}

let pool: PoolTurns | null = null

/** There is one thread pool in a process, whatever engines share it; asked for first when its size is settled. */
export function processPool(): PoolTurns {
  pool ??= new PoolTurns(Number(process.env['UV_THREADPOOL_SIZE']) || USUAL_THREADS)
  return pool
}
