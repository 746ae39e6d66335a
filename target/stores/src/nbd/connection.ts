// SPDX-License-Identifier: Apache-2.0
// One connection in transmission: its cookies, requests corked for a turn of the event loop, and what is lost with it.
import type { Call } from './call.ts'
import type { NbdExport, Opened } from './handshake.ts'
import { Command, REQUEST_LENGTH, REQUEST_MAGIC } from './protocol.ts'
import { Replies, type RepliesHost, Violation } from './replies.ts'
import { payloadOf } from './steps.ts'
import type { Wire, WireOwner } from './wire.ts'

export interface ConnectionHost {
  /** The reply to the call's request is complete, and the request's own bytes are free. */
  answered(call: Call, connection: Connection): void
  /**
   * Called once, with the calls that had no reply. `byPeer`: the server has let the connection go, and does nothing
   * more for it; else it may still.
   */
  lost(connection: Connection, calls: Call[], why: string, byPeer: boolean): void
}

/** Calls without a reply, also those that nobody waits for any more. */
const MOST_IN_FLIGHT = 4096

export class Connection implements RepliesHost, WireOwner {
  readonly facts: NbdExport
  /** Calls without a reply. */
  inFlight = 0
  /** Those of them that change data, and those of these that were not answered in time. */
  changing = 0
  overdue = 0
  /** Nothing more is sent: the server said that it is shutting down, or another connection has taken its place. */
  isLeaving = false
  isReplaced = false
  /** The server broke the protocol. */
  isBroken = false
  readonly #wire: Wire
  readonly #host: ConnectionHost
  readonly #replies: Replies
  readonly #slots: (Call | null)[] = []
  readonly #free: number[] = []
  #generation = 0
  /** What this turn sends. */
  #out: Buffer[] = []
  /** Numbers of batches: handed to the socket, and left for the kernel. */
  #handed = 0
  #left = 0
  #early: Call[] = []
  #ended = false
  readonly #leave = (): void => this.#batchLeft()

  constructor({ wire, facts, rest }: Opened, host: ConnectionHost) {
    this.facts = facts
    this.#host = host
    this.#wire = wire
    this.#replies = new Replies(this, facts.structured, facts.context)
    wire.owner = this
    // Nothing has been asked yet: whatever it is, it breaks the protocol.
    if (rest.length > 0) setImmediate(() => this.bytes(rest))
  }

  get usable(): boolean {
    return !this.#ended && !this.isLeaving && this.overdue === 0 && this.inFlight < MOST_IN_FLIGHT
  }

  /** Whether none of the request's bytes are in this process any more. */
  hasLeft(call: Call): boolean {
    return call.batch <= this.#left
  }

  send(call: Call): void {
    const slot = this.#free.pop() ?? this.#slots.length
    this.#slots[slot] = call
    this.#generation = (this.#generation + 1) % 2 ** 32
    call.connection = this
    call.slot = slot
    call.generation = this.#generation
    call.batch = this.#handed + 1
    call.overdue = false
    this.inFlight++
    if (call.isChanging) this.changing++
    if (this.#out.length === 0) process.nextTick(sendTurn, this)
    this.#out.push(call.writeHeader())
    if (call.command === Command.write) payloadOf(call, this.#out)
  }

  /** Hands to the socket what has been asked for in this turn. */
  flush(): void {
    if (this.#ended || this.#out.length === 0) return
    const out = this.#out
    this.#out = []
    this.#handed++
    this.#wire.write(out, this.#leave)
  }

  callOf(slot: number, generation: number): Call | null {
    const call = this.#slots[slot] ?? null
    return call !== null && call.generation === generation && !call.replied ? call : null
  }

  answered(call: Call): void {
    if (call.batch <= this.#left) this.#over(call)
    else {
      call.replied = true
      this.#early.push(call)
    }
  }

  bytes(bytes: Buffer): void {
    if (this.#ended) return
    try {
      this.#replies.take(bytes)
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.isBroken = true
      this.reset(`the server broke the protocol: ${error.message}`)
    }
  }

  closed(why: string, byPeer: boolean): void {
    if (this.#ended) return
    this.#ended = true
    const lost = this.#slots.filter(call => call !== null && !call.replied) as Call[]
    for (const call of this.#early) this.#host.answered(this.#leaves(call), this)
    for (const call of lost) this.#leaves(call)
    this.overdue = 0
    this.#host.lost(this, lost, why, byPeer)
  }

  /** Lets it go at once: whatever comes on it is of no use any more. */
  reset(why: string): void {
    this.#wire.reset(why)
  }

  /** No call is under way: says so and leaves. */
  disconnect(): void {
    this.#ended = true
    const bytes = Buffer.alloc(REQUEST_LENGTH)
    bytes.writeUInt32BE(REQUEST_MAGIC, 0)
    bytes.writeUInt16BE(Command.disconnect, 6)
    this.#wire.end(bytes)
  }

  #batchLeft(): void {
    this.#left++
    if (this.#early.length === 0) return
    const early = this.#early
    this.#early = []
    for (const call of early) this.answered(call)
  }

  #over(call: Call): void {
    this.#host.answered(this.#leaves(call), this)
  }

  #leaves(call: Call): Call {
    this.#slots[call.slot] = null
    this.#free.push(call.slot)
    this.inFlight--
    if (call.isChanging) this.changing--
    if (call.overdue && !this.#ended) this.overdue--
    call.connection = null
    return call
  }
}

function sendTurn(connection: Connection): void {
  connection.flush()
}
