// SPDX-License-Identifier: Apache-2.0
// Tags of runs of blocks: SBC-4's examples, every kind of wrong field, escape values, slices cut anywhere.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc16t10dif, PROTECTION_INFORMATION, ProtectionType } from '@lunkit/spec'
import fc from 'fast-check'
import { COMPARED, Field, PROTECT } from './checks.ts'
import { findDifference, findWrong, Guards, invert, makeTags, SentTags } from './tags.ts'

const ALL = 7
const { type1, type2, type3 } = ProtectionType
const blocks = (count: number, size = 512): Buffer =>
  Buffer.from(Array.from({ length: count * size }, (_, i) => (i * 31 + (i >> 9)) & 0xff))

function tagged(count: number, { application = 0x1234, reference = 100 } = {}) {
  const data = blocks(count)
  const tags = Buffer.alloc(count * 8)
  makeTags(tags, [data], 512, application, reference)
  return { data, tags }
}
const known = { checks: ALL, reference: 100, application: 0x1234, applicationMask: 0xffff }

test('the table of protect fields is that of SBC-4, typed once more', () => {
  const rows = PROTECT.map(row => (row === null ? 'reserved' : `${row.moves ? 'moves' : '-'} ${row.checks}`))
  assert.deepEqual(rows, [
    '- 7',
    'moves 7',
    'moves 6',
    'moves 0',
    'moves 1',
    'moves 7',
    'reserved',
    'reserved',
  ])
  assert.deepEqual(COMPARED, [0, 7, 6, 7, 7, 7, 0, 0])
})

test('made tags are guard, application tag and a reference tag that counts up and wraps', () => {
  const { data, tags } = tagged(3, { reference: 0xffff_fffd })
  const read = [0, 8, 16].map(at => PROTECTION_INFORMATION.read(tags, at))
  assert.deepEqual(
    read,
    [0, 1, 2].map(block => ({
      guard: crc16t10dif(data, block * 512, block * 512 + 512),
      applicationTag: 0x1234,
      referenceTag: (0xffff_fffd + block) >>> 0,
    })),
  )
})

test('made tags with the escape reference have it in each block', () => {
  const { tags } = tagged(2, { reference: 0xffff_ffff })
  assert.deepEqual([tags.readUInt32BE(4), tags.readUInt32BE(12)], [0xffff_ffff, 0xffff_ffff])
})

test('guards of blocks over slices cut anywhere are those of the whole', () => {
  const data = blocks(4)
  const whole = [0, 1, 2, 3].map(block => crc16t10dif(data, block * 512, block * 512 + 512))
  const cuts = fc.array(fc.nat(data.length), { maxLength: 12 })
  fc.assert(
    fc.property(cuts, fc.nat(3), (places, skipped) => {
      const ends = [...places, data.length].sort((a, b) => a - b)
      const guards = new Guards(
        ends.map((end, i) => data.subarray(i === 0 ? 0 : ends[i - 1], end)),
        512,
      )
      for (let block = 0; block < 4; block++) {
        if (block === skipped) guards.skip()
        else assert.equal(guards.next(), whole[block])
      }
    }),
    { seed: 3, numRuns: 200 },
  )
})

test('what fits is not wrong; each field that does not is found, where it is checked', () => {
  for (const type of [type1, type2, type3]) {
    const { data, tags } = tagged(4)
    assert.equal(findWrong(tags, [data], 512, type, known), null)
    const spoil = [
      [Field.guard, 2 * 8 + 1],
      [Field.application, 2 * 8 + 3],
      [Field.reference, 2 * 8 + 5],
    ] as const
    for (const [field, at] of spoil) {
      tags[at]! ^= 0x10
      const wrong = findWrong(tags, [data], 512, type, known)
      assert.deepEqual([wrong?.block, wrong?.field], [2, field])
      assert.equal(findWrong(tags, [data], 512, type, { ...known, checks: ALL & ~field }), null)
      tags[at]! ^= 0x10
    }
    data[3 * 512 + 7]! ^= 1
    assert.equal(findWrong(tags, [data], 512, type, known)?.block, 3)
  }
})

test('the application tag is checked under its mask', () => {
  const { data, tags } = tagged(1, { application: 0x1230 })
  assert.equal(findWrong(tags, [data], 512, type1, known)?.field, Field.application)
  assert.equal(findWrong(tags, [data], 512, type1, { ...known, applicationMask: 0xfff0 }), null)
})

test('escape values switch a block off: the application tag alone, in type 3 with the reference tag', () => {
  const { data, tags } = tagged(3)
  data[512]! ^= 1
  tags.writeUInt16BE(0xffff, 8 + 2)
  for (const type of [type1, type2]) assert.equal(findWrong(tags, [data], 512, type, known), null)
  assert.equal(findWrong(tags, [data], 512, type3, known)?.block, 1)
  tags.writeUInt32BE(0xffff_ffff, 8 + 4)
  assert.equal(findWrong(tags, [data], 512, type3, known), null)
  data[1024]! ^= 1
  assert.equal(findWrong(tags, [data], 512, type3, known)?.block, 2)
})

test('differences of tags are found in the fields that are compared', () => {
  const { tags } = tagged(3)
  const other = Buffer.from(tags)
  assert.equal(findDifference(tags, other, ALL), null)
  other[16 + 6]! ^= 4
  assert.deepEqual(findDifference(tags, other, ALL)?.block, 2)
  assert.equal(findDifference(tags, other, Field.guard | Field.application), null)
})

test('sent tags are copied from any block on; one that stands for all counts its reference tag up', () => {
  const { tags } = tagged(4)
  const into = Buffer.alloc(16)
  new SentTags(tags, false, type1).copy(1, into)
  assert.deepEqual(into, tags.subarray(8, 24))
  const one = Buffer.from([1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff])
  for (const type of [type1, type2]) {
    new SentTags(one, true, type).copy(1, into)
    assert.equal(into.toString('hex'), '01020304000000000102030400000001')
  }
  new SentTags(one, true, type3).copy(1, into)
  assert.equal(into.toString('hex'), '01020304ffffffff01020304ffffffff')
  new SentTags(Buffer.alloc(8, 0xff), true, type1).copy(5, into)
  assert.deepEqual(into, Buffer.alloc(16, 0xff))
})

test('a hole of the store is the escape value', () => {
  const hole = new Uint8Array(16)
  invert(hole)
  assert.equal(findWrong(hole, [blocks(2)], 512, type3, known), null)
  invert(hole)
  assert.deepEqual(hole, new Uint8Array(16))
})
