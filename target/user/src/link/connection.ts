// SPDX-License-Identifier: Apache-2.0
// One connection to a handler: hello, requests by tag, and a check of everything that it says.
import { connect, type Socket } from 'node:net'
import { FrameReader, type FrameSink } from './frame-reader.ts'
import {
  ANSWER,
  Flag,
  HandlerFault,
  type HandlerHello,
  Kind,
  NOTICES_PER_SECOND,
  REQUEST,
} from './protocol.ts'
import { HEADER, type Request } from './request.ts'
import { SharedMemory } from './shared-memory.ts'

/** Bits of a tag that say where the request stands; the others count, so that an old tag is known. */
const INDEX_BITS = 10
const MOST_DEPTH = 1 << INDEX_BITS
const DEPTH = 64
const READ_BYTES = 262144
const HELLO_MS = 5000

/** Who has the connection. */
export interface ConnectionUser {
  /** May throw HandlerFault: this handler will not do. */
  greeted(hello: HandlerHello): void
  /** Where data of an answer go, which has its status and count; null: it may have none. May throw HandlerFault. */
  roomFor(request: Request, bytes: number): readonly Buffer[] | null
  answered(request: Request, sense: Buffer): void
  notice(kind: number, body: Buffer): void
  /** It is over, once; what it had under way is in `left`, in the order in which it was sent. */
  ended(why: Error, left: readonly Request[]): void
}

const { flags, status, tag, count, length, senseLength } = ANSWER.field
const place = (frame: Buffer, end: number, value: number): void => {
  frame.writeUInt32BE(Math.floor(value / 2 ** 32), end - 8)
  frame.writeUInt32BE(value >>> 0, end - 4)
}

export class Connection implements FrameSink {
  readonly #user: ConnectionUser
  readonly #socket: Socket
  readonly #reader = new FrameReader(this)
  readonly #active: (Request | null)[] = []
  readonly #free: number[] = []
  #serial = 0
  #underWay = 0
  #depth = 0
  /** Requests handed to the socket, and those that the system has taken. */
  #sent = 0
  #written = 0
  readonly #onWritten = (): void => {
    this.#written++
    if (this.#early.length > 0) this.#endEarly()
  }
  /** Answered, and the word that the system has taken all of them is still to come: their data are not let go before. */
  readonly #early: { readonly request: Request; readonly sense: Buffer }[] = []
  #corked = false
  readonly #uncork = (): void => {
    this.#corked = false
    this.#socket.uncork()
  }
  #shared: SharedMemory | null
  #into: readonly Buffer[] | null = null
  #greeted = false
  #over = false
  readonly #greeting: NodeJS.Timeout
  #notices = 0
  #noticesSince = 0

  constructor(path: string, hello: Readonly<Record<string, unknown>>, share: boolean, user: ConnectionUser) {
    this.#user = user
    this.#shared = share ? SharedMemory.create() : null
    const callback = (bytes: number, chunk: Uint8Array): boolean => this.#take(bytes, chunk as Buffer)
    this.#socket = connect({ path, onread: { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback } })
    this.#socket.on('error', error => this.end(error))
    this.#socket.on('close', () => this.end(new Error('it closed the connection')))
    this.#socket.once('connect', () => this.#greet(hello))
    this.#greeting = setTimeout(() => this.end(new HandlerFault('it says no hello')), HELLO_MS)
  }

  /** Whether it takes another request now. */
  get hasRoom(): boolean {
    return this.#underWay < this.#depth
  }

  get underWay(): number {
    return this.#underWay
  }

  /** Requests that were sent and have no answer. */
  *requests(): Generator<Request> {
    for (const request of this.#active) if (request !== null) yield request
  }

  send(request: Request): void {
    const index = this.#free.pop()!
    this.#active[index] = request
    this.#underWay++
    request.tries++
    this.#serial = (this.#serial + 1) & 0x3fffff
    request.tag = ((this.#serial << INDEX_BITS) | index) >>> 0
    request.began = performance.now()
    request.ordinal = ++this.#sent
    this.#placeData(request)
    const { frame, bodyLength, out } = request
    const inline = request.place < 0 ? request.outLength : 0
    const end = HEADER + bodyLength
    REQUEST.field.length.set(frame, 0, bodyLength + inline)
    REQUEST.field.kind.set(frame, 0, request.kind)
    REQUEST.field.flags.set(frame, 0, request.flags | (request.place < 0 ? 0 : Flag.shared))
    REQUEST.field.session.set(frame, 0, request.session)
    REQUEST.field.tag.set(frame, 0, request.tag)
    if (request.place >= 0) place(frame, end, request.place)
    const socket = this.#corkedSocket()
    const head = frame.subarray(0, end)
    if (inline === 0) {
      socket.write(head, this.#onWritten)
      return
    }
    socket.write(head)
    for (let i = 0; i < out.length - 1; i++) socket.write(out[i]!)
    socket.write(out[out.length - 1]!, this.#onWritten)
  }

  /** A message that has no answer. */
  tell(kind: number, session: number, tag: number, body: Buffer | null = null): void {
    const frame = Buffer.alloc(HEADER)
    REQUEST.write({ length: body?.length ?? 0, kind, session, tag }, frame)
    const socket = this.#corkedSocket()
    socket.write(frame)
    if (body !== null && body.length > 0) socket.write(body)
  }

  /** Ends it, once; data of requests are not touched from now on. */
  end(why: Error): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#greeting)
    this.#socket.destroy()
    this.#shared?.close()
    this.#shared = null
    const left = [...this.requests()].sort((one, other) => one.ordinal - other.ordinal)
    this.#active.length = 0
    this.#early.length = 0
    this.#depth = 0
    this.#underWay = 0
    this.#user.ended(why, left)
  }

  answerBegins(header: Buffer): readonly Buffer[] | null {
    const request = this.#active[tag.get(header, 0) & (MOST_DEPTH - 1)] ?? null
    if (request === null || request.tag !== tag.get(header, 0)) {
      throw new HandlerFault('it answered a request that it does not have')
    }
    if (this.#early.some(one => one.request === request))
      throw new HandlerFault('it answered a request twice')
    request.status = status.get(header, 0)
    request.count = count.get(header, 0)
    const behind = length.get(header, 0) - senseLength.get(header, 0)
    const shared = (flags.get(header, 0) & Flag.shared) !== 0
    if (shared && (request.place < 0 || behind > 0))
      throw new HandlerFault('it answered by memory that is not shared')
    const bytes = shared ? request.count : behind
    if (bytes > request.longestIn)
      throw new HandlerFault(`it answered with ${bytes} bytes, not ${request.longestIn}`)
    if (behind > 0 && behind !== request.count) throw new HandlerFault('it says two lengths of one answer')
    this.#into = this.#user.roomFor(request, bytes)
    if (bytes > 0 && this.#into === null)
      throw new HandlerFault('it answered with data that nobody asked for')
    return shared ? null : this.#into
  }

  answerEnds(header: Buffer, sense: Buffer): void {
    const index = tag.get(header, 0) & (MOST_DEPTH - 1)
    const request = this.#active[index]!
    if ((flags.get(header, 0) & Flag.shared) !== 0 && request.count > 0) {
      this.#shared!.read(request.place, this.#into!, request.count)
    }
    this.#into = null
    if (request.ordinal > this.#written) this.#early.push({ request, sense: Buffer.from(sense) })
    else this.#conclude(request, sense)
  }

  #conclude(request: Request, sense: Buffer): void {
    const index = request.tag & (MOST_DEPTH - 1)
    if (request.place >= 0) this.#shared!.give(request.place)
    this.#active[index] = null
    this.#free.push(index)
    this.#underWay--
    this.#user.answered(request, sense)
  }

  #endEarly(): void {
    while (!this.#over && this.#early.length > 0 && this.#early[0]!.request.ordinal <= this.#written) {
      const { request, sense } = this.#early.shift()!
      this.#conclude(request, sense)
    }
  }

  notice(kind: number, body: Buffer): void {
    if (this.#over) throw new HandlerFault('it is given up')
    if (!this.#greeted) {
      if (kind !== Kind.hello) throw new HandlerFault('it says no hello')
      this.#beGreeted(readHello(body))
      return
    }
    const now = performance.now()
    if (now - this.#noticesSince > 1000) {
      this.#noticesSince = now
      this.#notices = 0
    }
    if (++this.#notices > NOTICES_PER_SECOND) throw new HandlerFault('it floods lunkit with messages')
    this.#user.notice(kind, body)
  }

  #greet(hello: Readonly<Record<string, unknown>>): void {
    const shared = this.#shared
    const all = { ...hello, ...(shared !== null && { shared: { path: shared.path, bytes: shared.bytes } }) }
    this.tell(Kind.hello, 0, 0, Buffer.from(JSON.stringify(all)))
  }

  #beGreeted(hello: HandlerHello): void {
    clearTimeout(this.#greeting)
    this.#greeted = true
    this.#shared?.unname()
    if (hello.shared !== true) {
      this.#shared?.close()
      this.#shared = null
    }
    this.#depth = Math.min(hello.depth ?? DEPTH, MOST_DEPTH)
    for (let index = this.#depth - 1; index >= 0; index--) this.#free.push(index)
    this.#user.greeted(hello)
  }

  /** The same memory for what goes out and what comes in: a slot has room for the longer of both. */
  #placeData(request: Request): void {
    const shared = this.#shared
    request.place = -1
    if (shared === null || (request.outLength > 0 && request.longestIn > 0)) return
    const at = shared.take(request.outLength + request.longestIn)
    if (at < 0) return
    if (request.outLength === 0 || shared.write(at, request.out, request.outLength)) request.place = at
    else shared.give(at)
  }

  /** Whatever is sent in one turn goes out together. */
  #corkedSocket(): Socket {
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      process.nextTick(this.#uncork)
    }
    return this.#socket
  }

  #take(bytes: number, chunk: Buffer): boolean {
    try {
      if (!this.#over) this.#reader.take(chunk, bytes)
    } catch (error) {
      this.end(error as Error)
    }
    return !this.#over
  }
}

function readHello(body: Buffer): HandlerHello {
  let hello: HandlerHello
  try {
    hello = JSON.parse(body.toString('utf8')) as HandlerHello
  } catch {
    throw new HandlerFault('its hello is no JSON')
  }
  if (typeof hello !== 'object' || hello === null) throw new HandlerFault('its hello is no object')
  if (typeof hello.error === 'string') throw new HandlerFault(`it refuses: ${hello.error.slice(0, 200)}`)
  const { depth = DEPTH } = hello
  if (!Number.isInteger(depth) || depth < 1 || depth > MOST_DEPTH) {
    throw new HandlerFault(`its hello has the depth ${String(depth).slice(0, 20)}`)
  }
  return hello
}
