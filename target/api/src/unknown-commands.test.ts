// SPDX-License-Identifier: Apache-2.0
// Commands asked for in vain are counted by name, and no peer can make the list long.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UnknownCommands } from './unknown-commands.ts'

test('by name where the standard has one, else by number, the most frequent first', () => {
  const unknown = new UnknownCommands()
  const asked = [
    [0xc1, 0],
    [0x3e, 0x02],
    [0x3e, 0x04],
    [0x9e, 0x11],
    [0xa3, 0x1f],
    [0x7f, 0, 0, 0, 0, 0, 0, 0x18, 0, 0x0a],
    [0x7f, 0, 0, 0, 0, 0, 0, 0x18, 0xff, 0xfe],
  ]
  for (const cdb of asked) unknown.count(Uint8Array.from({ ...cdb, length: 16 }))
  assert.equal(unknown.total, 7)
  assert.deepEqual(
    unknown.list().map(({ name, count }) => `${count} ${name}`),
    [
      '2 READ LONG (10)',
      '1 operation code C1h',
      '1 READ LONG (16)',
      '1 operation code A3h, service action 1Fh',
      '1 VERIFY (32)',
      '1 operation code 7Fh, service action FFFEh',
    ],
  )
})

test('a peer that tries them all fills no memory', () => {
  const unknown = new UnknownCommands()
  const cdb = new Uint8Array(32).fill(0x7f, 0, 1)
  for (let action = 0; action < 1000; action++) {
    cdb[8] = action >> 8
    cdb[9] = action
    unknown.count(cdb)
  }
  assert.deepEqual([unknown.total, unknown.list().length], [1000, 257])
  assert.deepEqual(unknown.list()[0], { name: 'others', count: 744 })
})
