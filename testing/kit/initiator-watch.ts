// SPDX-License-Identifier: Apache-2.0
// Watches one session on the wire for what an initiator has to hold: tags, write data and text exchanges (RFC 7143, 11 and 13).
import {
  DATA_OUT,
  IscsiTaskFunction,
  NOP_IN,
  NOP_OUT,
  Opcode,
  R2T,
  RESERVED_TAG,
  SCSI_COMMAND,
  TASK_MANAGEMENT_REQUEST,
  TEXT_REQUEST,
  TEXT_RESPONSE,
} from '@lunkit/spec'
import { AgreedKeys } from './agreed-keys.ts'
import { type Finding, findingsOf } from './pdu-forms.ts'
import type { TappedPdu } from './wire-tap.ts'

interface Asked {
  readonly ttt: number
  readonly lun: Uint8Array
  readonly end: number
  /** Next offset and DataSN. */
  at: number
  sn: number
}

interface Watched {
  readonly opcode: number
  connection: number
  readonly cmdSn: number
  readonly lun: Uint8Array
  readonly expected: number
  /** What may come without an R2T and has not; null where nothing more may. */
  unsolicited: Asked | null
  asked: Asked[]
}

interface Exchange {
  readonly connection: number
  readonly immediate: number
  /** An answer is due. */
  isOpen: boolean
  /** What the last answer gave; null after a whole one. */
  next: { ttt: number; lun: Uint8Array } | null
}

const NUMBERED: ReadonlySet<number> = new Set<number>([
  Opcode.nopOut,
  Opcode.scsiCommand,
  Opcode.taskManagementRequest,
  Opcode.textRequest,
  Opcode.logoutRequest,
])

const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0

export class InitiatorWatch {
  readonly found: Finding[] = []
  readonly #keys = new AgreedKeys()
  readonly #open = new Map<number, Watched>()
  readonly #texts = new Map<number, Exchange>()
  /** Pings of the target that are not answered: transfer tag and LUN. */
  readonly #pings: { ttt: number; lun: Uint8Array }[] = []

  /** Takes the PDUs of a session in their order. */
  static over(pdus: readonly TappedPdu[]): InitiatorWatch {
    const watch = new InitiatorWatch()
    for (const pdu of pdus) watch.take(pdu)
    return watch
  }

  take(pdu: TappedPdu): void {
    if (pdu.from === 'initiator') this.#sent(pdu)
    else this.#received(pdu)
    this.#keys.take(pdu)
  }

  #unless(holds: boolean, check: string, text: string): void {
    if (!holds) this.found.push([check, text])
  }

  #sent(pdu: TappedPdu): void {
    const { opcode, header, data, connection } = pdu
    this.found.push(...findingsOf(pdu))
    const longest = this.#keys.longest('target', connection)
    this.#unless(data.length <= longest, 'segment', `${data.length} bytes of data where ${longest} are taken`)
    if (opcode === Opcode.dataOut) this.#dataOut(pdu)
    if (opcode === Opcode.textRequest) this.#text(pdu)
    if (opcode === Opcode.nopOut) this.#nop(pdu)
    if (opcode === Opcode.taskManagementRequest) this.#moves(pdu)
    if (!NUMBERED.has(opcode)) return
    const { itt, immediate, cmdSn } = NOP_OUT.read(header)
    if (itt === RESERVED_TAG) {
      this.#unless(opcode === Opcode.nopOut, 'reserved tag', 'a request has the reserved tag')
      return
    }
    const before = this.#open.get(itt)
    const goesOn = opcode === Opcode.textRequest && before?.opcode === opcode
    const isAgain =
      before !== undefined && before.opcode === opcode && before.cmdSn === cmdSn && immediate === 0
    this.#unless(before === undefined || goesOn || isAgain, 'unique tag', `tag ${itt} is in use`)
    const lun = NOP_OUT.field.lun.get(header, 0)
    const one: Watched = { opcode, connection, cmdSn, lun, expected: 0, unsolicited: null, asked: [] }
    this.#open.set(itt, opcode === Opcode.scsiCommand ? this.#command(pdu, one) : one)
  }

  #command({ header, data }: TappedPdu, one: Watched): Watched {
    const { final, read, write, expectedDataTransferLength: expected } = SCSI_COMMAND.read(header)
    const { immediateData, initialR2T, firstBurst } = this.#keys.session
    const immediate = data.length
    this.#unless(
      SCSI_COMMAND.field.immediate.get(header, 0) === 0,
      'immediate command',
      'a command is immediate',
    )
    this.#unless(write === 1 || final === 1, 'W or F', 'neither W nor F is set')
    this.#unless(expected === 0 || read + write > 0, 'direction', 'a length has no direction')
    this.#unless(write === 1 || immediate === 0, 'write data', 'data goes with a command that is no write')
    this.#unless(
      immediateData || immediate === 0,
      'ImmediateData',
      'data goes with a command, against ImmediateData',
    )
    this.#unless(
      immediate <= Math.min(firstBurst, expected),
      'immediate length',
      `${immediate} bytes of ${expected}`,
    )
    this.#unless(
      immediate < expected || final === 1,
      'immediate final',
      'all data is there, but F is not set',
    )
    if (final === 1) return { ...one, expected }
    this.#unless(!initialR2T, 'InitialR2T', 'data is announced against InitialR2T')
    const end = Math.min(firstBurst, expected)
    return {
      ...one,
      expected,
      unsolicited: { ttt: RESERVED_TAG, lun: new Uint8Array(8), end, at: immediate, sn: 0 },
    }
  }

  #dataOut({ header, data, connection }: TappedPdu): void {
    const { itt, ttt, lun, final, dataSn, bufferOffset } = DATA_OUT.read(header)
    const one = this.#open.get(itt)
    if (one === undefined) return
    this.#unless(one.connection === connection, 'data connection', 'data goes on another connection')
    const isFree = ttt === RESERVED_TAG
    const due = isFree ? one.unsolicited : (one.asked[0] ?? null)
    if (due === null) {
      this.#unless(false, isFree ? 'InitialR2T' : 'asked data', 'data that was not asked for')
      return
    }
    this.#unless(due.ttt === ttt, 'R2T order', `data for ${ttt} where ${due.ttt} is due`)
    if (due.ttt !== ttt) return
    this.#unless(same(due.lun, lun), 'R2T tags', 'data has another LUN than its R2T')
    this.#unless(dataSn === due.sn, 'DataSN', `DataSN ${dataSn} where ${due.sn} is due`)
    this.#unless(bufferOffset === due.at, 'data order', `offset ${bufferOffset} where ${due.at} is due`)
    due.at = bufferOffset + data.length
    due.sn++
    const amount = isFree ? 'unsolicited amount' : 'R2T amount'
    this.#unless(due.at <= due.end, amount, `data goes to ${due.at} where it ends at ${due.end}`)
    this.#unless((final === 1) === due.at >= due.end, amount, `F is ${final} at ${due.at} of ${due.end}`)
    if (final === 0) return
    if (isFree) one.unsolicited = null
    else one.asked.shift()
  }

  #text({ header, connection }: TappedPdu): void {
    const { itt, ttt, lun, final, continue: goesOn, immediate } = TEXT_REQUEST.read(header)
    this.#unless(goesOn === 0 || final === 0, 'text bits', 'C and F are both set')
    const last = this.#texts.get(connection)
    this.#unless(last?.isOpen !== true, 'one text', 'a text request before the last one was answered')
    if (ttt === RESERVED_TAG) {
      this.#texts.set(connection, { connection, immediate, isOpen: true, next: null })
      return
    }
    this.#unless(
      last?.next != null && last.next.ttt === ttt && same(last.next.lun, lun),
      'text tags',
      'not as it came',
    )
    this.#unless(this.#open.get(itt)?.opcode === Opcode.textRequest, 'text tag', 'goes on with another tag')
    this.#unless(last?.immediate === immediate, 'text I', 'goes on with another I bit')
    if (last !== undefined) last.isOpen = true
  }

  #nop({ header, data }: TappedPdu): void {
    const { itt, ttt, lun, immediate } = NOP_OUT.read(header)
    if (itt === RESERVED_TAG)
      this.#unless(immediate === 1, 'nop I', 'a NOP-Out without a tag is not immediate')
    if (ttt === RESERVED_TAG) return
    const at = this.#pings.findIndex(ping => ping.ttt === ttt && same(ping.lun, lun))
    this.#unless(at >= 0, 'nop answer', 'has a transfer tag and LUN that no ping had')
    this.#unless(itt === RESERVED_TAG && data.length === 0, 'nop tag', 'an answer wants an echo')
    if (at >= 0) this.#pings.splice(at, 1)
  }

  /** A task that is taken over has all of its data asked for anew, on another connection. */
  #moves({ header, connection }: TappedPdu): void {
    const request = TASK_MANAGEMENT_REQUEST.read(header)
    const one = this.#open.get(request.referencedTaskTag)
    if (request.function !== IscsiTaskFunction.taskReassign || one === undefined) return
    one.connection = connection
    one.unsolicited = null
    one.asked = []
  }

  #received({ opcode, header, connection }: TappedPdu): void {
    const { itt, ttt, lun } = NOP_IN.read(header)
    switch (opcode) {
      case Opcode.nopIn:
        if (ttt !== RESERVED_TAG) this.#pings.push({ ttt, lun })
        this.#open.delete(itt)
        break
      case Opcode.r2t: {
        const { bufferOffset, desiredLength } = R2T.read(header)
        const asked = { ttt, lun, end: bufferOffset + desiredLength, at: bufferOffset, sn: 0 }
        this.#open.get(itt)?.asked.push(asked)
        break
      }
      case Opcode.dataIn:
        if ((header[1]! & 1) === 1) this.#open.delete(itt)
        break
      case Opcode.textResponse: {
        const { final } = TEXT_RESPONSE.read(header)
        const text = this.#texts.get(connection)
        if (text !== undefined) {
          text.isOpen = false
          text.next = final === 1 ? null : { ttt, lun }
        }
        if (final === 1) this.#open.delete(itt)
        break
      }
      case Opcode.taskManagementResponse:
      case Opcode.scsiResponse:
      case Opcode.logoutResponse:
        this.#open.delete(itt)
        break
    }
  }

  /** What is not done: tags of requests without an answer, and pings without one. */
  get left(): { readonly requests: number; readonly pings: number } {
    return { requests: this.#open.size, pings: this.#pings.length }
  }
}
