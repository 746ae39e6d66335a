// SPDX-License-Identifier: Apache-2.0
// A unit behind a handler: commands go there as they are, and its answers become the unit's.
import {
  CAPACITY_DATA_HAS_CHANGED,
  DEVICE_INTERNAL_RESET,
  LOGICAL_UNIT_COMMUNICATION_TIME_OUT,
  LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE,
  SenseKey,
  Status,
} from '@lunkit/spec'
import {
  type ControlPolicies,
  type Device,
  type DeviceType,
  defaultPolicies,
  fail,
  type LogicalUnit,
  type Nexus,
  type ParameterValues,
  refuse,
  succeed,
  type Task,
} from '@lunkit/target-api'
import { InquiryMemory } from './inquiry-memory.ts'
import { Link, type LinkUser } from './link/link.ts'
import {
  ATTENTION,
  CAPACITY,
  DATA_WITH_SENSE,
  EXECUTE,
  HandlerFault,
  type HandlerHello,
  Kind,
} from './link/protocol.ts'
import { HEADER, type Request } from './link/request.ts'
import { linkOptions, nameOf } from './link/ways.ts'
import { codeOf, endWithSense } from './sense.ts'
import { checkUnitHello, type UnitHello } from './unit-hello.ts'

/** Data-in that the engine has not counted, in all: more is BUSY. */
const MOST_UNCOUNTED = 32 * 1024 * 1024
const VARIABLE_LENGTH = 0x7f
/** CDB length by the group code of the operation code (SPC-4); what is the vendor's is sent whole. */
const CDB_LENGTHS = [6, 10, 10, 16, 16, 12, 16, 16]

const ENDS = {
  gone: LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE,
  lost: LOGICAL_UNIT_COMMUNICATION_TIME_OUT,
  aborted: LOGICAL_UNIT_COMMUNICATION_TIME_OUT,
} as const

/** What a handler that comes back cannot have changed. */
const FIXED = ['type', 'block', 'identity', 'reservations', 'readonly', 'maxTransfer'] as const

/** Statuses without data and sense (SAM-5). */
const PLAIN: ReadonlySet<number> = new Set([
  Status.conditionMet,
  Status.busy,
  Status.reservationConflict,
  Status.taskSetFull,
  Status.acaActive,
  Status.taskAborted,
])

export class UserDevice implements Device, LinkUser {
  type: DeviceType = null as unknown as DeviceType
  blockSize = 0
  blocks = 0
  writable = true
  maxTransfer = 0
  readonly notReady = null
  readonly occupied = null
  readonly policies: ControlPolicies = defaultPolicies()
  identity = ''
  readonly #readonly: boolean
  readonly #link: Link
  readonly #where: string
  readonly #timeout: number
  #unit: LogicalUnit | null = null
  #hello: UnitHello | null = null
  /** What the handler speaks that is there now. */
  #version = 0
  /** Sessions that the handler knows. */
  readonly #sessions = new Map<Nexus, number>()
  #lastSession = 0
  #uncounted = 0
  readonly #inquiries = new InquiryMemory()

  constructor(values: ParameterValues) {
    const options = linkOptions(values, 'scsi')
    this.#readonly = values['readonly'] === true
    this.#where = nameOf(options)
    this.#timeout = options.timeoutMs
    this.#link = new Link(options, this)
  }

  async open(typeOf: (hello: UnitHello) => DeviceType): Promise<void> {
    await this.#link.open()
    this.type = typeOf(this.#hello!)
  }

  /** Sends a command to the handler. */
  execute(task: Task): void {
    const counted = task.binding?.blocks ?? null
    const longestIn = Math.min(task.expectedIn, this.maxTransfer)
    if (counted === null && this.#uncounted + longestIn > MOST_UNCOUNTED) {
      refuse(task, Status.busy)
      return
    }
    const request = this.#link.take()
    const { frame } = request
    const { field } = EXECUTE
    request.task = task
    request.kind = Kind.execute
    request.session = this.#sessionOf(task)
    request.bodyLength = EXECUTE.length
    request.out = task.segments
    request.outLength = task.received
    request.longestIn = longestIn
    request.note = counted === null ? longestIn : 0
    this.#uncounted += request.note
    frame.fill(0, HEADER)
    const length = cdbLength(task.cdb)
    task.cdb.copy(frame, HEADER, 0, length)
    field.cdbLength.set(frame, HEADER, length)
    field.attribute.set(frame, HEADER, task.attribute)
    field.timeout.set(frame, HEADER, this.#timeout)
    field.expectedIn.set(frame, HEADER, longestIn)
    field.outLength.set(frame, HEADER, task.received)
    field.blocks.set(frame, HEADER, task.blocks)
    field.lba.set(frame, HEADER, task.lba)
    task.deviceData = request
    this.#link.submit(request)
  }

  attach(unit: LogicalUnit): void {
    this.#unit = unit
  }

  abort(task: Task): void {
    if (task.deviceData !== null) this.#link.abort(task.deviceData as Request)
  }

  reset(): void {
    this.#link.tell(Kind.reset, 0)
  }

  nexusLost(nexus: Nexus): void {
    const session = this.#sessions.get(nexus)
    if (session === undefined) return
    this.#sessions.delete(nexus)
    this.#link.tell(Kind.detach, session)
  }

  async close(): Promise<void> {
    this.#link.close()
  }

  // ---- of the link ----

  greeted(hello: HandlerHello): void {
    const given = checkUnitHello(hello)
    const before = this.#hello
    this.#version = given.version
    if (before === null) {
      this.#hello = given
      this.blockSize = given.block ?? 0
      this.blocks = given.blocks ?? 0
      this.maxTransfer = given.maxTransfer ?? 1 << 20
      this.writable = !this.#readonly && given.readonly !== true
      this.identity = `user:${given.identity ?? this.#where}`
      Object.assign(this.policies, given.policies)
      return
    }
    for (const name of FIXED) {
      if (given[name] !== before[name]) throw new HandlerFault(`it came back with another ${name}`)
    }
    this.#unit?.warn(`handler ${this.#where} is back`)
    this.#unit?.attention(DEVICE_INTERNAL_RESET, null)
    this.#resize(given.blocks ?? 0)
  }

  roomFor(request: Request, bytes: number): readonly Buffer[] | null {
    const { task, status, count, longestIn } = request
    const failed = status === Status.checkCondition
    if (status !== Status.good && !failed && !PLAIN.has(status)) {
      throw new HandlerFault(`it answered with the unknown status ${status}`)
    }
    if (status === Status.good && count !== bytes) throw new HandlerFault('it says two lengths of one answer')
    request.count = bytes
    if (bytes === 0) return null
    const mayBring = status === Status.good || (failed && this.#version >= DATA_WITH_SENSE)
    if (!mayBring || longestIn === 0) {
      throw new HandlerFault('it answered with data that nobody asked for')
    }
    task.releaseData()
    task.reserve(bytes)
    return task.segments
  }

  answered(request: Request, sense: Buffer): void {
    const { task, status, count } = request
    this.#ended(request)
    if (status === Status.good) {
      task.inLength = count
      this.#inquiries.keep(task, count)
      succeed(task)
    } else if (status === Status.checkCondition) endWithSense(task, sense, count)
    else refuse(task, status)
  }

  ended(request: Request, how: 'gone' | 'lost' | 'aborted'): void {
    this.#ended(request)
    if (how === 'aborted' || !this.#inquiries.answer(request.task)) fail(request.task, ENDS[how])
  }

  /** Nobody knows what became of it, and not every command may be done twice. */
  mayRepeat(): boolean {
    return false
  }

  /** The next handler has to hear of all sessions anew. */
  interrupted(): void {
    this.#sessions.clear()
  }

  notice(kind: number, body: Buffer): void {
    if (kind === Kind.capacity && body.length === CAPACITY.length) {
      this.#resize(CAPACITY.field.size.get(body, 0))
    } else if (kind === Kind.attention && body.length === ATTENTION.length) {
      const { asc, ascq } = ATTENTION.field
      this.#unit?.attention(codeOf(SenseKey.unitAttention, asc.get(body, 0), ascq.get(body, 0)), null)
    } else throw new HandlerFault(`it sent a message of the unknown kind ${kind}`)
  }

  away(reason: string): void {
    this.#unit?.warn(`handler ${this.#where}: ${reason}`)
  }

  #ended(request: Request): void {
    this.#uncounted -= request.note
    request.task.deviceData = null
  }

  #resize(blocks: number): void {
    if (!Number.isSafeInteger(blocks)) throw new HandlerFault(`it has ${blocks} blocks`)
    if (blocks === this.blocks) return
    this.blocks = blocks
    this.#unit?.attention(CAPACITY_DATA_HAS_CHANGED, null)
  }

  /** The handler hears of an initiator before its first command. */
  #sessionOf({ nexus, nexusUnit }: Task): number {
    const known = this.#sessions.get(nexus)
    if (known !== undefined) return known
    const session = this.#newSession()
    const { initiator, target, port } = nexus
    const { identity } = nexusUnit.unit
    const told = {
      initiator: initiator.name,
      initiatorPort: initiator.port,
      target: target.name,
      targetPort: port.relativeId,
      lun: nexusUnit.lun,
      readonly: nexusUnit.readonly || !this.writable,
      vendor: identity.vendor,
      product: identity.product,
      revision: identity.revision,
      serial: identity.serial,
      naa: Buffer.from(identity.naa).toString('hex'),
    }
    this.#sessions.set(nexus, session)
    this.#link.tell(Kind.attach, session, Buffer.from(JSON.stringify(told)))
    return session
  }

  #newSession(): number {
    const used = new Set(this.#sessions.values())
    do this.#lastSession = (this.#lastSession % 65535) + 1
    while (used.has(this.#lastSession))
    return this.#lastSession
  }
}

export const forward = (task: Task, device: Device): void => (device as UserDevice).execute(task)

const cdbLength = (cdb: Buffer): number =>
  cdb[0] === VARIABLE_LENGTH ? Math.min(8 + cdb[7]!, 32) : CDB_LENGTHS[cdb[0]! >> 5]!
