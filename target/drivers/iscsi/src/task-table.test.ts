// SPDX-License-Identifier: Apache-2.0
// The table of tasks does what a Map does, also where tags fall into one chain.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IscsiTask } from './iscsi-task.ts'
import type { Session } from './session.ts'
import { TaskTable } from './task-table.ts'

test('the same as a Map, for many tags', () => {
  const table = new TaskTable()
  const map = new Map<number, IscsiTask>()
  // Tags that differ only in high bits, small ones, and the highest.
  const tags = Array.from({ length: 300 }, (_, i) => [
    i,
    (i << 9) >>> 0,
    0xffff_fffe - i,
    (i << 18) >>> 0,
  ]).flat()
  let seed = 1
  for (let i = 0; i < 20_000; i++) {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff
    const tag = tags[(seed >> 8) % tags.length]!
    const had = map.get(tag)
    assert.equal(table.get(tag), had)
    assert.equal(table.has(tag), had !== undefined)
    if (had === undefined) {
      const one = new IscsiTask(i, null as unknown as Session)
      one.itt = tag
      map.set(tag, one)
      table.add(one)
    } else {
      map.delete(tag)
      table.remove(had)
      table.remove(had)
    }
    assert.equal(table.size, map.size)
  }
  for (const [tag, one] of map) assert.equal(table.get(tag), one)
})
