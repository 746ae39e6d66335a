// SPDX-License-Identifier: Apache-2.0
// Puts requests to a store as a device would, and counts its answers.
import assert from 'node:assert/strict'
import { type BackingStore, BufferPool, StoreError, StoreIo, Task } from '@lunkit/target-api'

export interface Answer {
  readonly error: StoreError
  readonly failedAt: number
}

export interface ReadAnswer extends Answer {
  readonly bytes: Buffer
}

interface Pending {
  readonly call: string
  answers: number
}

/** Written where a store must fill, and around where it must not write. */
const UNFILLED = 0xa5
const GUARD = 32

type Call = 'read' | 'write' | 'flush' | 'discard' | 'writeZeroes' | 'map' | 'anchor'

/** One device's side of a store; makes as many requests at once as asked. */
export class StoreExchange {
  readonly store: BackingStore
  readonly #pool = new BufferPool()
  readonly #all: Pending[] = []

  constructor(store: BackingStore) {
    this.store = store
  }

  /** A request nobody has filled yet; it is not its task's own, as none is that a filter makes: that one is nobody's to finish. */
  io(): StoreIo {
    const task = new Task(this.#pool, () => assert.fail('a store ended a task itself'))
    task.io.onFinish = () => assert.fail("a store finished its task's own request, not the one it was given")
    return new StoreIo(task)
  }

  /** Puts the request as it is; resolves with its first answer. */
  put(call: Call, io: StoreIo): Promise<Answer> {
    return this.#ask(call, io, () => this.store[call]!(io))
  }

  /** Copies from `source`, which may be the same store. */
  copy(source: BackingStore, from: number, to: number, length: number): Promise<Answer> {
    const io = this.io()
    io.offset = to
    io.length = length
    return this.#ask('copy', io, () => this.store.copy!(io, source, from))
  }

  /** What the store says of the bytes from `offset` on: runs of held and of not held ones, neighbours joined. */
  async map(offset: number, length: number): Promise<[held: boolean, length: number][]> {
    const runs: [boolean, number][] = []
    for (const [state, part] of await this.states(offset, length)) {
      const held = state === 'held'
      const last = runs.at(-1)
      if (last?.[0] === held) last[1] += part
      else runs.push([held, part])
    }
    return runs
  }

  /** The same with bytes that room is kept for apart from holes. */
  async states(
    offset: number,
    length: number,
  ): Promise<[state: 'held' | 'anchored' | 'hole', length: number][]> {
    const runs: ['held' | 'anchored' | 'hole', number][] = []
    for (let at = offset; at < offset + length; ) {
      const io = this.io()
      io.offset = at
      io.length = offset + length - at
      const { error } = await this.put('map', io)
      assert.equal(error, StoreError.none, `map of ${length} at ${at}`)
      assert.ok(io.length >= 1 && at + io.length <= offset + length, `a run of ${io.length} bytes at ${at}`)
      assert.ok(!(io.held && io.anchored), 'held and not held at once')
      const state = io.held ? 'held' : io.anchored ? 'anchored' : 'hole'
      const last = runs.at(-1)
      if (last?.[0] === state) last[1] += io.length
      else runs.push([state, io.length])
      at += io.length
    }
    return runs
  }

  #ask(call: string, io: StoreIo, act: () => void): Promise<Answer> {
    return new Promise(resolve => {
      const pending: Pending = { call: `${call} of ${io.length} at ${io.offset}`, answers: 0 }
      this.#all.push(pending)
      io.onFinish = () => {
        pending.answers++
        resolve({ error: io.error, failedAt: io.failedAt })
      }
      act()
    })
  }

  /** Reads into segments of these lengths; proves that nothing around them was written. */
  async read(offset: number, ...lengths: number[]): Promise<ReadAnswer> {
    const io = this.io()
    const wholes = lengths.map(length => Buffer.alloc(length + 2 * GUARD, UNFILLED))
    io.offset = offset
    io.length = lengths.reduce((sum, length) => sum + length, 0)
    io.segments.push(...wholes.map(whole => whole.subarray(GUARD, whole.length - GUARD)))
    const parts = [...io.segments]
    const answer = await this.put('read', io)
    for (const whole of wholes) {
      assert.ok(untouched(whole.subarray(0, GUARD)), 'a read wrote before its segment')
      assert.ok(untouched(whole.subarray(whole.length - GUARD)), 'a read wrote behind its segment')
    }
    return { ...answer, bytes: Buffer.concat(parts) }
  }

  /** Reads and insists on success. */
  async bytes(offset: number, ...lengths: number[]): Promise<Buffer> {
    const { error, bytes } = await this.read(offset, ...lengths)
    assert.equal(error, StoreError.none, `read of ${lengths} at ${offset}`)
    return bytes
  }

  /** Writes the data in pieces of these lengths; the last takes the rest. Spoils the buffers once answered. */
  async write(offset: number, data: Buffer, cuts: readonly number[] = [], fua = false): Promise<Answer> {
    const io = this.io()
    io.offset = offset
    io.length = data.length
    io.forceUnitAccess = fua
    const sent = Buffer.from(data)
    let at = 0
    for (const cut of cuts) {
      const end = Math.min(at + cut, sent.length)
      io.segments.push(sent.subarray(at, end))
      at = end
    }
    if (at < sent.length || io.segments.length === 0) io.segments.push(sent.subarray(at))
    const answer = await this.put('write', io)
    sent.fill(0xdd)
    return answer
  }

  async wrote(offset: number, data: Buffer, cuts: readonly number[] = [], fua = false): Promise<void> {
    const { error } = await this.write(offset, data, cuts, fua)
    assert.equal(error, StoreError.none, `write of ${data.length} at ${offset}`)
  }

  flush(): Promise<Answer> {
    return this.put('flush', this.io())
  }

  range(call: 'discard' | 'writeZeroes' | 'anchor', offset: number, length: number): Promise<Answer> {
    const io = this.io()
    io.offset = offset
    io.length = length
    return this.put(call, io)
  }

  /** Each request so far has had its one answer. */
  settled(): void {
    for (const { call, answers } of this.#all) assert.equal(answers, 1, `answers to ${call}`)
  }

  /** Closes the store, lets the event loop turn, and counts. */
  async close(): Promise<void> {
    await this.store.close()
    for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
    this.settled()
  }
}

function untouched(guard: Buffer): boolean {
  return guard.every(byte => byte === UNFILLED)
}

/** Bytes that differ from place to place and from seed to seed, and are never UNFILLED for long. */
export function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = (seed * 2654435761 + 12345) >>> 0
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}
