// SPDX-License-Identifier: Apache-2.0
// The command window, over the wrap of its 32-bit numbers too.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommandWindow, isAfter, next } from './command-window.ts'

test('serial numbers wrap', () => {
  assert.equal(next(0xffff_ffff), 0)
  assert.equal(isAfter(0, 0xffff_ffff), true)
  assert.equal(isAfter(0xffff_ffff, 0), false)
  assert.equal(isAfter(5, 5), false)
  assert.equal(isAfter(0x8000_0000, 1), true)
})

for (const start of [1, 0xffff_fffe, 0x7fff_ffff]) {
  test(`a window from ${start} is closed, opens, is used up and never shrinks`, () => {
    const window = new CommandWindow(start)
    assert.equal(window.room, 0)
    window.update(start, (start + 3) >>> 0)
    assert.equal(window.room, 4)
    window.cmdSn = next(next(window.cmdSn))
    assert.equal(window.room, 2)
    window.update(start, (start + 1) >>> 0)
    assert.equal(window.room, 2)
    window.update((start + 2) >>> 0, (start + 9) >>> 0)
    assert.equal(window.room, 8)
  })

  test(`numbers that contradict each other from ${start} are left alone`, () => {
    const window = new CommandWindow(start)
    window.update(start, (start + 3) >>> 0)
    window.update((start + 9) >>> 0, (start + 7) >>> 0)
    assert.equal(window.room, 4)
  })
}

test('a window may be shut entirely', () => {
  const window = new CommandWindow(1)
  window.update(1, 0)
  assert.equal(window.room, 0)
})
