// SPDX-License-Identifier: Apache-2.0
// Small pieces become few buffers, whatever stands between them, and no byte is lost or moved.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Gather } from './gather.ts'

test('single bytes make as many buffers as their sum is large', () => {
  const gather = new Gather()
  const list: Buffer[] = []
  for (let i = 0; i < 65_536; i++) gather.add(list, Buffer.of(i), 65_536 - i)
  assert.equal(list.length, 4)
  assert.ok(Buffer.concat(list).every((byte, i) => byte === (i & 0xff)))
})

test('a buffer is not larger than what is to come', () => {
  const gather = new Gather()
  const list: Buffer[] = []
  gather.add(list, Buffer.alloc(10), 100)
  assert.equal(list[0]!.buffer.byteLength, 100)
})

test('bytes and their order stay, between large pieces and in lists that were emptied', () => {
  const sizes = fc.array(fc.constantFrom(0, 1, 7, 100, 2047, 2048, 5000), { maxLength: 60 })
  fc.assert(
    fc.property(sizes, fc.nat(60), (lengths, cut) => {
      const gather = new Gather()
      const lists: Buffer[][] = [[], []]
      const pieces = lengths.map((length, i) => Buffer.alloc(length, i + 1))
      let left = lengths.reduce((sum: number, length) => sum + length, 0)
      pieces.forEach((piece, i) => {
        gather.add(lists[i < cut ? 0 : 1]!, piece, left)
        left -= piece.length
      })
      assert.deepEqual(Buffer.concat(lists.flat()), Buffer.concat(pieces))
      const large = lengths.filter(length => length >= 2048).length
      assert.ok(lists.flat().length <= 2 * large + 2 + lengths.length / 8 + 2)
    }),
  )
})
