// SPDX-License-Identifier: Apache-2.0
// The addresses that SendTargets gives.
import assert from 'node:assert/strict'
import { test } from 'node:test'
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
