// SPDX-License-Identifier: Apache-2.0
// A scripted NBD server over memory: says whatever a test wants at any point, loses its cache, and counts what it is asked.
import { createServer, type Server, type Socket } from 'node:net'
import type { Ends } from './nbd-servers.ts'

export interface PeerRequest {
  readonly flags: number
  readonly type: number
  readonly cookie: Buffer
  readonly offset: number
  readonly length: number
  readonly data: Buffer
}

export interface PeerOptions {
  readonly size?: number
  /** Transmission flags. */
  readonly flags?: number
  readonly structured?: boolean
  /** Minimum, preferred and maximum size. */
  readonly blocks?: readonly [number, number, number]
  /** Takes the place of the greeting. */
  readonly greeting?: Buffer
  /** Handles an option in its own way; true if it has. */
  option?(option: number, data: Buffer, peer: PeerConnection): boolean
  /** Handles a request in its own way; true if it has. */
  request?(request: PeerRequest, peer: PeerConnection): boolean
}

/** HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_WRITE_ZEROES. */
export const PEER_FLAGS = 0x6d
const CONTEXT_ID = 7

const uint16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255])
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
export function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

/** A chunk of a structured reply. */
export const chunk = (cookie: Buffer, type: number, payload: Buffer, done = true): Buffer =>
  Buffer.concat([
    uint32(0x668e33ef),
    uint16(done ? 1 : 0),
    uint16(type),
    cookie,
    uint32(payload.length),
    payload,
  ])
export const simple = (cookie: Buffer, error = 0, data: Buffer = Buffer.alloc(0)): Buffer =>
  Buffer.concat([uint32(0x67446698), uint32(error), cookie, data])
export const data = (cookie: Buffer, offset: number, bytes: Buffer, done = true): Buffer =>
  chunk(cookie, 1, Buffer.concat([uint64(offset), bytes]), done)
/** A reply to an option. */
export const optionReply = (option: number, type: number, payload: Buffer = Buffer.alloc(0)): Buffer =>
  Buffer.concat([
    Buffer.from('0003e889045565a9', 'hex'),
    uint32(option),
    uint32(type),
    uint32(payload.length),
    payload,
  ])

export class NbdPeer {
  options: PeerOptions
  /** What it holds now, and what a crash leaves of it. */
  bytes: Buffer
  durable: Buffer
  readonly requests: PeerRequest[] = []
  readonly connections = new Set<PeerConnection>()
  /** Connections since it was made. */
  count = 0
  readonly #path: string
  #server: Server | null = null

  constructor(path: string, options: PeerOptions) {
    this.#path = path
    this.options = options
    this.bytes = Buffer.alloc(options.size ?? 1 << 20)
    this.durable = Buffer.from(this.bytes)
  }

  get uri(): string {
    return `nbd+unix:///?socket=${this.#path}`
  }

  async listen(): Promise<void> {
    const server = createServer(socket => {
      this.count++
      const connection = new PeerConnection(this, socket)
      this.connections.add(connection)
      socket.on('close', () => this.connections.delete(connection))
    })
    this.#server = server.listen(this.#path)
    await new Promise(resolve => server.once('listening', resolve))
  }

  /** Ends as a killed process does: connections are closed, and what was not flushed is lost. */
  async crash(): Promise<void> {
    const server = this.#server
    this.#server = null
    if (server === null) return
    for (const { socket } of this.connections) socket.destroy()
    this.durable.copy(this.bytes)
    await new Promise(resolve => server.close(resolve))
  }

  flush(): void {
    this.bytes.copy(this.durable)
  }
}

/** Listens until the test ends. */
export async function nbdPeer(context: Ends, path: string, options: PeerOptions = {}): Promise<NbdPeer> {
  const peer = new NbdPeer(path, options)
  context.after(() => peer.crash())
  await peer.listen()
  return peer
}

export class PeerConnection {
  readonly socket: Socket
  readonly peer: NbdPeer
  /** Which of the peer's connections it is, from 1 on. */
  readonly number: number
  #chunks: Buffer[] = []
  #held = 0
  #need = 4
  #take: (bytes: Buffer) => void
  #structured = false

  constructor(peer: NbdPeer, socket: Socket) {
    this.peer = peer
    this.number = peer.count
    this.socket = socket
    this.#take = () => this.#expect(16, header => this.#option(header))
    socket.on('error', () => {})
    socket.on('data', bytes => {
      this.#chunks.push(bytes)
      this.#held += bytes.length
      while (!socket.destroyed && this.#held >= this.#need) {
        const all = Buffer.concat(this.#chunks)
        const need = this.#need
        this.#chunks = [all.subarray(need)]
        this.#held -= need
        this.#take(all.subarray(0, need))
      }
    })
    socket.write(peer.options.greeting ?? Buffer.from('4e42444d4147494349484156454f50540003', 'hex'))
  }

  send(...bytes: Buffer[]): void {
    if (this.socket.writable) this.socket.write(Buffer.concat(bytes))
  }

  #expect(length: number, take: (bytes: Buffer) => void): void {
    this.#need = length
    this.#take = take
  }

  #option(header: Buffer): void {
    const option = header.readUInt32BE(8)
    this.#expect(header.readUInt32BE(12), payload => {
      this.#expect(16, next => this.#option(next))
      if (!this.peer.options.option?.(option, payload, this)) this.answerOption(option, payload)
    })
  }

  answerOption(option: number, payload: Buffer): void {
    const { flags = PEER_FLAGS, structured = true, blocks } = this.peer.options
    const facts = Buffer.concat([uint64(this.peer.bytes.length), uint16(flags)])
    if (option === 8 && structured) {
      this.#structured = true
      this.send(optionReply(option, 1))
    } else if (option === 10) {
      const context = Buffer.concat([uint32(CONTEXT_ID), Buffer.from('base:allocation')])
      this.send(optionReply(option, 4, context), optionReply(option, 1))
    } else if (option === 7) {
      this.send(optionReply(option, 3, Buffer.concat([uint16(0), facts])))
      if (blocks !== undefined)
        this.send(optionReply(option, 3, Buffer.concat([uint16(3), ...blocks.map(uint32)])))
      this.send(optionReply(option, 1))
      this.transmit()
    } else if (option === 1) {
      this.send(facts)
      this.transmit()
    } else if (option === 3 && payload.length === 0) {
      this.send(optionReply(option, 2, Buffer.concat([uint32(1), Buffer.from('x')])), optionReply(option, 1))
    } else this.send(optionReply(option, 0x80000001))
  }

  /** Requests come from now on. */
  transmit(): void {
    this.#expect(28, header => this.#request(header))
  }

  #request(header: Buffer): void {
    const type = header.readUInt16BE(6)
    const length = header.readUInt32BE(24)
    const cookie = Buffer.from(header.subarray(8, 16))
    const flags = header.readUInt16BE(4)
    const offset = Number(header.readBigUInt64BE(16))
    const take = (payload: Buffer): void => {
      this.transmit()
      const request = { flags, type, cookie, offset, length, data: payload }
      this.peer.requests.push(request)
      if (!this.peer.options.request?.(request, this)) this.answer(request)
    }
    if (type !== 1) take(Buffer.alloc(0))
    else this.#expect(length, payload => take(Buffer.from(payload)))
  }

  /** Does what is asked for. */
  answer({ type, flags, cookie, offset, length, data: payload }: PeerRequest): void {
    const { bytes, durable } = this.peer
    if (type === 2) {
      this.socket.end()
      return
    }
    if (type === 0) {
      const read = bytes.subarray(offset, offset + length)
      this.send(this.#structured ? data(cookie, offset, read) : simple(cookie, 0, read))
      return
    }
    if (type === 1) payload.copy(bytes, offset)
    if (type === 6 || type === 4) bytes.fill(0, offset, offset + length)
    if ((flags & 1) !== 0) bytes.copy(durable, offset, offset, offset + length)
    if (type === 3) this.peer.flush()
    if (type === 7) {
      const extent = [CONTEXT_ID, length, 0].map(uint32)
      this.send(chunk(cookie, 5, Buffer.concat(extent)))
    } else this.send(simple(cookie))
  }
}
