// SPDX-License-Identifier: Apache-2.0
// Opening tags: new ones, old ones, ones that belong elsewhere or are damaged; and their size follows the disk's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProtectionType } from '@lunkit/spec'
import { OperatorError } from '@lunkit/target-api'
import { MemoryStore } from '../../../../../target/stores/src/memory/store.ts'
import { StandInStore } from '../../../../../testing/kit/stand-in-store.ts'
import { ask, openTags, TAGS_AT, tagBytes, tagHeader } from './tag-store.ts'

const { none, type1, type2 } = ProtectionType

const refused = (code: string) => (error: unknown) => {
  assert.ok(error instanceof OperatorError)
  assert.equal(error.code, code)
  assert.notEqual(error.hint, '')
  return true
}

test('new tags take the type that is asked for; later their header tells', async () => {
  const tags = new MemoryStore(tagBytes(16))
  assert.equal(await openTags(tags, type2, 512, 16), type2)
  assert.equal(await openTags(tags, type1, 512, 16), type2)
  await ask(tags, 'write', 0, tagHeader(none, 512))
  assert.equal(await openTags(tags, type1, 512, 16), none)
})

test('tags follow the size of the disk', async () => {
  const tags = new MemoryStore(tagBytes(16))
  await openTags(tags, type1, 512, 16)
  await ask(tags, 'write', TAGS_AT, Buffer.alloc(128, 7))
  await openTags(tags, type1, 512, 32)
  assert.equal(tags.size, tagBytes(32))
  await openTags(tags, type1, 512, 8)
  assert.equal(tags.size, tagBytes(8))
  const kept = Buffer.alloc(64)
  await ask(tags, 'read', TAGS_AT, kept)
  assert.deepEqual(kept, Buffer.alloc(64, 7))
})

test('tags that cannot be made longer are refused', async () => {
  const tags = new StandInStore({ size: tagBytes(8) })
  tags.bytes.fill(0)
  await openTags(tags, type1, 512, 8)
  await assert.rejects(openTags(tags, type1, 512, 9), refused('TAGS_SIZE'))
  assert.equal(await openTags(tags, type1, 512, 7), type1)
})

test('a file that holds something else is refused, and nothing of it is touched', async () => {
  for (const [size, code] of [
    [100, 'TAGS_SIZE'],
    [tagBytes(8), 'TAGS_DAMAGED'],
    [tagBytes(9), 'TAGS_DAMAGED'],
  ] as const) {
    const tags = new MemoryStore(size)
    await ask(tags, 'write', 40, Buffer.from('my thesis'))
    await assert.rejects(openTags(tags, type1, 512, 8), refused(code))
    assert.equal(tags.size, size)
  }
  const zeros = new MemoryStore(tagBytes(9))
  await assert.rejects(openTags(zeros, type1, 512, 8), refused('TAGS_DAMAGED'))
})

test('each bit of the header counts', async () => {
  const tags = new MemoryStore(tagBytes(8))
  await openTags(tags, type1, 512, 8)
  for (let at = 0; at < 32; at++) {
    const header = tagHeader(type1, 512)
    header[at]! ^= 1
    await ask(tags, 'write', 0, header)
    await assert.rejects(openTags(tags, type1, 512, 8), refused('TAGS_DAMAGED'), `byte ${at}`)
  }
})

test('tags of another block size are refused', async () => {
  const tags = new MemoryStore(tagBytes(8))
  await openTags(tags, type1, 4096, 8)
  await assert.rejects(openTags(tags, type1, 512, 8), refused('TAGS_BLOCK'))
})

test('new tags of a disk that cannot be written are refused', async () => {
  const tags = new StandInStore({ size: tagBytes(8), canWrite: false })
  tags.bytes.fill(0)
  await assert.rejects(openTags(tags, type1, 512, 8), refused('TAGS_NEW'))
})

test('tags that cannot be read are refused', async () => {
  const tags = new StandInStore({ size: tagBytes(8) })
  tags.failNext('read', 1)
  await assert.rejects(openTags(tags, type1, 512, 8), refused('TAGS_READ'))
})
