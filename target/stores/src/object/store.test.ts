// SPDX-License-Identifier: Apache-2.0
// Plain objects as stores: the contract, what each answer means, aborts, and modules given by path.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { OperatorError, readParameters, StoreError } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { fromObject, type ObjectStorage, store } from './store.ts'

const SIZE = 8 * 2 ** 20

/** A buffer as an object; each call takes a turn of the event loop. */
function inBuffer(first: Buffer = Buffer.alloc(SIZE)): Required<ObjectStorage> {
  const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))
  let bytes = first
  return {
    get size() {
      return bytes.length
    },
    identity: 'object:test',
    preferredBlock: 512,
    discardedReadsZero: true,
    discardGranularity: 512,
    read: async (offset, buffer) => {
      await turn()
      return bytes.copy(buffer, 0, offset, offset + buffer.length)
    },
    write: async (offset, buffer) => {
      await turn()
      return buffer.copy(bytes, offset)
    },
    flush: turn,
    discard: async (offset, length) => {
      await turn()
      bytes.fill(0, offset, offset + length)
    },
    map: async (offset, length) => {
      await turn()
      // One block a call: a run may always be cut.
      const start = offset - (offset % 512)
      const held = bytes.subarray(start, start + 512).some(byte => byte !== 0)
      return { held, length: Math.min(start + 512 - offset, length) }
    },
    usage: async () => ({ used: bytes.length, available: 0 }),
    resize: async size => {
      await turn()
      const other = Buffer.alloc(size)
      bytes.copy(other)
      bytes = other
    },
    close: turn,
  }
}

storeSuite('object with all functions', async () => fromObject(inBuffer()))
storeSuite('object that only reads', async () => {
  const { size, read } = inBuffer(pattern(SIZE, 1))
  return fromObject({ size, read })
})
storeSuite('object that answers at once', async () => {
  const bytes = Buffer.alloc(SIZE)
  return fromObject({
    size: SIZE,
    read: (offset, buffer) => void bytes.copy(buffer, 0, offset),
    write: (offset, buffer) => void buffer.copy(bytes, offset),
  })
})

function exchangeOf(changed: Partial<ObjectStorage>, patience?: number): StoreExchange {
  const object = { ...inBuffer(Buffer.alloc(65536)), ...changed }
  return new StoreExchange(fromObject(object, patience === undefined ? {} : { patience }))
}

test('an object that never tells its usage is not waited for', async () => {
  const object: ObjectStorage = { size: 512, read: () => {}, usage: () => new Promise(() => {}) }
  const opened = fromObject(object, { patience: 1 })
  assert.equal(await opened.usage!(), null)
  await opened.close()
})

test('usage and another size are there where the object has them', async () => {
  const { size, read, write } = inBuffer()
  const plain = fromObject({ size, read, write })
  assert.deepEqual([plain.usage, plain.resize], [undefined, undefined])
  const answers = [{ used: 5, available: 7 }, null, { used: -1, available: 0 }]
  const telling = fromObject({ size, read, write, usage: () => answers.shift()! })
  const told = [await telling.usage!(), await telling.usage!(), await telling.usage!()]
  assert.deepEqual(told, [{ used: 5, available: 7 }, null, null], 'what makes no sense is not known')
})

test("a map that makes no sense is the object's fault", async () => {
  const answers: unknown[] = [
    null,
    { held: 1, length: 512 },
    { held: true, length: 0 },
    { held: true, length: 1e9 },
  ]
  const exchange = exchangeOf({ map: () => answers.shift() as never })
  while (answers.length > 0) {
    const io = exchange.io()
    io.length = 4096
    assert.equal((await exchange.put('map', io)).error, StoreError.internal)
  }
  await exchange.close()
})

test('an error is told apart by its code', async () => {
  const cases: [unknown, StoreError, StoreError][] = [
    [Object.assign(new Error('x'), { code: 'ENOSPC' }), StoreError.noSpace, StoreError.noSpace],
    [Object.assign(new Error('x'), { code: 'EROFS' }), StoreError.medium, StoreError.readOnly],
    [Object.assign(new Error('x'), { code: 'ENOENT' }), StoreError.gone, StoreError.gone],
    [Object.assign(new Error('x'), { code: 'ECONNRESET' }), StoreError.gone, StoreError.gone],
    [Object.assign(new Error('x'), { code: 'EIO' }), StoreError.medium, StoreError.medium],
    [Object.assign(new Error('x'), { code: 'ESOMETHING' }), StoreError.medium, StoreError.medium],
    [
      Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG_TYPE' }),
      StoreError.internal,
      StoreError.internal,
    ],
    [Object.assign(new Error('x'), { code: 5 }), StoreError.internal, StoreError.internal],
    [{ code: 'toString' }, StoreError.internal, StoreError.internal],
    [new TypeError('undefined is not a function'), StoreError.internal, StoreError.internal],
    ['a string', StoreError.internal, StoreError.internal],
    [undefined, StoreError.internal, StoreError.internal],
    [null, StoreError.internal, StoreError.internal],
  ]
  for (const [thrown, reading, writing] of cases) {
    for (const fails of [
      () => {
        throw thrown
      },
      () => Promise.reject(thrown),
    ]) {
      const exchange = exchangeOf({ read: fails, write: fails, flush: fails, discard: fails })
      assert.equal((await exchange.read(0, 512)).error, reading)
      assert.equal((await exchange.write(0, pattern(512, 1))).error, writing)
      assert.equal((await exchange.range('discard', 0, 512)).error, writing)
      assert.equal((await exchange.flush()).error, reading)
      await exchange.close()
    }
  }
})

test('fewer bytes are a medium error at their end, wrong counts an internal error', async () => {
  for (const [count, error, failedAt] of [
    [undefined, StoreError.none, -1],
    [1024, StoreError.none, -1],
    [1000, StoreError.medium, 5096],
    [0, StoreError.medium, 4096],
    [-1, StoreError.internal, -1],
    [1025, StoreError.internal, -1],
    [10.5, StoreError.internal, -1],
    ['1024', StoreError.internal, -1],
    [null, StoreError.internal, -1],
    [{}, StoreError.internal, -1],
  ] as const) {
    let flushes = 0
    const answer = async (): Promise<unknown> => count
    const exchange = exchangeOf({ read: answer, write: answer, flush: () => void flushes++ })
    const read = await exchange.read(4096, 512, 512)
    assert.deepEqual([read.error, read.failedAt], [error, failedAt])
    const stale = read.bytes.every(byte => byte === 0xa5)
    assert.equal(stale, error !== StoreError.none, 'nothing is filled in on an error')
    assert.deepEqual(await exchange.write(4096, pattern(1024, 1), [512], true), { error, failedAt })
    assert.equal(flushes, error === StoreError.none ? 1 : 0)
    await exchange.close()
  }
})

test('an object that fills nothing shows zeros, not what the buffer had', async () => {
  const exchange = exchangeOf({ read: () => undefined })
  assert.ok((await exchange.bytes(0, 512, 1000)).equals(Buffer.alloc(1512)))
  await exchange.close()
})

test('forced unit access flushes, and a failed flush fails the write', async () => {
  let flushes = 0
  const exchange = exchangeOf({
    flush: async () => {
      if (flushes++ > 0) throw Object.assign(new Error('x'), { code: 'EIO' })
    },
  })
  await exchange.wrote(0, pattern(512, 1))
  assert.equal(flushes, 0)
  await exchange.wrote(0, pattern(512, 1), [], true)
  assert.equal(flushes, 1)
  assert.equal((await exchange.write(0, pattern(512, 1), [], true)).error, StoreError.medium)
  await exchange.close()
})

test('the object may keep what it was given', async () => {
  const kept: Buffer[] = []
  const exchange = exchangeOf({ write: (_offset, buffer) => void kept.push(buffer) })
  await exchange.wrote(0, pattern(512, 1))
  await exchange.wrote(0, pattern(512, 2), [100, 200])
  assert.ok(kept[0]!.equals(pattern(512, 1)))
  assert.ok(kept[1]!.equals(pattern(512, 2)))
  await exchange.close()
})

test('an aborted read is answered at once, and what comes late touches nothing', async () => {
  let signal: AbortSignal | null = null
  let end: () => void = () => {}
  const exchange = exchangeOf({
    read: (_offset, buffer, options) => {
      signal = options.signal
      return new Promise<void>(resolve => {
        end = () => {
          buffer.fill(0x77)
          resolve()
        }
      })
    },
  })
  const io = exchange.io()
  const target = Buffer.alloc(512, 1)
  io.length = 512
  io.segments.push(target)
  const reading = exchange.put('read', io)
  assert.equal(signal!.aborted, false)
  exchange.store.abort!(io)
  exchange.store.abort!(io)
  assert.equal(signal!.aborted, true)
  assert.equal((await reading).error, StoreError.aborted)
  end()
  await new Promise(resolve => setImmediate(resolve))
  assert.ok(target.equals(Buffer.alloc(512, 1)))
  exchange.store.abort!(io)
  await exchange.close()
})

test('an aborted write that heeds its signal is aborted; one that ends well is well', async () => {
  const exchange = exchangeOf(
    {
      write: (offset, _buffer, { signal }) =>
        new Promise<void>((resolve, reject) => {
          signal.addEventListener('abort', () => (offset === 0 ? reject(signal.reason) : resolve()))
        }),
    },
    5,
  )
  for (const [offset, error] of [
    [0, StoreError.aborted],
    [512, StoreError.none],
  ] as const) {
    const io = exchange.io()
    io.offset = offset
    io.length = 512
    io.segments.push(pattern(512, 1))
    const writing = exchange.put('write', io)
    exchange.store.abort!(io)
    assert.equal((await writing).error, error)
  }
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.equal((await exchange.read(0, 512)).error, StoreError.none, 'nothing is fenced')
  await exchange.close()
})

test('a write that ignores its signal is fenced until it has ended', async () => {
  let end: () => void = () => {}
  const exchange = exchangeOf({ write: () => new Promise<void>(resolve => (end = resolve)) }, 5)
  const io = exchange.io()
  io.length = 512
  io.segments.push(pattern(512, 1))
  const writing = exchange.put('write', io)
  exchange.store.abort!(io)
  assert.equal((await writing).error, StoreError.aborted)
  assert.equal((await exchange.read(0, 512)).error, StoreError.gone)
  assert.equal((await exchange.write(0, pattern(512, 1))).error, StoreError.gone)
  end()
  await new Promise(resolve => setImmediate(resolve))
  assert.equal((await exchange.read(0, 512)).error, StoreError.none)
  await exchange.close()
})

test('close does not hang on an object that does, and tells its error', async () => {
  await exchangeOf({ close: () => new Promise(() => {}) }, 5).close()
  const failing = fromObject({ ...inBuffer(), close: () => Promise.reject(new Error('no')) })
  await assert.rejects(failing.close(), /no/)
  const { size, read } = inBuffer()
  await fromObject({ size, read }).close()
  const exchange = exchangeOf({})
  await exchange.close()
  assert.equal((await exchange.read(0, 512)).error, StoreError.gone)
})

test('what is no storage object is refused', () => {
  const good = inBuffer()
  const wrong: unknown[] = [
    null,
    undefined,
    'text',
    {},
    { size: 512 },
    { ...good, size: 0 },
    { ...good, size: 10.5 },
    { ...good, size: 512n },
    { ...good, read: true },
    { ...good, write: 1 },
    { ...good, flush: null },
    { ...good, preferredBlock: 1000 },
    { ...good, identity: 7 },
  ]
  for (const object of wrong) {
    assert.throws(
      () => fromObject(object as ObjectStorage),
      (error: unknown) => error instanceof OperatorError && error.code === 'OBJECT_WRONG',
    )
  }
  assert.equal(fromObject({ size: 1, read: good.read }).identity, '', 'it has no name of its own')
})

test('a module may give a store that is ready made', async context => {
  const path = join(await scratch(context), 'store.mjs')
  const text = (size: number): string => `export default {
    size: ${size}, preferredBlock: 512, canWrite: false, volatileCache: false, discards: 'none', writesZeroes: 'none',
    identity: 'mine', write: io => io.finish(3), flush: io => io.finish(0), close: async () => {},
    read: io => (io.segments.forEach(one => one.fill(9)), io.finish(0)),
  }`
  await writeFile(path, text(4096))
  const exchange = new StoreExchange(await store.open({ module: path }))
  assert.equal(exchange.store.identity, 'mine')
  assert.ok((await exchange.bytes(0, 512)).equals(Buffer.alloc(512, 9)))
  await exchange.close()
  await writeFile(`${path}.wrong.mjs`, text(0))
  await assert.rejects(store.open({ module: `${path}.wrong.mjs` }), { code: 'STORE_WRONG' })
})

test('a module gives the object, or a function that makes it', async context => {
  const directory = await scratch(context)
  const open = (path: string) => store.open(readParameters('object', store.parameters, { module: path }))
  const module = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), text)
    return join(directory, name)
  }
  const object = '{ size: 4096, read: async (offset, buffer) => void buffer.fill(7) }'
  for (const [name, text] of [
    ['plain.mjs', `export default ${object}`],
    ['made.mjs', `export default async () => (${object})`],
  ] as const) {
    const exchange = new StoreExchange(await open(await module(name, text)))
    assert.equal(exchange.store.size, 4096)
    assert.ok((await exchange.bytes(0, 512)).equals(Buffer.alloc(512, 7)))
    await exchange.close()
  }
  for (const [name, text, code] of [
    ['none.mjs', 'export const other = 1', 'OBJECT_MODULE'],
    ['broken.mjs', 'export default {{', 'OBJECT_MODULE'],
    ['throws.mjs', 'export default () => { throw new Error("no") }', 'OBJECT_MODULE'],
    ['number.mjs', 'export default 5', 'OBJECT_WRONG'],
  ] as const) {
    await assert.rejects(open(await module(name, text)), { name: 'OperatorError', code })
  }
  await assert.rejects(open(join(directory, 'missing.mjs')), { code: 'OBJECT_MODULE' })
})
