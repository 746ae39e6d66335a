// SPDX-License-Identifier: Apache-2.0
// The connections to one export: as many as the server shares among, and new ones for those that are lost.
import type { OperatorError } from '@lunkit/target-api'
import { Connection, type ConnectionHost } from './connection.ts'
import { type NbdExport, type Opened, openExport } from './handshake.ts'
import { ExportFlag } from './protocol.ts'
import type { NbdPlace } from './uri.ts'
import type { NbdTls } from './wire.ts'

export interface LinkHost extends ConnectionHost {
  /** There is a connection more. */
  connected(): void
}

export interface LinkOptions {
  readonly place: NbdPlace
  readonly tls: NbdTls
  /** Connections that are wanted, where the server shares its cache among them. */
  readonly connections: number
  /** How long a server may take for a request, or for a handshake. */
  readonly timeoutMs: number
}

/** Waits between attempts, twice as long each time: while there is no connection, and for one more beside others. */
const FIRST_MS = 100
const LONGEST_MS = 2000
const BESIDE_MS = 30_000
/** After a server has broken the protocol. */
const BROKEN_MS = 1000
/** For a look at the size, which an operator waits for. */
const LOOK_MS = 5000

export class Link {
  readonly #options: LinkOptions
  readonly #host: LinkHost
  readonly #wanted: number
  readonly connections: Connection[] = []
  /** What the last connection found. */
  facts: NbdExport
  /** Why there is no connection. */
  why = ''
  readonly #first: NbdExport
  #isConnecting = false
  #isClosed = false
  /** How often there was no connection left. */
  outages = 0
  /** The same since a call was answered, and whether one was lost by a fault of the server. */
  #barren = 0
  #isBroken = false
  /** One of several was lost: a server that keeps letting it go is not asked all the time. */
  #refills = false
  readonly #giveUp = new AbortController()
  #timer: NodeJS.Timeout | null = null
  #wake: (() => void) | null = null

  constructor(options: LinkOptions, first: Opened, host: LinkHost) {
    this.#options = options
    this.#host = host
    this.facts = this.#first = first.facts
    this.#wanted = (first.facts.flags & ExportFlag.multiConn) === 0 ? 1 : options.connections
    this.connections.push(new Connection(first, host))
    this.#maintain()
  }

  /** The one with least to do, or null. */
  pick(): Connection | null {
    let best: Connection | null = null
    for (let i = 0; i < this.connections.length; i++) {
      const one = this.connections[i]!
      if (one.usable && (best === null || one.inFlight < best.inFlight)) best = one
    }
    return best
  }

  /** Whether a write was not answered in time. */
  get silent(): boolean {
    for (let i = 0; i < this.connections.length; i++) if (this.connections[i]!.overdue > 0) return true
    return false
  }

  /** A connection is gone. */
  dropped(connection: Connection, why: string): void {
    const at = this.connections.indexOf(connection)
    if (at >= 0) this.connections.splice(at, 1)
    this.why = why
    this.#isBroken ||= connection.isBroken
    const alone = this.connections.length === 0
    this.#refills = !alone
    if (alone) {
      this.outages++
      this.#barren++
    }
    // One more beside others could wait; the only one cannot.
    if (alone && !this.#isBroken) this.#wake?.()
    this.#maintain()
  }

  /**
   * Looks at the export anew by a connection more, where the server shares its cache among several; should it have another size, that
   * connection and later ones take the place of the others, which know the old one. Rejects with OperatorError.
   */
  async look(): Promise<void> {
    if (this.#wanted === 1 || this.connections.length === 0) return
    const { place, tls, timeoutMs } = this.#options
    const opened = await openExport(place, tls, Math.min(timeoutMs, LOOK_MS), this.#giveUp.signal)
    const stale = this.connections.filter(({ facts }) => facts.size !== opened.facts.size)
    if (stale.length === 0) {
      new Connection(opened, this.#host).disconnect()
      return
    }
    this.#take(opened)
    for (const one of stale) {
      one.isLeaving = one.isReplaced = true
      if (one.inFlight === 0) this.retire(one)
    }
  }

  /** A connection that was replaced has nothing under way any more. */
  retire(connection: Connection): void {
    this.connections.splice(this.connections.indexOf(connection), 1)
    connection.disconnect()
    this.#maintain()
  }

  /** A call was answered as it should be. */
  works(): void {
    this.#barren = 0
    this.#isBroken = false
  }

  close(): void {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#giveUp.abort()
    this.#wake?.()
    for (const connection of this.connections.splice(0)) connection.disconnect()
  }

  #maintain(): void {
    if (this.#isConnecting || this.#isClosed || this.connections.length >= this.#wanted) return
    this.#isConnecting = true
    void this.#connect().finally(() => {
      this.#isConnecting = false
      this.#maintain()
    })
  }

  /** One connection more, after as many attempts as it takes. */
  async #connect(): Promise<void> {
    let pause = this.#firstPause()
    for (;;) {
      if (pause > 0) await this.#sleep(pause)
      // Woken early: the others are lost.
      if (pause === BESIDE_MS) pause = 0
      if (this.#isClosed) return
      try {
        const { place, tls, timeoutMs } = this.#options
        this.#take(await openExport(place, tls, timeoutMs, this.#giveUp.signal))
        return
      } catch (error) {
        this.why = (error as OperatorError).message
      }
      // Meanwhile the others may have been lost, too.
      const alone = this.connections.length === 0
      pause = alone ? Math.min(Math.max(pause * 2, FIRST_MS), LONGEST_MS) : BESIDE_MS
    }
  }

  #firstPause(): number {
    if (this.connections.length > 0) return this.#refills ? BESIDE_MS : 0
    if (this.#isBroken) return Math.min(BROKEN_MS * 2 ** Math.max(this.#barren - 1, 0), BESIDE_MS)
    return this.#barren <= 1 ? 0 : Math.min(FIRST_MS * 2 ** (this.#barren - 2), LONGEST_MS)
  }

  #take(opened: Opened): void {
    const unfit = this.#isClosed ? 'closed' : differs(this.#first, opened.facts)
    if (unfit !== null) {
      opened.wire.reset(unfit)
      if (this.#isClosed) return
      throw new Error(`NBD server '${this.#options.place.uri}' came back with ${unfit}`)
    }
    this.facts = opened.facts
    if (this.connections.length === 0) this.#refills = false
    this.connections.push(new Connection(opened, this.#host))
    this.#host.connected()
  }

  #sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
      this.#timer = setTimeout(resolve, ms)
      this.#timer.unref()
    })
  }
}

const MUST_STAY = ExportFlag.flush | ExportFlag.fua | ExportFlag.trim | ExportFlag.writeZeroes

/** What keeps an export from being used as what it was at first; null if nothing does. */
function differs(first: NbdExport, now: NbdExport): string | null {
  if ((now.flags & ExportFlag.readOnly) > (first.flags & ExportFlag.readOnly))
    return 'an export that is read-only'
  if ((first.flags & MUST_STAY & ~now.flags) !== 0) return 'an export that can do less than before'
  if (now.minBlock > first.minBlock) return `blocks of ${now.minBlock} bytes`
  if (now.maxPayload < first.maxPayload) return `requests of ${now.maxPayload} bytes at most`
  if (first.context >= 0 && now.context < 0) return 'an export without block status'
  return null
}
