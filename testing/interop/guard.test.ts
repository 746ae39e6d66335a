// SPDX-License-Identifier: Apache-2.0
// Limits against hostile initiators, as programs and the command line give them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTarget, memory, type TargetEvent } from '../../cli/src/target.ts'
import { RawPeer } from '../kit/raw-peer.ts'
import { serve } from '../kit/serve-process.ts'

const portOf = (portal: string): number => Number(portal.split(':')[1])

test('a program sets limits, and says whom it trusts', async () => {
  await using target = await createTarget({
    luns: [memory('1M')],
    guard: { connectionsPerAddress: 2, trustedAddresses: ['127.0.0.2'] },
  })
  const events: TargetEvent[] = []
  target.on('refused', event => void events.push(event))
  const port = portOf(target.portals[0]!)
  const strangers = [await RawPeer.connect(port), await RawPeer.connect(port)]
  const third = await RawPeer.connect(port)
  assert.deepEqual(await third.end(), [])
  const friends: RawPeer[] = []
  for (let i = 0; i < 5; i++) friends.push(await RawPeer.connect(port, '127.0.0.1', '127.0.0.2'))
  await friends.at(-1)!.login({ target: target.name })
  assert.deepEqual(events, [
    { type: 'refused', address: '127.0.0.1', reason: 'Address has too many connections', count: 1 },
  ])
  for (const peer of [...strangers, ...friends]) await peer.close()
})

test('limits that are none are refused in words', async () => {
  const luns = [memory('1M')]
  await assert.rejects(createTarget({ luns, guard: { conections: 1 } as never }), { code: 'GUARD_KEY' })
  await assert.rejects(createTarget({ luns, guard: { sessions: 0 } }), { code: 'LIMIT_VALUE' })
  await assert.rejects(createTarget({ luns, guard: { trustedAddresses: ['here'] } }), { code: 'ADDRESS' })
})

test('so does the command line, which trusts this machine in any case', async () => {
  const words = [
    'memory:1M',
    '--limit',
    'connectionsPerAddress=1',
    '--limit',
    'failedLogins=3',
    '--trust',
    '10.0.0.0/8',
  ]
  const target = await serve(words)
  const peers = await Promise.all([1, 2, 3].map(() => RawPeer.connect(portOf(target.ready.portals[0]!))))
  for (const [i, peer] of peers.entries()) await peer.login({ isid: Uint8Array.of(0x80, 0, 0, 0, 0, i) })
  for (const peer of peers) await peer.close()
  assert.equal(await target.stop(), 0)
  await assert.rejects(serve(['memory:1M', '--limit', 'connections=1']), /is no limit/)
  await assert.rejects(serve(['memory:1M', '--limit', 'sessions=0']), /from 1 to 65535/)
  await assert.rejects(serve(['memory:1M', '--trust', 'everybody']), /'everybody' is no address/)
})
