// SPDX-License-Identifier: Apache-2.0
// Nanoseconds and heap bytes of a cached 4 KiB read and write by each road; run by hand: node --expose-gc read.bench.ts
import fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BackingStore, BufferPool, StoreError, type StoreIo, Task } from '@lunkit/target-api'
import { type FileOptions, openFile } from './open-file.ts'

const SIZE = 64 * 2 ** 20
const BLOCK = 4096
const ROUNDS = 15

const pool = new BufferPool()

/** Keeps `depth` requests under way, and starts the next from the answer of one, without growing the stack. */
class Load {
  readonly #store: BackingStore
  readonly #call: 'read' | 'write'
  readonly #ios: StoreIo[] = []
  #left = 0
  #open = 0
  #offset = 0
  #inside = false
  #ready: StoreIo[] = []
  #end: () => void = () => {}

  constructor(store: BackingStore, call: 'read' | 'write', depth: number, length: number) {
    this.#store = store
    this.#call = call
    for (let i = 0; i < depth; i++) {
      const { io } = new Task(pool, () => {})
      io.length = length
      io.segments.push(Buffer.alloc(length, 1))
      io.onFinish = this.#answered
      this.#ios.push(io)
    }
  }

  run(count: number): Promise<void> {
    return new Promise(resolve => {
      this.#left = count
      this.#end = resolve
      this.#ready = [...this.#ios]
      this.#pump()
    })
  }

  readonly #answered = (task: Task): void => {
    if (task.io.error !== StoreError.none) throw new Error(`store error ${task.io.error}`)
    this.#open--
    this.#ready.push(task.io)
    if (!this.#inside) this.#pump()
  }

  #pump(): void {
    this.#inside = true
    while (this.#left > 0 && this.#ready.length > 0) {
      const io = this.#ready.pop()!
      this.#left--
      this.#open++
      this.#offset = (this.#offset + 7919 * BLOCK) % (SIZE - io.length)
      io.offset = this.#offset - (this.#offset % BLOCK)
      this.#store[this.#call](io)
    }
    this.#inside = false
    if (this.#left === 0 && this.#open === 0) this.#end()
  }
}

/** Best time of some rounds, in ns, and the median of allocated bytes: each of one request. */
async function measure(load: Load, count: number): Promise<[ns: number, bytes: number]> {
  await load.run(count)
  let best = Number.POSITIVE_INFINITY
  const heaps: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    globalThis.gc?.()
    const heap = process.memoryUsage().heapUsed
    const from = process.hrtime.bigint()
    await load.run(count)
    best = Math.min(best, Number(process.hrtime.bigint() - from) / count)
    heaps.push((process.memoryUsage().heapUsed - heap) / count)
  }
  return [best, heaps.sort((a, b) => a - b)[ROUNDS >> 1]!]
}

async function report(
  title: string,
  options: FileOptions,
  call: 'read' | 'write',
  depth: number,
): Promise<void> {
  const store = await openFile(options)
  try {
    for (const length of [BLOCK, 65536]) {
      const [ns, bytes] = await measure(new Load(store, call, depth, length), length === BLOCK ? 4000 : 1000)
      const line = [title.padEnd(22), `depth ${depth}`.padEnd(9), `${length / 1024} KiB`.padStart(7)]
      console.log(...line, `${ns.toFixed(0)} ns`.padStart(10), `${bytes.toFixed(1)} B`.padStart(10))
    }
  } finally {
    await store.close()
  }
}

const directory = await fs.mkdtemp(join(tmpdir(), 'lunkit-bench-'))
try {
  const path = join(directory, 'disk.img')
  await fs.writeFile(path, Buffer.alloc(SIZE, 7))
  for (const reads of ['preadv2', 'readSync', 'threads'] as const) {
    for (const depth of [1, 32]) {
      await report(`read by ${reads}`, { path, reads }, 'read', depth).catch(error => {
        console.log(`read by ${reads}: ${error.message}`)
      })
    }
  }
  for (const depth of [1, 32]) await report('write', { path }, 'write', depth)
} finally {
  await fs.rm(directory, { recursive: true })
}
