// SPDX-License-Identifier: Apache-2.0
// The login phase as a machine fed with PDUs: security stage, operational stage, full feature (RFC 7143, 6.3).
import { type InitiatorError, LoginError, type TransportError } from '@lunkit/initiator-core'
import {
  encodeText,
  type Key,
  type KeyValue,
  keyByName,
  LOGIN_REQUEST,
  LOGIN_RESPONSE,
  LoginStage,
  LoginStatus,
  LoginStatusClass,
  loginStatusText,
  Opcode,
  parseText,
  REJECT,
  rejectReasonText,
  type TextPair,
  textErrorText,
} from '@lunkit/spec'
import { Authentication, type Turn } from './chap.ts'
import { next } from './command-window.ts'
import type { Connection, ConnectionHost } from './connection.ts'
import type { Links } from './links.ts'
import { Negotiation, settledValues } from './negotiate.ts'
import type { Settled } from './options.ts'
import { parseTargetAddress, type TargetAddress } from './portal.ts'
import type { SessionSettings } from './settings.ts'
import { addedWishes, leadingWishes } from './wishes.ts'

const request = LOGIN_REQUEST.field
const response = LOGIN_RESPONSE.field
/** The version of the standard, the lowest and the highest that this side knows (RFC 7143, 11.12.4). */
const VERSION = 0
/** Longest data segment in login (RFC 7143, 6.1: the default holds until full feature phase). */
const SEGMENT_BYTES = 8192
/** An answer in pieces may be this long together. */
const ANSWER_BYTES = 65_536
/** Requests after which a target is not going to agree any more. */
const ROUNDS = 100
const NO_DATA = new Uint8Array(0)

/** The place in a session that a login asks for. */
export interface Seat {
  /** What the session has already; without settings the login begins it. */
  readonly links: Links
  readonly cid: number
  /** StatSN expected on the connection of this CID that is taken the place of, as its last acknowledgement; else 0. */
  readonly expStatSn: number
}

export type LoginOutcome =
  | { readonly type: 'done'; readonly settings: SessionSettings }
  | { readonly type: 'redirected'; readonly to: TargetAddress; readonly permanent: boolean }
  | { readonly type: 'failed'; readonly error: InitiatorError }

export class Login implements ConnectionHost {
  readonly #options: Settled
  readonly #target: string | null
  readonly #seat: Seat
  readonly #finish: (outcome: LoginOutcome) => void
  readonly #authentication: Authentication
  readonly #negotiation: Negotiation
  #connection: Connection | null = null
  #stage: number = LoginStage.security
  #ready = false
  #rounds = 0
  #text: Uint8Array = NO_DATA
  #sent = 0
  /** The last request asked for the next stage. */
  #asked = false
  #answer: Uint8Array = NO_DATA
  #tsih = 0
  #over = false

  /**
   * `target` is null for a discovery session. `finish` is called once, inside the call that brought the outcome, so
   * that no PDU is lost between login and full feature phase.
   */
  constructor(options: Settled, target: string | null, seat: Seat, finish: (outcome: LoginOutcome) => void) {
    this.#options = options
    this.#target = target
    this.#seat = seat
    this.#finish = finish
    this.#authentication = new Authentication(options.chap, options.mutual)
    const leading = seat.links.settings
    const SessionType = target === null ? 'Discovery' : 'Normal'
    this.#negotiation =
      leading === null
        ? new Negotiation(leadingWishes(options, target === null), { SessionType })
        : new Negotiation(addedWishes(options), {
            SessionType,
            ...settledValues(leading.keys, 'leading-only'),
          })
  }

  start(connection: Connection): void {
    this.#connection = connection
    connection.expStatSn = this.#seat.expStatSn
    const turn = this.#authentication.begin()
    this.#ready = turn.ready
    this.#say([...this.#introduction(), ...turn.send])
  }

  #introduction(): TextPair[] {
    const { initiatorName, initiatorAlias } = this.#options
    const pairs: TextPair[] = [{ key: 'InitiatorName', value: initiatorName }]
    if (initiatorAlias !== null) pairs.push({ key: 'InitiatorAlias', value: initiatorAlias })
    if (this.#seat.links.settings === null) {
      pairs.push({ key: 'SessionType', value: this.#target === null ? 'Discovery' : 'Normal' })
    }
    if (this.#target !== null) pairs.push({ key: 'TargetName', value: this.#target })
    return pairs
  }

  place(): null {
    return null
  }

  lost(error: TransportError): void {
    this.#end({ type: 'failed', error })
  }

  pdu(header: Uint8Array, data: Uint8Array): void {
    if (this.#over) return
    try {
      this.#take(header, data)
    } catch (error) {
      if (!(error instanceof LoginError)) throw error
      this.#end({ type: 'failed', error })
    }
  }

  #take(header: Uint8Array, data: Uint8Array): void {
    this.#checkHeader(header)
    const status = (response.statusClass.get(header, 0) << 8) | response.statusDetail.get(header, 0)
    if (status !== LoginStatus.success) {
      this.#refused(status, data)
      return
    }
    this.#checkStage(header)
    this.#takeNumbers(header)
    const transit = response.transit.get(header, 0) === 1
    const more = response.continue.get(header, 0) === 1
    if (this.#sent < this.#text.length) {
      if (transit || more || data.length > 0) throw broken('did not wait for the rest of a text')
      this.#sendPiece()
      return
    }
    if (this.#answer.length + data.length > ANSWER_BYTES) throw broken('sent an answer of over 64 KiB')
    this.#answer = this.#answer.length === 0 ? data : Buffer.concat([this.#answer, data])
    if (more) {
      if (transit) throw broken('set both T and C')
      this.#send(NO_DATA, false, false)
      return
    }
    if (transit && !this.#asked) throw broken('moved to the next stage before it was asked to')
    const pairs = this.#parse(this.#answer)
    this.#answer = NO_DATA
    const turn = this.#judge(pairs)
    if (transit) this.#move(response.nsg.get(header, 0), response.tsih.get(header, 0))
    else if (turn.ready) this.#ready = true
    if (this.#over) return
    if (transit) this.#say(this.#opening())
    else this.#say([...turn.send, ...this.#negotiation.answers()])
  }

  #checkHeader(header: Uint8Array): void {
    const opcode = response.opcode.get(header, 0)
    if (opcode === Opcode.reject) {
      throw broken(`rejected the login: ${rejectReasonText(REJECT.field.reason.get(header, 0))}`)
    }
    if (opcode !== Opcode.loginResponse) throw broken(`sent a PDU of opcode ${opcode} during login`)
    if (response.itt.get(header, 0) !== 0) throw broken('answered to another task tag than that of the login')
  }

  /** The version of the first response holds for the whole login (RFC 7143, 11.13.2). */
  #checkStage(header: Uint8Array): void {
    const version = response.versionActive.get(header, 0)
    if (this.#rounds === 1 && version !== VERSION) throw broken(`speaks version ${version} of iSCSI`)
    const stage = response.csg.get(header, 0)
    if (stage !== this.#stage) throw broken(`answered for stage ${stage} in stage ${this.#stage}`)
  }

  /** The numbers count only where the login is not refused (RFC 7143, 11.13.5). */
  #takeNumbers(header: Uint8Array): void {
    const statSn = response.statSn.get(header, 0)
    const connection = this.#connection!
    if (this.#rounds > 1 && statSn !== connection.expStatSn) {
      throw broken(`sent StatSN ${statSn} during login where ${connection.expStatSn} was due`)
    }
    connection.expStatSn = next(statSn)
    // Before the end of its login a connection is in no session yet, and some targets then tell numbers of its own.
    const isIn =
      response.transit.get(header, 0) === 1 && response.nsg.get(header, 0) === LoginStage.fullFeature
    if (!isIn && this.#seat.links.settings !== null) return
    this.#seat.links.window.update(response.expCmdSn.get(header, 0), response.maxCmdSn.get(header, 0))
  }

  #parse(text: Uint8Array): readonly TextPair[] {
    const parsed = parseText(text)
    if (!parsed.ok) throw broken(`sent a text that cannot be read: ${textErrorText(parsed.error)}`)
    if (parsed.duplicates.length > 0) throw broken(`sent ${parsed.duplicates[0]} twice in one answer`)
    return parsed.pairs
  }

  #judge(pairs: readonly TextPair[]): Turn {
    const security = new Map<string, string>()
    for (const pair of pairs) {
      const row = keyByName(pair.key)
      if (row !== undefined) this.#checkTurn(row)
      if (isSecurity(row)) security.set(pair.key, pair.value)
      else this.#negotiation.receive(pair)
    }
    if (this.#stage === LoginStage.security) return this.#authentication.receive(security)
    return { send: [], ready: true }
  }

  /** Keys have their stages, and some their connection (RFC 7143, 12 and 13). */
  #checkTurn({ name, stages, use }: Key): void {
    // Whatever becomes of this key, nothing may depend on it (RFC 7143, 13.26.2).
    if (name === 'X#NodeArchitecture') return
    const stage = this.#stage === LoginStage.security ? 'security' : 'operational'
    if (!stages.includes(stage)) throw broken(`sent ${name} in the ${stage} stage`)
    if (use === 'leading-only' && this.#seat.links.settings !== null) {
      throw broken(`sent ${name}, which belongs to the first connection of a session`)
    }
  }

  /** The target agrees to leave the stage. */
  #move(stage: number, tsih: number): void {
    if (this.#negotiation.owes) throw broken('moved to the next stage while it had keys to be answered')
    if (this.#stage === LoginStage.security) this.#authentication.finish()
    if (stage !== this.#nextStage()) throw broken(`moved from stage ${this.#stage} to stage ${stage}`)
    this.#stage = stage
    this.#ready = stage === LoginStage.operational
    if (stage !== LoginStage.fullFeature) return
    this.#negotiation.finish()
    this.#tsih = tsih
    const { settings: leading } = this.#seat.links
    if (leading !== null && tsih !== leading.tsih) {
      throw broken(`put the connection in session ${tsih} instead of ${leading.tsih}`)
    }
    this.#end({ type: 'done', settings: this.#settings() })
  }

  #nextStage(): number {
    return this.#stage === LoginStage.security ? LoginStage.operational : LoginStage.fullFeature
  }

  #opening(): TextPair[] {
    return [...this.#negotiation.offers(), ...this.#negotiation.answers()]
  }

  #say(pairs: readonly TextPair[]): void {
    this.#text = encodeText(pairs)
    this.#sent = 0
    this.#sendPiece()
  }

  #sendPiece(): void {
    const end = Math.min(this.#text.length, this.#sent + SEGMENT_BYTES)
    const last = end === this.#text.length
    const piece = this.#text.subarray(this.#sent, end)
    this.#sent = end
    this.#send(piece, last && this.#ready, !last)
  }

  #send(data: Uint8Array, transit: boolean, more: boolean): void {
    if (++this.#rounds > ROUNDS) throw broken(`did not come to an end in ${ROUNDS} login requests`)
    this.#asked = transit
    const connection = this.#connection!
    const at = connection.begin()
    const header = connection.staging
    request.opcode.set(header, at, Opcode.loginRequest)
    request.immediate.set(header, at, 1)
    request.transit.set(header, at, transit ? 1 : 0)
    request.continue.set(header, at, more ? 1 : 0)
    request.csg.set(header, at, this.#stage)
    if (transit) request.nsg.set(header, at, this.#nextStage())
    request.versionMax.set(header, at, VERSION)
    request.versionMin.set(header, at, VERSION)
    const { links, cid } = this.#seat
    request.isid.set(header, at, this.#options.isid)
    request.tsih.set(header, at, links.settings?.tsih ?? 0)
    request.cid.set(header, at, cid)
    request.cmdSn.set(header, at, links.window.cmdSn)
    request.expStatSn.set(header, at, connection.expStatSn)
    connection.end(data)
  }

  #refused(status: number, data: Uint8Array): void {
    const statusClass = status >> 8
    const statusDetail = status & 0xff
    if (statusClass === LoginStatusClass.redirection) {
      const address = this.#parse(data).find(({ key }) => key === 'TargetAddress')?.value ?? ''
      const to = parseTargetAddress(address)
      if (to === null) throw broken(`redirected to '${address}', which is no address`)
      this.#end({ type: 'redirected', to, permanent: status === LoginStatus.targetMovedPermanently })
      return
    }
    const [code, hint] = REFUSALS[status] ?? [
      statusClass === LoginStatusClass.targetError ? 'LOGIN_TARGET_ERROR' : 'LOGIN_REFUSED',
      '',
    ]
    const what = this.#target === null ? 'discovery' : `target ${this.#target}`
    const message = `Login to ${what} was refused: ${loginStatusText(status)}`
    throw new LoginError(code, message, { statusClass, statusDetail, hint })
  }

  #settings(): SessionSettings {
    const value = (name: string): KeyValue | null => this.#negotiation.value(name)
    const own = {
      headerDigest: value('HeaderDigest') === 'CRC32C',
      dataDigest: value('DataDigest') === 'CRC32C',
      maxSendDataLength: Number(value('MaxRecvDataSegmentLength')),
      keys: this.#negotiation.report(),
    }
    const leading = this.#seat.links.settings
    if (leading !== null) return { ...leading, ...own }
    const maxBurstLength = Number(value('MaxBurstLength'))
    const maxConnections = Number(value('MaxConnections'))
    const errorRecoveryLevel = Number(value('ErrorRecoveryLevel'))
    // No connection ever joins a discovery session, and some targets give those no handle.
    if (this.#tsih === 0 && this.#target !== null) throw broken('gave the session no TSIH: zero is reserved')
    return {
      ...own,
      target: this.#target ?? '',
      tsih: this.#tsih,
      maxConnections,
      errorRecoveryLevel,
      immediateData: value('ImmediateData') === true,
      initialR2T: value('InitialR2T') === true,
      firstBurstLength: Math.min(Number(value('FirstBurstLength')), maxBurstLength),
      maxBurstLength,
      time2Wait: Number(value('DefaultTime2Wait')),
      time2Retain: Number(value('DefaultTime2Retain')),
    }
  }

  #end(outcome: LoginOutcome): void {
    if (this.#over) return
    this.#over = true
    this.#finish(outcome)
  }
}

const REFUSALS: Readonly<Record<number, readonly [LoginError['code'], hint: string]>> = {
  [LoginStatus.authenticationFailure]: ['LOGIN_AUTHENTICATION', 'check CHAP user and secret'],
  [LoginStatus.authorizationFailure]: ['LOGIN_FORBIDDEN', "add this initiator's name to the target's list"],
  [LoginStatus.notFound]: ['LOGIN_NOT_FOUND', 'list the names of the portal by discovery'],
  [LoginStatus.targetRemoved]: ['LOGIN_NOT_FOUND', 'list the names of the portal by discovery'],
  [LoginStatus.initiatorError]: ['LOGIN_REFUSED', 'the log of the target may say why'],
  [LoginStatus.serviceUnavailable]: ['LOGIN_TARGET_ERROR', 'try again later'],
  [LoginStatus.outOfResources]: ['LOGIN_TARGET_ERROR', "end other sessions, or raise the target's limits"],
}

/** Whether a key belongs to the security stage alone. */
const isSecurity = (key: Key | undefined): boolean => key?.stages.length === 1 && key.stages[0] === 'security'

const broken = (what: string): LoginError => new LoginError('LOGIN_PROTOCOL', `The target ${what}`)
