// SPDX-License-Identifier: Apache-2.0
// The command window: order, duplicates, limits, and numbers that wrap around.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommandWindow, isKilled, type Parked, serialDistance, Turn } from './command-window.ts'
import type { Connection } from './connection.ts'

const request = (mark: number, length = 0): Parked => ({
  connection: {} as Connection,
  header: Buffer.of(mark),
  data: [],
  behind: [],
  bytes: length,
  isCrowded: false,
})

// Requirement: RFC 7143, Command Numbering and Acknowledging: commands are delivered in the order of CmdSN; what is
// outside the window is ignored.
test('numbers in their order are counted, others wait or are ignored', () => {
  const window = new CommandWindow(7)
  assert.equal(window.take(7), Turn.ignore, 'a window that was never opened takes nothing')
  assert.equal(window.open(3), 9)
  assert.equal(window.take(7), Turn.now)
  assert.equal(window.expected, 8)
  assert.equal(window.take(7), Turn.ignore, 'a duplicate')
  assert.equal(window.take(10), Turn.ignore, 'beyond MaxCmdSN')
  assert.equal(window.take(9), Turn.early)
  window.park(9, request(9, 100))
  assert.equal(window.parkedBytes, 100)
  assert.equal(window.take(9), Turn.ignore, 'a duplicate of a parked one')
  assert.equal(window.unpark(), null)
  assert.equal(window.take(8), Turn.now)
  assert.equal(window.unpark()!.header[0], 9)
  assert.equal(window.parkedBytes, 0)
  assert.equal(window.expected, 10)
  assert.equal(window.unpark(), null)
})

// Requirement: RFC 7143, Command Numbering and Acknowledging: MaxCmdSN never goes back.
test('the window never shrinks, and parked requests count', () => {
  const window = new CommandWindow(1)
  assert.equal(window.open(4), 4)
  assert.equal(window.open(0), 4)
  assert.equal(window.closed, false)
  for (const number of [1, 2, 3, 4]) assert.equal(window.take(number), Turn.now)
  assert.equal(window.closed, true)
  assert.equal(window.open(-5), 4)
  assert.equal(window.open(2), 6)
  window.park(6, request(6))
  assert.equal(window.open(2), 6)
  assert.equal(window.open(3), 6)
  assert.equal(window.open(4), 7)
})

// Requirement: RFC 7143, Command Numbering and Acknowledging: serial number arithmetic of RFC 1982.
test('numbers wrap around', () => {
  const window = new CommandWindow(0xffff_ffff)
  assert.equal(window.open(3), 1)
  assert.equal(window.take(0), Turn.early)
  window.park(0, request(0))
  assert.equal(window.take(0xffff_ffff), Turn.now)
  assert.equal(window.unpark()!.header[0], 0)
  assert.equal(window.take(1), Turn.now)
  assert.equal(window.take(0xffff_ffff), Turn.ignore)
  assert.ok(serialDistance(0, 0xffff_ffff) > 0)
  assert.ok(serialDistance(0xffff_ffff, 0) < 0)
})

test('a killed number does nothing when its turn comes, whether it was here or not', () => {
  const window = new CommandWindow(1)
  window.open(8)
  window.park(2, request(2, 50))
  window.kill(2)
  window.kill(3)
  assert.equal(window.parkedBytes, 0)
  assert.equal(window.take(3), Turn.ignore)
  assert.equal(window.take(1), Turn.now)
  assert.ok(isKilled(window.unpark()!))
  assert.ok(isKilled(window.unpark()!))
  assert.equal(window.expected, 4)
})
