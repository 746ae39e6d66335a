// SPDX-License-Identifier: Apache-2.0
// The iSCSI target port: its connections and sessions, and the calls that the engine makes.
import type { Socket } from 'node:net'
import { parseIscsiName, RESERVED_TAG, type SenseCode } from '@lunkit/spec'
import type { Engine, Management, Nexus, Target, TargetEvent, TargetPort, Task } from '@lunkit/target-api'
import { PortAccess } from './access/port-access.ts'
import { abandonTask, answerTask } from './answer-task.ts'
import { BusyPoll } from './busy-poll.ts'
import { Connection } from './connection.ts'
import type { ConnectionEvent, ConnectionState } from './connection-states.ts'
import { tellAttention } from './control/attention-event.ts'
import { Control } from './control/control.ts'
import { drainSessions } from './control/drain.ts'
import { Door } from './defence/door.ts'
import { builtInChecksum, type Checksum } from './digest.ts'
import { EarlyData } from './early-data.ts'
import type { Handed, Reception } from './handover/options.ts'
import { Visitor } from './handover/visitor.ts'
import type { PendingManagement } from './inbound/task-management.ts'
import type { IscsiTask } from './iscsi-task.ts'
import { KeepAlive } from './keep-alive.ts'
import type { LoginPolicy } from './login/login.ts'
import type { Wishes } from './login/negotiate.ts'
import { wishes } from './login/parameters.ts'
import { letLinger, type Newcomer } from './newcomer.ts'
import { PortWatch } from './observe/port-watch.ts'
import type { Portal, Settings } from './options.ts'
import { sendNopIn } from './outbound/nop-in.ts'
import type { Listener } from './portal.ts'
import { SlabPool } from './receive/slab-pool.ts'
import { SlabSocket } from './receive/slab-socket.ts'
import type { Session } from './session.ts'
import { SessionTable } from './session-table.ts'
import { within } from './time-limit.ts'
import type { PeerCertificate } from './tls/certificate.ts'
import type { TlsFace } from './tls/face.ts'
import type { Handshake } from './tls/handshake.ts'
import { beginFetch } from './write-data.ts'

/** What one connection may send before it is logged in, in bytes. */
const LOGIN_SHARE = 262_144
/** The shortest time that stopping gives to tasks which are slow to end. */
const LEAST_DRAIN_MS = 1000

export class IscsiTargetPort implements TargetPort, LoginPolicy {
  readonly engine: Engine
  readonly settings: Settings
  readonly wishes: Wishes
  readonly checksum: Checksum
  readonly relativeId: number
  readonly early: EarlyData
  /** Answers that all sessions keep for recovery, in bytes. */
  keptBytes = 0
  readonly table: SessionTable
  readonly door: Door
  readonly control: Control
  readonly access: PortAccess
  readonly watch: PortWatch
  readonly poll: BusyPoll
  readonly slabs = new SlabPool()
  /** SPC protocol identifier of iSCSI. */
  readonly protocol = 5
  stopping = false
  /** Told of every step of every connection; for tests. */
  onStep: ((from: ConnectionState, on: ConnectionEvent) => void) | null = null
  readonly #listeners: Listener[] = []
  /** Every open socket; those that are not logged in; those that only wait for the peer to close. */
  readonly #open: Set<Newcomer> = new Set()
  readonly #pending: Set<Newcomer> = new Set()
  readonly #lingering: Set<Newcomer> = new Set()
  readonly keepAlive: KeepAlive
  #pendingBytes = 0
  #crowded = false
  #waiting: (() => void)[] = []

  constructor(engine: Engine, settings: Settings, checksum: Checksum = builtInChecksum) {
    this.engine = engine
    this.settings = settings
    this.checksum = checksum
    this.poll = new BusyPoll(settings.pollUs)
    this.wishes = wishes(settings.limits, settings.preferences)
    this.relativeId = settings.tpgt
    this.early = new EarlyData(settings.limits.earlyDataBytes, settings.limits.sessionBytes)
    this.table = new SessionTable(this)
    this.watch = new PortWatch(this)
    this.control = new Control(this)
    this.access = new PortAccess(this)
    this.door = new Door(settings, event => this.observe(event))
    this.keepAlive = new KeepAlive(this, settings)
  }

  get clock(): number {
    return this.keepAlive.clock
  }

  ticks(ms: number): number {
    return this.keepAlive.ticks(ms)
  }

  get listeners(): readonly Listener[] {
    return this.#listeners
  }

  /** Addresses that are listened on, with the ports that were picked. */
  get portals(): readonly Portal[] {
    return this.#listeners.map(listener => listener.portal)
  }

  get reception(): Reception {
    return { listeners: this.#listeners, door: this.door }
  }

  /** Reads the certificates of all portals with TLS anew. Rejects with OperatorError; then that portal keeps what it had. */
  async reloadCertificates(): Promise<void> {
    const warn = (reason: string): void => this.observe({ type: 'warning', reason })
    for (const { tls } of this.#listeners) await tls?.reload(warn)
  }

  /** Sessions, and connections that are not logged in yet. */
  get connections(): { readonly sessions: number; readonly pending: number } {
    return { sessions: this.table.byTsih.size, pending: this.#pending.size }
  }

  get pending(): ReadonlySet<Newcomer> {
    return this.#pending
  }

  get lingering(): ReadonlySet<Newcomer> {
    return this.#lingering
  }

  get sessions(): ReadonlyMap<number, Session> {
    return this.table.byTsih
  }

  get targets(): readonly Target[] {
    return this.engine.targets
  }

  portName(target: string): string {
    return `${target},t,0x${this.settings.tpgt.toString(16).padStart(4, '0')}`
  }

  observe(event: TargetEvent): void {
    this.engine.observe(event)
  }

  // ---- Calls of the engine ----

  fetchData(task: Task): void {
    const one = task.driverData as IscsiTask
    if (one.connection?.over !== true) beginFetch(one, task)
  }

  sendResponse(task: Task): void {
    answerTask(this.engine, task)
  }

  abandon(task: Task): void {
    abandonTask(this.engine, task)
  }

  managementDone(request: Management): void {
    ;(request.driverData as PendingManagement).answered(request)
  }

  creditRestored(nexus: Nexus): void {
    const session = nexus.driverData as Session | null
    if (session !== null && session.nexus === nexus) this.tellWindow(session)
  }

  attentionRaised(nexus: Nexus, lun: number, code: SenseCode): void {
    if (this.settings.asyncEvents) tellAttention(nexus.driverData as Session | null, lun, code)
  }

  /** Tells an initiator that waits for its command window that there is room again. */
  tellWindow(session: Session): void {
    if (!session.window.closed) return
    const connection = session.anyConnection
    if (connection === null || connection.over) return
    session.maxCmdSn()
    if (!session.window.closed) sendNopIn(connection, RESERVED_TAG)
  }

  /** A cold reset ends all sessions of its target (RFC 7143, 11.5.1). */
  dropTarget(target: Target): void {
    for (const port of new Set([this, ...this.engine.ports])) {
      if (port instanceof IscsiTargetPort) port.#dropSessions(target)
    }
  }

  #dropSessions(target: Target): void {
    for (const session of [...this.sessions.values()]) {
      if (session.target === target) void session.end('stopped', true)
    }
  }

  // ---- Connections ----

  listen(listener: Listener): void {
    this.#listeners.push(listener)
  }

  /** `tls` is that of the portal, if it has any: then a handshake comes first. */
  accept(socket: Socket, tls: TlsFace | null = null): void {
    if (this.stopping || !this.door.letIn(socket) || !this.#makeRoom()) {
      socket.destroy()
      return
    }
    this.watch.counters.accepted++
    const deadline = this.clock + this.ticks(this.settings.limits.loginTimeoutMs)
    if (tls !== null) this.#welcome(tls.begin(this, socket))
    else this.#meet(SlabSocket.over(socket, this.slabs), null, deadline)
  }

  /** A handshake is through: its connection takes its place, with what is left of its time. */
  secured(handshake: Handshake, socket: Socket, certificate: PeerCertificate | null): void {
    handshake.complete()
    this.#meet(socket, certificate, handshake.deadline)
    this.#open.delete(handshake)
  }

  /** Whether it is to be served here shows in what it sends first, where logins are handed over. */
  #meet(socket: Socket, certificate: PeerCertificate | null, deadline: number): void {
    const { handOver } = this.settings
    if (handOver === null) this.begin(socket, certificate, deadline)
    else this.#welcome(new Visitor(this, socket, certificate, deadline, handOver))
  }

  /** Takes a connection that another port has met, with what that has read of it. */
  take({ socket, bytes, msLeft, certificate }: Handed): void {
    if (this.stopping || !this.#makeRoom()) {
      socket.destroy()
      return
    }
    this.watch.counters.accepted++
    const fast = SlabSocket.over(socket, this.slabs)
    this.begin(fast, certificate, this.clock + this.ticks(msLeft), bytes)
  }

  /** Begins a login, or goes on with one of which these bytes have been read. */
  begin(socket: Socket, certificate: PeerCertificate | null, deadline: number, bytes?: Buffer): void {
    const connection = new Connection(this, socket)
    connection.certificate = certificate
    connection.deadline = deadline
    this.#welcome(connection)
    if (bytes !== undefined) (connection.obstacle ?? connection).take(bytes)
  }

  #welcome(newcomer: Newcomer): void {
    this.#open.add(newcomer)
    this.#pending.add(newcomer)
    if (newcomer instanceof Connection) this.control.rehearsals.accepted(newcomer)
    this.keepAlive.start()
  }

  /**
   * The oldest of too many connections that do not log in goes: an honest login takes a moment, so whoever keeps idle
   * connections open keeps nobody else out. One that waits for the session it replaces has proved who it is.
   */
  #makeRoom(): boolean {
    if (this.#pending.size < this.settings.limits.pendingConnections) {
      this.#crowded = false
      return true
    }
    if (!this.#crowded) {
      this.#crowded = true
      this.observe({
        type: 'warning',
        reason: `${this.#pending.size} connections have not logged in: the oldest make room for new ones`,
      })
    }
    for (const connection of this.#pending) {
      if (connection.nexusKey !== null) continue
      void connection.end('fault')
      return true
    }
    return false
  }

  /** Counts bytes of a connection that is not logged in; ends it, and returns false, if they are too many. */
  countLoginBytes(connection: Newcomer, bytes: number): boolean {
    connection.loginBytes += bytes
    this.#pendingBytes += bytes
    if (connection.loginBytes <= LOGIN_SHARE && this.#pendingBytes <= this.settings.limits.pendingBytes)
      return true
    this.failLogin(connection, 'Login took too many bytes')
    return false
  }

  /** Ends a login from outside of its own requests. */
  failLogin(connection: Newcomer, reason: string): void {
    this.watch.counters.fail(reason)
    this.observe({
      type: 'login-failed',
      target: connection.login?.targetName ?? '',
      initiator: connection.initiator,
      address: connection.address,
      reason,
    })
    void connection.end('fault')
  }

  /** As many as may be pending wait for their peer to close; the oldest is cut off for another. */
  linger(connection: Newcomer): void {
    letLinger(this.#lingering, this.settings.limits.pendingConnections, connection)
  }

  /** The connection serves nothing any more; its socket may still be open. */
  forget(connection: Newcomer): void {
    this.#settle(connection)
    this.table.release(connection, connection.nexusKey)
  }

  /** Its socket is closed. */
  gone(connection: Newcomer): void {
    this.#open.delete(connection)
    this.#lingering.delete(connection)
    this.#rest()
    this.changed()
  }

  #settle(connection: Newcomer): void {
    if (!this.#pending.delete(connection)) return
    this.#pendingBytes -= connection.loginBytes
  }

  // ---- Sessions ----

  /** Names are compared in their normal form; an operator may have written it otherwise. */
  findTarget(name: string): Target | null {
    return (
      this.engine.findTarget(name) ??
      this.engine.targets.find(target => normalName(target.name) === name) ??
      null
    )
  }

  /** Whether nobody may log in to the target (discovery: null), nor be sent elsewhere. */
  closedTo(target: Target | null): boolean {
    if (this.stopping || (target !== null && this.settings.handOver !== null)) return true
    const name = target?.name ?? ''
    return this.control.isClosed(name) && !(target !== null && this.control.mayMove(name))
  }

  mayMove(target: Target): boolean {
    return this.control.mayMove(target.name)
  }

  findSession(initiator: string, isid: string, tsih: number): Session | null {
    return this.table.find(initiator, isid, tsih)
  }

  /** A connection has become one of a session. */
  admit(connection: Connection): void {
    this.#settle(connection)
  }

  // ---- End ----

  async stop(graceMs: number): Promise<void> {
    this.stopping = true
    this.control.rehearsals.endAll()
    const closed = this.#listeners.map(listener => listener.close())
    for (const connection of [...this.#pending]) void connection.end('stopped')
    await drainSessions(this, [...this.sessions.values()], graceMs)
    for (const session of [...this.sessions.values()]) void session.end('stopped')
    for (const { socket } of this.#open) socket.destroy()
    await this.until(() => this.#open.size === 0)
    await within(this.table.drained(), Math.max(graceMs, LEAST_DRAIN_MS))
    this.keepAlive.stop()
    this.door.close()
    this.slabs.close()
    this.engine.closePort(this)
    await Promise.all(closed)
  }

  /** Resolves when `condition` holds; looked at whenever a session or a connection has gone. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  /** The clock stands still while nothing is there that it could be late for. */
  #rest(): void {
    if (this.#open.size === 0 && this.sessions.size === 0) this.keepAlive.stop()
  }

  /** A session or a connection has gone. */
  changed(): void {
    this.#rest()
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}

function normalName(name: string): string {
  const parsed = parseIscsiName(name, true)
  return parsed.ok ? parsed.name : name
}
