// SPDX-License-Identifier: Apache-2.0
// A target that does not answer ABORT TASK: a connection is lost for it, and then the session.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FullFeature } from './full-feature.ts'
import { Links } from './links.ts'
import { Task } from './task.ts'
import { abortTask } from './task-management.ts'

test('a command that is aborted in vain on two connections ends with the session', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const links = new Links(1)
  const nothing = (): void => undefined
  const task = new Task({ lun: 0, cdb: new Uint8Array(6) }, new Uint8Array(8), 0, nothing, nothing)
  let lost = 0
  const exchanges = { abort: () => new Promise(nothing) }
  const connection = { fail: () => lost++ }
  task.link = { links, exchanges, connection } as unknown as FullFeature
  for (const getsOn of [true, false]) {
    // Others get their answers meanwhile.
    links.completed++
    abortTask(task, nothing)
    t.mock.timers.tick(10_000)
    assert.equal(links.getsOn(), getsOn)
  }
  assert.equal(lost, 2)
  task.restart()
  assert.equal(task.aborts, 0)
})
