// SPDX-License-Identifier: Apache-2.0
// By what limits count addresses, and sets of addresses.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressKey, addressSet, isIn } from './address-key.ts'

test('an IPv4 address is its own, in IPv6 as well; an IPv6 address is one of its prefix', () => {
  assert.equal(addressKey('192.0.2.1', 64), '192.0.2.1')
  assert.equal(addressKey('::ffff:192.0.2.1', 64), '192.0.2.1')
  const same = ['2001:db8:0:1::7', '2001:db8:0:1:ffff:1:2:3', '2001:DB8::1:0:0:0:9', '2001:db8::1:1:2:3:4']
  assert.deepEqual(new Set(same.map(one => addressKey(one, 64))), new Set(['2001:db8:0:1::/64']))
  assert.notEqual(addressKey('2001:db8:0:2::7', 64), '2001:db8:0:1::/64')
  assert.equal(addressKey('fe80::1%eth0', 64), 'fe80:0:0:0::/64')
  assert.equal(addressKey('::1', 64), '0:0:0:0::/64')
  assert.equal(addressKey('64:ff9b::192.0.2.1', 64), '64:ff9b:0:0::/64')
  assert.equal(addressKey('2001:db8:1:2:3:4:5:6', 64), '2001:db8:1:2::/64')
  assert.equal(addressKey('2001:db8:1:2ff:3:4:5:6', 56), '2001:db8:1:200::/56')
  assert.equal(addressKey('2001:db8:1:2:3:4:5:6', 16), '2001::/16')
  assert.equal(addressKey('2001:db8::7%eth0', 128), '2001:db8::7')
})

test('sets hold addresses and subnets, and nothing else', () => {
  const set = addressSet(['127.0.0.0/8', '::1', '2001:db8::/32'])!
  for (const inside of ['127.9.9.9', '::ffff:127.0.0.1', '::1', '2001:db8:5::1'])
    assert.ok(isIn(set, inside), inside)
  for (const outside of ['128.0.0.1', '::2', '2001:db9::1', '', 'somewhere'])
    assert.ok(!isIn(set, outside), outside)
  for (const wrong of ['localhost', '10.0.0.0/33', '10.0.0.0/', '::1/129', '10.0.0.0/-1', ''])
    assert.equal(addressSet([wrong]), null, wrong)
})
