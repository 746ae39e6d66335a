// SPDX-License-Identifier: Apache-2.0
// The response fence, where what waited for it ends the connections that others wait for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from './connection.ts'
import { Fence, liftFences } from './response-fence.ts'
import type { Session } from './session.ts'

test('what waited is done once, even if it ends connections of the session', () => {
  const own = { over: false, acknowledged: 1, statSn: 1 }
  const other = { over: false, acknowledged: 1, statSn: 2 }
  const stub = { connections: new Map([own, other].entries()), fences: [] as Fence[] }
  const session = stub as unknown as Session
  let done = 0
  const then = (): void => {
    if (++done > 2) return
    // As the end of a connection does.
    liftFences(session)
  }
  stub.fences.push(new Fence(session, own as Connection, then))
  liftFences(session)
  assert.equal(done, 0)
  other.acknowledged = 2
  liftFences(session)
  assert.equal(done, 1)
  assert.equal(stub.fences.length, 0)
})
