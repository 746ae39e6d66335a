// SPDX-License-Identifier: Apache-2.0
// Files in memory: reads and writes stay on the event loop, however slow the machine makes one of them look.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { StoreError } from '@lunkit/target-api'
import { scratch } from '../../../../testing/kit/scratch.ts'
import { StoreExchange } from '../../../../testing/kit/store-exchange.ts'
import { type FileCalls, fileCalls } from './file-calls.ts'
import { openFile } from './open-file.ts'

const TMPFS = 0x0102_1994
const EXT4 = 0xef53
const SLOW_MS = 12

/** How many of some reads and writes went to the thread pool, on a file system that says it is of this type. */
async function threadsUsed(path: string, type: number): Promise<{ note: string; count: number }> {
  let count = 0
  const late = <T extends unknown[], R>(call: (...words: T) => R) => {
    return (...words: T): R => {
      const end = performance.now() + SLOW_MS
      while (performance.now() < end);
      return call(...words)
    }
  }
  const counted = <T extends unknown[], R>(call: (...words: T) => R) => {
    return (...words: T): R => {
      count++
      return call(...words)
    }
  }
  const statfs = (_path: string, answer: (error: null, stats: fs.StatsFs) => void): void =>
    fs.statfs(path, (_error, stats) => answer(null, Object.assign(stats, { type })))
  const calls = {
    ...fileCalls,
    statfs,
    readSync: late(fs.readSync as (...words: unknown[]) => number),
    writeSync: late(fs.writeSync as (...words: unknown[]) => number),
    read: counted(fs.read as (...words: unknown[]) => void),
    write: counted(fs.write as (...words: unknown[]) => void),
  } as unknown as FileCalls
  const store = await openFile({ path, size: 2 ** 20, calls, linux: null })
  count = 0
  const exchange = new StoreExchange(store)
  const bytes = Buffer.alloc(8192, 7)
  for (let i = 0; i < 5; i++) {
    assert.equal((await exchange.write(i * 8192, bytes)).error, StoreError.none)
    assert.ok((await exchange.read(i * 8192, 8192)).bytes.equals(bytes))
  }
  await store.close()
  return { note: store.note, count }
}

test('on tmpfs nothing goes to the thread pool, and nothing is lost', async t => {
  const path = join(await scratch(t), 'disk.img')
  const inMemory = await threadsUsed(path, TMPFS)
  assert.equal(inMemory.count, 0)
  assert.doesNotMatch(inMemory.note, /hold up/)
  const onDisk = await threadsUsed(path, EXT4)
  assert.ok(onDisk.count >= 6, `${onDisk.count} of 10`)
  assert.match(onDisk.note, /hold up/)
})
