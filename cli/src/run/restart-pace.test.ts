// SPDX-License-Identifier: Apache-2.0
// Waits before a process is started again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestartPace } from './restart-pace.ts'

test('the first end costs no wait, those in a row more and more, and who has served for long begins anew', () => {
  const pace = new RestartPace()
  const waits: number[] = []
  for (let now = 0; now < 9000; now += 1000) {
    pace.started(now)
    waits.push(pace.ended(now + 999))
  }
  assert.deepEqual(waits, [0, 250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000])
  pace.started(20_000)
  assert.equal(pace.ended(30_000), 0)
  assert.equal(pace.ended(90_000), 250, 'one that never served is not steady, however long it took')
})
