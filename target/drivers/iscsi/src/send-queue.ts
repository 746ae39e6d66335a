// SPDX-License-Identifier: Apache-2.0
// What one connection has to send: headers and data gathered, one write at a time, tasks told when theirs is out.
import type { Socket } from 'node:net'
import type { Engine, Task } from '@lunkit/target-api'
import type { ConnectionCounters } from './connection-counters.ts'

/** Room for headers and small data segments: of an idle connection, and of one that has much to say at a time. */
const LEAST_ARENA_BYTES = 1024
const ARENA_BYTES = 16_384
/** One write takes about this much: a slow peer's buffers come free as it reads, and a fast peer is woken seldom. */
const SLOW_BATCH_BYTES = 1024 * 1024
const FAST_BATCH_BYTES = 4 * 1024 * 1024
const NOTHING = Buffer.alloc(0)

/** Sees what is given to the socket. */
export interface WireTap {
  /** The buffers from `from` to `to` are one write. */
  sent(buffers: readonly Buffer[], from: number, to: number): void
}

/** Who owns the queue. */
export interface SendOwner {
  /** A write is through; `queued` fell. */
  written(): void
  /** Counts ticks, of a quarter of a second at most. */
  readonly port: { readonly clock: number }
}

/**
 * PDUs are put together with `claim` (bytes of the arena, which follow each other on the wire) and `push` (buffers that
 * are sent from where they are). `flush` sends what is there in one gathered write; while one is under way the rest waits.
 */
export class SendQueue {
  /** Where `claim` points into. Its bytes are zero. */
  arena: Buffer = Buffer.alloc(LEAST_ARENA_BYTES)
  /** Bytes waiting or under way. */
  queued = 0
  tap: WireTap | null = null
  /** Writes that are through. */
  writes = 0
  /** The last full write took long. So it is thought of every peer at first. */
  slow = true
  /** What is sent is lost, as a rehearsal wants it. */
  muted = false
  readonly #socket: Socket
  readonly #engine: Engine
  readonly #owner: SendOwner
  readonly #counters: ConnectionCounters
  // Arrays that are filled and emptied by index: cutting them would throw their room away each time.
  /** Buffers from `#head` to `#tail` wait. */
  readonly #buffers: Buffer[] = []
  #head = 0
  #tail = 0
  /** Buffers that were queued ever, and those of them that have been given to the socket. */
  #queuedBuffers = 0
  #givenBuffers = 0
  /** Tasks in the order of their answers, and how many buffers must be through before each is. */
  readonly #tasks: (Task | null)[] = []
  readonly #marks: number[] = []
  #firstTask = 0
  #endOfTasks = 0
  #runStart = 0
  #arenaAt = 0
  /** The run from the arena's begin that was sent last. */
  #firstRun: Buffer = NOTHING
  #writing = false
  #writingBytes = 0
  /** Tick in which the write under way began. */
  #writingSince = 0
  #scheduled = false
  #closed = false
  readonly #onWritten = (error?: Error | null): void => this.#written(error ?? null)
  readonly #onTurnEnd = (): void => {
    this.#scheduled = false
    this.flush()
  }

  constructor(socket: Socket, engine: Engine, owner: SendOwner, counters: ConnectionCounters) {
    this.#socket = socket
    this.#engine = engine
    this.#owner = owner
    this.#counters = counters
  }

  get writing(): boolean {
    return this.#writing
  }

  /** Offset of `length` zeroed bytes in `arena`, next on the wire. Look at `arena` after the call, not before. */
  claim(length: number): number {
    if (this.#arenaAt + length > this.arena.length) {
      this.#closeRun()
      // What is under way keeps the old one.
      this.arena = Buffer.alloc(Math.max(Math.min(2 * this.arena.length, ARENA_BYTES), length))
      this.#firstRun = NOTHING
      this.#arenaAt = 0
      this.#runStart = 0
    }
    const at = this.#arenaAt
    this.#arenaAt += length
    this.queued += length
    return at
  }

  /** A buffer that is next on the wire and stays as it is until written. */
  push(buffer: Buffer): void {
    this.#closeRun()
    this.#enqueue(buffer)
    this.queued += buffer.length
  }

  /** The answer of `task` ends here: `responseSent` when it is out. */
  endTask(task: Task): void {
    const at = this.#endOfTasks++
    this.#tasks[at] = task
    this.#marks[at] = this.#queuedBuffers + (this.#arenaAt > this.#runStart ? 1 : 0)
  }

  /** Sends at the end of this turn of the event loop, with whatever else comes until then. */
  schedule(): void {
    if (this.#scheduled || this.#writing || this.#closed) return
    this.#scheduled = true
    setImmediate(this.#onTurnEnd)
  }

  /** Sends now what is there, unless a write is under way: then it goes when that one is through. */
  flush(): void {
    if (this.#writing || this.#closed) return
    this.#closeRun()
    if (this.#head === this.#tail) return
    let bytes = 0
    let end = this.#head
    const most = this.slow ? SLOW_BATCH_BYTES : FAST_BATCH_BYTES
    while (end < this.#tail && bytes < most) bytes += this.#buffers[end++]!.length
    this.#writing = true
    this.#writingBytes = bytes
    this.#writingSince = this.#owner.port.clock
    this.#counters.bytesOut += bytes
    this.#givenBuffers += end - this.#head
    if (this.tap !== null) this.tap.sent(this.#buffers, this.#head, end)
    this.#send(end)
    this.#head = end
    if (end * 2 >= this.#tail) this.#moveBuffers()
  }

  #moveBuffers(): void {
    const count = this.#tail - this.#head
    for (let i = 0; i < count; i++) {
      this.#buffers[i] = this.#buffers[this.#head + i]!
      this.#buffers[this.#head + i] = NOTHING
    }
    this.#head = 0
    this.#tail = count
  }

  /** The connection is gone: nothing more is sent, and every task that waited for its answer to leave is let go. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#buffers.length = 0
    this.queued = 0
    this.#release(Number.POSITIVE_INFINITY)
  }

  #closeRun(): void {
    if (this.#arenaAt === this.#runStart) return
    this.#enqueue(this.#run())
    this.#runStart = this.#arenaAt
  }

  /** A steady load sends runs of one length from the arena's begin. */
  #run(): Buffer {
    if (this.#runStart > 0) return this.arena.subarray(this.#runStart, this.#arenaAt)
    if (this.#firstRun.length !== this.#arenaAt) this.#firstRun = this.arena.subarray(0, this.#arenaAt)
    return this.#firstRun
  }

  /** Everything is out: the arena begins anew, with zeros. */
  #rewind(): void {
    this.arena.fill(0, 0, this.#arenaAt)
    this.#arenaAt = 0
    this.#runStart = 0
  }

  #enqueue(buffer: Buffer): void {
    this.#buffers[this.#tail++] = buffer
    this.#queuedBuffers++
  }

  /** Gives the buffers from `#head` to `end` to the socket, in one write. */
  #send(end: number): void {
    const buffers = this.#buffers
    const last = end - 1
    if (this.muted) {
      buffers.fill(NOTHING, this.#head, end)
      setImmediate(this.#onWritten)
      return
    }
    if (last > this.#head) {
      this.#socket.cork()
      for (let i = this.#head; i < last; i++) {
        this.#socket.write(buffers[i]!)
        buffers[i] = NOTHING
      }
      this.#socket.write(buffers[last]!, this.#onWritten)
      this.#socket.uncork()
    } else {
      this.#socket.write(buffers[last]!, this.#onWritten)
    }
    buffers[last] = NOTHING
  }

  #written(error: Error | null): void {
    // On an error the socket closes, and `close` lets the tasks go.
    if (this.#closed || error !== null) return
    this.writes++
    this.queued -= this.#writingBytes
    if (this.#writingBytes >= SLOW_BATCH_BYTES) this.slow = this.#owner.port.clock - this.#writingSince > 1
    // Still writing, so that answers which come out of responseSent() go with the next batch.
    this.#release(this.#givenBuffers)
    this.#writing = false
    if (this.queued === 0) this.#rewind()
    else this.flush()
    this.#owner.written()
  }

  /** Lets go of the tasks whose answers end within the first `buffers` ones. */
  #release(buffers: number): void {
    while (this.#firstTask < this.#endOfTasks && this.#marks[this.#firstTask]! <= buffers) {
      const task = this.#tasks[this.#firstTask]!
      this.#tasks[this.#firstTask++] = null
      this.#engine.responseSent(task)
    }
    if (this.#firstTask > 0 && this.#firstTask * 2 >= this.#endOfTasks) this.#moveTasks()
  }

  /** Moves those that still wait to the front; they are no more than those that have gone. */
  #moveTasks(): void {
    const count = this.#endOfTasks - this.#firstTask
    for (let i = 0; i < count; i++) {
      this.#tasks[i] = this.#tasks[this.#firstTask + i]!
      this.#marks[i] = this.#marks[this.#firstTask + i]!
    }
    for (let i = Math.max(count, this.#firstTask); i < this.#endOfTasks; i++) this.#tasks[i] = null
    this.#firstTask = 0
    this.#endOfTasks = count
  }
}
