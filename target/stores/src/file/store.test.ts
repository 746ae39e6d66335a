// SPDX-License-Identifier: Apache-2.0
// The file store against the contract by each of its roads, and what it opens, makes and refuses.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import {
  link,
  mkdir,
  readdir,
  readFile,
  realpath,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { OperatorError, readParameters } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { absent } from '../../../../testing/peers.ts'
import { NoReads } from './cached-reads.ts'
import { type FileCalls, fileCalls } from './file-calls.ts'
import { FileStore } from './file-store.ts'
import { type FileOptions, openFile, store } from './store.ts'

const SIZE = 8 * 2 ** 20
const FACTS = {
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
} as const

function refusal(code: string, text: RegExp): (error: unknown) => true {
  return error => {
    assert.ok(error instanceof OperatorError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, text)
    assert.notEqual(error.hint, '')
    return true
  }
}

for (const reads of ['readSync', 'threads'] as const) {
  storeSuite(`file by ${reads}`, async context => {
    const path = join(await scratch(context), 'disk.img')
    return openFile({ path, size: SIZE, reads })
  })
}

storeSuite('file by the best road', async context => {
  const path = join(await scratch(context), 'disk.img')
  await writeFile(path, pattern(SIZE - 1, 1))
  return openFile({ path })
})

storeSuite('file that is read-only', async context => {
  const path = join(await scratch(context), 'disk.img')
  await writeFile(path, pattern(SIZE, 1))
  return openFile({ path, readonly: true })
})

storeSuite('file without O_DSYNC', async context => {
  const realPath = join(await scratch(context), 'disk.img')
  await writeFile(realPath, pattern(SIZE, 1))
  const fd = fs.openSync(realPath, 'r+')
  const facts = { ...FACTS, size: SIZE }
  return new FileStore({ fd, durableFd: -1, realPath, reads: new NoReads(), ...facts }, fileCalls)
})

const data = pattern(300_001, 1)

/** By preadv2, in the first directory where it works: a tmpfs cannot. */
async function openNoWait(context: TestContext, calls: FileCalls): Promise<FileStore | null> {
  for (const parent of [tmpdir(), '/var/tmp']) {
    const path = join(await scratch(context, parent), 'disk.img')
    await writeFile(path, data)
    try {
      return await openFile({ path, reads: 'preadv2', calls })
    } catch (error) {
      if (!(error instanceof OperatorError && error.code === 'FILE_READS')) throw error
    }
  }
  return null
}

test('preadv2 reads what an ordinary read reads', async context => {
  let threads = 0
  const counted = ((...given: Parameters<typeof fs.read>) => {
    threads++
    fs.read(...given)
  }) as typeof fs.read
  const opened = await openNoWait(context, { ...fileCalls, read: counted, readv: counted as never })
  if (opened === null) return void absent(context, 'koffi, or a file system that knows RWF_NOWAIT,')
  assert.equal(opened.how, 'preadv2')
  const exchange = new StoreExchange(opened)
  for (const lengths of [[4096], [1, 2, 3], [200_000, 60_000], Array<number>(64).fill(11), [0, 7, 0]]) {
    const bytes = await exchange.bytes(0, ...lengths)
    assert.ok(bytes.equals(data.subarray(0, bytes.length)))
  }
  assert.equal(threads, 1, 'what is cached takes no thread, after the one read that tries out the road')
  await exchange.close()
})

test('without O_DSYNC, forced unit access is a write and a flush', async context => {
  const realPath = join(await scratch(context), 'disk.img')
  await writeFile(realPath, pattern(65536, 1))
  let flushes = 0
  const fdatasync = ((fd: number, done: fs.NoParamCallback) => {
    flushes++
    fs.fdatasync(fd, done)
  }) as typeof fs.fdatasync
  const fd = fs.openSync(realPath, 'r+')
  const facts = { ...FACTS, size: 65536 }
  const opened = { fd, durableFd: -1, realPath, reads: new NoReads(), ...facts }
  const exchange = new StoreExchange(new FileStore(opened, { ...fileCalls, fdatasync }))
  await exchange.wrote(0, pattern(512, 2))
  assert.equal(flushes, 0)
  await exchange.wrote(0, pattern(512, 3), [], true)
  assert.equal(flushes, 1)
  await exchange.close()
})

test('a missing file is made, sparse and exactly as long as asked', async context => {
  const path = join(await scratch(context), 'new.img')
  const given = readParameters('file', store.parameters, { path, size: '10G' })
  const opened = await store.open(given)
  assert.equal(opened.size, 10 * 2 ** 30)
  const stats = await stat(path)
  assert.equal(stats.size, 10 * 2 ** 30)
  assert.ok(stats.blocks * 512 < 2 ** 20, 'it takes no room yet')
  assert.equal(opened.identity, `file:${await realpath(path)}`)
  const exchange = new StoreExchange(opened)
  for (const offset of [2 ** 32 - 512, 2 ** 32 + 4096, 10 * 2 ** 30 - 512]) {
    await exchange.wrote(offset, pattern(512, offset))
    assert.ok((await exchange.bytes(offset, 512)).equals(pattern(512, offset)))
    await exchange.wrote(offset, pattern(512, 1 + offset), [], true)
    assert.ok((await exchange.bytes(offset, 512)).equals(pattern(512, 1 + offset)))
  }
  assert.ok((await exchange.bytes(4096, 512)).equals(Buffer.alloc(512)), 'offsets are not cut to 32 bits')
  await exchange.close()
  const again = await store.open(given)
  assert.ok((await new StoreExchange(again).bytes(2 ** 32 + 4096, 512)).equals(pattern(512, 2 ** 32 + 4097)))
  await again.close()
})

test('what was written is in the file', async context => {
  const path = join(await scratch(context), 'disk.img')
  const exchange = new StoreExchange(await openFile({ path, size: 65536 }))
  await exchange.wrote(4096, pattern(8192, 1), [100])
  await exchange.flush()
  await exchange.close()
  const wanted = Buffer.alloc(65536)
  pattern(8192, 1).copy(wanted, 4096)
  assert.ok((await readFile(path)).equals(wanted))
})

test('an empty file is taken as new, and needs a size', async context => {
  const path = join(await scratch(context), 'empty.img')
  await writeFile(path, '')
  await assert.rejects(openFile({ path }), refusal('FILE_EMPTY', /is empty/))
  await assert.rejects(openFile({ path, size: 512, readonly: true }), refusal('FILE_EMPTY', /is empty/))
  const opened = await openFile({ path, size: 4096 })
  assert.equal(opened.size, 4096)
  await opened.close()
})

test('a size that the file does not have is refused, with the way out', async context => {
  const path = join(await scratch(context), 'disk.img')
  await writeFile(path, pattern(8192, 1))
  await assert.rejects(openFile({ path, size: 16384 }), error => {
    refusal('FILE_SIZE_DIFFERS', /has 8192 bytes, not 16384/)(error)
    assert.match((error as OperatorError).hint, /truncate -s 16384/)
    return true
  })
  await assert.rejects(openFile({ path, size: 4096 }), refusal('FILE_SIZE_DIFFERS', /not 4096/))
  assert.ok((await readFile(path)).equals(pattern(8192, 1)), 'nothing was cut')
  const opened = await openFile({ path, size: 8192 })
  await opened.close()
})

test('what cannot be served is refused with its reason', async context => {
  const directory = await scratch(context)
  const at = (name: string): string => join(directory, name)
  await mkdir(at('folder'))
  await writeFile(at('plain'), 'x')
  await symlink('loop', at('loop'))
  execFileSync('mkfifo', [at('fifo')])
  const server = net.createServer().listen(at('socket'))
  await new Promise(resolve => server.once('listening', resolve))
  const refused: [FileOptions, string, RegExp][] = [
    [{ path: at('none') }, 'FILE_MISSING', /none' does not exist/],
    [{ path: at('none'), size: 4096, readonly: true }, 'FILE_MISSING', /does not exist/],
    [{ path: at('no/folder'), size: 4096 }, 'FILE_MISSING', /directory does not exist/],
    [{ path: at('plain/x'), size: 4096 }, 'FILE_MISSING', /no directory/],
    [{ path: at('loop') }, 'FILE_MISSING', /circle/],
    [{ path: at('folder') }, 'FILE_NOT_REGULAR', /is a directory/],
    [{ path: at('fifo') }, 'FILE_NOT_REGULAR', /is a FIFO/],
    [{ path: at('socket') }, 'FILE_NOT_REGULAR', /is a socket/],
    [{ path: '/dev/null' }, 'FILE_NOT_REGULAR', /is a character device/],
    [{ path: at('none'), size: 0 }, 'FILE_SIZE', /0 bytes/],
    [{ path: at('none'), size: 2 ** 53 }, 'FILE_SIZE', /bytes/],
    [{ path: at('none'), size: 2 ** 53 - 1 }, 'FILE_SIZE', /no room for files so long/],
  ]
  for (const [options, code, text] of refused) {
    await assert.rejects(openFile(options), refusal(code, text), JSON.stringify(options))
  }
  await assert.rejects(openFile({ path: 'a\0b' }), { name: 'OperatorError', code: 'FILE_OPEN' })
  await new Promise(resolve => server.close(resolve))
  assert.deepEqual((await readdir(directory)).sort(), ['fifo', 'folder', 'loop', 'plain'])
})

test('links lead to the one file', async context => {
  const directory = await scratch(context)
  const path = join(directory, 'disk.img')
  await writeFile(path, pattern(4096, 1))
  await symlink('disk.img', join(directory, 'soft.img'))
  await link(path, join(directory, 'hard.img'))
  const opened = await openFile({ path: join(directory, 'soft.img') })
  assert.equal(opened.identity, `file:${await realpath(path)}`)
  for (const name of ['disk.img', 'soft.img', 'hard.img']) {
    await assert.rejects(openFile({ path: join(directory, name) }), refusal('FILE_IN_USE', /this lunkit/))
  }
  await opened.close()
  await truncate(path, 8192)
  const grown = await openFile({ path })
  assert.equal(grown.size, 8192)
  await grown.close()
})
