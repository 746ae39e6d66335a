// SPDX-License-Identifier: Apache-2.0
// Files that are cut, removed or replaced under the store, and calls that fail, stop half-way or hang.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { mkdir, rename, rm, stat, truncate, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { StoreError } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import type { FileCalls } from './file-calls.ts'
import { type FileOptions, openFile } from './open-file.ts'

const SIZE = 2 ** 20

interface Opened {
  readonly path: string
  readonly exchange: StoreExchange
}

async function open(context: TestContext, options: Partial<FileOptions> = {}): Promise<Opened> {
  const folder = join(await scratch(context), 'folder')
  await mkdir(folder)
  const path = join(folder, 'disk.img')
  await writeFile(path, pattern(SIZE, 1))
  return { path, exchange: new StoreExchange(await openFile({ path, ...options })) }
}

function failing(code: string): Error {
  return Object.assign(new Error(`${code}: made by the test`), { code })
}

type Done = (error: Error | null, bytes?: number) => void

/** node:fs with some calls replaced. */
function calls(changed: Record<string, (...given: never[]) => unknown>): FileCalls {
  return { ...fs, ...changed } as unknown as FileCalls
}

/** All ways to write, through one function that has the bytes and their place. */
function writesBy(take: (data: Buffer, at: number) => number): FileCalls {
  const later = (done: Done, act: () => number): void => {
    setImmediate(() => {
      let moved: number
      try {
        moved = act()
      } catch (error) {
        done(error as Error)
        return
      }
      done(null, moved)
    })
  }
  return calls({
    writeSync: (_fd: number, data: Buffer, _from: number, _length: number, at: number) => take(data, at),
    writevSync: (_fd: number, parts: Buffer[], at: number) => take(Buffer.concat(parts), at),
    write: (_fd: number, data: Buffer, _from: number, _length: number, at: number, done: Done) =>
      later(done, () => take(data, at)),
    writev: (_fd: number, parts: Buffer[], at: number, done: Done) =>
      later(done, () => take(Buffer.concat(parts), at)),
  })
}

const ROADS: Readonly<Record<string, Partial<FileOptions>>> = {
  readSync: { reads: 'readSync' },
  threads: { reads: 'threads' },
  'best road': {},
  ...(process.platform === 'linux' && { direct: { direct: true }, durable: { sync: true } }),
}

for (const [road, options] of Object.entries(ROADS)) {
  test(`a read beyond the end that a file has now brings no zeros, looked at or not (${road})`, async context => {
    const { path, exchange } = await open(context, options)
    const model = pattern(SIZE, 1)
    // Whole blocks stay, where a direct file is read by them.
    const end = 12_288
    await truncate(path, end)
    for (const [offset, length] of [
      [end, 512],
      [end - 512, 1024],
      [0, SIZE],
      [300_000, 300_000],
      [SIZE - 512, 512],
    ] as const) {
      const { error, failedAt, bytes } = await exchange.read(offset, length)
      assert.deepEqual([error, failedAt], [StoreError.medium, Math.max(offset, end)], `${offset}+${length}`)
      const there = Math.max(0, end - offset)
      assert.ok(bytes.subarray(0, there).every((byte, at) => byte === model[offset + at] || byte === 0xa5))
      assert.ok(!bytes.subarray(there).some(byte => byte === 0))
    }
    assert.ok((await exchange.bytes(0, end)).equals(model.subarray(0, end)))
    // What it grows by again is not what was there.
    await truncate(path, SIZE)
    for (const offset of [end, SIZE - 512]) {
      assert.equal((await exchange.read(offset, 512)).error, StoreError.medium)
    }
    await exchange.close()
  })
}

for (const reads of ['readSync', 'threads', undefined] as const) {
  test(`a file that is cut fails where it is cut (${reads ?? 'best road'})`, async context => {
    const { path, exchange } = await open(context, reads === undefined ? {} : { reads })
    await truncate(path, 10_000)
    assert.deepEqual((await exchange.read(8192, 4096)).error, StoreError.medium)
    assert.equal((await exchange.read(8192, 1000, 3096)).failedAt, 10_000)
    assert.ok((await exchange.bytes(0, 8192)).equals(pattern(SIZE, 1).subarray(0, 8192)))
    const far = await exchange.read(500_000, 512)
    assert.deepEqual([far.error, far.failedAt], [StoreError.medium, 500_000])

    const written = await exchange.write(65536, pattern(512, 2))
    assert.deepEqual([written.error, written.failedAt], [StoreError.medium, 65536])
    assert.equal((await stat(path)).size, 10_000, 'a write does not make the file long again')
    assert.equal((await exchange.flush()).error, StoreError.medium)

    await truncate(path, SIZE)
    const regrown = await exchange.read(20_000, 512)
    assert.equal(regrown.error, StoreError.medium, 'zeros in place of what was cut are never served')
    await exchange.close()
  })
}

test('a cut is noticed by a flush, before a write hides it', async context => {
  const { path, exchange } = await open(context)
  await truncate(path, 10_000)
  assert.equal((await exchange.flush()).error, StoreError.medium)
  assert.equal((await exchange.write(SIZE - 512, pattern(512, 1))).error, StoreError.medium)
  assert.equal((await stat(path)).size, 10_000)
  await exchange.wrote(0, pattern(512, 2))
  await exchange.close()
})

test('a file that grows keeps its size', async context => {
  const { path, exchange } = await open(context)
  await truncate(path, 2 * SIZE)
  assert.ok((await exchange.bytes(SIZE - 512, 512)).equals(pattern(SIZE, 1).subarray(SIZE - 512)))
  assert.notEqual((await exchange.read(SIZE, 512)).error, StoreError.none)
  assert.equal((await exchange.flush()).error, StoreError.none)
  await exchange.close()
})

const VANISHING: [string, (path: string) => Promise<unknown>][] = [
  ['unlinked', path => unlink(path)],
  ['removed with its directory', path => rm(dirname(path), { recursive: true })],
  ['replaced', path => writeFile(`${path}.new`, 'x').then(() => rename(`${path}.new`, path))],
]

for (const [how, vanish] of VANISHING) {
  test(`a file that is ${how} is gone`, async context => {
    const { path, exchange } = await open(context)
    await exchange.wrote(0, pattern(512, 3))
    await vanish(path)
    assert.equal((await exchange.write(0, pattern(512, 4), [], true)).error, StoreError.gone)
    assert.equal((await exchange.flush()).error, StoreError.gone)
    const both = await Promise.all([exchange.flush(), exchange.write(0, pattern(512, 4))])
    for (const { error } of both) assert.equal(error, StoreError.gone)
    assert.equal((await exchange.read(0, 512)).error, StoreError.gone)
    assert.equal((await exchange.write(0, pattern(512, 4))).error, StoreError.gone)
    await exchange.close()
  })
}

test('a file that vanished is noticed without a flush', async context => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const { path, exchange } = await open(context)
  for (let look = 0; look < 3; look++) {
    context.mock.timers.tick(500)
    await exchange.bytes(0, 512)
  }
  await unlink(path)
  context.mock.timers.tick(500)
  assert.equal((await exchange.read(0, 512)).error, StoreError.gone)
  await exchange.close()
})

test('a file that is renamed goes on', async context => {
  const { path, exchange } = await open(context)
  await rename(path, `${path}.old`)
  await exchange.wrote(0, pattern(512, 3))
  assert.equal((await exchange.flush()).error, StoreError.none)
  assert.ok((await exchange.bytes(0, 512)).equals(pattern(512, 3)))
  await exchange.close()
})

test('an error of the disk is a medium error, by each road', async context => {
  const broken = calls({
    readSync: () => {
      throw failing('EIO')
    },
    read: (_fd: number, _data: Buffer, _from: number, _length: number, _at: number, done: Done) =>
      setImmediate(done, failing('EIO')),
    readv: (_fd: number, _parts: Buffer[], _at: number, done: Done) => setImmediate(done, failing('EIO')),
  })
  for (const reads of ['readSync', 'threads'] as const) {
    const { exchange } = await open(context, { reads, calls: broken })
    assert.deepEqual(await exchange.read(4096, 512), {
      error: StoreError.medium,
      failedAt: 4096,
      bytes: Buffer.alloc(512, 0xa5),
    })
    assert.equal((await exchange.read(4096, 512, 300_000)).error, StoreError.medium)
    await exchange.close()
  }
})

test('each code of a failed write is told apart', async context => {
  for (const [code, error] of [
    ['EIO', StoreError.medium],
    ['ENOSPC', StoreError.noSpace],
    ['EDQUOT', StoreError.noSpace],
    ['EROFS', StoreError.readOnly],
    ['EPERM', StoreError.readOnly],
    ['ESTALE', StoreError.gone],
    ['EBADF', StoreError.internal],
    ['EUNHEARDOF', StoreError.medium],
    ['EINTR', StoreError.medium],
  ] as const) {
    const { exchange } = await open(context, {
      calls: writesBy(() => {
        throw failing(code)
      }),
    })
    for (const fua of [false, true]) {
      const answer = await exchange.write(512, pattern(1024, 1), [], fua)
      assert.deepEqual(answer, { error, failedAt: 512 }, code)
    }
    assert.equal((await exchange.write(0, pattern(300_000, 1), [5, 6])).error, error, code)
    await exchange.close()
  }
})

test('a write that stops half-way is continued, and an interrupted one made again', async context => {
  const disk = Buffer.alloc(SIZE)
  let interrupted = 0
  const { exchange } = await open(context, {
    calls: writesBy((data, at) => {
      if (interrupted++ % 3 === 1) throw failing('EINTR')
      return data.copy(disk, at, 0, 1000)
    }),
  })
  for (const [length, cuts] of [
    [4096, []],
    [10_000, [1, 998, 1, 1, 5000]],
    [65536, [60_000]],
    [100_000, Array(90).fill(999)],
  ] as [number, number[]][]) {
    for (const fua of [false, true]) {
      disk.fill(0)
      await exchange.wrote(777, pattern(length, 1), cuts, fua)
      assert.ok(disk.subarray(777, 777 + length).equals(pattern(length, 1)))
      assert.equal(disk[776], 0)
      assert.equal(disk[777 + length], 0)
    }
  }
  await exchange.close()
})

test('a read that stops half-way is continued, and an interrupted one made again', async context => {
  const disk = pattern(SIZE, 1)
  let interrupted = 0
  const take = (parts: Buffer[], at: number): number => {
    if (interrupted++ % 3 === 1) throw failing('EINTR')
    let left = 1000
    for (const part of parts)
      left -= disk.copy(part, 0, at + 1000 - left, at + 1000 - left + Math.min(left, part.length))
    return 1000 - left
  }
  const later = (done: Done, parts: Buffer[], at: number): void => {
    setImmediate(() => {
      let moved = -1
      try {
        moved = take(parts, at)
      } catch (error) {
        done(error as Error)
      }
      if (moved >= 0) done(null, moved)
    })
  }
  const short = calls({
    readSync: (_fd: number, data: Buffer, _from: number, _length: number, at: number) => take([data], at),
    readvSync: (_fd: number, parts: Buffer[], at: number) => take(parts, at),
    read: (_fd: number, data: Buffer, _from: number, _length: number, at: number, done: Done) =>
      later(done, [data], at),
    readv: (_fd: number, parts: Buffer[], at: number, done: Done) => later(done, parts, at),
  })
  for (const reads of ['readSync', 'threads'] as const) {
    const { exchange } = await open(context, { reads, calls: short })
    for (const lengths of [[4096], [1, 998, 1, 1, 5000], [60_000, 5536], Array<number>(90).fill(999)]) {
      const bytes = await exchange.bytes(777, ...lengths)
      assert.ok(bytes.equals(disk.subarray(777, 777 + bytes.length)))
    }
    await exchange.close()
  }
})

test('a disk that fills up amid a write says where', async context => {
  const { exchange } = await open(context, {
    calls: writesBy((data, at) => {
      if (at >= 5000) throw failing('ENOSPC')
      return Math.min(data.length, 5000 - at)
    }),
  })
  assert.deepEqual(await exchange.write(4096, pattern(4096, 1), [512]), {
    error: StoreError.noSpace,
    failedAt: 5000,
  })
  await exchange.close()
})

test('a write that moves nothing ends', async context => {
  const { exchange } = await open(context, { calls: writesBy(() => 0) })
  assert.equal((await exchange.write(0, pattern(512, 1))).error, StoreError.medium)
  await exchange.close()
})

/** Holds each fdatasync until told how it ends. */
function heldFlushes(): { held: Done[]; calls: FileCalls } {
  const held: Done[] = []
  return { held, calls: calls({ fdatasync: (_fd: number, done: Done) => held.push(done) }) }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setImmediate(resolve))
}

test('flushes share an fdatasync, but never one that began before their writes', async context => {
  const { held, calls: holding } = heldFlushes()
  const { exchange } = await open(context, { calls: holding })
  const order: string[] = []
  const flush = (name: string): Promise<number> => exchange.flush().then(() => order.push(name))
  const first = flush('first')
  await until(() => held.length === 1)
  await exchange.wrote(0, pattern(512, 1))
  const second = flush('second')
  const third = flush('third')
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setTimeout(resolve, 1))
  assert.equal(held.length, 1, 'one at a time')
  held[0]!(null)
  await first
  await until(() => held.length === 2)
  assert.deepEqual(order, ['first'])
  held[1]!(null)
  await Promise.all([second, third])
  assert.equal(held.length, 2)
  await exchange.close()
})

test('a failed flush is told to all that relied on it, and is never forgotten', async context => {
  const { held, calls: holding } = heldFlushes()
  const { exchange } = await open(context, { calls: holding })
  await exchange.wrote(0, pattern(512, 1))
  const first = exchange.flush()
  await until(() => held.length === 1)
  const second = exchange.flush()
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setTimeout(resolve, 1))
  held[0]!(failing('EIO'))
  assert.equal((await first).error, StoreError.medium)
  assert.equal((await second).error, StoreError.medium)
  assert.equal((await exchange.flush()).error, StoreError.medium)
  assert.equal(held.length, 1, 'the kernel is not asked again: it would say yes')
  assert.equal((await exchange.read(0, 512)).error, StoreError.none)
  await exchange.close()
})

test('a flush that finds no room says so', async context => {
  const full = calls({ fdatasync: (_fd: number, done: Done) => setImmediate(done, failing('ENOSPC')) })
  const { exchange } = await open(context, { calls: full })
  assert.equal((await exchange.flush()).error, StoreError.noSpace)
  await exchange.close()
})

test('close waits for what is under way, and lets nothing through after it', async context => {
  const held: (() => void)[] = []
  let closed = 0
  const { exchange } = await open(context, {
    reads: 'threads',
    calls: calls({
      read: (...given: Parameters<typeof fs.read>) => {
        held.push(() => fs.read(...given))
      },
      close: (fd: number, done: Done) => {
        closed++
        fs.close(fd, done)
      },
    }),
  })
  const reading = exchange.read(0, 512)
  const closing = exchange.store.close()
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(closed, 0, 'a descriptor in use is not closed')
  held[0]!()
  assert.equal((await reading).error, StoreError.none)
  await closing
  assert.equal(closed, 2)
  assert.equal((await exchange.read(0, 512)).error, StoreError.gone)
  assert.equal((await exchange.write(0, pattern(512, 1))).error, StoreError.gone)
  assert.equal((await exchange.flush()).error, StoreError.gone)
  assert.equal(held.length, 1)
  await exchange.close()
})

test('segments that do not sum up are refused', async context => {
  for (const reads of ['readSync', 'threads', undefined] as const) {
    const { exchange } = await open(context, reads === undefined ? {} : { reads })
    for (const length of [511, 513]) {
      for (const call of ['read', 'write'] as const) {
        const io = exchange.io()
        io.length = length
        io.segments.push(Buffer.alloc(512))
        assert.equal((await exchange.put(call, io)).error, StoreError.internal)
      }
    }
    await exchange.close()
  }
})
