// SPDX-License-Identifier: Apache-2.0
// The keys direct, sync, readahead and preallocate: the contract by each of them, and that they do what they say.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { mkdir, open, readdir, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { OperatorError, readParameters, StoreError } from '@lunkit/target-api'
import { loopDevice, needLoops } from '@lunkit/testing/kit/loop-device.ts'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { absent, need } from '../../../../testing/peers.ts'
import { fileCalls } from './file-calls.ts'
import { linuxCalls } from './linux-calls.ts'
import { type FileOptions, openFile, store } from './store.ts'

const MIB = 2 ** 20
const SIZE = 8 * MIB
const onLinux = process.platform === 'linux'
const linux = await linuxCalls()

const WAYS: readonly [string, Partial<FileOptions>, boolean][] = [
  ['direct', { direct: true }, onLinux],
  ['direct and read-only', { direct: true, readonly: true }, onLinux],
  ['durable', { sync: true }, true],
  ['direct and durable', { direct: true, sync: true }, onLinux],
  ['preallocated', { preallocate: true }, linux !== null],
  ['direct and preallocated', { direct: true, preallocate: true }, linux !== null],
]
for (const [name, options, works] of WAYS) {
  if (!works) test(`file that is ${name}`, t => void absent(t, 'Linux with koffi'))
  else {
    storeSuite(`file that is ${name}`, async context => {
      const path = join(await scratch(context), 'disk.img')
      await writeFile(path, pattern(SIZE, 1))
      return openFile({ path, ...options })
    })
  }
}

async function opened(t: TestContext, options: Partial<FileOptions>) {
  const path = join(await scratch(t), 'disk.img')
  return { path, exchange: new StoreExchange(await openFile({ path, size: SIZE, ...options })) }
}

function refusal(code: string, text: RegExp): (error: unknown) => true {
  return error => {
    assert.ok(error instanceof OperatorError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, text)
    assert.notEqual(error.hint, '')
    return true
  }
}

test('what goes around the page cache leaves nothing there', async t => {
  if (!onLinux || !need(t, 'fincore')) return
  const cached = (path: string): number =>
    Number(execFileSync('fincore', ['-bnro', 'RES', path], { encoding: 'utf8' }))
  for (const direct of [true, false]) {
    const { path, exchange } = await opened(t, { direct })
    await exchange.wrote(0, pattern(4 * MIB, 1))
    assert.ok((await exchange.bytes(MIB, MIB)).equals(pattern(4 * MIB, 1).subarray(MIB, 2 * MIB)))
    assert.equal(cached(path) === 0, direct)
    await exchange.close()
  }
})

test('around the page cache a file is of whole blocks', async t => {
  if (!onLinux) return
  const { path, exchange } = await opened(t, { direct: true })
  await assert.rejects(async () => exchange.store.resize!(SIZE + 1), { code: 'FILE_SIZE' })
  assert.equal((await stat(path)).size, SIZE)
  await truncate(path, SIZE + 100)
  await exchange.store.rescan!()
  assert.equal(exchange.store.size, SIZE)
  await exchange.close()
  await assert.rejects(openFile({ path, direct: true }), refusal('FILE_DIRECT', /no multiple of/))
  await (await openFile({ path })).close()
})

test('a durable file has no cache to flush: writes go through O_DSYNC, and holes are flushed', async t => {
  const asked: string[] = []
  const watched = new Proxy(fileCalls, {
    get: (calls, name: keyof typeof fileCalls) => {
      if (/^(write|fdatasync)/.test(name)) {
        return (...given: never[]) => {
          asked.push(name)
          return (calls[name] as (...all: never[]) => unknown)(...given)
        }
      }
      return calls[name]
    },
  })
  const { exchange } = await opened(t, { sync: true, calls: watched })
  assert.equal(exchange.store.volatileCache, false)
  await exchange.wrote(0, pattern(4096, 1))
  assert.deepEqual(asked.splice(0), onLinux ? ['write'] : ['write', 'fdatasync'])
  if (exchange.store.discards === 'native') {
    for (const call of ['discard', 'writeZeroes'] as const) {
      await exchange.range(call, 0, 4096)
      assert.deepEqual(asked.splice(0), ['fdatasync'], call)
    }
  }
  await exchange.bytes(0, 4096)
  assert.deepEqual(asked, [])
  await exchange.close()
})

test('a write of a durable file is answered by the descriptor that has O_DSYNC', async t => {
  if (!onLinux) return
  for (const direct of [false, true]) {
    const flags: number[] = []
    const write = ((fd: number, ...rest: never[]) => {
      flags.push(
        Number.parseInt(/flags:\s*(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!, 8),
      )
      return (fs.write as (...all: unknown[]) => void)(fd, ...rest)
    }) as unknown as typeof fs.write
    const { exchange } = await opened(t, { sync: true, direct, calls: { ...fileCalls, write } })
    await exchange.wrote(0, pattern(4096, 1))
    assert.equal(flags.length, 1)
    assert.ok((flags[0]! & fs.constants.O_DSYNC) !== 0)
    assert.equal((flags[0]! & fs.constants.O_DIRECT) !== 0, direct)
    await exchange.close()
  }
})

test('room that was taken in advance is there, and stays', async t => {
  if (linux === null) return void absent(t, 'Linux with koffi')
  const { path, exchange } = await opened(t, { preallocate: true })
  const taken = async (): Promise<number> => (await stat(path)).blocks * 512
  assert.ok((await taken()) >= SIZE)
  assert.deepEqual([exchange.store.discards, exchange.store.anchor], ['none', undefined])
  assert.ok((await exchange.bytes(0, MIB)).equals(Buffer.alloc(MIB)))
  await exchange.wrote(0, pattern(MIB, 1))
  if (exchange.store.writesZeroes === 'native') {
    assert.equal((await exchange.range('writeZeroes', 0, MIB)).error, StoreError.none)
  }
  assert.ok((await taken()) >= SIZE)
  await exchange.store.resize!(2 * SIZE)
  assert.ok((await taken()) >= 2 * SIZE)
  await exchange.close()
})

test('a file system that is too full is told of at once, and nothing is left', async t => {
  if (linux === null || !needLoops(t) || !need(t, 'mkfs.ext4')) return
  const folder = join(await scratch(t), 'mounted')
  const { path: device } = await loopDevice(t, 16 * MIB)
  execFileSync('mkfs.ext4', ['-q', device])
  await mkdir(folder)
  execFileSync('mount', [device, folder])
  try {
    const path = join(folder, 'disk.img')
    await assert.rejects(
      openFile({ path, size: 64 * MIB, preallocate: true }),
      refusal('FILE_SIZE', /file system is full/),
    )
    assert.deepEqual(await readdir(folder), ['lost+found'])
    const exchange = new StoreExchange(await openFile({ path, size: MIB, preallocate: true }))
    await assert.rejects(async () => exchange.store.resize!(64 * MIB), refusal('FILE_SIZE', /full/))
    assert.equal((await stat(path)).size, MIB)
    await exchange.wrote(MIB - 4096, pattern(4096, 1))
    await exchange.close()
    const direct = new StoreExchange(await openFile({ path: `${path}2`, size: 64 * MIB, direct: true }))
    const { error } = await direct.write(0, pattern(32 * MIB, 1))
    assert.equal(error, StoreError.noSpace)
    await direct.close()
  } finally {
    execFileSync('umount', [folder])
  }
})

test('the kernel is told what to read ahead', async t => {
  if (linux === null) return void absent(t, 'Linux with koffi')
  const told: string[] = []
  const watched = {
    ...linux,
    readAhead: (fd: number, how: never) => told.push(how) && linux.readAhead(fd, how),
  }
  for (const readahead of ['normal', 'sequential', 'random', 'no'] as const) {
    const { exchange } = await opened(t, { readahead, linux: watched })
    assert.equal(exchange.store.note, '')
    await exchange.close()
  }
  assert.deepEqual(told, ['sequential', 'random', 'no'])
  const { exchange } = await opened(t, { readahead: 'no', linux: null })
  assert.match(exchange.store.note!, /not told of readahead=no/)
  await exchange.close()
})

test('a cut file is not made longer by what goes around the page cache', async t => {
  if (!onLinux) return
  const { path, exchange } = await opened(t, { direct: true })
  await exchange.wrote(0, pattern(SIZE, 1))
  await truncate(path, MIB)
  assert.equal((await exchange.read(MIB - 4096, 8192)).error, StoreError.medium)
  const { error, failedAt } = await exchange.write(MIB - 4096, pattern(8192, 2))
  assert.deepEqual([error, failedAt], [StoreError.medium, MIB])
  assert.equal((await stat(path)).size, MIB)
  await exchange.close()
})

test('keys that make no sense are refused', async t => {
  const folder = await scratch(t)
  const path = join(folder, 'disk.img')
  await (await open(path, 'w')).close()
  for (const [options, code] of [
    [{ direct: true, readahead: 'no' }, 'FILE_READAHEAD'],
    [{ readonly: true, preallocate: true }, 'FILE_PREALLOCATE'],
    [{ size: MIB, preallocate: true, linux: null }, 'FILE_PREALLOCATE'],
  ] as const) {
    await assert.rejects(openFile({ path, ...options }), refusal(code, /disk\.img/))
  }
  for (const given of [{ readahead: 'much' }, { sync: 'maybe' }, { direct: '2' }]) {
    assert.throws(() => readParameters('file', store.parameters, { path, ...given } as never), {
      code: 'PARAMETER_VALUE',
    })
  }
})
