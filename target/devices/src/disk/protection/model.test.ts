// SPDX-License-Identifier: Apache-2.0
// Random commands, spoiled bits and lost halves on a disk with tags, against a plain model of blocks and their tags.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  crc16t10dif,
  LOGICAL_BLOCK_GUARD_CHECK_FAILED,
  LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED,
  READ_16,
  Status,
  UNMAP,
  WRITE_16,
  WRITE_SAME_16,
} from '@lunkit/spec'
import fc from 'fast-check'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { openProtected, someBlocks, tag, withTags } from './protection.test-kit.ts'
import { TAGS_AT } from './tag-store.ts'

const BLOCKS = 24
const ESCAPE = 'ffffffffffffffff'

interface Block {
  data: Buffer
  /** As hex digits. */
  tags: string
}

/** Type 1 in the plainest words: the first thing that is wrong with a block, or null. */
function wrongWith({ data, tags }: Block, lba: number, protect: number) {
  const bytes = Buffer.from(tags, 'hex')
  if (bytes.readUInt16BE(2) === 0xffff || protect === 3) return null
  if (protect !== 2 && bytes.readUInt16BE(0) !== crc16t10dif(data)) return LOGICAL_BLOCK_GUARD_CHECK_FAILED
  if (protect !== 4 && bytes.readUInt32BE(4) !== lba) return LOGICAL_BLOCK_REFERENCE_TAG_CHECK_FAILED
  return null
}

const range = fc
  .tuple(fc.nat(BLOCKS - 1), fc.nat(BLOCKS - 1))
  .map(([a, b]) => ({ lba: Math.min(a, b), blocks: Math.abs(a - b) + 1 }))
const step = fc.record({
  kind: fc.constantFrom(
    'write',
    'tagged',
    'same',
    'zeros',
    'unmap',
    'spoil data',
    'spoil tags',
    'read',
    'read',
  ),
  range,
  protect: fc.integer({ min: 0, max: 5 }),
  seed: fc.nat(255),
})

test('a disk of type 1 and its model agree, whatever is done to it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), fc.boolean(), async (steps, later) => {
      const { bench, store, tags, tagsAt } = await openProtected(1, { blocks: BLOCKS, thin: true, later })
      const model: Block[] = Array.from({ length: BLOCKS }, (_, lba) => ({
        data: Buffer.from(store.bytes.subarray(lba * 512, lba * 512 + 512)),
        tags: ESCAPE,
      }))
      for (const { kind, range: where, protect, seed } of steps) {
        const { lba, blocks } = where
        const data = someBlocks(blocks, seed)
        const put = (tagOf: (block: Buffer, at: number) => string, bytes = data): void => {
          for (let i = 0; i < blocks; i++) {
            const block = Buffer.from(bytes.subarray(i * 512, i * 512 + 512))
            model[lba + i] = { data: block, tags: tagOf(block, lba + i) }
          }
        }
        const run = async (cdb: Uint8Array, out: Uint8Array = Buffer.alloc(0)) =>
          assert.equal((await bench.run(cdb, { out })).status, Status.good)
        if (kind === 'write') {
          await run(cdbOf(WRITE_16, where), data)
          put((block, at) => tag(block, 0, at).toString('hex'))
        } else if (kind === 'tagged') {
          await run(cdbOf(WRITE_16, { ...where, protect: 1 }), withTags(data, lba, seed))
          put((block, at) => tag(block, seed, at).toString('hex'))
        } else if (kind === 'same') {
          const block = data.subarray(0, 512)
          await run(cdbOf(WRITE_SAME_16, where), block)
          put((one, at) => tag(one, 0, at).toString('hex'), Buffer.concat(Array(blocks).fill(block)))
        } else if (kind === 'zeros') {
          await run(cdbOf(WRITE_SAME_16, { ...where, ndob: 1 }))
          put(() => ESCAPE, Buffer.alloc(blocks * 512))
        } else if (kind === 'unmap') {
          const list = Buffer.alloc(24)
          list.writeUInt16BE(22, 0)
          list.writeUInt16BE(16, 2)
          list.writeUInt32BE(lba, 12)
          list.writeUInt32BE(blocks, 16)
          await run(cdbOf(UNMAP, { parameterLength: 24 }), list)
          for (let i = lba; i < lba + blocks; i++) {
            // What was unmapped may read as anything, and has no tags; what the disk kept has them still.
            const left = tagsAt(i)
            assert.ok(left === ESCAPE || left === model[i]!.tags)
            model[i] = { data: Buffer.from(store.bytes.subarray(i * 512, i * 512 + 512)), tags: left }
          }
        } else if (kind === 'spoil data') {
          store.bytes[lba * 512 + seed]! ^= 1
          model[lba]!.data[seed]! ^= 1
        } else if (kind === 'spoil tags') {
          const at = seed % 8
          tags.bytes[TAGS_AT + lba * 8 + at]! ^= 2
          const bytes = Buffer.from(model[lba]!.tags, 'hex')
          bytes[at]! ^= 2
          model[lba]!.tags = bytes.toString('hex')
        } else {
          const { sense, information, data: got } = await bench.run(cdbOf(READ_16, { ...where, protect }))
          const found = model.slice(lba, lba + blocks)
          const first = found.findIndex((block, i) => wrongWith(block, lba + i, protect) !== null)
          if (first >= 0) {
            assert.equal(sense, wrongWith(found[first]!, lba + first, protect))
            assert.equal(information, lba + first)
            continue
          }
          assert.equal(sense, null)
          const parts = found.map(one =>
            protect === 0 ? one.data : Buffer.concat([one.data, Buffer.from(one.tags, 'hex')]),
          )
          assert.ok(got.equals(Buffer.concat(parts)))
        }
        for (let i = 0; i < BLOCKS; i++) assert.equal(tagsAt(i), model[i]!.tags, `${kind}: tags of ${i}`)
      }
    }),
    { seed: 1123, numRuns: 60 },
  )
})
