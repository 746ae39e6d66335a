// SPDX-License-Identifier: Apache-2.0
// What one connection has to send: headers and data gathered, one write at a time, tasks told when theirs is out.
import type { Socket } from 'node:net'
import type { Engine, Task } from '@lunkit/target-api'

/** Room for headers and small data segments. Zeroed once, handed out once, then left to the garbage collector. */
const ARENA_BYTES = 16_384
/** One write takes about this much, so that a slow peer's buffers come free as it reads. */
const BATCH_BYTES = 1024 * 1024

/** Who owns the queue. */
export interface SendOwner {
  /** A write is through; `queued` fell. */
  written(): void
}

/**
 * PDUs are put together with `claim` (bytes of the arena, which follow each other on the wire) and `push` (buffers that
 * are sent from where they are). `flush` sends what is there in one gathered write; while one is under way the rest waits.
 */
export class SendQueue {
  /** Where `claim` points into. Its bytes are zero. */
  arena: Buffer = Buffer.alloc(ARENA_BYTES)
  /** Bytes waiting or under way. */
  queued = 0
  readonly #socket: Socket
  readonly #engine: Engine
  readonly #owner: SendOwner
  #buffers: Buffer[] = []
  /** Tasks in the order of their answers, and the number of buffers that must be out before each is. */
  readonly #tasks: Task[] = []
  readonly #marks: number[] = []
  #runStart = 0
  #arenaAt = 0
  #writing = false
  #writingBytes = 0
  #writingTasks = 0
  #scheduled = false
  #closed = false
  readonly #onWritten = (error?: Error | null): void => this.#written(error ?? null)
  readonly #onTurnEnd = (): void => {
    this.#scheduled = false
    this.flush()
  }

  constructor(socket: Socket, engine: Engine, owner: SendOwner) {
    this.#socket = socket
    this.#engine = engine
    this.#owner = owner
  }

  get writing(): boolean {
    return this.#writing
  }

  /** Offset of `length` zeroed bytes in `arena`, next on the wire. Look at `arena` after the call, not before. */
  claim(length: number): number {
    if (this.#arenaAt + length > this.arena.length) {
      this.#closeRun()
      this.arena = Buffer.alloc(Math.max(ARENA_BYTES, length))
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
    this.#buffers.push(buffer)
    this.queued += buffer.length
  }

  /** The answer of `task` ends here: `responseSent` when it is out. */
  endTask(task: Task): void {
    this.#tasks.push(task)
    this.#marks.push(this.#buffers.length + (this.#arenaAt > this.#runStart ? 1 : 0))
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
    const buffers = this.#buffers
    const total = buffers.length
    if (total === 0) return
    let bytes = 0
    let count = 0
    while (count < total && bytes < BATCH_BYTES) bytes += buffers[count++]!.length
    let tasks = 0
    while (tasks < this.#marks.length && this.#marks[tasks]! <= count) tasks++
    this.#writing = true
    this.#writingBytes = bytes
    this.#writingTasks = tasks
    this.#send(buffers, count)
    if (count === total) buffers.length = 0
    else this.#buffers = buffers.slice(count)
    for (let i = tasks; i < this.#marks.length; i++) this.#marks[i]! -= count
  }

  /** The connection is gone: nothing more is sent, and every task that waited for its answer to leave is let go. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#buffers.length = 0
    this.queued = 0
    this.#release(this.#tasks.length)
  }

  #closeRun(): void {
    if (this.#arenaAt === this.#runStart) return
    this.#buffers.push(this.arena.subarray(this.#runStart, this.#arenaAt))
    this.#runStart = this.#arenaAt
  }

  #send(buffers: Buffer[], count: number): void {
    const last = count - 1
    if (last === 0) {
      this.#socket.write(buffers[0]!, this.#onWritten)
      return
    }
    this.#socket.cork()
    for (let i = 0; i < last; i++) this.#socket.write(buffers[i]!)
    this.#socket.write(buffers[last]!, this.#onWritten)
    this.#socket.uncork()
  }

  #written(error: Error | null): void {
    // On an error the socket closes, and `close` lets the tasks go.
    if (this.#closed || error !== null) return
    this.queued -= this.#writingBytes
    // Still writing, so that answers which come out of responseSent() go with the next batch.
    this.#release(this.#writingTasks)
    this.#writing = false
    this.flush()
    this.#owner.written()
  }

  #release(count: number): void {
    if (count === 0) return
    const done = this.#tasks.splice(0, count)
    this.#marks.splice(0, count)
    for (let i = 0; i < count; i++) this.#engine.responseSent(done[i]!)
  }
}
