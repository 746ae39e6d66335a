// SPDX-License-Identifier: Apache-2.0
// Login as the target runs it: any number of requests, one answer to each, by the rows of `rows.ts`.
import { isDeepStrictEqual } from 'node:util'
import { encodeText, type KeyStage, LoginStatus, type TextPair } from '@lunkit/spec'
import type { NexusView, Target } from '@lunkit/target-api'
import type { Arrival, Who } from '../access/facts.ts'
import type { Chap } from '../access/options.ts'
import { type AccessTable, type Decision, type Denied, givesAlike } from '../access/table.ts'
import type { Settings } from '../options.ts'
import { TextInbox, TextOutbox, textFault } from '../text.ts'
import { Authentication, isAuthKey } from './authenticate.ts'
import { Negotiation, type Wishes } from './negotiate.ts'
import {
  type ConnectionParameters,
  connectionParametersOf,
  parametersOf,
  type SessionParameters,
} from './parameters.ts'
import { missingDigest } from './preferences.ts'
import { type LoginRow, type LoginState, loginEvent, loginRow } from './rows.ts'
import { isVendorKey, VendorKeys } from './vendor-keys.ts'

/** The versions of RFC 3720 and RFC 7143: there is only one. */
const VERSION = 0
/** Longest data segment in login, both ways: what holds before anything else is declared (RFC 7143, 13.12). */
export const LOGIN_DATA_BYTES = 8192

/** What login needs to know of its port. */
export interface LoginPolicy {
  readonly settings: Settings
  readonly wishes: Wishes
  readonly access: { readonly table: AccessTable }
  /** The targets that discovery may be about. */
  readonly targets: readonly Target[]
  /** Whether nobody may log in to the target (discovery: null), nor be sent elsewhere. */
  closedTo(target: Target | null): boolean
  /** Whether its initiators may be sent elsewhere at the end of their login. */
  mayMove(target: Target): boolean
  findTarget(name: string): Target | null
  /** The session that a login with a TSIH wants to join, or null. */
  findSession(initiator: string, isid: string, tsih: number): JoinableSession | null
}

/** What login needs to know of a session that a connection wants to join. */
export interface JoinableSession {
  readonly target: Target | null
  readonly admission: Admission
  readonly parameters: SessionParameters
  /** By CID. */
  readonly connections: ReadonlyMap<number, unknown>
}

/** As whom somebody has got in, and to what. */
export interface Admission {
  readonly who: Who
  /** The user that was proved, or null. */
  readonly user: string | null
  readonly view: NexusView
}

export interface LoginRequest {
  readonly transit: boolean
  readonly continues: boolean
  readonly csg: number
  readonly nsg: number
  readonly versionMin: number
  /** 12 hexadecimal digits. */
  readonly isid: string
  readonly tsih: number
  readonly itt: number
  readonly cid: number
  readonly cmdSn: number
  readonly text: readonly Buffer[]
}

export interface LoginReply {
  readonly status: number
  readonly transit: boolean
  readonly continues: boolean
  readonly text: Buffer
  /** Words for the event, if `status` is no success. */
  readonly failure: string
}

const NOTHING = Buffer.alloc(0)
const failed = (status: number, failure: string): LoginReply => ({
  status,
  transit: false,
  continues: false,
  text: NOTHING,
  failure,
})
const wrong = (failure: string): LoginReply => failed(LoginStatus.initiatorError, failure)

const statusOf = ({ key }: { readonly key: string }): number =>
  key === 'SessionType' ? LoginStatus.sessionTypeNotSupported : LoginStatus.initiatorError

const denied = ({ hidden, reason, rule }: Denied): LoginReply =>
  failed(hidden ? LoginStatus.notFound : LoginStatus.authorizationFailure, `${reason} (decided by ${rule})`)

const CLOSED = failed(LoginStatus.serviceUnavailable, 'Target lets nobody in any more')

/** One login. After a reply that is no success, or that made it `complete`, it is over. */
export class Login {
  state: LoginState = 'start'
  /** Names as far as they are known, in the form to compare. */
  initiator = ''
  targetName = ''
  target: Target | null = null
  discovery = false
  /** Our MaxRecvDataSegmentLength was declared: it holds after login. */
  declared = false
  first: LoginRequest | null = null
  readonly #from: Arrival
  readonly #policy: LoginPolicy
  readonly #negotiation: Negotiation
  readonly #vendorKeys: VendorKeys | null
  readonly #inbox = new TextInbox()
  readonly #outbox = new TextOutbox()
  #authentication: Authentication | null = null
  /** What was decided when the names were known; null for discovery. */
  #decision: Decision | null = null
  #view: NexusView = {}
  #accounts: readonly Chap[] = []

  constructor(policy: LoginPolicy, from: Arrival) {
    this.#policy = policy
    this.#from = from
    this.#negotiation = new Negotiation(policy.wishes)
    const { vendorKey } = policy.settings
    this.#vendorKeys = vendorKey === null ? null : new VendorKeys(vendorKey)
  }

  get complete(): boolean {
    return this.state === 'fullFeature'
  }

  /** Whether the initiator has proved who it is. */
  get proved(): boolean {
    return this.#authentication?.proved === true
  }

  /** The user that it has proved to be, or null. */
  get user(): string | null {
    return this.#authentication?.user ?? null
  }

  /** What a complete login comes to. */
  get admission(): Admission {
    return { who: this.#who, user: this.user, view: this.#view }
  }

  get #who(): Who {
    return { initiator: this.initiator, ...this.#from }
  }

  /** Whether the access table would still say what this login goes by. */
  isStillDecided(): boolean {
    if (this.#authentication === null) return true
    const { table } = this.#policy.access
    if (this.target === null) return isDeepStrictEqual(this.#discoveryAccounts(), this.#accounts)
    return givesAlike(table.decide(this.target, this.#who), this.#decision!)
  }

  get parameters(): SessionParameters {
    return parametersOf(this.#negotiation)
  }

  get connectionParameters(): ConnectionParameters {
    return connectionParametersOf(this.#negotiation)
  }

  /** Values of the finished negotiation, for text exchanges that follow. */
  get settled(): Negotiation['settled'] {
    return this.#negotiation.settled
  }

  receive(request: LoginRequest): LoginReply {
    const refusal = this.#checkHeader(request)
    if (refusal !== null) return refusal
    const event = loginEvent(request.transit, request.csg, request.nsg)
    const row = event === null ? undefined : loginRow(this.state, event)
    if (row === undefined) {
      return wrong(`Login request of stage ${request.csg} to ${request.nsg} came in stage ${this.state}`)
    }
    if (this.#outbox.pending) {
      if (request.continues || request.text.length > 0)
        return wrong('Login text came before all was answered')
      return this.#reply(row)
    }
    if (!this.#inbox.add(request.text)) return wrong('Login text is too long')
    if (request.continues) {
      this.state = row.at
      return { status: LoginStatus.success, transit: false, continues: false, text: NOTHING, failure: '' }
    }
    return this.#answer(row)
  }

  #checkHeader(request: LoginRequest): LoginReply | null {
    const first = this.first
    if (first === null) {
      this.first = request
      this.#negotiation.leading = request.tsih === 0
      if (request.versionMin > VERSION) {
        return failed(LoginStatus.unsupportedVersion, `Version ${request.versionMin} is not supported`)
      }
    } else if (
      request.itt !== first.itt ||
      request.isid !== first.isid ||
      request.tsih !== first.tsih ||
      request.cid !== first.cid
    ) {
      return wrong('Login requests of one login differ in ITT, ISID, TSIH or CID')
    }
    return request.transit && request.continues ? wrong('Login request has both T and C set') : null
  }

  #answer(row: LoginRow): LoginReply {
    const text = this.#inbox.take()
    if (!text.ok) return wrong(textFault(text)!)
    const reply: TextPair[] = []
    const auth = row.at === 'security' ? text.pairs.filter(pair => isAuthKey(pair.key)) : []
    const isOther = ({ key }: TextPair): boolean =>
      this.#vendorKeys !== null && isVendorKey(key) ? false : !(row.at === 'security' && isAuthKey(key))
    const rest = text.pairs.filter(isOther)
    const fault = this.#negotiation.answerAll(rest, row.at, reply)
    // Names come before faults, so that the event can say whose login it was.
    const refusal = this.#identify()
    if (fault !== null) return failed(statusOf(fault), fault.reason)
    if (refusal !== null) return refusal
    if ((this.#negotiation.value('SessionType') === 'Discovery') !== this.discovery)
      return wrong('Key SessionType came after the session was identified')
    const authentication = this.#authentication!
    const failure = authentication.receive(auth, row.to !== row.at, reply)
    if (failure !== null) {
      const text = failure.answer === undefined ? NOTHING : Buffer.from(encodeText([failure.answer]))
      return { ...failed(failure.status, `${failure.failure}${this.#askedBy()}`), text }
    }
    // Who leaves out the proof hears nothing of what there is (RFC 7143, 6.3.1).
    if (row.at === 'operational' && !authentication.done)
      return failed(
        LoginStatus.authenticationFailure,
        `Initiator leaves out authentication${this.#askedBy()}`,
      )
    const vendor = this.#answerVendorKeys(text.pairs, row.at, reply)
    if (vendor !== null) return vendor
    if (row.at === 'operational' && !this.declared) {
      this.declared = true
      const value = String(this.#policy.settings.limits.maxRecvDataSegmentLength)
      reply.push({ key: 'MaxRecvDataSegmentLength', value })
    }
    this.#introduce(reply)
    this.#outbox.put(reply)
    return this.#reply(row)
  }

  #answerVendorKeys(pairs: readonly TextPair[], stage: KeyStage, reply: TextPair[]): LoginReply | null {
    if (this.#vendorKeys === null) return null
    const { initiator, target } = this
    const from = target !== null && stage !== 'security' ? { initiator, target: target.name, stage } : null
    try {
      const fault = this.#vendorKeys.answer(pairs, from, reply)
      return fault === null ? null : wrong(fault)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      return failed(LoginStatus.targetError, `The answer to an extension key failed: ${why}`)
    }
  }

  /** Settles who wants what; once, with the first whole request. */
  #identify(): LoginReply | null {
    if (this.#authentication !== null) return null
    const { table } = this.#policy.access
    const value = (key: string): string => String(this.#negotiation.settled.get(key) ?? '')
    this.initiator = value('InitiatorName')
    this.targetName = value('TargetName')
    this.discovery = value('SessionType') === 'Discovery'
    if (this.initiator === '') return failed(LoginStatus.missingParameter, 'InitiatorName is missing')
    if (this.discovery) {
      if (this.#policy.closedTo(null)) return CLOSED
      this.#accounts = this.#discoveryAccounts()
      this.#authentication = new Authentication(this.#accounts, table.discovery === null)
      return null
    }
    if (this.targetName === '') return failed(LoginStatus.missingParameter, 'TargetName is missing')
    this.target = this.#policy.findTarget(this.targetName)
    if (this.target === null) return failed(LoginStatus.notFound, 'There is no such target')
    const decision = table.decide(this.target, this.#who)
    if (!decision.allowed) return denied(decision)
    if (this.#policy.closedTo(this.target)) return CLOSED
    this.#decision = decision
    this.#authentication = new Authentication(decision.accounts, decision.proof === 'optional')
    return null
  }

  /**
   * Without accounts for discovery, nobody needs to prove anything to see the names of targets; but an initiator that
   * insists on CHAP (open-iscsi does for mutual CHAP) is served with the accounts of the targets that it may see.
   */
  #discoveryAccounts(): readonly Chap[] {
    const { access, targets } = this.#policy
    if (access.table.discovery !== null) return access.table.discovery
    const all = targets.flatMap(target => {
      const decision = access.table.decide(target, this.#who)
      return decision.allowed ? decision.accounts : []
    })
    return [
      ...new Map(all.map(account => [JSON.stringify([account.user, account.secret]), account])).values(),
    ]
  }

  /** For an event: a user that is known to the target may be none that its rule asks for. */
  #askedBy(): string {
    const decision = this.#decision
    return decision?.allowed === true && decision.proof !== 'none' ? ` (asked for by ${decision.rule})` : ''
  }

  /** The proof is there: what it is good for. */
  #grant(): LoginReply | null {
    if (this.target === null) return null
    const { table } = this.#policy.access
    const grant = table.grant(this.#decision!, this.target, this.#who, this.user)
    if (!('view' in grant)) return denied(grant)
    this.#view = grant.view
    return null
  }

  #introduced = false
  /** The first answer says which portal group it is, in all kinds of sessions (RFC 7143, 6.3.1). */
  #introduce(reply: TextPair[]): void {
    if (this.#introduced) return
    this.#introduced = true
    if (this.target !== null && this.target.alias !== '')
      reply.push({ key: 'TargetAlias', value: this.target.alias })
    reply.push({ key: 'TargetPortalGroupTag', value: String(this.#policy.settings.tpgt) })
  }

  #reply(row: LoginRow): LoginReply {
    const text = this.#outbox.next(LOGIN_DATA_BYTES)
    const continues = this.#outbox.pending
    const stays = continues || !this.#authentication!.done || this.#staysForProof(text, row)
    const transit = !stays && row.to !== row.at
    this.state = transit ? row.to : row.at
    if (this.state === 'fullFeature') {
      const refusal = this.#grant() ?? this.#checkSession()
      if (refusal !== null) return refusal
    }
    return { status: LoginStatus.success, transit, continues, text, failure: '' }
  }

  /** The target's own proof must be told before a redirect is, which takes the place of the last answer. */
  #staysForProof(text: Buffer, row: LoginRow): boolean {
    const { target } = this
    if (row.at !== 'security' || row.to !== 'fullFeature' || target === null) return false
    return text.includes('CHAP_R=') && this.#policy.mayMove(target)
  }

  /** A TSIH asks to join a session; one more connection must fit in, or take the place of one with its CID. */
  #checkSession(): LoginReply | null {
    const missing = this.discovery
      ? null
      : missingDigest(this.#policy.settings.preferences, this.#negotiation)
    if (missing !== null) return wrong(missing)
    const { isid, tsih, cid } = this.first!
    if (tsih === 0) return null
    const session = this.#policy.findSession(this.initiator, isid, tsih)
    if (session === null || this.target === null || session.target?.name !== this.target.name) {
      return failed(LoginStatus.sessionDoesNotExist, `There is no session with TSIH ${tsih}`)
    }
    const { connections, parameters, admission } = session
    // Who proved nothing is another than who proved to be somebody.
    if (this.user !== admission.user || !isDeepStrictEqual(admission.view, this.#view)) {
      const failure = `Session ${tsih} is that of another user, or by another rule`
      return failed(LoginStatus.authorizationFailure, failure)
    }
    if (connections.has(cid) || connections.size < parameters.maxConnections) return null
    return failed(LoginStatus.tooManyConnections, `Session has its ${connections.size} connections already`)
  }
}
