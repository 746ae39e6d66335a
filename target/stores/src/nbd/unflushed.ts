// SPDX-License-Identifier: Apache-2.0
// Whose answered writes no flush has covered: should the server be lost, each of them is told once, by a flush that fails.
import { StoreError, type StoreIo } from '@lunkit/target-api'

/** More writers than this at once share one entry, which tells whoever comes first. */
const MOST_WRITERS = 1024
const MANY = '*'

/**
 * The initiator's name, whatever session or path it uses: a host may write by one and flush by another. Empty for who has no
 * nexus: a filter, or the disk itself.
 */
const writerOf = ({ task }: StoreIo): string => task.nexusUnit?.nexus.initiator.name ?? ''

/**
 * A server that comes back may have lost what it had answered and kept in memory, and a later flush would say that all
 * is well. So the next flush of everybody who had such writes fails, once.
 */
export class Unflushed {
  /** With writes since the last flush began, and with writes that the flush under way covers. */
  readonly #writers = new Set<string>()
  readonly #covered = new Set<string>()
  readonly #lost = new Set<string>()
  #running: StoreIo[] = []
  #waiting: StoreIo[] = []
  #isRunning = false

  /** A write was answered, and is not durable. */
  wrote(io: StoreIo): void {
    note(this.#writers, writerOf(io))
  }

  /** Takes a flush in; true if the caller has to flush the server now. One at a time: those that wait share the next. */
  add(io: StoreIo): boolean {
    io.storeData = this
    this.#waiting.push(io)
    return this.next()
  }

  /** True if flushes wait and none is under way: from now on one is. */
  next(): boolean {
    if (this.#isRunning || this.#waiting.length === 0) return false
    this.#isRunning = true
    this.#running = this.#waiting
    this.#waiting = []
    for (const writer of this.#writers) note(this.#covered, writer)
    this.#writers.clear()
    return true
  }

  /** The flush under way has ended. */
  ended(error: StoreError, reason: string): void {
    const running = this.#running
    this.#running = []
    this.#isRunning = false
    if (error === StoreError.none) this.#covered.clear()
    for (const io of running) this.#finish(io, error, reason)
  }

  /** Nothing can be flushed now: all that wait are told. */
  fail(error: StoreError, reason: string): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const io of waiting) this.#finish(io, error, reason)
  }

  /** A connection was lost: nobody knows what the server still has. */
  lost(): void {
    for (const writers of [this.#writers, this.#covered]) {
      for (const writer of writers) note(this.#lost, writer)
      writers.clear()
    }
  }

  /** Nobody waits for this flush any more. */
  abort(io: StoreIo): void {
    for (const list of [this.#waiting, this.#running]) {
      const at = list.indexOf(io)
      if (at < 0) continue
      list.splice(at, 1)
      io.storeData = null
      io.finish(StoreError.aborted)
      return
    }
  }

  /** What is lost is said even where the flush itself went well. */
  #finish(io: StoreIo, error: StoreError, reason: string): void {
    io.storeData = null
    if (error === StoreError.none && (this.#lost.delete(writerOf(io)) || this.#lost.delete(MANY))) {
      io.reason = 'the NBD server was lost after it had answered writes, and may not have kept them'
      io.finish(StoreError.medium)
      return
    }
    io.reason = reason
    io.finish(error)
  }
}

function note(writers: Set<string>, writer: string): void {
  writers.add(writers.size < MOST_WRITERS ? writer : MANY)
}
