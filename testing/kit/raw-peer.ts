// SPDX-License-Identifier: Apache-2.0
// A scripted iSCSI initiator: sends any bytes it is told to, and reads a target's PDUs with code of its own.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import {
  BHS_LENGTH,
  crc32cOf,
  encodeText,
  type FieldRows,
  type Layout,
  LOGIN_REQUEST,
  LOGIN_RESPONSE,
  LoginStage,
  Opcode,
  parseText,
  RESERVED_TAG,
  readDigest,
  SCSI_COMMAND,
  TEXT_REQUEST,
  type Values,
  writeDigest,
} from '@lunkit/spec'

/** One PDU that the target sent. */
export interface RawPdu {
  readonly opcode: number
  readonly header: Buffer
  readonly data: Buffer
}

/** Fields of a received PDU by the layout that it should have. */
export const fieldsOf = <R extends FieldRows>(layout: Layout<R>, pdu: RawPdu): Values<R> =>
  layout.read(pdu.header)

/** Keys of a text data segment, by name. */
export function keysOf(pdu: RawPdu): Record<string, string> {
  const text = parseText(pdu.data)
  if (!text.ok) throw new Error(`Target sent a broken text: ${text.error.kind}`)
  return Object.fromEntries(text.pairs.map(({ key, value }) => [key, value]))
}

export const text = (keys: Readonly<Record<string, string>>): Buffer =>
  Buffer.from(encodeText(Object.entries(keys).map(([key, value]) => ({ key, value }))))

export interface LoginOptions {
  readonly target?: string
  readonly initiator?: string
  readonly isid?: Uint8Array
  /** Operational keys besides the names. */
  readonly keys?: Readonly<Record<string, string>>
  readonly cmdSn?: number
}

/** How long a wait for the target may take before the test fails; far above what any machine needs. */
const PATIENCE_MS = 20_000

export class RawPeer {
  readonly socket: Socket
  headerDigest = false
  dataDigest = false
  /** Next CmdSN and initiator task tag of `command` and its kin. */
  cmdSn = 1
  itt = 1
  expStatSn = 0
  closed = false
  #bytes: Buffer = Buffer.alloc(0)
  readonly #pdus: RawPdu[] = []
  readonly #waiting: (() => void)[] = []

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', chunk => {
      this.#bytes = Buffer.concat([this.#bytes, chunk as Buffer])
      this.#cut()
      this.#wake()
    })
    socket.on('error', () => undefined)
    socket.on('end', () => socket.end())
    socket.on('close', () => {
      this.closed = true
      this.#wake()
    })
  }

  /** `from` is the own address, where another than the usual one of loopback is wanted. */
  static async connect(port: number, host = '127.0.0.1', from?: string): Promise<RawPeer> {
    const socket = connect({ port, host, ...(from !== undefined && { localAddress: from }) })
    await once(socket, 'connect')
    return new RawPeer(socket)
  }

  /** A peer on a socket that is connected, such as one of TLS. */
  static over(socket: Socket): RawPeer {
    return new RawPeer(socket)
  }

  // ---- Sending ----

  send(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  /** A PDU's bytes: header of the layout with these fields, AHS, data, padding, and the digests that are agreed on. */
  build<R extends FieldRows>(
    layout: Layout<R>,
    fields: Partial<Values<R>>,
    data: Uint8Array = new Uint8Array(0),
    ahs: Uint8Array = new Uint8Array(0),
  ): Buffer {
    const header = Buffer.alloc(BHS_LENGTH)
    header[4] = ahs.length / 4
    header.writeUIntBE(data.length, 5, 3)
    layout.write(fields, header)
    const parts: Uint8Array[] = [header, ahs]
    if (this.headerDigest) parts.push(digestOf([header, ahs]))
    const padding = Buffer.alloc(-data.length & 3)
    parts.push(data, padding)
    if (this.dataDigest && data.length > 0) parts.push(digestOf([data, padding]))
    return Buffer.concat(parts)
  }

  sendPdu<R extends FieldRows>(
    layout: Layout<R>,
    fields: Partial<Values<R>>,
    data?: Uint8Array,
    ahs?: Uint8Array,
  ): void {
    this.send(this.build(layout, fields, data, ahs))
  }

  /** Sends a SCSI command with the next CmdSN and a new tag, which is returned. */
  command(cdb: Uint8Array, fields: Partial<Values<CommandFields>> = {}, data?: Uint8Array): number {
    const itt = fields.itt ?? this.itt++
    const cmdSn = fields.cmdSn ?? this.cmdSn++
    this.sendPdu(
      SCSI_COMMAND,
      { opcode: Opcode.scsiCommand, final: 1, attribute: 1, cdb, ...fields, itt, cmdSn } as never,
      data,
    )
    return itt
  }

  // ---- Receiving ----

  /** The next PDU. Throws if the target closes instead, or says nothing. */
  async receive(opcode?: number): Promise<RawPdu> {
    await this.#until(() => this.#pdus.length > 0 || this.closed, 'a PDU')
    const pdu = this.#pdus.shift()
    if (pdu === undefined) throw new Error('Target closed the connection')
    if (opcode !== undefined && pdu.opcode !== opcode) {
      throw new Error(`Target sent opcode 0x${pdu.opcode.toString(16)} instead of 0x${opcode.toString(16)}`)
    }
    return pdu
  }

  /** PDUs that have come and were not taken. */
  get waiting(): number {
    return this.#pdus.length
  }

  /** Resolves when the target has closed the connection; gives the PDUs that came before and were not taken. */
  async end(): Promise<RawPdu[]> {
    await this.#until(() => this.closed, 'the end of the connection')
    return this.#pdus.splice(0)
  }

  async close(): Promise<void> {
    this.socket.destroy()
    await this.#until(() => this.closed, 'the own end')
  }

  // ---- Login ----

  /** A login request with the given fields, and its response. */
  async loginRound(
    fields: Partial<Values<LoginFields>>,
    keys: Readonly<Record<string, string>> = {},
  ): Promise<RawPdu> {
    this.sendPdu(
      LOGIN_REQUEST,
      {
        opcode: Opcode.loginRequest,
        immediate: 1,
        isid: ISID,
        itt: 0,
        cid: 1,
        cmdSn: this.cmdSn,
        expStatSn: this.expStatSn,
        ...fields,
      } as never,
      text(keys),
    )
    return this.receive(Opcode.loginResponse)
  }

  /** Logs in with one request and goes on with the digests that came of it. Throws if the target refuses. */
  async login(options: LoginOptions = {}): Promise<Record<string, string>> {
    const { target, keys = {}, isid = ISID } = options
    this.cmdSn = options.cmdSn ?? this.cmdSn
    const pdu = await this.loginRound(
      { transit: 1, csg: LoginStage.operational, nsg: LoginStage.fullFeature, isid },
      {
        InitiatorName: options.initiator ?? INITIATOR,
        ...(target === undefined ? { SessionType: 'Discovery' } : { TargetName: target }),
        ...keys,
      },
    )
    const { statusClass, statusDetail, transit } = fieldsOf(LOGIN_RESPONSE, pdu)
    if (statusClass !== 0 || transit !== 1) throw new Error(`Login ended with ${statusClass}/${statusDetail}`)
    const agreed = keysOf(pdu)
    this.headerDigest = agreed['HeaderDigest'] === 'CRC32C'
    this.dataDigest = agreed['DataDigest'] === 'CRC32C'
    return agreed
  }

  /** A whole text request, and the first response to it. */
  async textRound(keys: Readonly<Record<string, string>>): Promise<RawPdu> {
    this.sendPdu(
      TEXT_REQUEST,
      { opcode: Opcode.textRequest, final: 1, itt: this.itt++, ttt: RESERVED_TAG, cmdSn: this.cmdSn++ },
      text(keys),
    )
    return this.receive(Opcode.textResponse)
  }

  // ---- Within ----

  #cut(): void {
    for (;;) {
      const bytes = this.#bytes
      if (bytes.length < BHS_LENGTH) return
      const length = bytes.readUIntBE(5, 3)
      const dataAt = BHS_LENGTH + bytes[4]! * 4 + (this.headerDigest ? 4 : 0)
      const dataEnd = dataAt + length
      const padded = dataEnd + (-length & 3)
      const end = padded + (this.dataDigest && length > 0 ? 4 : 0)
      if (bytes.length < end) return
      const header = Buffer.from(bytes.subarray(0, BHS_LENGTH))
      if (this.headerDigest) check(bytes.subarray(0, dataAt - 4), bytes, dataAt - 4, 'header')
      if (end > padded) check(bytes.subarray(dataAt, padded), bytes, padded, 'data')
      if (bytes.subarray(dataEnd, padded).some(byte => byte !== 0))
        throw new Error('Target sent padding that is not zero')
      this.#pdus.push({
        opcode: header[0]! & 0x3f,
        header,
        data: Buffer.from(bytes.subarray(dataAt, dataEnd)),
      })
      this.#bytes = bytes.subarray(end)
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`Waited in vain for ${what}`)
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>(resolve => {
        this.#waiting.push(resolve)
        timer = setTimeout(resolve, 1000)
      })
      clearTimeout(timer)
    }
  }
}

type LoginFields = typeof LOGIN_REQUEST extends Layout<infer R> ? R : never
type CommandFields = typeof SCSI_COMMAND extends Layout<infer R> ? R : never

export const INITIATOR = 'iqn.2026-11.test.lunkit:raw-peer'
export const ISID: Uint8Array = Uint8Array.of(0x80, 0, 0, 0, 0, 1)

function digestOf(parts: readonly Uint8Array[]): Uint8Array {
  const digest = new Uint8Array(4)
  writeDigest(digest, 0, crc32cOf(parts))
  return digest
}

function check(covered: Uint8Array, bytes: Uint8Array, at: number, what: string): void {
  if (crc32cOf([covered]) !== readDigest(bytes, at)) throw new Error(`Target sent a wrong ${what} digest`)
}
