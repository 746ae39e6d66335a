// SPDX-License-Identifier: Apache-2.0
// One coarse clock for all of a port's time limits: login, silence, polite ends.
import type { Connection } from './connection.ts'
import { endTasks } from './end-tasks.ts'
import { letGo } from './inbound/data-behind.ts'
import type { Nop, Settings } from './options.ts'
import { sendPing } from './outbound/nop-in.ts'
import type { IscsiTargetPort } from './port.ts'
import type { Session } from './session.ts'
import { TimerWheel } from './timer-wheel.ts'

/** Ticks in the shortest limit, and bounds of a tick in milliseconds. */
const TICKS = 8
const SHORTEST_TICK = 10
const LONGEST_TICK = 250

export class KeepAlive {
  /** Ticks so far. */
  clock = 0
  readonly #port: IscsiTargetPort
  readonly #nop: Nop
  readonly #tickMs: number
  readonly #interval: number
  readonly #timeout: number
  readonly #dataTimeout: number
  readonly #response: number
  /** Owed data is looked for so often, in ticks. */
  readonly #stride: number
  /** Logged-in connections, by when they may have been silent for too long. */
  readonly #wheel: TimerWheel<Connection> = new TimerWheel()
  /** Sessions that are looked at with every tick: those that recover, or whose answers wait. */
  readonly #attended: Set<Session> = new Set()
  #timer: NodeJS.Timeout | null = null

  constructor(port: IscsiTargetPort, settings: Settings) {
    this.#port = port
    this.#nop = settings.nop
    const { intervalMs, timeoutMs } = settings.nop
    const { loginTimeoutMs, dataTimeoutMs, responseTimeoutMs } = settings.limits
    const limits = [loginTimeoutMs, dataTimeoutMs, responseTimeoutMs, intervalMs || timeoutMs, timeoutMs]
    const shortest = Math.min(...limits)
    this.#tickMs = Math.min(LONGEST_TICK, Math.max(SHORTEST_TICK, Math.floor(shortest / TICKS)))
    this.#interval = this.ticks(intervalMs)
    this.#timeout = this.ticks(timeoutMs)
    this.#dataTimeout = this.ticks(dataTimeoutMs)
    this.#response = this.ticks(responseTimeoutMs)
    this.#stride = Math.max(1, Math.floor(this.#dataTimeout / TICKS))
  }

  ticks(ms: number): number {
    return Math.ceil(ms / this.#tickMs)
  }

  /** Runs while there are connections. */
  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), this.#tickMs)
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** The connection is logged in. */
  watch(connection: Connection): void {
    if (this.#nop.intervalMs > 0) this.#wheel.put(connection, this.#together(this.clock + this.#interval))
  }

  /** It ends. */
  forget(connection: Connection): void {
    this.#wheel.remove(connection)
  }

  /** Time may end something of the session, or not any more. */
  attend(session: Session): void {
    const needed = session.recovery !== null || session.fence !== null
    if (needed && !session.ended) this.#attended.add(session)
    else this.#attended.delete(session)
  }

  #tick(): void {
    this.clock++
    const port = this.#port
    for (const connection of [...port.pending]) {
      if ('obstacle' in connection && connection.obstacle !== null) continue
      if (this.clock >= connection.deadline) port.failLogin(connection, 'Login took too long')
    }
    for (const connection of [...port.lingering]) {
      if (this.clock >= connection.deadline) connection.socket.destroy()
    }
    port.watch.dog.tick(this.clock)
    for (const { fence, recovery } of [...this.#attended]) {
      recovery?.expire(this.clock)
      fence?.expire(this.clock, this.#response)
    }
    for (const connection of this.#wheel.take(this.clock)) this.#listen(connection)
    if (this.clock % this.#stride === 0) for (const session of [...port.sessions.values()]) this.#dun(session)
  }

  /** A write that waits for its data holds memory, and may hold up every other command of its unit. */
  #dun(session: Session): void {
    if (session.window.awaitedFor(this.clock) > this.#dataTimeout) letGo(session)
    for (const one of session.overdue(this.clock - this.#dataTimeout)) {
      const { connection } = one
      if (connection?.over === true || (connection?.obstacle ?? null) !== null) continue
      this.#port.observe({
        type: 'peer-fault',
        initiator: session.identity.initiator,
        address: connection?.address ?? session.address,
        fault: 'Data of a write did not come in time',
        pdu: `SCSI Command ITT=0x${one.itt.toString(16)} EDTL=${one.expected}`,
        outcome: connection === null ? 'sense' : 'close',
      })
      if (connection !== null) void connection.end('fault')
      // Its connection was lost, and nobody has taken it over: that is no way to hold others up for longer.
      else void endTasks(session, [one])
    }
  }

  /** Pings of many sessions go out, and are answered, at a time: that costs less than one after the other. None is late for its answer. */
  #together(tick: number): number {
    const stride = Math.max(1, Math.floor(Math.min(this.#interval, this.#timeout) / TICKS))
    return Math.ceil(tick / stride) * stride
  }

  /** Once an interval while something is heard, and with every tick from then on that it is silent. */
  #listen(connection: Connection): void {
    // It may have ended with another one of this tick.
    if (connection.over) return
    // Where a rehearsal has cut the way, it is for the initiator to notice.
    const heardAt = connection.obstacle === null ? connection.heardAt : this.clock
    const silence = this.clock - heardAt
    if (silence < this.#interval) {
      this.#wheel.put(connection, this.#together(heardAt + this.#interval))
      return
    }
    if (silence >= this.#interval + this.#timeout) {
      void connection.end('lost')
      return
    }
    connection.wasWriting = connection.out.writing
    if (!connection.pinged) sendPing(connection)
    this.#wheel.put(connection, this.clock + 1)
  }
}
