// SPDX-License-Identifier: Apache-2.0
// What the connections of one session share: numbers, tasks, settings, and who takes the next command.
import { CommandWindow } from './command-window.ts'
import type { FullFeature } from './full-feature.ts'
import type { SessionSettings } from './settings.ts'
import type { Task } from './task.ts'
import { TaskTable } from './task-table.ts'

/** CIDs are 16 bits (RFC 7143, 11.12.7). */
const CIDS = 0x1_0000
/** Connections lost one after the other without a command completed: more are not mended by making them again. */
const MAX_LOSSES = 64

export class Links {
  readonly window = new CommandWindow(1)
  readonly tasks = new TaskTable()
  /** Connections in full feature phase. */
  readonly live: FullFeature[] = []
  /** What the login that began the session agreed on; null before. */
  settings: SessionSettings | null = null
  /** Commands that got their answer. */
  completed = 0
  /** A logout of the session was sent: no connection has a new request any more (RFC 7143, 11.14). */
  loggedOut = false
  /** No lost connection is recovered any more: only a new session helps. */
  isHopeless = false
  /** Connections on which a command was sent again, and none after it. */
  readonly retried = new Set<FullFeature>()
  #snackTag = 0
  #losses = 0
  #completedBefore = 0
  readonly #depth: number
  readonly #ended = new AbortController()
  readonly #cids = new Set<number>([0])
  #nextCid = 0

  constructor(queueDepth: number) {
    this.#depth = queueDepth
  }

  /** Aborts when the session that these connections make up is over. */
  get signal(): AbortSignal {
    return this.#ended.signal
  }

  /** Counts a lost connection; returns whether commands get their answers in spite of it. */
  getsOn(): boolean {
    if (this.completed !== this.#completedBefore) this.#losses = 0
    this.#completedBefore = this.completed
    return ++this.#losses <= MAX_LOSSES && !this.isHopeless
  }

  /** Operational ErrorRecoveryLevel. */
  get level(): number {
    return this.settings?.errorRecoveryLevel ?? 0
  }

  /** The connection for the next command: the one with the fewest in flight; null if none may be sent now. */
  free(): FullFeature | null {
    if (this.loggedOut || this.tasks.size >= this.#depth || this.window.room === 0) return null
    // The next number goes where a command was sent again: it shows there that the old number is over (RFC 7143, 10.4).
    if (this.retried.size > 0) for (const link of this.retried) if (!link.leaving) return link
    return this.leastLoaded()
  }

  leastLoaded(): FullFeature | null {
    let best: FullFeature | null = null
    for (const link of this.live) {
      if (!link.leaving && (best === null || link.inFlight < best.inFlight)) best = link
    }
    return best
  }

  byCid(cid: number): FullFeature | null {
    return this.live.find(link => link.cid === cid) ?? null
  }

  add(link: FullFeature): void {
    this.#cids.add(link.cid)
    this.live.push(link)
  }

  /** Returns false if it was none of these. Its CID stays taken until it is freed. */
  remove(link: FullFeature): boolean {
    const at = this.live.indexOf(link)
    if (at >= 0) this.live.splice(at, 1)
    this.retried.delete(link)
    return at >= 0
  }

  /** Whether every other connection is on its way out, too. */
  isLast(link: FullFeature): boolean {
    return !this.live.some(other => other !== link && !other.leaving)
  }

  /** A tag for an R-Data SNACK that no task had for a long time; never 0 or the reserved one (RFC 7143, 11.16.5). */
  snackTag(): number {
    this.#snackTag = (this.#snackTag % 0xffff_fffe) + 1
    return this.#snackTag
  }

  /** A CID that no connection of the session has; taken until it is freed. */
  takeCid(): number {
    do this.#nextCid = (this.#nextCid + 1) % CIDS
    while (this.#cids.has(this.#nextCid))
    this.#cids.add(this.#nextCid)
    return this.#nextCid
  }

  freeCid(cid: number): void {
    this.#cids.delete(cid)
  }

  /** Tasks whose connection allegiance is to this connection. */
  *tasksOf(link: FullFeature): Generator<Task> {
    for (const task of this.tasks) if (task.link === link) yield task
  }

  /** Ends the session on this side: what waits for one of its connections is given up with this reason. */
  end(reason: unknown): void {
    this.#ended.abort(reason)
  }
}
