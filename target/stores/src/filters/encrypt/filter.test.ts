// SPDX-License-Identifier: Apache-2.0
// The filter encrypt against the contract and a vector of IEEE 1619, and the keys that it refuses.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createDecipheriv, randomBytes } from 'node:crypto'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { BufferPool, OperatorError, StoreError, Task } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { StandInStore } from '@lunkit/testing/kit/stand-in-store.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { MemoryStore } from '../../memory/store.ts'
import { filter } from './filter.ts'

/** IEEE 1619, vector 10: data unit FFh. */
const KEY = Buffer.from(
  '2718281828459045235360287471352662497757247093699959574966967627' +
    '3141592653589793238462643383279502884197169399375105820974944592',
  'hex',
)
const UNIT = 0xff
const MIB = 1 << 20
const PLAIN = Buffer.from(Array.from({ length: 512 }, (_, index) => index & 0xff))
const CIPHER_START =
  '1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b' +
  '5d31e276f8fe4a8d66b317f9ac683f44680a86ac35adfc3345befecb4bb188fd'

async function keyFile(t: TestContext, content: string | Buffer = randomBytes(64)): Promise<string> {
  const path = join(await scratch(t), 'key')
  await writeFile(path, content, { mode: 0o600 })
  return path
}

for (const cryptsector of [512, 4096]) {
  storeSuite(`encrypt in sectors of ${cryptsector}`, async context =>
    filter.open(new MemoryStore(8 << 20), { keyfile: await keyFile(context), cryptsector }),
  )
}
storeSuite('encrypt behind an offset', async context =>
  filter.open(new MemoryStore((8 << 20) + 4096 + 512), {
    keyfile: await keyFile(context),
    offset: 4096 + 512,
  }),
)
storeSuite('encrypt over slow storage', async context =>
  filter.open(new StandInStore({ size: 8 << 20, later: true, thin: true }), {
    keyfile: await keyFile(context),
  }),
)

test('it encrypts as IEEE 1619 does, with the sector as the data unit', async t => {
  const below = new MemoryStore(1 << 20)
  const exchange = new StoreExchange(await filter.open(below, { keyfile: await keyFile(t, KEY) }))
  await exchange.wrote(UNIT * 512, PLAIN, [100, 200])
  const behind = new StoreExchange(below)
  const cipher = await behind.bytes(UNIT * 512, 512)
  assert.equal(cipher.subarray(0, 64).toString('hex'), CIPHER_START)
  assert.ok((await exchange.bytes(UNIT * 512, 1, 511)).equals(PLAIN))
  await exchange.close()
})

test('sectors of 4096 bytes are counted in 512, and their places in 64 bits', async t => {
  const below = new MemoryStore(2 ** 43)
  const keyfile = await keyFile(t, KEY)
  const exchange = new StoreExchange(await filter.open(below, { keyfile, cryptsector: 4096 }))
  const offset = 2 ** 42 + 8 * 4096
  await exchange.wrote(offset, pattern(4096, 1))
  const tweak = Buffer.alloc(16)
  tweak.writeBigUInt64LE(BigInt(offset / 512))
  const cipher = await new StoreExchange(below).bytes(offset, 4096)
  assert.ok(createDecipheriv('aes-256-xts', KEY, tweak).update(cipher).equals(pattern(4096, 1)))
  await exchange.close()
})

test('another key reads noise, the same one as hex digits the data', async t => {
  const below = new MemoryStore(1 << 20)
  const first = new StoreExchange(await filter.open(below, { keyfile: await keyFile(t, KEY) }))
  await first.wrote(0, pattern(8192, 1))
  const hex = await keyFile(t, `${KEY.toString('hex')}\n`)
  const second = new StoreExchange(await filter.open(below, { keyfile: hex }))
  assert.ok((await second.bytes(0, 8192)).equals(pattern(8192, 1)))
  const third = new StoreExchange(await filter.open(below, { keyfile: await keyFile(t) }))
  assert.ok(!(await third.bytes(0, 8192)).equals(pattern(8192, 1)))
  await first.close()
})

test('errors pass, received data is left as it was, and zeros are not promised', async t => {
  const below = new StandInStore({ size: 1 << 20, maps: true, later: true, atomicWrite: 65536 })
  const store = await filter.open(below, { keyfile: await keyFile(t) })
  assert.deepEqual(
    [store.discards, store.writesZeroes, store.discardedReadsZero, store.anchor, store.atomicWrite],
    ['native', 'emulated', undefined, undefined, undefined],
  )
  const exchange = new StoreExchange(store)
  for (const call of ['read', 'write'] as const) {
    below.failNext(call, StoreError.medium, 4608)
    const io = exchange.io()
    const data = pattern(4096, 1)
    Object.assign(io, { offset: 4096, length: 4096, segments: [data] })
    assert.deepEqual(await exchange.put(call, io), { error: StoreError.medium, failedAt: 4608 })
    assert.ok(data.equals(pattern(4096, 1)))
  }
  await exchange.close()
})

test('behind an offset everything is counted from there: data, errors, maps, sizes', async t => {
  const start = 65536 + 512
  const below = new MemoryStore(start + MIB)
  const header = new StoreExchange(below)
  await header.wrote(0, pattern(start, 1))
  const store = await filter.open(below, { keyfile: await keyFile(t, KEY), offset: start })
  const exchange = new StoreExchange(store)
  assert.equal(store.size, MIB)
  await exchange.wrote(UNIT * 512, PLAIN)
  assert.equal((await header.bytes(start + UNIT * 512, 64)).toString('hex'), CIPHER_START)
  assert.notEqual((await exchange.read(MIB, 512)).error, StoreError.none)
  await store.resize!(2 * MIB)
  assert.deepEqual([store.size, below.size], [2 * MIB, start + 2 * MIB])
  assert.deepEqual(await exchange.map(MIB, MIB), [[false, MIB]])
  assert.equal((await exchange.range('discard', 0, 2 * MIB)).error, StoreError.none)
  assert.ok((await header.bytes(0, start)).equals(pattern(start, 1)), 'what is before it is left alone')
  await exchange.close()
})

test('the place of an error is told as the initiator counts', async t => {
  const below = new StandInStore({ size: 1 << 20 })
  const exchange = new StoreExchange(await filter.open(below, { keyfile: await keyFile(t), offset: 65536 }))
  below.failNext('read', StoreError.medium, 65536 + 4096)
  const { error, failedAt } = await exchange.read(0, 8192)
  assert.deepEqual([error, failedAt], [StoreError.medium, 4096])
  await exchange.close()
})

test('a LUKS header is not written over, and an offset that is none is refused', async t => {
  const keyfile = await keyFile(t)
  const below = new MemoryStore(MIB)
  const header = Buffer.from('LUKS\xba\xbe\0\x02', 'latin1')
  await new StoreExchange(below).wrote(0, header)
  await assert.rejects(filter.open(below, { keyfile }), { code: 'ENCRYPT_LUKS', hint: /luksDump/ })
  assert.equal((await filter.open(below, { keyfile, offset: 4096 })).size, MIB - 4096)
  for (const offset of [100, MIB]) {
    await assert.rejects(filter.open(below, { keyfile, offset }), { code: 'ENCRYPT_OFFSET' })
  }
})

test('another size has to be whole sectors; what comes by itself is cut to them', async t => {
  const below = new MemoryStore(MIB)
  const keyfile = await keyFile(t)
  const exchange = new StoreExchange(await filter.open(below, { keyfile, cryptsector: 4096 }))
  const { store } = exchange
  assert.equal(store.grownReadsAnything, true)
  await assert.rejects(store.resize!(MIB + 512), { code: 'ENCRYPT_SIZE' })
  assert.equal(below.size, MIB)
  await exchange.wrote(MIB - 4096, pattern(4096, 1))
  await below.resize(MIB + 5000)
  assert.equal(store.size, MIB + 4096)
  await exchange.wrote(MIB + 100, pattern(3996, 2))
  assert.ok((await exchange.bytes(MIB - 4096, 4096)).equals(pattern(4096, 1)))
  await below.resize(100)
  assert.equal(store.size, 0)
  await exchange.close()
})

test('keys that are none, or that nobody made by chance, are refused without a word of them', async t => {
  const halves = randomBytes(32)
  for (const [content, why] of [
    ['', /has 0 bytes/],
    [randomBytes(32), /has 32 bytes/],
    [randomBytes(65), /has 65 bytes/],
    [Buffer.concat([halves, halves]), /equal halves/],
    [Buffer.alloc(64).fill(1, 32), /too few different/],
    ['correct horse battery staple, correct horse battery staple, and ..', /66 bytes/],
    ['correct horse battery staple, correct horse battery staple, and ', /text/],
    [randomBytes(32).toString('hex'), /text/],
    [`${KEY.toString('hex').slice(1)}x`, /128 bytes/],
  ] as const) {
    const keyfile = await keyFile(t, content)
    await assert.rejects(filter.open(new MemoryStore(1 << 20), { keyfile }), error => {
      assert.ok(error instanceof OperatorError)
      assert.equal(error.code, 'ENCRYPT_KEY')
      assert.match(error.message, why)
      assert.notEqual(error.hint, '')
      if (content.length > 8) assert.ok(!error.message.includes(content.toString('latin1').slice(0, 8)))
      return true
    })
  }
  await assert.rejects(filter.open(new MemoryStore(512), { keyfile: '/nowhere/key' }), {
    code: 'ENCRYPT_KEY',
    hint: /> '\/nowhere\/key' && chmod 600 '\/nowhere\/key'$/,
  })
  await assert.rejects(filter.open(new MemoryStore(1000), { keyfile: await keyFile(t) }), {
    code: 'ENCRYPT_SIZE',
  })
})

test('a store that throws ends its request alone, and its blocks are free again', async t => {
  for (const length of [512, 200_000]) {
    const below = new StandInStore({ size: 1 << 20, later: true })
    const exchange = new StoreExchange(
      await filter.open(below, { keyfile: await keyFile(t, KEY), cryptsector: 4096 }),
    )
    for (const call of ['read', 'write'] as const) {
      const usual = below[call]
      let wake = (): void => {}
      below[call] = () => {
        throw new Error('a fault of the store')
      }
      const faults: unknown[] = []
      const task = new Task(
        new BufferPool(),
        () => {},
        (_task, cause) => {
          faults.push(cause)
          wake()
        },
      )
      exchange.store.write(Object.assign(task.io, { length, segments: [pattern(length, 1)] }))
      if (faults.length === 0) await new Promise<void>(resolve => (wake = resolve))
      assert.match(String(faults), /a fault of the store/)
      below[call] = usual
      await exchange.wrote(0, pattern(length, 2))
      assert.ok((await exchange.bytes(0, length)).equals(pattern(length, 2)))
    }
    await exchange.close()
  }
})

test('a key file that others can read is told of', async t => {
  const keyfile = await keyFile(t)
  const quiet = await filter.open(new MemoryStore(512), { keyfile })
  assert.equal(quiet.note, '')
  await chmod(keyfile, 0o644)
  const open = await filter.open(new MemoryStore(512), { keyfile })
  assert.match(open.note!, /can be read or written by others/)
})

test('a FIFO is refused, and not waited for', { skip: process.platform === 'win32' }, async t => {
  const keyfile = join(await scratch(t), 'fifo')
  execFileSync('mkfifo', [keyfile])
  await assert.rejects(filter.open(new MemoryStore(1 << 20), { keyfile }), {
    code: 'ENCRYPT_KEY',
    message: /is a FIFO/,
  })
})
