// SPDX-License-Identifier: Apache-2.0
// A scripted iSNS server: keeps what it is asked, answers as it is told, with decoding of its own.
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'

/** One request that came, header fields and attributes. */
export interface IsnsAsked {
  readonly functionId: number
  readonly flags: number
  readonly transaction: number
  /** Tag, and value as hexadecimal digits; in order. */
  readonly attributes: readonly (readonly [tag: number, value: string])[]
}

/** What to do with a request: an answer's bytes, or null for silence. The socket is there to be reset. */
export type IsnsScript = (asked: IsnsAsked, socket: Socket) => Uint8Array | null

/** Header and payload of a response; `change` replaces header fields. */
export function isnsAnswer(
  asked: IsnsAsked,
  payload: Uint8Array,
  change: {
    functionId?: number
    length?: number
    flags?: number
    transaction?: number
    sequence?: number
  } = {},
): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(1, 0)
  header.writeUInt16BE(change.functionId ?? asked.functionId | 0x8000, 2)
  header.writeUInt16BE(change.length ?? payload.length, 4)
  header.writeUInt16BE(change.flags ?? 0x4c00, 6)
  header.writeUInt16BE(change.transaction ?? asked.transaction, 8)
  header.writeUInt16BE(change.sequence ?? 0, 10)
  return Buffer.concat([header, payload])
}

export const isnsSuccess: IsnsScript = asked => isnsAnswer(asked, Buffer.alloc(4))

export class IsnsPeer {
  readonly asked: IsnsAsked[] = []
  /** Connections so far. */
  connections = 0
  script: IsnsScript = isnsSuccess
  readonly #server: Server
  readonly #sockets: Set<Socket> = new Set()

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', socket => this.#serve(socket))
  }

  static async open(port = 0): Promise<IsnsPeer> {
    const server = createServer()
    const peer = new IsnsPeer(server)
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return peer
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  get name(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Values of a tag in a request, as text up to the zero byte. */
  static texts({ attributes }: IsnsAsked, tag: number): string[] {
    return attributes
      .filter(([one]) => one === tag)
      .map(([, value]) => Buffer.from(value, 'hex').toString().split('\0')[0]!)
  }

  /** Ends all connections, and takes others. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.#server.close()
    this.drop()
    await once(this.#server, 'close')
  }

  #serve(socket: Socket): void {
    this.connections++
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
    let bytes = Buffer.alloc(0)
    socket.on('data', chunk => {
      bytes = Buffer.concat([bytes, chunk as Buffer])
      while (bytes.length >= 12 && bytes.length >= 12 + bytes.readUInt16BE(4)) {
        const end = 12 + bytes.readUInt16BE(4)
        const asked = decode(bytes.subarray(0, end))
        bytes = Buffer.from(bytes.subarray(end))
        this.asked.push(asked)
        const answer = this.script(asked, socket)
        if (answer !== null) socket.write(answer)
      }
    })
  }
}

function decode(pdu: Buffer): IsnsAsked {
  if (pdu.readUInt16BE(0) !== 1) throw new Error('A request has another version')
  const attributes: [number, string][] = []
  // A response to an inquiry begins with a status.
  for (let at = pdu.readUInt16BE(2) & 0x8000 ? 16 : 12; at < pdu.length; ) {
    const length = pdu.readUInt32BE(at + 4)
    if (length % 4 !== 0 || at + 8 + length > pdu.length) throw new Error('A request has a wrong length')
    attributes.push([pdu.readUInt32BE(at), pdu.toString('hex', at + 8, at + 8 + length)])
    at += 8 + length
  }
  return {
    functionId: pdu.readUInt16BE(2),
    flags: pdu.readUInt16BE(6),
    transaction: pdu.readUInt16BE(8),
    attributes,
  }
}
