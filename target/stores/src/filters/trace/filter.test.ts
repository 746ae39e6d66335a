// SPDX-License-Identifier: Apache-2.0
// The filter trace against the contract, and its lines: what, where, how long, and no more of them than allowed.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { link, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { StoreError } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { StandInStore } from '@lunkit/testing/kit/stand-in-store.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { openFile } from '../../file/open-file.ts'
import { MemoryStore } from '../../memory/store.ts'
import { filter } from './filter.ts'
import { openTraceLog } from './trace-log.ts'

storeSuite('trace', async t =>
  filter.open(new MemoryStore(1 << 20), { tracefile: join(await scratch(t), 'trace') }),
)

const linesOf = async (path: string): Promise<string[]> => (await readFile(path, 'utf8')).trim().split('\n')

test('each request has its line, with its answer', async t => {
  const tracefile = join(await scratch(t), 'trace')
  const below = new StandInStore({ size: 1 << 20, maps: true, later: true })
  const exchange = new StoreExchange(await filter.open(below, { tracefile }))
  await exchange.wrote(4096, pattern(512, 1), [], true)
  await exchange.wrote(0, pattern(4096, 1))
  await exchange.flush()
  below.failNext('read', StoreError.medium, 8192)
  await exchange.read(8192, 4096)
  await exchange.range('discard', 4096, 4096)
  await exchange.map(4096, 4096)
  await exchange.close()
  const lines = await linesOf(tracefile)
  assert.deepEqual(
    lines.map(line => line.replace(/\d+\.\d{3} ms/, 'T').replace(/^\d{4}-\S+Z /, '')),
    [
      'write 4096+512 fua T none',
      'write 0+4096 T none',
      'flush T none',
      'read 8192+4096 T medium at 8192',
      'discard 4096+4096 T none',
      'map 4096+4096 T hole 4096',
    ],
  )
  assert.ok(lines.every(line => !Number.isNaN(Date.parse(line.split(' ')[0]!))))
})

test('an abort reaches the store below, for the request that it has', async t => {
  const below = new StandInStore({ size: 1 << 20 })
  const tracefile = join(await scratch(t), 'trace')
  const store = await filter.open(below, { tracefile })
  below.held = true
  const exchange = new StoreExchange(store)
  const io = exchange.io()
  Object.assign(io, { length: 512, segments: [Buffer.alloc(512)] })
  const answer = exchange.put('read', io)
  store.abort!(io)
  assert.equal(below.aborts, 1)
  below.release()
  assert.equal((await answer).error, StoreError.none)
  store.abort!(io)
  assert.equal(below.aborts, 1, 'it is answered')
  await exchange.close()
})

test('the file does not grow beyond its limit, and one older is kept', async t => {
  const folder = await scratch(t)
  const tracefile = join(folder, 'trace')
  for (let run = 0; run < 3; run++) {
    const exchange = new StoreExchange(
      await filter.open(new MemoryStore(1 << 20), { tracefile, tracelimit: 4096 }),
    )
    for (let i = 0; i < 40; i++) await exchange.read(512 * i, 512)
    await exchange.close()
  }
  assert.deepEqual((await readdir(folder)).sort(), ['trace', 'trace.1'])
  for (const name of ['trace', 'trace.1']) assert.ok((await stat(join(folder, name))).size <= 4096)
})

test('lines that nobody takes in time are dropped and counted', async t => {
  const tracefile = join(await scratch(t), 'trace')
  const exchange = new StoreExchange(await filter.open(new MemoryStore(1 << 20), { tracefile }))
  const io = exchange.io()
  Object.assign(io, { length: 512, segments: [Buffer.alloc(512)] })
  for (let i = 0; i < 30_000; i++) exchange.store.read(io)
  await exchange.close()
  const [first, ...rest] = await linesOf(tracefile)
  const lost = Number(/^(\d+) lines are lost$/.exec(first!)![1])
  assert.equal(lost + rest.length, 30_000)
  assert.ok((await stat(tracefile)).size < 1.1 * 2 ** 20)
})

test('a reader that never reads holds up neither requests nor the end', async () => {
  const log = await openTraceLog(null, 4096, () => new Promise(() => {}))
  log.line('first')
  await new Promise(resolve => setTimeout(resolve, 100))
  for (let i = 0; i < 100_000; i++) log.line(`line ${i}`)
  await log.close()
})

const refuses = (tracefile: string, code: string): Promise<void> =>
  assert.rejects(filter.open(new MemoryStore(512), { tracefile }), { name: 'OperatorError', code })

test('no image becomes a trace, served or not, nor is replaced by an older one', async t => {
  const folder = await scratch(t)
  const image = join(folder, 'disk.1')
  const served = await openFile({ path: image, size: 4096 })
  await refuses(image, 'FILE_IN_USE')
  await refuses(join(folder, 'disk'), 'FILE_IN_USE')
  await link(image, join(folder, 'another-name'))
  await symlink(image, join(folder, 'symbolic'))
  await refuses(join(folder, 'another-name'), 'FILE_IN_USE')
  await refuses(join(folder, 'symbolic'), 'FILE_IN_USE')
  await served.close()
  await refuses(image, 'TRACE_FILE')
  await refuses(join(folder, 'disk'), 'TRACE_FILE')
  assert.ok((await readFile(image)).equals(Buffer.alloc(4096)))
})

test('an image that comes to the place of the older one stays', async t => {
  const tracefile = join(await scratch(t), 'trace')
  const log = await openTraceLog(tracefile, 4096)
  const line = '2026-11-29T10:00:00.000Z flush 0.001 ms none'
  log.line(line)
  await new Promise(resolve => setTimeout(resolve, 100))
  await writeFile(`${tracefile}.1`, 'something dear')
  for (let i = 0; i < 100; i++) log.line(line)
  await log.close()
  assert.equal(await readFile(`${tracefile}.1`, 'utf8'), 'something dear')
  assert.ok((await linesOf(tracefile)).length <= 1)
})

test('a trace belongs to one filter until that is closed', async t => {
  const tracefile = join(await scratch(t), 'trace')
  const first = new StoreExchange(await filter.open(new MemoryStore(512), { tracefile, tracelimit: 4096 }))
  await refuses(tracefile, 'FILE_IN_USE')
  for (let i = 0; i < 60; i++) await first.flush()
  await new Promise(resolve => setTimeout(resolve, 200))
  for (let i = 0; i < 60; i++) await first.flush()
  await new Promise(resolve => setTimeout(resolve, 200))
  await refuses(tracefile, 'FILE_IN_USE')
  await first.close()
  assert.equal((await linesOf(`${tracefile}.1`)).length, 60)
  await (await filter.open(new MemoryStore(512), { tracefile })).close()
})

test('a trace that was put away is begun anew', async t => {
  const tracefile = join(await scratch(t), 'trace')
  const exchange = new StoreExchange(await filter.open(new MemoryStore(512), { tracefile }))
  await rename(tracefile, `${tracefile}.old`)
  await exchange.flush()
  await exchange.close()
  assert.equal((await linesOf(tracefile)).length, 1)
  assert.equal((await stat(`${tracefile}.old`)).size, 0)
})

test('a FIFO is refused, and not waited for', { skip: process.platform === 'win32' }, async t => {
  const tracefile = join(await scratch(t), 'fifo')
  execFileSync('mkfifo', [tracefile])
  await refuses(tracefile, 'FILE_NOT_REGULAR')
})

test('places that cannot be written, and limits that are none, are refused', async () => {
  const refused = (values: Record<string, string | number>, code: string): Promise<void> =>
    assert.rejects(filter.open(new MemoryStore(512), values), { name: 'OperatorError', code })
  await refused({ tracefile: '/nowhere/trace' }, 'TRACE_FILE')
  await refused({ tracelimit: 100 }, 'TRACE_LIMIT')
})
