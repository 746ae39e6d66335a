// SPDX-License-Identifier: Apache-2.0
// A TCP proxy between an initiator and a target that changes nothing and keeps every PDU of both, cut by code of its own.
import { connect, createServer, type Server, type Socket } from 'node:net'
import { LoginStage, Opcode, parseText } from '@lunkit/spec'

export type Side = 'initiator' | 'target'

/** One PDU as it was on the wire. */
export interface TappedPdu {
  readonly from: Side
  /** Number of the connection, from 1. */
  readonly connection: number
  readonly opcode: number
  /** The basic header and what is added to it, without digest. */
  readonly header: Buffer
  readonly data: Buffer
  readonly padding: Buffer
  /** Digests as four bytes; null where none was agreed on, or there is no data. */
  readonly headerDigest: Buffer | null
  readonly dataDigest: Buffer | null
}

/** What both sides of a connection have agreed on. */
interface Agreed {
  headerDigest: boolean
  dataDigest: boolean
  /** The final response of the login has passed. */
  isLoggedIn: boolean
}

const BHS_BYTES = 48

export class WireTap {
  readonly pdus: TappedPdu[] = []
  readonly #server: Server
  readonly #port: number
  readonly #sockets = new Set<Socket>()
  #taken = 0

  private constructor(server: Server, port: number) {
    this.#server = server
    this.#port = port
  }

  /** Before the target at this port of loopback. */
  static async to(port: number): Promise<WireTap> {
    const server = createServer()
    const tap = new WireTap(server, port)
    server.on('connection', socket => tap.#take(socket))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return tap
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  #take(near: Socket): void {
    const connection = ++this.#taken
    const far = connect(this.#port, '127.0.0.1')
    const agreed: Agreed = { headerDigest: false, dataDigest: false, isLoggedIn: false }
    this.#pass(near, far, 'initiator', connection, agreed)
    this.#pass(far, near, 'target', connection, agreed)
  }

  #pass(from: Socket, to: Socket, side: Side, connection: number, agreed: Agreed): void {
    this.#sockets.add(from)
    from.setNoDelay(true)
    let rest: Buffer = Buffer.alloc(0)
    from.on('data', chunk => {
      rest = Buffer.concat([rest, chunk as Buffer])
      for (;;) {
        const cut = cutPdu(rest, side, connection, agreed)
        if (cut === null) break
        rest = rest.subarray(cut.length)
        this.pdus.push(cut.pdu)
        learn(cut.pdu, agreed)
      }
      to.write(chunk)
    })
    from.on('end', () => to.end())
    from.on('error', () => to.destroy())
    from.on('close', () => {
      this.#sockets.delete(from)
      to.destroy()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

/** The PDU at the head of these bytes; null if it is not whole. */
function cutPdu(
  bytes: Buffer,
  from: Side,
  connection: number,
  agreed: Agreed,
): { pdu: TappedPdu; length: number } | null {
  if (bytes.length < BHS_BYTES) return null
  const headerEnd = BHS_BYTES + bytes[4]! * 4
  const dataAt = headerEnd + (agreed.isLoggedIn && agreed.headerDigest ? 4 : 0)
  const length = bytes.readUIntBE(5, 3)
  const dataEnd = dataAt + length
  const padded = dataEnd + (-length & 3)
  const end = padded + (agreed.isLoggedIn && agreed.dataDigest && length > 0 ? 4 : 0)
  if (bytes.length < end) return null
  const part = (start: number, stop: number): Buffer => Buffer.from(bytes.subarray(start, stop))
  const pdu = {
    from,
    connection,
    opcode: bytes[0]! & 0x3f,
    header: part(0, headerEnd),
    data: part(dataAt, dataEnd),
    padding: part(dataEnd, padded),
    headerDigest: dataAt > headerEnd ? part(headerEnd, dataAt) : null,
    dataDigest: end > padded ? part(padded, end) : null,
  }
  return { pdu, length: end }
}

/** Login tells which digests follow: of an offer and its answer the answer comes last. */
function learn({ from, opcode, header, data }: TappedPdu, agreed: Agreed): void {
  if (opcode !== Opcode.loginRequest && opcode !== Opcode.loginResponse) return
  const text = parseText(data)
  for (const { key, value } of text.ok ? text.pairs : []) {
    if (key === 'HeaderDigest') agreed.headerDigest = value === 'CRC32C'
    if (key === 'DataDigest') agreed.dataDigest = value === 'CRC32C'
  }
  const transits = (header[1]! & 0x80) !== 0 && (header[1]! & 3) === LoginStage.fullFeature
  if (from === 'target' && transits && header[36] === 0) agreed.isLoggedIn = true
}
