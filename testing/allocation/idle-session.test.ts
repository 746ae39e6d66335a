// SPDX-License-Identifier: Apache-2.0
// What an idle session holds in the target's process: a bound with room, far below what a session may cost.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { testUnitReady } from '../kit/iscsi-bench.ts'
import { RawPeer } from '../kit/raw-peer.ts'
import { workFolder } from '../kit/serve-process.ts'
import { type CountedProcess, type Held, startCounted } from './counted-process.ts'

const KIB = 1024
const NAME = 'iqn.2026-11.test.lunkit:idle'
const SESSIONS = 200
/** Bytes that a session may hold: it takes 13 KiB of the heap, and 10 KiB of buffers. */
const MOST_HEAP = 20 * KIB
const MOST_BUFFERS = 14 * KIB
/** Of one that has ended, for what tables and compiled code took meanwhile. */
const MOST_LEFT = 2 * KIB

async function openAll(port: number): Promise<RawPeer[]> {
  const peers: RawPeer[] = []
  for (let i = 0; i < SESSIONS; i++) {
    const peer = await RawPeer.connect(port)
    peers.push(peer)
    await peer.login({ target: NAME, initiator: `iqn.2026-11.test.lunkit:host${i}` })
    // Unit attentions are told once.
    for (let command = 0; command < 4; command++) {
      peer.command(testUnitReady())
      await peer.receive()
    }
  }
  return peers
}

/** What is held once all sessions are gone, and nothing more goes. */
async function settled(target: CountedProcess, peers: readonly RawPeer[]): Promise<Held> {
  for (const peer of peers) await peer.close()
  let last = await target.held()
  for (;;) {
    await sleep(200)
    const held = await target.held()
    if (held.heap > last.heap - KIB && held.buffers >= last.buffers) return held
    last = held
  }
}

test('an idle session holds little, and nothing once it has ended', async t => {
  const folder = workFolder()
  t.after(() => folder.dispose())
  const image = join(folder.path, 'image')
  writeFileSync(image, Buffer.alloc(64 * KIB))
  const target = await startCounted(image, NAME)
  try {
    // What the first sessions make once is not theirs.
    const before = await settled(target, await openAll(target.port))
    const peers = await openAll(target.port)
    const open = await target.held()
    const after = await settled(target, peers)
    const heap = (open.heap - after.heap) / SESSIONS
    const buffers = (open.buffers - after.buffers) / SESSIONS
    t.diagnostic(`${Math.round(heap)} bytes of the heap, ${Math.round(buffers)} of buffers`)
    assert.ok(heap > 0 && heap < MOST_HEAP, `${heap} bytes of the heap a session`)
    assert.ok(buffers > 0 && buffers < MOST_BUFFERS, `${buffers} bytes of buffers a session`)
    const left = (after.heap + after.buffers - before.heap - before.buffers) / SESSIONS
    t.diagnostic(`${Math.round(left)} bytes of one that has ended`)
    assert.ok(left <= MOST_LEFT, `${left} bytes of an ended session are still there`)
  } finally {
    await target.stop()
  }
})
