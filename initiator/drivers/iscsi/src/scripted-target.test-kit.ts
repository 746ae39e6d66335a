// SPDX-License-Identifier: Apache-2.0
// A target for tests that says exactly what a script tells it to, right or wrong.
import { createServer, type Server, type Socket } from 'node:net'
import {
  BHS,
  BHS_LENGTH,
  crc32c,
  encodeText,
  keyByName,
  LOGIN_REQUEST,
  LOGIN_RESPONSE,
  LOGOUT_RESPONSE,
  LoginStage,
  NOP_IN,
  Opcode,
  parseText,
  RESERVED_TAG,
  SCSI_COMMAND,
  SCSI_RESPONSE,
  writeDigest,
} from '@lunkit/spec'

export const NAME = 'iqn.2000-01.org.example:scripted'

export interface Pdu {
  readonly opcode: number
  readonly itt: number
  readonly cmdSn: number
  readonly header: Buffer
  readonly data: Buffer
}

/** Text pairs of a PDU by key. */
export function pairsOf({ data }: Pdu): Map<string, string> {
  const text = parseText(data)
  if (!text.ok) throw new Error('The initiator sent a text that cannot be read')
  return new Map(text.pairs.map(({ key, value }) => [key, value]))
}

interface Writable {
  // biome-ignore lint/suspicious/noExplicitAny: the fields of any PDU
  write(values: any, into?: Uint8Array, at?: number): Uint8Array
}

/** One connection of the initiator under test. */
export class Peer {
  statSn = 1
  /** What ExpCmdSN and MaxCmdSN tell. */
  expCmdSn = 1
  maxCmdSn = 1000
  loggedIn = false
  /** Bytes of a digest behind headers and data, 4 or 0. */
  headerDigest = 0
  dataDigest = 0
  readonly socket: Socket
  /** Number of the connection, from 1. */
  readonly number: number

  constructor(socket: Socket, number: number) {
    this.socket = socket
    this.number = number
  }

  get numbers() {
    return { statSn: this.statSn, expCmdSn: this.expCmdSn, maxCmdSn: this.maxCmdSn }
  }

  /** Sends a PDU; numbers are filled in where the values do not say otherwise. */
  send(layout: Writable, values: Record<string, unknown>, data: Uint8Array = new Uint8Array(0)): void {
    this.socket.write(this.#wire(layout, values, data))
  }

  /** Sends a PDU with one bit of its data or header wrong, which the digest then shows. */
  sendDamaged(layout: Writable, values: Record<string, unknown>, data: Uint8Array, where = BHS_LENGTH): void {
    const bytes = this.#wire(layout, values, data)
    const at = where < BHS_LENGTH ? where : where + this.headerDigest
    bytes[at]! ^= 4
    this.socket.write(bytes)
  }

  #wire(layout: Writable, values: Record<string, unknown>, data: Uint8Array): Buffer {
    const header = Buffer.alloc(BHS_LENGTH)
    layout.write({ ...this.numbers, dataSegmentLength: data.length, ...values }, header)
    const padded = Buffer.alloc((data.length + 3) & ~3)
    padded.set(data)
    const digest = (bytes: Buffer, length: number): Buffer => {
      const digest = Buffer.alloc(length)
      if (length > 0) writeDigest(digest, 0, crc32c(bytes))
      return digest
    }
    const segment = data.length > 0 ? [padded, digest(padded, this.dataDigest)] : []
    return Buffer.concat([header, digest(header, this.headerDigest), ...segment])
  }

  /** Sends a PDU that has a status, and counts it. */
  sendStatus(layout: Writable, values: Record<string, unknown>, data?: Uint8Array): void {
    this.send(layout, values, data)
    this.statSn++
  }

  /**
   * Agrees to whatever a login request asks, with these keys added in the operational stage: those of the session only
   * where the login begins one.
   */
  login({ header, itt }: Pdu, keys: Record<string, string> = {}, values: Record<string, unknown> = {}): void {
    const { transit, csg, nsg, tsih } = LOGIN_REQUEST.read(header)
    const operational = csg === LoginStage.operational
    const pairs = operational ? keys : { AuthMethod: 'None', TargetPortalGroupTag: '1' }
    const mine = Object.entries(pairs).filter(([key]) => tsih === 0 || keyByName(key)?.use !== 'leading-only')
    const data = encodeText(mine.map(([key, value]) => ({ key, value })))
    const fields = {
      opcode: Opcode.loginResponse,
      itt,
      transit,
      csg,
      nsg,
      isid: header.subarray(8, 14),
      tsih: 7,
    }
    this.sendStatus(LOGIN_RESPONSE, { ...fields, ...values }, data)
    if (!operational || transit === 0) return
    this.loggedIn = true
    if (keys.HeaderDigest === 'CRC32C') this.headerDigest = 4
    if (keys.DataDigest === 'CRC32C') this.dataDigest = 4
  }

  /** Answers a login request with these fields and this text. */
  answerLogin({ itt }: Pdu, values: Record<string, unknown>, text: Uint8Array): void {
    this.sendStatus(LOGIN_RESPONSE, { opcode: Opcode.loginResponse, itt, ...values }, text)
  }

  /** Ends a command with a status. */
  respond({ itt }: Pdu, values: Record<string, unknown> = {}, data?: Uint8Array): void {
    this.sendStatus(SCSI_RESPONSE, { opcode: Opcode.scsiResponse, final: 1, itt, ...values }, data)
  }

  /** What a decent target does with logouts and pings. */
  courtesy(pdu: Pdu): boolean {
    const { itt } = pdu
    if (pdu.opcode === Opcode.logoutRequest) {
      this.sendStatus(LOGOUT_RESPONSE, { opcode: Opcode.logoutResponse, final: 1, itt })
    } else if (pdu.opcode === Opcode.nopOut && itt !== RESERVED_TAG) {
      this.sendStatus(NOP_IN, { opcode: Opcode.nopIn, final: 1, itt, ttt: RESERVED_TAG })
    } else return false
    return true
  }
}

export type Script = (pdu: Pdu, peer: Peer) => void

export class ScriptedTarget {
  readonly peers: Peer[] = []
  /** All PDUs that came, of all connections. */
  readonly heard: Pdu[] = []
  readonly #server: Server
  /** Throws of scripts, which fail the test at its end. */
  #failure: unknown = null

  private constructor(server: Server) {
    this.#server = server
  }

  /** Serves every connection by a script that gets each PDU, those of the login too. */
  static async start(script: Script): Promise<ScriptedTarget> {
    const server = createServer()
    const target = new ScriptedTarget(server)
    server.on('connection', socket => target.#take(socket, script))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return target
  }

  /** Logs everyone in; the script gets what comes after, except logouts and pings. */
  static logsIn(script: Script, keys: Record<string, string> = {}): Promise<ScriptedTarget> {
    return ScriptedTarget.start((pdu, peer) => {
      if (pdu.opcode === Opcode.loginRequest) peer.login(pdu, keys)
      else if (!peer.courtesy(pdu)) script(pdu, peer)
    })
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  get portal(): string {
    return `127.0.0.1:${this.port}`
  }

  get options() {
    return { portal: this.portal, target: NAME, reconnect: { attempts: 0, delays: [] } }
  }

  #take(socket: Socket, script: Script): void {
    const peer = new Peer(socket, this.peers.length + 1)
    this.peers.push(peer)
    let rest = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', chunk => {
      rest = Buffer.concat([rest, chunk])
      for (;;) {
        if (rest.length < BHS_LENGTH) return
        const ahs = BHS.field.totalAhsLength.get(rest, 0) * 4
        const length = BHS.field.dataSegmentLength.get(rest, 0)
        const start = BHS_LENGTH + ahs + peer.headerDigest
        const end = start + (length > 0 ? ((length + 3) & ~3) + peer.dataDigest : 0)
        if (rest.length < end) return
        const header = rest.subarray(0, BHS_LENGTH + ahs)
        const pdu = {
          opcode: BHS.field.opcode.get(header, 0),
          itt: BHS.field.itt.get(header, 0),
          cmdSn: SCSI_COMMAND.field.cmdSn.get(header, 0),
          header,
          data: rest.subarray(start, start + length),
        }
        rest = rest.subarray(end)
        this.heard.push(pdu)
        try {
          script(pdu, peer)
        } catch (error) {
          this.#failure ??= error
          socket.destroy()
          return
        }
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.peers) socket.destroy()
    await new Promise(resolve => this.#server.close(resolve))
    if (this.#failure !== null) throw this.#failure
  }
}
