// SPDX-License-Identifier: Apache-2.0
// A handler in the test's own process: blocks in memory, and every message can be answered otherwise.
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { ANSWER, EXECUTE, Flag, Kind, RANGE, REQUEST } from './link/protocol.ts'

/** A message of lunkit. */
export interface Asked {
  readonly kind: number
  readonly flags: number
  readonly session: number
  readonly tag: number
  readonly body: Buffer
}

export interface Answered {
  readonly flags?: number
  readonly status?: number
  readonly sense?: Uint8Array
  readonly data?: Uint8Array
  readonly count?: number
  /** What the header says, where it is to lie. */
  readonly length?: number
  readonly kind?: number
}

/** Does what is to be done instead of the usual; true if that was it. */
type Otherwise = (asked: Asked, peer: Peer) => boolean

export class Peer {
  readonly socket: Socket
  readonly #handler: ScriptedHandler
  #chunks: Buffer[] = []
  #held = 0
  /** Bytes that have to be there before it is worth looking: long messages come in many chunks. */
  #needed = REQUEST.length
  /** The shared memory, or -1. */
  memory = -1

  constructor(socket: Socket, handler: ScriptedHandler) {
    this.socket = socket
    this.#handler = handler
    socket.on('error', () => {})
    socket.on('data', chunk => this.#take(chunk))
    socket.on('close', () => this.memory >= 0 && closeSync(this.memory))
  }

  answer(
    tag: number,
    { flags = 0, status = 0, sense = Buffer.alloc(0), data = Buffer.alloc(0), ...given }: Answered = {},
  ) {
    const { kind = Kind.answer, count = data.length } = given
    const inline = (flags & Flag.shared) === 0 ? data : Buffer.alloc(0)
    const length = given.length ?? sense.length + inline.length
    const head = ANSWER.write({ length, kind, flags, status, senseLength: sense.length, tag, count })
    this.socket.write(Buffer.concat([head, sense, inline]))
  }

  notice(kind: number, body: Uint8Array): void {
    this.socket.write(Buffer.concat([ANSWER.write({ length: body.length, kind }), body]))
  }

  /** What a good handler does. */
  usual({ kind, flags, tag, body }: Asked): void {
    const { bytes } = this.#handler
    if (kind === Kind.hello) {
      const { shared } = JSON.parse(body.toString()) as { shared?: { path: string } }
      const use = shared !== undefined && this.#handler.share
      if (use) this.memory = openSync(shared.path, constants.O_RDWR)
      this.notice(
        Kind.hello,
        Buffer.from(JSON.stringify({ version: 1, ...this.#handler.hello, shared: use })),
      )
      return
    }
    if (kind < Kind.read || kind > Kind.copy) return
    const { offset, length, place } = RANGE.read(body)
    const shared = (flags & Flag.shared) !== 0
    if (kind === Kind.write) {
      if (shared) readSync(this.memory, bytes, offset, length, place)
      else body.copy(bytes, offset, RANGE.length)
    } else if (kind === Kind.copy) bytes.copy(bytes, offset, place, place + length)
    else if (kind === Kind.zero || kind === Kind.discard) bytes.fill(0, offset, offset + length)
    if (kind !== Kind.read) {
      this.answer(tag)
      return
    }
    const data = bytes.subarray(offset, offset + length)
    if (shared) writeSync(this.memory, data, 0, length, place)
    this.answer(tag, { data, flags: shared ? Flag.shared : 0 })
  }

  /** The data of an execute. */
  static dataOf({ body }: Asked): Buffer {
    return body.subarray(EXECUTE.length)
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    if (this.#held < this.#needed) return
    let pending = Buffer.concat(this.#chunks)
    this.#needed = REQUEST.length
    while (pending.length >= this.#needed) {
      const { length, kind, flags, session, tag } = REQUEST.read(pending)
      const end = REQUEST.length + length
      this.#needed = end
      if (pending.length < end) break
      const body = Buffer.from(pending.subarray(REQUEST.length, end))
      pending = pending.subarray(end)
      this.#needed = REQUEST.length
      const asked = { kind, flags, session, tag, body }
      this.#handler.asked.push(asked)
      if (!this.#handler.otherwise(asked, this)) this.usual(asked)
    }
    this.#chunks = [pending]
    this.#held = pending.length
  }
}

export class ScriptedHandler {
  readonly path: string
  readonly bytes: Buffer
  hello: Record<string, unknown>
  share = true
  otherwise: Otherwise = () => false
  readonly asked: Asked[] = []
  readonly peers: Peer[] = []
  #server: Server | null = null

  constructor(path: string, hello: Record<string, unknown>, size = 0) {
    this.path = path
    this.hello = hello
    this.bytes = Buffer.alloc(size)
  }

  listen(): Promise<void> {
    this.#server = createServer(socket => this.peers.push(new Peer(socket, this)))
    return new Promise(resolve => this.#server!.listen(this.path, resolve))
  }

  /** The end of its process: whatever it had under way is left. */
  async die(): Promise<void> {
    const server = this.#server
    this.#server = null
    if (server === null) return
    const closed = new Promise(resolve => server.close(resolve))
    for (const { socket } of this.peers.splice(0)) socket.destroy()
    await closed
  }
}

/** A handler of blocks that listens until the test has ended. */
export async function blocksHandler(
  context: TestContext,
  size: number,
  hello: Record<string, unknown> = {},
): Promise<ScriptedHandler> {
  const path = join(await scratch(context), 'handler.sock')
  const handler = new ScriptedHandler(path, { size, ...hello }, size)
  await handler.listen()
  context.after(() => handler.die())
  return handler
}
