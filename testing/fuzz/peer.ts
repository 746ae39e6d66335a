// SPDX-License-Identifier: Apache-2.0
// A peer that can do anything wrong: raw bytes out, checked PDUs in, and a login for where a session is needed.
import { connect, type Socket } from 'node:net'
import {
  BHS,
  DATA_OUT,
  type Layout,
  LOGIN_REQUEST,
  LOGIN_RESPONSE,
  LoginStage,
  NOP_IN,
  NOP_OUT,
  Opcode,
  parseText,
  RESERVED_TAG,
  SCSI_COMMAND,
} from '@lunkit/spec'
import { inspect } from './inspect.ts'
import { Lun } from './lun.ts'
import { encode, lunField, type Parts, text } from './pdu.ts'
import { type Answer, Wire } from './wire.ts'

export interface Place {
  readonly host: string
  readonly port: number
  readonly target: string
}

type Fields = Readonly<Record<string, number | Uint8Array>>

export interface CommandParts extends Parts {
  readonly lun?: number
  readonly read?: boolean
  readonly write?: boolean
  /** Expected data transfer length. */
  readonly expected?: number
  readonly fields?: Fields
}

/** What all connections of one session count together. */
export interface Numbers {
  cmdSn: number
  itt: number
  /** Tags of READs of LUNs whose content is known. */
  readonly reads: Set<number>
}

const CONNECT_MS = 10_000

export class Peer {
  readonly place: Place
  readonly initiator: string
  isid: Uint8Array = Uint8Array.of(0x80, 1, 2, 3, 4, 5)
  /** `127.0.0.1:PORT`, as the target's events name this peer. */
  address = ''
  readonly answers: Answer[] = []
  /** What the target did wrong. */
  readonly complaints: string[] = []
  /** The target has closed the connection, or reset it. */
  closed = false
  expStatSn = 1
  /** Answers are acknowledged by the next request, as far as they came without a gap; else ExpStatSN stays. */
  acknowledges = false
  cid = 1
  tsih = 0
  /** More connections of the same scenario: they are looked at, and closed, with this one. */
  readonly mates: Peer[] = []
  /** Settled by the login, by key. */
  readonly settled: Record<string, string> = {}
  /** Headers that went out, for what a Reject must hold; and tags of READs. */
  readonly headers: Set<string> = new Set()
  loose = false
  readonly numbers: Numbers
  readonly #wire = new Wire()
  readonly #socket: Socket
  #waiting: (() => void)[] = []

  private constructor(place: Place, initiator: string, numbers: Numbers) {
    this.place = place
    this.initiator = initiator
    this.numbers = numbers
    this.#socket = connect({ host: place.host, port: place.port, allowHalfOpen: true, noDelay: true })
  }

  /** `numbers` are those of the session that it is for, if there is one already. */
  static async open(place: Place, initiator: string, numbers?: Numbers): Promise<Peer> {
    const peer = new Peer(place, initiator, numbers ?? { cmdSn: 1, itt: 100, reads: new Set() })
    const socket = peer.#socket
    const gone = (): void => {
      peer.closed = true
      peer.#wake()
    }
    socket.on('end', gone)
    socket.on('close', gone)
    socket.on('error', gone)
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve)
        socket.once('error', reject)
        socket.setTimeout(CONNECT_MS, () => reject(new Error('Target does not accept connections')))
      })
    } catch (error) {
      socket.destroy()
      throw error
    }
    socket.setTimeout(0)
    peer.address = `${socket.localAddress}:${socket.localPort}`
    socket.on('data', chunk => peer.#receive(chunk as Buffer))
    return peer
  }

  get cmdSn(): number {
    return this.numbers.cmdSn
  }

  set cmdSn(value: number) {
    this.numbers.cmdSn = value
  }

  get itt(): number {
    return this.numbers.itt
  }

  set itt(value: number) {
    this.numbers.itt = value
  }

  get reads(): Set<number> {
    return this.numbers.reads
  }

  #receive(chunk: Buffer): void {
    if (this.complaints.length > 0) return
    try {
      for (const answer of this.#wire.push(chunk)) {
        const fault = inspect(answer, this)
        if (fault !== null) this.complaints.push(fault)
        this.answers.push(answer)
        if (this.acknowledges) {
          this.#count(answer)
          this.#answerPing(answer)
        }
      }
    } catch (error) {
      this.complaints.push((error as Error).message)
    }
    this.#wake()
  }

  #count({ opcode, header }: Answer): void {
    if (!isNumbered(opcode, header)) return
    if (LOGIN_RESPONSE.field.statSn.get(header, 0) === this.expStatSn)
      this.expStatSn = (this.expStatSn + 1) >>> 0
  }

  /** As an initiator must: by pings the target hears what has come of its answers. */
  #answerPing({ opcode, header }: Answer): void {
    if (opcode !== Opcode.nopIn) return
    const { ttt, lun } = NOP_IN.read(header)
    if (ttt === RESERVED_TAG) return
    const { cmdSn, expStatSn } = this
    const fields = { immediate: 1, final: 1, lun, itt: RESERVED_TAG, ttt, cmdSn, expStatSn }
    this.send(this.pdu(NOP_OUT, Opcode.nopOut, fields))
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }

  /** The first answer that `wanted` takes, from `from` on; null if the connection ends or the time is over. */
  async answer(wanted: (answer: Answer) => boolean, ms = 10_000, from = 0): Promise<Answer | null> {
    const end = Date.now() + ms
    for (let seen = from; ; ) {
      for (; seen < this.answers.length; seen++) if (wanted(this.answers[seen]!)) return this.answers[seen]!
      const left = end - Date.now()
      if (this.closed || this.complaints.length > 0 || left <= 0) return null
      await this.#news(left)
    }
  }

  #news(ms: number): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, ms)
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** Waits until the target has closed the connection; false if it does not in time. */
  async untilClosed(ms: number): Promise<boolean> {
    const end = Date.now() + ms
    while (!this.closed && Date.now() < end) await this.#news(end - Date.now())
    return this.closed
  }

  // ---- Out ----

  send(bytes: Uint8Array): void {
    if (!this.#socket.destroyed && this.#socket.writable) this.#socket.write(bytes)
  }

  /** Stops reading: the target's answers pile up on its side. */
  stall(): void {
    this.#socket.pause()
  }

  /** Half-closes, or closes; answers that are not read then, as after `stall`, make it a reset. */
  leave(how: 'end' | 'destroy' = 'destroy'): void {
    if (how === 'end') this.#socket.end()
    else this.#socket.destroy()
  }

  /** A PDU with this connection's digests. */
  encode(header: Uint8Array, parts: Parts = {}): Buffer {
    const pdu = encode(header, {
      headerDigest: this.#wire.headerDigest,
      dataDigest: this.#wire.dataDigest,
      ...parts,
    })
    this.headers.add(pdu.toString('latin1', 0, 48))
    return pdu
  }

  /** A PDU of any kind; numbered like the next request unless `fields` say otherwise. */
  pdu(layout: Layout, opcode: number, fields: Fields, parts: Parts = {}): Buffer {
    const header = layout.write({ opcode, ...fields } as never)
    return this.encode(header, parts)
  }

  /** Takes the next CmdSN. */
  number(): { cmdSn: number; expStatSn: number } {
    const numbers = { cmdSn: this.cmdSn, expStatSn: this.expStatSn }
    this.cmdSn = (this.cmdSn + 1) >>> 0
    return numbers
  }

  /** A SCSI Command with the next CmdSN and a tag of its own. */
  command(cdb: Uint8Array, parts: CommandParts = {}): { itt: number; pdu: Buffer } {
    const itt = this.itt++
    const { lun = 0, read = false, write = false, expected = 0, fields = {} } = parts
    if (isRead(cdb)) this.reads.add(Number(fields['itt'] ?? itt))
    const header = SCSI_COMMAND.write({
      opcode: Opcode.scsiCommand,
      final: 1,
      read: Number(read),
      write: Number(write),
      lun: lunField(lun),
      itt,
      expectedDataTransferLength: expected,
      ...this.number(),
      cdb,
      ...fields,
    })
    return { itt, pdu: this.encode(header, parts) }
  }

  dataOut(itt: number, ttt: number, fields: Fields, data: Uint8Array, parts: Parts = {}): Buffer {
    const header = { itt, ttt, expStatSn: this.expStatSn, ...fields }
    return this.pdu(DATA_OUT, Opcode.dataOut, header, { data, ...parts })
  }

  /** An immediate ping; resolves to whether its echo came. */
  async ping(ms = 10_000): Promise<boolean> {
    const itt = this.itt++
    const numbers = { cmdSn: this.cmdSn, expStatSn: this.expStatSn }
    const fields = { immediate: 1, final: 1, itt, ttt: RESERVED_TAG, ...numbers }
    this.send(this.pdu(NOP_OUT, Opcode.nopOut, fields))
    const { itt: tag } = BHS.field
    return (
      (await this.answer(
        ({ opcode, header }) => opcode === Opcode.nopIn && tag.get(header, 0) === itt,
        ms,
      )) !== null
    )
  }

  // ---- Login ----

  loginRequest(fields: Fields, pairs: Readonly<Record<string, string>> | Uint8Array): Buffer {
    const data = pairs instanceof Uint8Array ? pairs : text(pairs)
    const header = LOGIN_REQUEST.write({
      opcode: Opcode.loginRequest,
      immediate: 1,
      transit: 1,
      csg: LoginStage.operational,
      nsg: LoginStage.fullFeature,
      isid: this.isid,
      itt: 1,
      tsih: this.tsih,
      cid: this.cid,
      cmdSn: this.cmdSn,
      expStatSn: this.expStatSn,
      ...fields,
    } as never)
    return this.encode(header, { data, headerDigest: false, dataDigest: false })
  }

  names(): Record<string, string> {
    return { InitiatorName: this.initiator, TargetName: this.place.target, SessionType: 'Normal' }
  }

  /** Logs in properly, in one step. Throws an Error if the target refuses. */
  async login(keys: Readonly<Record<string, string>> = {}): Promise<void> {
    const status = await this.tryLogin(keys)
    if (status === null) throw new Error(`Good login got no answer (closed: ${this.closed})`)
    if (status !== 0)
      throw new Error(`Good login was refused with status ${status.toString(16).padStart(4, '0')}`)
    if (keys['SessionType'] !== 'Discovery') await this.#clearAttentions()
  }

  /** One login request; status class and detail, or null if there is no answer. */
  async tryLogin(keys: Readonly<Record<string, string>> = {}): Promise<number | null> {
    const from = this.answers.length
    this.send(this.loginRequest({}, { ...this.names(), ...keys }))
    const answer = await this.answer(({ opcode }) => opcode === Opcode.loginResponse, 15_000, from)
    if (answer === null) return null
    const { statusClass, statusDetail, transit, statSn, tsih } = LOGIN_RESPONSE.read(answer.header)
    if (statusClass !== 0) return (statusClass << 8) | statusDetail
    if (transit !== 1) return null
    const settled = parseText(answer.data)
    if (settled.ok) for (const { key, value } of settled.pairs) this.settled[key] = value
    this.tsih = tsih
    this.expStatSn = (statSn + 1) >>> 0
    return 0
  }

  /** A new nexus owes each LUN a look at its unit attention; only then it does what it is asked. */
  async #clearAttentions(): Promise<void> {
    const from = this.answers.length
    const luns = [Lun.file, Lun.memory, Lun.scribble]
    const asked = [...luns, ...luns].map(lun => this.command(new Uint8Array(16), { lun }))
    this.send(Buffer.concat(asked.map(({ pdu }) => pdu)))
    const last = asked.at(-1)!.itt
    const { itt } = BHS.field
    if ((await this.answer(({ header }) => itt.get(header, 0) === last, 10_000, from)) === null) {
      throw new Error(`Good commands got no answer (closed: ${this.closed})`)
    }
  }
}

/** PDUs that use up a StatSN, wherever they have one; Data-In and NOP-In do so only at times. */
const NUMBERED: ReadonlySet<number> = new Set([
  Opcode.scsiResponse,
  Opcode.taskManagementResponse,
  Opcode.textResponse,
  Opcode.logoutResponse,
  Opcode.asyncMessage,
  Opcode.reject,
])

export function isNumbered(opcode: number, header: Uint8Array): boolean {
  if (opcode === Opcode.dataIn) return (header[1]! & 1) === 1
  if (opcode === Opcode.nopIn) return BHS.field.itt.get(header, 0) !== RESERVED_TAG
  return NUMBERED.has(opcode)
}

const READS: ReadonlySet<number> = new Set([0x08, 0x28, 0xa8, 0x88])

const isRead = (cdb: Uint8Array): boolean => READS.has(cdb[0]!)
