// SPDX-License-Identifier: Apache-2.0
// Waits for many files at once on one thread of the pool (epoll), so that slow units do not take the threads of others.

/** The three calls of epoll(7); `wait` is made on a thread. */
export interface EpollCalls {
  readonly create: (flags: number) => number
  readonly control: (epoll: number, operation: number, fd: number, event: Buffer | null) => number
  readonly wait: {
    async(
      epoll: number,
      events: Buffer,
      room: number,
      timeout: number,
      answer: (error: Error | null, count: number) => void,
    ): void
  }
}

const ADD = 1
const REMOVE = 2
const CLOSE_ON_EXEC = 0x8_0000
const IN = 1
const ERROR = 8
const HANG_UP = 16
/** struct epoll_event: 32 bits of events, 64 of data, packed on x86-64 alone. */
const EVENT = process.arch === 'x64' ? 12 : 16
const DATA_AT = EVENT - 8
const ROOM = 64
/** So long at most does a wait outlive its last file, ms. */
const PATIENCE = 500

export class Readiness {
  readonly #calls: EpollCalls
  readonly #epoll: number
  readonly #files = new Map<number, (gone: boolean) => void>()
  readonly #events = Buffer.alloc(ROOM * EVENT)
  #expected = 0
  #waiting = false
  /** Throws where the kernel gives no more files. */
  constructor(calls: EpollCalls) {
    this.#calls = calls
    this.#epoll = calls.create(CLOSE_ON_EXEC)
    if (this.#epoll < 0) throw new Error('epoll_create1 failed')
  }

  /** `ready` is called while the file can be read; `gone`: it has hung up. */
  watch(fd: number, ready: (gone: boolean) => void): void {
    const event = Buffer.alloc(EVENT)
    event.writeUInt32LE(IN, 0)
    event.writeInt32LE(fd, DATA_AT)
    if (this.#calls.control(this.#epoll, ADD, fd, event) !== 0) throw new Error('epoll_ctl failed')
    this.#files.set(fd, ready)
  }

  /** MUST come before the file is closed. */
  unwatch(fd: number): void {
    this.#files.delete(fd)
    this.#calls.control(this.#epoll, REMOVE, fd, this.#events)
  }

  /** So many more things, or fewer, are waited for; while there are none, nobody waits. */
  expect(more: number): void {
    this.#expected += more
    if (this.#expected > 0 && !this.#waiting) this.#wait()
  }

  #wait(): void {
    this.#waiting = true
    this.#calls.wait.async(this.#epoll, this.#events, ROOM, PATIENCE, this.#woken)
  }

  readonly #woken = (error: Error | null, count: number): void => {
    // Still as if waiting: a new wait would write over the events
    for (let i = 0; error === null && i < count; i++) {
      const events = this.#events.readUInt32LE(i * EVENT)
      const fd = this.#events.readInt32LE(i * EVENT + DATA_AT)
      this.#files.get(fd)?.((events & (HANG_UP | ERROR)) !== 0)
    }
    this.#waiting = false
    if (this.#expected > 0) this.#wait()
  }
}
