// SPDX-License-Identifier: Apache-2.0
// A store with tags: the contract of stores, what is written beside the data, and every spoiled or torn block found.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  LOGICAL_BLOCK_GUARD_CHECK_FAILED,
  LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED,
  ProtectionType,
} from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { MemoryStore } from '../../../../../target/stores/src/memory/store.ts'
import { StandInStore } from '../../../../../testing/kit/stand-in-store.ts'
import { pattern, StoreExchange } from '../../../../../testing/kit/store-exchange.ts'
import { storeSuite } from '../../../../../testing/kit/store-suite.ts'
import { GuardedStore } from './guarded-store.ts'
import { Protection } from './protection.ts'
import { openTags, TAGS_AT, tagBytes } from './tag-store.ts'

const MIB = 1024 * 1024
const { type1, type2, type3 } = ProtectionType

// The suite asks for single bytes, so its blocks have one.
storeSuite('a guarded memory store', async () => {
  const tags = new MemoryStore(tagBytes(2 * MIB))
  await openTags(tags, type1, 1, 2 * MIB)
  return new GuardedStore(new MemoryStore(2 * MIB), tags, new Protection(1, type1))
})

async function open(type: ProtectionType = type1, later = false) {
  const blocks = 256
  const data = new StandInStore({ size: blocks * 512, later, thin: true })
  const tags = new StandInStore({ size: tagBytes(blocks), later })
  tags.bytes.fill(0)
  tags.durable.fill(0)
  await openTags(tags, type, 512, blocks)
  tags.takeCalls()
  const protection = new Protection(512, type)
  const store = new GuardedStore(data, tags, protection)
  return { data, tags, protection, store, exchange: new StoreExchange(store) }
}

const tagsOf = (tags: StandInStore, block: number): string =>
  Buffer.from(tags.bytes.subarray(TAGS_AT + block * 8, TAGS_AT + block * 8 + 8).map(byte => ~byte)).toString(
    'hex',
  )

test('blocks that were never written are not checked', async () => {
  const { exchange, tags } = await open()
  assert.equal(tagsOf(tags, 3), 'ffffffffffffffff')
  assert.equal((await exchange.read(3 * 512, 512)).error, StoreError.none)
})

test('written blocks get their tags, first, by type and ATO', async () => {
  for (const [type, ato, tail] of [
    [type1, false, '000000000003'],
    [type1, true, 'ffff00000003'],
    [type2, false, '0000ffffffff'],
    [type3, true, 'ffffffffffff'],
  ] as const) {
    const { exchange, tags, data, protection } = await open(type)
    protection.ato = ato
    const order: string[] = []
    tags.write = new Proxy(tags.write, {
      apply: (call, self, args) => {
        order.push('tags')
        return Reflect.apply(call, self, args)
      },
    })
    data.write = new Proxy(data.write, {
      apply: (call, self, args) => {
        order.push('data')
        return Reflect.apply(call, self, args)
      },
    })
    await exchange.wrote(2 * 512, pattern(1024, 5), [100, 500])
    assert.deepEqual(order, ['tags', 'data'])
    assert.match(tagsOf(tags, 3), new RegExp(`^[0-9a-f]{4}${tail}$`))
    assert.equal((await exchange.read(2 * 512, 300, 724)).error, StoreError.none)
  }
})

test('a bit that changes in data or tags is found, at its block, whichever way the store answers', async () => {
  for (const later of [false, true]) {
    const { exchange, data, tags } = await open(type1, later)
    await exchange.wrote(8 * 512, pattern(4 * 512, 6))
    const spoiled = async (bytes: Buffer, at: number) => {
      bytes[at]! ^= 0x20
      const io = exchange.io()
      io.offset = 8 * 512
      io.length = 4 * 512
      io.segments.push(Buffer.alloc(io.length))
      const answer = await exchange.put('read', io)
      bytes[at]! ^= 0x20
      return { ...answer, code: io.task.senseCode, reason: io.reason }
    }
    const wrong = await spoiled(data.bytes, 10 * 512 + 77)
    assert.deepEqual(
      [wrong.error, wrong.failedAt, wrong.code],
      [StoreError.protection, 10 * 512, LOGICAL_BLOCK_GUARD_CHECK_FAILED],
    )
    assert.match(wrong.reason, /^block 10 has [0-9a-f]+h where [0-9a-f]+h belongs$/)
    assert.equal((await spoiled(tags.bytes, TAGS_AT + 9 * 8 + 1)).code, LOGICAL_BLOCK_GUARD_CHECK_FAILED)
    const moved = await spoiled(tags.bytes, TAGS_AT + 11 * 8 + 7)
    assert.deepEqual([moved.failedAt, moved.code], [11 * 512, LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED])
    assert.equal((await exchange.read(8 * 512, 2048)).error, StoreError.none)
  }
})

test('a write that only one of the stores kept is found', async () => {
  for (const lost of ['data', 'tags'] as const) {
    const { exchange, data, tags } = await open()
    await exchange.wrote(0, pattern(1024, 1), [], true)
    const before = { data: Buffer.from(data.bytes), tags: Buffer.from(tags.bytes) }
    await exchange.wrote(0, pattern(1024, 2), [], true)
    if (lost === 'data') before.data.copy(data.bytes)
    else before.tags.copy(tags.bytes)
    assert.equal((await exchange.read(512, 512)).error, StoreError.protection)
  }
})

test('the first write of a block whose data was lost is found, too', async () => {
  const { exchange, data } = await open()
  const before = Buffer.from(data.bytes)
  await exchange.wrote(0, pattern(512, 2))
  before.copy(data.bytes)
  assert.equal((await exchange.read(0, 512)).error, StoreError.protection)
})

test('flush and forced writes make both durable', async () => {
  const { exchange, data, tags } = await open()
  await exchange.wrote(0, pattern(512, 1), [], true)
  assert.deepEqual(data.durable, data.bytes)
  assert.deepEqual(tags.durable.subarray(TAGS_AT), tags.bytes.subarray(TAGS_AT))
  await exchange.wrote(0, pattern(512, 2))
  assert.notDeepEqual(tags.durable.subarray(TAGS_AT), tags.bytes.subarray(TAGS_AT))
  assert.equal((await exchange.put('flush', exchange.io())).error, StoreError.none)
  assert.deepEqual(data.durable, data.bytes)
  assert.deepEqual(tags.durable, tags.bytes)
})

test('a flush that fails in either store fails', async () => {
  const { exchange, data, tags } = await open()
  for (const store of [data, tags]) {
    store.failNext('flush', StoreError.medium)
    assert.equal((await exchange.put('flush', exchange.io())).error, StoreError.medium)
  }
})

test('errors of either store are told, and leave nobody locked out', async () => {
  const { exchange, data, tags } = await open()
  await exchange.wrote(0, pattern(512, 1))
  for (const store of [data, tags]) {
    store.failNext('read', StoreError.medium)
    assert.equal((await exchange.read(0, 512)).error, StoreError.medium)
    store.failNext('write', StoreError.noSpace)
    assert.equal((await exchange.write(0, pattern(512, 3))).error, StoreError.noSpace)
  }
  await exchange.wrote(0, pattern(512, 4))
  assert.ok((await exchange.bytes(0, 512)).equals(pattern(512, 4)))
})

test('a store that throws faults the task and leaves nobody locked out', async () => {
  for (const which of ['data', 'tags'] as const) {
    const { exchange, store, [which]: broken } = await open()
    const { write } = broken
    broken.write = () => {
      throw new Error('broken')
    }
    const io = exchange.io()
    io.length = 512
    io.segments.push(pattern(512, 1))
    assert.throws(() => store.write(io), /broken/)
    broken.write = write
    await exchange.wrote(0, pattern(512, 4))
  }
})

test('discarded blocks and zeros that the store writes have the escape value', async () => {
  const { exchange, tags } = await open()
  for (const call of ['discard', 'writeZeroes'] as const) {
    await exchange.wrote(0, pattern(4 * 512, 1))
    const io = exchange.io()
    io.offset = 512
    io.length = 1024
    assert.equal((await exchange.put(call, io)).error, StoreError.none)
    assert.equal(tagsOf(tags, 1), 'ffffffffffffffff')
    assert.equal(tagsOf(tags, 2), 'ffffffffffffffff')
    assert.notEqual(tagsOf(tags, 3), 'ffffffffffffffff')
    assert.equal((await exchange.read(0, 4 * 512)).error, StoreError.none)
  }
})

test('tags of a large discard are blanked piece by piece', async () => {
  const blocks = 20_000
  const data = new StandInStore({ size: blocks * 512, thin: true })
  const tags = new StandInStore({ size: tagBytes(blocks) })
  tags.bytes.fill(0)
  await openTags(tags, type1, 512, blocks)
  tags.bytes.fill(1, TAGS_AT)
  tags.takeCalls()
  const exchange = new StoreExchange(new GuardedStore(data, tags, new Protection(512, type1)))
  const io = exchange.io()
  io.offset = 512
  io.length = (blocks - 2) * 512
  assert.equal((await exchange.put('discard', io)).error, StoreError.none)
  assert.equal(tags.takeCalls().length, 3)
  const left = [...tags.bytes.subarray(TAGS_AT).entries()].filter(([, byte]) => byte !== 0).map(([at]) => at)
  assert.deepEqual(
    left,
    [0, 1, 2, 3, 4, 5, 6, 7].concat([0, 1, 2, 3, 4, 5, 6, 7].map(at => (blocks - 1) * 8 + at)),
  )
})

test('a read never sees a write half done', async () => {
  const { exchange, data, tags } = await open(type1, true)
  await exchange.wrote(0, pattern(4096, 1))
  const all: Promise<unknown>[] = []
  for (let i = 0; i < 40; i++) {
    if (i % 3 === 0) all.push(exchange.wrote((i % 5) * 512, pattern(2048, i)))
    else all.push(exchange.bytes((i % 7) * 512, 1024))
  }
  await Promise.all(all)
  assert.equal(data.underWay + tags.underWay, 0)
})

test('a disk that is not formatted with protection goes straight to its store', async () => {
  const { exchange, tags } = await open(ProtectionType.none)
  await exchange.wrote(0, pattern(512, 1))
  await exchange.bytes(0, 512)
  assert.deepEqual(tags.takeCalls(), [])
})

test('DPICZ checks nothing where no protect field says to', async () => {
  const { exchange, data, protection } = await open()
  await exchange.wrote(0, pattern(512, 1))
  data.bytes[9]! ^= 1
  assert.equal((await exchange.read(0, 512)).error, StoreError.protection)
  protection.dpicz = true
  assert.equal((await exchange.read(0, 512)).error, StoreError.none)
})
