// SPDX-License-Identifier: Apache-2.0
// Rules of faults: which texts are some, and which requests each meets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BufferPool, StoreError, type StoreIo, Task } from '@lunkit/target-api'
import { Rule } from './rules.ts'

function io(lba: number, blocks = 1): StoreIo {
  const { io: made } = new Task(new BufferPool(0), () => {})
  made.offset = lba * 512
  made.length = blocks * 512
  return made
}

/** Which of so many reads a rule meets, by number from 1. */
function met(text: string, reads: number): number[] {
  const rule = new Rule(text, 512)
  return Array.from({ length: reads }, (_, i) => i + 1).filter(() => rule.meets('read', io(0)))
}

test('blocks are touched or not', () => {
  const rule = new Rule('medium:read:lba=10-19', 512)
  assert.deepEqual([rule.start, rule.end, rule.outcome], [5120, 10240, StoreError.medium])
  for (const [lba, blocks, meets] of [
    [0, 10, false],
    [0, 11, true],
    [15, 1, true],
    [19, 100, true],
    [20, 1, false],
  ] as const) {
    assert.equal(rule.meets('read', io(lba, blocks)), meets, `${blocks} at ${lba}`)
    assert.equal(rule.meets('write', io(lba, blocks)), false)
  }
  assert.equal(new Rule('busy:lba=7', 512).meets('flush', io(7)), false)
  assert.equal(new Rule('busy', 512).meets('flush', io(7)), true)
  assert.equal(new Rule('busy:discard', 512).meets('writeZeroes', io(7)), true)
  assert.equal(rule.hits, 3)
})

test('counts', () => {
  assert.deepEqual(met('busy:every=3', 10), [3, 6, 9])
  assert.deepEqual(met('busy:count=2', 10), [1, 2])
  assert.deepEqual(met('busy:after=4:every=2:count=2', 12), [6, 8])
  assert.deepEqual(met('busy:percent=0', 50), [])
  const some = met('busy:percent=30:seed=7', 1000)
  assert.ok(some.length > 240 && some.length < 360, `${some.length}`)
  assert.deepEqual(met('BUSY:Percent=30:seed=7', 1000), some)
  assert.notDeepEqual(met('busy:percent=30:seed=8', 1000), some)
})

test('sense in hex', () => {
  const { sense } = new Rule('sense=b/47/3', 512)
  assert.deepEqual(sense, { key: 11, asc: 0x47, ascq: 3, text: 'INFORMATION UNIT IUCRC ERROR DETECTED' })
})

test('what is no rule is refused with the part that says nothing', () => {
  for (const [text, part] of [
    ['', ''],
    ['bad', 'bad'],
    ['medium=3', 'medium=3'],
    ['sense', 'sense'],
    ['sense=4/44', 'sense=4/44'],
    ['busy:sometimes', 'sometimes'],
    ['busy:every=0', 'every=0'],
    ['busy:every=1.5', 'every=1.5'],
    ['busy:percent=101', 'percent=101'],
    ['busy:lba=9-3', 'lba=9-3'],
    ['busy:lba=x', 'lba=x'],
    ['busy:lba=1:lba=2', 'lba=2'],
    ['delay:ms=9999999', 'ms=9999999'],
  ] as const) {
    assert.throws(() => new Rule(text, 512), {
      code: 'ERROR_RULE',
      message: new RegExp(`'${part}' says nothing`),
    })
  }
})
