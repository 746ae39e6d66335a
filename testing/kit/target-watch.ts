// SPDX-License-Identifier: Apache-2.0
// Watches one session on the wire for what a target has to hold: read data, R2Ts, responses, text and echoes (RFC 7143, 11 and 13).
import {
  DATA_IN,
  DATA_OUT,
  IscsiTaskFunction,
  NOP_IN,
  NOP_OUT,
  Opcode,
  R2T,
  REJECT,
  RESERVED_TAG,
  SCSI_COMMAND,
  SCSI_RESPONSE,
  Status,
  TASK_MANAGEMENT_REQUEST,
  TEXT_REQUEST,
  TEXT_RESPONSE,
} from '@lunkit/spec'
import { AgreedKeys } from './agreed-keys.ts'
import { type Finding, findingsOf } from './pdu-forms.ts'
import type { TappedPdu } from './wire-tap.ts'

interface Command {
  readonly lun: Uint8Array
  readonly reads: number
  readonly writes: number
  readonly both: boolean
  /** Next number of R2T and Data-In together, and next offsets of both. */
  sn: number
  at: number
  r2tAt: number
  /** Bytes of the sequence under way, and since data was to be acknowledged. */
  burst: number
  unacknowledged: number
  /** An R2T that was sent and whose data has not come to its end. */
  readonly outstanding: Set<number>
  /** It was taken over, and nothing of it has come since. */
  hasMoved: boolean
}

interface Request {
  readonly opcode: number
  readonly header: Buffer
  readonly data: Buffer
  readonly command: Command | null
}

const GOOD: ReadonlySet<number> = new Set<number>([Status.good, Status.conditionMet])
const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0
const REQUEST_OF: Readonly<Record<number, number>> = {
  [Opcode.scsiResponse]: Opcode.scsiCommand,
  [Opcode.taskManagementResponse]: Opcode.taskManagementRequest,
  [Opcode.textResponse]: Opcode.textRequest,
  [Opcode.logoutResponse]: Opcode.logoutRequest,
  [Opcode.dataIn]: Opcode.scsiCommand,
  [Opcode.r2t]: Opcode.scsiCommand,
}

export class TargetWatch {
  readonly found: Finding[] = []
  readonly #keys = new AgreedKeys()
  readonly #open = new Map<number, Request>()
  /** Headers of all requests, of which a Reject brings one back. */
  readonly #sent: Buffer[] = []
  /** Above level 0 what was sent may come again. */
  readonly #again = new Map<number, Request>()

  static over(pdus: readonly TappedPdu[]): TargetWatch {
    const watch = new TargetWatch()
    for (const pdu of pdus) watch.take(pdu)
    return watch
  }

  take(pdu: TappedPdu): void {
    if (pdu.from === 'target') this.#answered(pdu)
    else this.#asked(pdu)
    this.#keys.take(pdu)
  }

  /** Requests without an answer. */
  get left(): number {
    return this.#open.size
  }

  get #recovers(): boolean {
    return this.#keys.session.errorRecoveryLevel > 0
  }

  #unless(holds: boolean, check: string, text: string): void {
    if (!holds) this.found.push([check, text])
  }

  #asked({ opcode, header, data }: TappedPdu): void {
    this.#sent.push(header)
    const { itt, ttt, final } = DATA_OUT.read(header)
    if (opcode === Opcode.dataOut) {
      if (final === 1) this.#open.get(itt)?.command?.outstanding.delete(ttt)
      return
    }
    if (opcode === Opcode.taskManagementRequest) this.#moves(header)
    if (itt === RESERVED_TAG || opcode === Opcode.snack || opcode === Opcode.loginRequest) return
    const before = this.#open.get(itt)
    const isMine = before === undefined || opcode !== Opcode.scsiCommand
    if (isMine) this.#open.set(itt, { opcode, header, data, command: this.#command(opcode, header, data) })
  }

  /** What was sent last on a lost connection may not have come here: a task that is taken over may skip numbers. */
  #moves(header: Buffer): void {
    const request = TASK_MANAGEMENT_REQUEST.read(header)
    const command = this.#open.get(request.referencedTaskTag)?.command
    if (request.function !== IscsiTaskFunction.taskReassign || command == null) return
    command.outstanding.clear()
    command.hasMoved = true
  }

  #command(opcode: number, header: Buffer, data: Buffer): Command | null {
    if (opcode !== Opcode.scsiCommand) return null
    const { lun, read, write, final, expectedDataTransferLength: length } = SCSI_COMMAND.read(header)
    const unasked = final === 1 ? data.length : Math.min(this.#keys.session.firstBurst, length)
    const both = read + write === 2
    const [reads, writes] = [both ? header.readUInt32BE(header.length - 4) : read * length, write * length]
    const numbers = { sn: 0, at: 0, r2tAt: unasked, burst: 0, unacknowledged: 0 }
    return { lun, reads, writes, both, ...numbers, outstanding: new Set(), hasMoved: false }
  }

  #answered(pdu: TappedPdu): void {
    const { opcode, header, data, connection } = pdu
    this.found.push(...findingsOf(pdu))
    const longest = this.#keys.longest('initiator', connection)
    this.#unless(data.length <= longest, 'segment', `${data.length} bytes of data where ${longest} are taken`)
    if (opcode === Opcode.nopIn) this.#nop(pdu)
    if (opcode === Opcode.reject) this.#reject(pdu)
    const wanted = REQUEST_OF[opcode]
    if (wanted === undefined) return
    const { itt } = NOP_IN.read(header)
    const one = this.#open.get(itt)
    if (one?.opcode !== wanted) {
      const isAgain = this.#recovers && this.#again.get(itt)?.opcode === wanted
      this.#unless(
        isAgain,
        'one answer',
        `opcode 0x${opcode.toString(16)} answers tag ${itt}, which is not open`,
      )
      return
    }
    if (opcode === Opcode.dataIn) this.#dataIn(pdu, itt, one.command!)
    else if (opcode === Opcode.r2t) this.#r2t(header, one.command!)
    else if (opcode === Opcode.scsiResponse) this.#response(pdu, itt, one.command!)
    else if (opcode === Opcode.textResponse) this.#text(header, itt, one)
    else this.#close(itt, one)
  }

  #close(itt: number, one: Request): void {
    this.#open.delete(itt)
    this.#again.set(itt, one)
    if (one.opcode !== Opcode.taskManagementRequest) return
    const request = TASK_MANAGEMENT_REQUEST.read(one.header)
    if (request.function === IscsiTaskFunction.abortTask) this.#open.delete(request.referencedTaskTag)
    const isReset = request.function >= IscsiTaskFunction.targetWarmReset
    if (
      request.function < IscsiTaskFunction.logicalUnitReset ||
      request.function > IscsiTaskFunction.targetColdReset
    )
      return
    for (const [tag, { command }] of this.#open) {
      if (command !== null && (isReset || same(command.lun, request.lun))) this.#open.delete(tag)
    }
  }

  #dataIn({ header, data }: TappedPdu, itt: number, one: Command): void {
    const { final, statusPresent, status, acknowledge, ttt, lun, dataSn, bufferOffset } = DATA_IN.read(header)
    const { maxBurst, errorRecoveryLevel } = this.#keys.session
    const isAgain = this.#recovers && dataSn < one.sn
    this.#unless(acknowledge === 0 || errorRecoveryLevel > 0, 'A bit', 'the A bit is set at level 0')
    this.#unless(
      acknowledge === 0 || (ttt !== RESERVED_TAG && same(lun, one.lun)),
      'A tag',
      'the A bit without a tag and LUN',
    )
    if (isAgain) return
    this.#unless(dataSn === one.sn, 'DataSN', `DataSN ${dataSn} where ${one.sn} is due`)
    this.#unless(bufferOffset === one.at, 'data order', `offset ${bufferOffset} where ${one.at} is due`)
    this.#unless(one.unacknowledged >= 0, 'A often', 'more data after an A bit that came too early')
    one.sn++
    one.at += data.length
    one.burst += data.length
    one.unacknowledged += data.length
    this.#unless(
      one.at <= one.reads,
      'data length',
      `${one.at} bytes of data where ${one.reads} are expected`,
    )
    this.#unless(one.burst <= maxBurst, 'burst', `a sequence of ${one.burst} bytes`)
    this.#unless(one.burst < maxBurst || final === 1, 'data final', 'a whole sequence without F')
    this.#unless(
      final === 1 || data.length % 4 === 0,
      'data words',
      'a part of a word in the midst of a sequence',
    )
    if (final === 1) one.burst = 0
    if (acknowledge === 1) one.unacknowledged = one.unacknowledged >= maxBurst ? 0 : -(2 ** 31)
    if (statusPresent === 0) return
    this.#unless(final === 1, 'S and F', 'status without F')
    this.#unless(GOOD.has(status) && !one.both, 'S status', `status ${status} comes with data`)
    this.#end(itt, one, SCSI_RESPONSE.read(header), status)
  }

  #r2t(header: Buffer, one: Command): void {
    const { ttt, lun, r2tSn, bufferOffset, desiredLength } = R2T.read(header)
    const { maxBurst, maxOutstandingR2T } = this.#keys.session
    if (this.#recovers && r2tSn < one.sn) return
    if (one.hasMoved) one.sn = r2tSn
    one.hasMoved = false
    const tags = [...this.#open.values()].flatMap(({ command }) => [...(command?.outstanding ?? [])])
    this.#unless(
      ttt !== RESERVED_TAG && !tags.includes(ttt),
      'R2T tag',
      `the transfer tag ${ttt} is in use or reserved`,
    )
    this.#unless(same(lun, one.lun), 'R2T LUN', 'an R2T has another LUN than its command')
    this.#unless(r2tSn === one.sn, 'R2TSN', `R2TSN ${r2tSn} where ${one.sn} is due`)
    const isRight = desiredLength > 0 && desiredLength <= maxBurst
    this.#unless(isRight, 'R2T length', `${desiredLength} bytes where up to ${maxBurst} may be asked for`)
    const follows = bufferOffset === one.r2tAt || (this.#recovers && bufferOffset < one.r2tAt)
    this.#unless(follows, 'R2T order', `offset ${bufferOffset} where ${one.r2tAt} is due`)
    one.r2tAt = bufferOffset + desiredLength
    this.#unless(one.r2tAt <= one.writes, 'R2T end', `${one.r2tAt} bytes of ${one.writes} are asked for`)
    one.sn++
    one.outstanding.add(ttt)
    const { size } = one.outstanding
    this.#unless(size <= maxOutstandingR2T, 'R2T number', `${size} R2Ts are outstanding`)
  }

  #response({ header, data }: TappedPdu, itt: number, one: Command): void {
    const fields = SCSI_RESPONSE.read(header)
    if (fields.status === Status.checkCondition) {
      const isSense = data.length > 2 && data.readUInt16BE(0) === data.length - 2
      this.#unless(isSense, 'sense', 'CHECK CONDITION without sense data of the length that is told')
    }
    // It counts Data-In: of a write there is none (RFC 7143, 11.4.8).
    const sent = one.reads > 0 ? one.sn : 0
    this.#unless(fields.expDataSn === sent, 'ExpDataSN', `ExpDataSN ${fields.expDataSn} for ${sent}`)
    this.#unless(one.outstanding.size === 0, 'last data', 'a response while data is still asked for')
    this.#end(itt, one, fields, fields.status)
  }

  #end(itt: number, one: Command, { overflow, underflow, residualCount }: Residual, status: number): void {
    this.#unless(overflow + underflow < 2, 'O and U', 'O and U are both set')
    this.#unless(one.burst === 0, 'data final', 'the last sequence has no F')
    if (status === Status.good && one.reads > 0 && !one.both) {
      const moved = overflow === 1 ? one.reads : one.reads - residualCount
      this.#unless(one.at === moved, 'residual', `${one.at} bytes came, and ${moved} are told`)
    }
    this.#close(itt, this.#open.get(itt)!)
  }

  #text(header: Buffer, itt: number, one: Request): void {
    const { final, continue: goesOn, ttt } = TEXT_RESPONSE.read(header)
    this.#unless(
      final === 0 || TEXT_REQUEST.field.final.get(one.header, 0) === 1,
      'text final',
      'F=1 answers F=0',
    )
    this.#unless(goesOn === 0 || final === 0, 'text bits', 'C and F are both set')
    this.#unless((ttt === RESERVED_TAG) === (final === 1), 'text tag', `transfer tag ${ttt} with F=${final}`)
    this.#close(itt, one)
  }

  #nop({ header, data, connection }: TappedPdu): void {
    const { itt, ttt } = NOP_IN.read(header)
    if (itt === RESERVED_TAG) {
      this.#unless(data.length === 0, 'ping data', 'a NOP-In that is no echo has data')
      return
    }
    const one = this.#open.get(itt)
    this.#unless(
      one?.opcode === Opcode.nopOut,
      'one answer',
      `an echo for tag ${itt}, for which there was no ping`,
    )
    this.#unless(ttt === RESERVED_TAG, 'echo tag', 'an echo has a transfer tag')
    const wanted = one?.data.subarray(0, this.#keys.longest('initiator', connection))
    this.#unless(wanted === undefined || same(data, wanted), 'echo', 'the echo is not what was sent')
    this.#open.delete(itt)
  }

  #reject({ header, data }: TappedPdu): void {
    this.#unless(REJECT.field.itt.get(header, 0) === RESERVED_TAG, 'reject tag', 'a Reject has a task tag')
    const at = this.#sent.findIndex(sent => same(sent, data))
    this.#unless(at >= 0, 'reject header', 'a Reject brings back no header that was sent')
    const opcode = data[0]! & 0x3f
    // What was refused has no other answer; a Data-Out is of a task that has one.
    const isRequest = opcode !== Opcode.dataOut && opcode !== Opcode.snack
    if (isRequest) this.#open.delete(NOP_OUT.field.itt.get(data, 0))
  }
}

type Residual = Pick<ReturnType<typeof SCSI_RESPONSE.read>, 'overflow' | 'underflow' | 'residualCount'>
