// SPDX-License-Identifier: Apache-2.0
// The addresses that SendTargets gives.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { driver } from '@lunkit/target-driver-iscsi'
import { TARGET, withBench } from '@lunkit/testing/kit/iscsi-bench.ts'
import { keysOf, RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { addressesOf } from './discovery.ts'

const at = (host: string, port = 3260): { host: string; port: number } => ({ host, port })

test('portals as addresses', () => {
  assert.deepEqual(addressesOf([at('192.0.2.1'), at('192.0.2.2', 860)], '192.0.2.1'), [
    '192.0.2.1:3260',
    '192.0.2.2:860',
  ])
  assert.deepEqual(addressesOf([at('2001:db8::1')], '2001:db8::1'), ['[2001:db8::1]:3260'])
  assert.deepEqual(addressesOf([at('disk.example')], '192.0.2.1'), ['disk.example:3260'])
})

test('a wildcard is named by the address that the initiator came to', () => {
  assert.deepEqual(addressesOf([at('0.0.0.0')], '192.0.2.7'), ['192.0.2.7:3260'])
  assert.deepEqual(addressesOf([at('')], '192.0.2.7'), ['192.0.2.7:3260'])
  assert.deepEqual(addressesOf([at('::')], '2001:db8::7'), ['[2001:db8::7]:3260'])
  assert.deepEqual(addressesOf([at('0.0.0.0'), at('::')], '2001:db8::7'), ['[2001:db8::7]:3260'])
  assert.deepEqual(addressesOf([at('0.0.0.0'), at('192.0.2.7')], '192.0.2.7'), ['192.0.2.7:3260'])
})

test('link-local addresses are left out while there are others, and never have a zone', () => {
  assert.deepEqual(addressesOf([at('fe80::1%eth0'), at('192.0.2.1')], '192.0.2.1'), ['192.0.2.1:3260'])
  assert.deepEqual(addressesOf([at('169.254.3.4'), at('192.0.2.1')], '192.0.2.1'), ['192.0.2.1:3260'])
  assert.deepEqual(addressesOf([at('::')], 'fe80::1%eth0'), ['[fe80::1]:3260'])
})

test('at each portal group all of them are told, with their tags, as they are bound or advertised', () =>
  withBench({}, async bench => {
    const second = await driver.start(bench.watched, {
      portals: [
        { host: '::1', port: 0 },
        { host: '127.0.0.1', port: 0, advertise: { host: 'disk.example', port: 860 } },
      ],
      tpgt: 2,
    })
    const third = await driver.start(bench.watched, {
      portals: [{ host: '127.0.0.1', port: 0, advertise: { host: '2001:db8::9' } }],
      tpgt: 3,
    })
    const expected = [
      `127.0.0.1:${bench.port.portals[0]!.port},1`,
      `[::1]:${second.portals[0]!.port},2`,
      'disk.example:860,2',
      `[2001:db8::9]:${third.portals[0]!.port},3`,
    ]
    for (const { host, port } of [...bench.port.portals, ...second.portals, ...third.portals]) {
      const peer = await RawPeer.connect(port, host)
      await peer.login()
      const answer = await peer.textRound({ SendTargets: 'All' })
      const addresses = [...answer.data.toString().matchAll(/TargetAddress=([^\0]+)/g)].map(one => one[1])
      assert.deepEqual(addresses, expected)
      assert.equal(keysOf(answer)['TargetName'], TARGET)
      await peer.close()
    }
    await second.stop(0)
    await third.stop(0)
  }))
