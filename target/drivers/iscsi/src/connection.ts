// SPDX-License-Identifier: Apache-2.0
// One TCP connection: bytes in, PDUs to their handlers, answers out, and an orderly or a hard end.
import type { Socket } from 'node:net'
import { BHS_LENGTH, DIGEST_LENGTH, RESERVED_TAG, RejectReason, rejectReasonText } from '@lunkit/spec'
import type { Lease, TargetEvent } from '@lunkit/target-api'
import type { ConnectionCapture } from './capture/connection-capture.ts'
import { serialDistance } from './command-window.ts'
import { ConnectionCounters } from './connection-counters.ts'
import { type ConnectionEvent, type ConnectionState, nextState } from './connection-states.ts'
import type { Obstacle } from './control/obstacle.ts'
import type { Checksum } from './digest.ts'
import { Frame, Framer, type Lender } from './framer.ts'
import { copyOut } from './gather.ts'
import { dispatch } from './inbound/dispatch.ts'
import { receiveLogin } from './inbound/login.ts'
import type { TextExchange } from './inbound/text.ts'
import { LOGIN_DATA_BYTES, type Login } from './login/login.ts'
import type { ConnectionParameters } from './login/parameters.ts'
import type { ConnectionTrace } from './observe/connection-trace.ts'
import { sendReject } from './outbound/reject.ts'
import { reportFault } from './peer-fault.ts'
import type { IscsiTargetPort } from './port.ts'
import { bareAddress, portalText } from './portal.ts'
import { SlabSocket } from './receive/slab-socket.ts'
import type { SentAnswers } from './recovery/sent-answers.ts'
import { SendQueue } from './send-queue.ts'
import type { Session } from './session.ts'
import type { PeerCertificate } from './tls/certificate.ts'

export type EndCause = Extract<TargetEvent, { type: 'session-closed' }>['cause']

/** Faults that a connection may have; then it ends. */
const MOST_FAULTS = 32
/** What may come while a connection is halted, in bytes; then it is not read any more. */
const HALTED_BYTES = 65_536
/** Answers of one connection that may be unacknowledged, above recovery level 0. */
const MOST_ANSWER_BYTES = 4 * 1024 * 1024
/** How long a polite end waits for the peer to close its side. */
const LINGER_MS = 1000

export class Connection {
  readonly port: IscsiTargetPort
  readonly socket: Socket
  readonly framer: Framer
  readonly out: SendQueue
  readonly checksum: Checksum
  readonly counters: ConnectionCounters = new ConnectionCounters()
  /** The peer, as `host:port`; and the address it came to. */
  readonly address: string
  readonly localAddress: string
  /** The peer's address alone. */
  readonly peer: string
  /** What a rehearsal has put in its way; null otherwise. */
  obstacle: Obstacle | null = null
  /** What the peer has shown of itself by TLS, verified; null without. */
  certificate: PeerCertificate | null = null
  readonly overTls: boolean
  state: ConnectionState = 'free'
  login: Login | null = null
  session: Session | null = null
  /** The text exchange under way, if any. */
  text: TextExchange | null = null
  /** Of the next answer; and what the initiator expected last, kept where somebody has to know. */
  statSn = 0
  acknowledged = 0
  headerDigest = false
  dataDigest = false
  /** Numbered responses that are not acknowledged; null at error recovery level 0. */
  answers: SentAnswers | null = null
  /** Longest data segment that the initiator takes, in bytes; and the multiple of 4 within it. */
  mostData = 0
  sendLimit = 0
  /** The user whom the initiator has proved to be on it, or null. */
  user: string | null = null
  /** Its number in its session. */
  cid = 0
  /** The initiator has taken it out of its session: by logout, or by another connection with its CID. */
  loggedOut = false
  /** Another connection takes its place: the session must not end with it. */
  replaced = false
  /** 48, or 52 with a header digest. */
  headerBytes: number = BHS_LENGTH
  /** Tick at which the port looks at it next. */
  dueAt = 0
  /** Clock of the port when it last heard of the peer, and whether it has asked for a sign of life since. */
  heardAt: number
  pinged = false
  /** Pings sent: their tags count from 1. */
  pings = 0
  /** Task management requests under way; and the tag of the immediate command that was let in although there were enough. */
  managing = 0
  urgentTag: number = RESERVED_TAG
  /** A write was under way when the port last looked: if it ends, the peer has read. */
  wasWriting = false
  /** Which initiator port at which target this is, once its login is through. */
  nexusKey: string | null = null
  /** Told of every byte and of every PDU, where somebody wants to see them. */
  readonly capture: ConnectionCapture | null
  readonly trace: ConnectionTrace | null
  /** When it was logged in, by `Date.now()`; 0 before. */
  openedAt = 0
  /** Bytes received before the end of login; counted by the port. */
  loginBytes = 0
  /** Clock at which a connection that is not logged in, or that ends politely, is closed. */
  deadline: number
  #pumping = false
  #handling = false
  #halted = false
  #haltedBytes = 0
  #paused = false
  /** Requests that have arrived wait for room in the send queue. */
  #stalled = false
  #ending = false
  #over = false
  #faults = 0
  /** Resolves when no task that ended with it can touch a store any more. */
  drained: Promise<void> = Promise.resolve()

  constructor(port: IscsiTargetPort, socket: Socket) {
    this.port = port
    this.socket = socket
    this.checksum = port.checksum
    this.trace = port.watch.traceOf(this)
    this.framer = new Framer(LOGIN_DATA_BYTES, this.checksum)
    this.out = new SendQueue(socket, port.engine, this, this.counters)
    this.overTls = 'encrypted' in socket
    this.peer = bareAddress(socket.remoteAddress)
    this.address = portalText({ host: this.peer, port: socket.remotePort ?? 0 })
    this.localAddress = bareAddress(socket.localAddress)
    this.capture = port.settings.capture?.connect(this) ?? null
    this.out.tap = this.capture
    this.heardAt = port.clock
    this.deadline = port.clock + port.ticks(port.settings.limits.loginTimeoutMs)
    this.step('accepted')
    socket.setNoDelay(true)
    if (socket instanceof SlabSocket) socket.onBytes = (bytes, room) => this.#onBytes(bytes, room)
    else socket.on('data', chunk => this.#onBytes(chunk as Buffer, null))
    socket.on('error', () => undefined)
    socket.on('end', () => this.end('lost'))
    socket.on('close', () => this.#onClose())
  }

  /** Whether answers can no longer be sent. */
  get over(): boolean {
    return this.#over
  }

  get initiator(): string {
    return this.session?.identity.initiator ?? this.login?.initiator ?? ''
  }

  step(event: ConnectionEvent): boolean {
    const next = nextState(this.state, event)
    if (next === undefined) return false
    this.port.onStep?.(this.state, event)
    this.state = next
    return true
  }

  // ---- Inbound ----

  #onBytes(chunk: Buffer, lender: Lender | null): void {
    if (this.obstacle !== null) {
      if (!this.#over) this.obstacle.take(chunk)
    } else if (lender === null || this.session !== null) {
      this.take(chunk, lender)
      // Everything of the chunk that somebody needs later has been copied or lent.
      this.framer.settle()
    } else this.take(copyOut(chunk))
  }

  /** Bytes of the peer. Those of a lender may change when `framer.settle` has been called. */
  take(chunk: Buffer, lender: Lender | null = null): void {
    if (this.#over) return
    this.counters.bytesIn += chunk.length
    if (this.capture !== null) this.capture.received(chunk)
    this.heardAt = this.port.clock
    this.pinged = false
    if (this.session === null && !this.port.countLoginBytes(this, chunk.length)) return
    this.framer.push(chunk, lender)
    if (!this.#halted) {
      this.#pump()
      return
    }
    // Still read while halted: only a socket that is read tells of its end.
    this.#haltedBytes += chunk.length
    if (this.#haltedBytes > HALTED_BYTES) this.#pause()
  }

  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    const { framer, out } = this
    const { sendQueueBytes } = this.port.settings.limits
    this.#stalled = false
    while (!this.#halted && !this.#over) {
      // A few bytes may ask for many: what follows them waits until those are out.
      if (out.queued > sendQueueBytes) {
        this.#stalled = true
        break
      }
      const frame = framer.next()
      if (frame === Frame.more) break
      this.#handle(frame)
    }
    this.#pumping = false
    out.flush()
    this.port.poll.worked()
    if (out.queued > sendQueueBytes) this.#pause()
  }

  /** What holds the data of the PDU that is being handled; empty at any other time. */
  get lent(): Lease[] {
    return this.#handling ? this.framer.leases : NONE
  }

  #handle(frame: Frame): void {
    const { framer, counters } = this
    const { header, at, slices, dataLength } = framer
    counters.pdusIn++
    if (this.trace !== null) this.trace.received(header, at, frame)
    if (frame === Frame.dataDigest) counters.dataDigestErrors++
    if (frame === Frame.headerDigest) {
      counters.headerDigestErrors++
      this.fatal(header, at, 'Header digest is wrong')
    } else if (frame === Frame.tooLong) {
      this.fatal(header, at, `Data segment of ${dataLength} bytes is longer than ${framer.maxData}`)
    } else if (this.session === null) receiveLogin(this, header, at, slices)
    else {
      this.#handling = true
      dispatch(this, header, at, slices, dataLength, frame === Frame.dataDigest)
      this.#handling = false
    }
  }

  /** Stops handling PDUs until `resume`: something asynchronous must be done first. */
  halt(): void {
    this.#halted = true
    this.#haltedBytes = 0
  }

  resume(): void {
    this.#halted = false
    this.#pump()
    this.written()
  }

  /** Does what was waited for, which may halt again; else goes on. */
  resumeAfter(act: () => void): void {
    this.#halted = false
    act()
    if (!this.#halted) this.resume()
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.socket.pause()
  }

  // ---- Outbound ----

  /** Something was put into `out` outside of the handling of received bytes, perhaps. */
  kick(): void {
    if (!this.#pumping) this.out.schedule()
  }

  /** Part of `out` has left. */
  written(): void {
    if (this.wasWriting) {
      this.wasWriting = false
      this.heardAt = this.port.clock
    }
    if (this.#ending) {
      if (this.out.queued === 0 && !this.socket.writableEnded) this.socket.end()
      return
    }
    if (!this.#paused || this.#halted || this.#over) return
    if (this.out.queued > this.port.settings.limits.sendQueueBytes / 2) return
    this.#paused = false
    this.heardAt = this.port.clock
    if (this.#stalled) this.#pump()
    this.readOn()
  }

  /** Reads, if nothing is against it. */
  readOn(): void {
    if (!this.#paused && !this.#over && this.obstacle?.blocks !== true) this.socket.resume()
  }

  // ---- Faults ----

  /** Refuses one PDU: Reject with its header, and an event. Too many of them end the connection. */
  reject(reason: number, header: Buffer, at: number, fault: string, number = 0): void {
    if (this.#over) return
    reportFault(this, header, at, `${fault} (${rejectReasonText(reason)})`, 'reject')
    sendReject(this, reason, header, at, number)
    // Above recovery level 0 what was damaged on its way is sent again: that is no fault of the peer.
    if (reason === RejectReason.dataDigestError && this.session?.recovery) return
    if (++this.#faults >= MOST_FAULTS) this.fatal(header, at, 'Too many PDUs had to be rejected')
  }

  /** Tells of a PDU whose command fails for it, where a Reject is not the answer; too many end the connection, too. */
  blame(header: Buffer, at: number, fault: string): void {
    if (this.#over) return
    reportFault(this, header, at, fault, 'sense')
    if (++this.#faults >= MOST_FAULTS)
      this.fatal(header, at, 'Too many commands failed by the fault of the peer')
  }

  /** Ends the connection because of one PDU; a Reject goes out first where `reason` is given. */
  fatal(header: Buffer, at: number, fault: string, reason = -1): void {
    if (this.#over) return
    reportFault(this, header, at, fault, 'close')
    if (reason >= 0 && this.session !== null) sendReject(this, reason, header, at)
    this.end('fault', true)
  }

  /** Refuses a PDU of which nothing can be used, and ends the connection. */
  protocolError(header: Buffer, at: number, fault: string): void {
    this.fatal(header, at, fault, RejectReason.protocolError)
  }

  // ---- End ----

  /** Enters full feature phase. */
  open(session: Session): void {
    this.session = session
    this.openedAt = Date.now()
    this.capture?.identified()
    this.login = null
    this.heardAt = this.port.clock
  }

  /** The peer asks on and never acknowledges. */
  get answersPileUp(): boolean {
    return this.answers !== null && this.answers.bytes > MOST_ANSWER_BYTES
  }

  /** The initiator has everything before this StatSN. */
  acknowledge(expStatSn: number): void {
    if (serialDistance(expStatSn, this.acknowledged) <= 0 || serialDistance(expStatSn, this.statSn) > 0)
      return
    this.acknowledged = expStatSn
    const session = this.session!
    if (session.recovery !== null) session.recovery.acknowledge(this, expStatSn)
    session.fence?.look()
  }

  /** From now on, in both directions. */
  adopt({ headerDigest, dataDigest, mostData, sendLimit }: ConnectionParameters): void {
    this.mostData = mostData
    this.sendLimit = sendLimit
    this.headerDigest = headerDigest
    this.dataDigest = dataDigest
    this.headerBytes = headerDigest ? BHS_LENGTH + DIGEST_LENGTH : BHS_LENGTH
    this.framer.headerDigest = headerDigest
    this.framer.dataDigest = dataDigest
  }

  /**
   * Ends the connection, once, and the session if that cannot do without it. Politely: what is queued is sent, and the
   * peer may close first. Returns when the tasks that ended with it have let go of their stores.
   */
  end(cause: EndCause, politely = false): Promise<void> {
    if (this.#over) return this.drained
    this.#over = true
    this.obstacle?.close()
    this.step(cause === 'logout' ? 'logoutDone' : 'lost')
    const { session } = this
    if (session !== null) this.drained = session.left(this, cause)
    this.port.forget(this)
    if (this.state === 'cleanupWait') this.step('cleaned')
    if (politely && !this.socket.destroyed) this.#linger()
    else this.socket.destroy()
    return this.drained
  }

  #linger(): void {
    this.#ending = true
    this.deadline = this.port.clock + this.port.ticks(LINGER_MS)
    this.port.linger(this)
    // What still arrives is read and dropped: unread bytes would turn our last words into a reset.
    this.socket.resume()
    this.out.flush()
    if (!this.out.writing) this.socket.end()
  }

  #onClose(): void {
    this.end('lost')
    this.framer.close()
    this.out.close()
    this.capture?.closed()
    this.port.gone(this)
  }
}

const NONE: Lease[] = []
