// SPDX-License-Identifier: Apache-2.0
// Files that take turns on the thread pool: whatever hangs on some of them, another has a thread, and all have their share.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { StoreError } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { NoReads } from './cached-reads.ts'
import type { FileCalls } from './file-calls.ts'
import { FileStore } from './file-store.ts'
import { FileTurns, PoolTurns, type Turn } from './pool-turns.ts'

class Call implements Turn {
  next: Turn | null = null
  readonly #name: string
  readonly #log: string[]
  constructor(name: string, log: string[]) {
    this.#name = name
    this.#log = log
  }
  go(): void {
    this.#log.push(this.#name)
  }
}

test('one file leaves a quarter of the threads to the others', () => {
  const pool = new PoolTurns(16)
  const [slow, fast] = [new FileTurns(pool), new FileTurns(pool)]
  const log: string[] = []
  for (let i = 0; i < 100; i++) slow.take(new Call(`slow ${i}`, log))
  assert.equal(log.length, 12)
  fast.take(new Call('fast 0', log))
  assert.equal(log.at(-1), 'fast 0')
  // Its second has to wait like the others, but not behind them all.
  fast.take(new Call('fast 1', log))
  assert.equal(log.length, 13)
  slow.done()
  slow.done()
  slow.done()
  assert.deepEqual(log.slice(13), ['slow 12', 'fast 1'])
})

test('threads go from file to file, and every call has its turn in order', () => {
  const pool = new PoolTurns(4)
  const files = [new FileTurns(pool), new FileTurns(pool), new FileTurns(pool)]
  const log: string[] = []
  for (const [index, file] of files.entries()) {
    for (let i = 0; i < 5; i++) file.take(new Call(`${index}${i}`, log))
  }
  for (let ended = 0; ended < 15; ended++) files[Number(log[ended]![0])]!.done()
  assert.equal(log.length, 15)
  for (const index of [0, 1, 2]) {
    const own = log.filter(name => name.startsWith(String(index)))
    assert.deepEqual(
      own,
      [0, 1, 2, 3, 4].map(i => `${index}${i}`),
    )
  }
  // Once all wait, none gets two threads in a row.
  assert.notEqual(log[5]![0], log[6]![0])
  assert.deepEqual(
    files.map(({ running }) => running),
    [0, 0, 0],
  )
})

test('a call that ends within its begin does not stop the others', () => {
  const pool = new PoolTurns(2)
  const file = new FileTurns(pool)
  const log: string[] = []
  const quick = (name: string): Turn => ({
    next: null,
    go() {
      log.push(name)
      file.done()
    },
  })
  file.take(new Call('first', log))
  for (let i = 0; i < 3; i++) file.take(quick(String(i)))
  file.done()
  assert.deepEqual(log, ['first', '0', '1', '2'])
})

/** A store on a pool of its own size, whose file calls are the machine's but for those that are changed. */
async function opened(
  context: TestContext,
  pool: PoolTurns,
  changed: Record<string, (...given: never[]) => unknown> = {},
): Promise<StoreExchange> {
  const path = join(await scratch(context), 'disk.img')
  await writeFile(path, pattern(2 ** 20, 1))
  const fd = fs.openSync(path, 'r+')
  const facts = {
    size: 2 ** 20,
    preferredBlock: 4096,
    canWrite: true,
    direct: null,
    sync: false,
    takeRoom: null,
    inMemory: false,
    space: null,
    holeSize: 4096,
    anchors: false,
    note: '',
    unlock: async () => {},
  }
  const calls = { ...fs, ...changed } as unknown as FileCalls
  const file = { fd, durableFd: -1, realPath: path, reads: new NoReads(), ...facts }
  return new StoreExchange(new FileStore(file, calls, pool))
}

test('flushes, durable writes and reads that hang on one file stop no other file', async context => {
  const pool = new PoolTurns(4)
  const held: (() => void)[] = []
  const hang = (...given: unknown[]): void => {
    const done = given.at(-1) as (error: null, moved: number) => void
    const length = given.length === 6 ? (given[3] as number) : 0
    held.push(() => done(null, length))
  }
  const stuck = await opened(context, pool, { fdatasync: hang, read: hang, write: hang })
  const free = await opened(context, pool)
  const waiting = [
    ...Array.from({ length: 20 }, () => stuck.flush()),
    ...Array.from({ length: 20 }, (_, i) => stuck.read(i * 4096, 4096)),
    ...Array.from({ length: 20 }, (_, i) => stuck.write(i * 4096, pattern(100_000, 3))),
  ]
  for (let i = 0; i < 10; i++) {
    assert.ok(
      (await free.bytes(i * 4096, 4096)).equals(pattern(2 ** 20, 1).subarray(i * 4096, i * 4096 + 4096)),
    )
    assert.equal((await free.write(500_000, pattern(100_000, 2))).error, StoreError.none)
    assert.equal((await free.flush()).error, StoreError.none)
  }
  assert.ok(held.length >= 1 && held.length <= 3, `${held.length} calls of the file that hangs are under way`)
  let left = waiting.length
  for (const one of waiting) void one.then(() => left--)
  while (left > 0) {
    for (const go of held.splice(0)) go()
    await new Promise(resolve => setImmediate(resolve))
  }
  await Promise.all([stuck.close(), free.close()])
})
