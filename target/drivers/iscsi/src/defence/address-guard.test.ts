// SPDX-License-Identifier: Apache-2.0
// The guard by a clock of the test's own: counts, rates, waits after failures, and a table that does not grow.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_LIMITS, type Limits } from '../options.ts'
import { AddressGuard, Refusal } from './address-guard.ts'
import { addressSet } from './address-key.ts'

const PEER = '192.0.2.1'
const OTHER = '192.0.2.2'

function make(limits: Partial<Limits>): { guard: AddressGuard; pass: (ms: number) => void } {
  let now = 1000
  const guard = new AddressGuard({ ...DEFAULT_LIMITS, ...limits }, addressSet(['127.0.0.0/8'])!, () => now)
  return {
    guard,
    pass: ms => {
      now += ms
    },
  }
}

test('connections of one address have a limit, and count until they close', () => {
  const { guard } = make({ connectionsPerAddress: 2 })
  assert.deepEqual([guard.admit(PEER), guard.admit(PEER)], [null, null])
  assert.equal(guard.admit(PEER), Refusal.connections)
  assert.equal(guard.admit(OTHER), null)
  guard.left(PEER)
  assert.equal(guard.admit(PEER), null)
  assert.equal(guard.admit(PEER), Refusal.connections)
})

test('addresses of one /64 are one peer where that is wanted', () => {
  const { guard } = make({ connectionsPerAddress: 1, ipv6PrefixBits: 64 })
  assert.equal(guard.admit('2001:db8::1'), null)
  assert.equal(guard.admit('2001:db8::2'), Refusal.connections)
  assert.equal(make({ connectionsPerAddress: 1 }).guard.admit('2001:db8::2'), null)
})

test('one address cannot use up the rate of all', () => {
  const limits = { addressLoginsPerSecond: 1, addressLoginBurst: 3, loginsPerSecond: 1, loginBurst: 5 }
  const { guard, pass } = make(limits)
  const tries = (address: string, count: number): (string | null)[] =>
    Array.from({ length: count }, () => guard.admit(address))
  assert.deepEqual(tries(PEER, 5), [null, null, null, Refusal.addressRate, Refusal.addressRate])
  assert.deepEqual(tries(OTHER, 3), [null, null, Refusal.rate])
  pass(1000)
  assert.deepEqual(tries(OTHER, 2), [null, Refusal.addressRate])
  pass(10_000)
  assert.equal(guard.admit('192.0.2.3'), null)
})

test('rates of 0 are no limit', () => {
  const { guard } = make({
    addressLoginsPerSecond: 0,
    addressLoginBurst: 1,
    loginsPerSecond: 0,
    loginBurst: 1,
    connectionsPerAddress: 10_000,
  })
  for (let i = 0; i < 5000; i++) assert.equal(guard.admit(PEER), null)
})

test('after failed logins an address waits, twice as long each time, but not for ever', () => {
  const { guard, pass } = make({ failedLogins: 3, loginBackOffMs: 4000 })
  const fail = (): void => {
    assert.equal(guard.admit(PEER), null)
    guard.failed(PEER)
    guard.left(PEER)
  }
  fail()
  fail()
  fail()
  for (const wait of [1000, 2000, 4000, 4000, 4000]) {
    pass(wait - 1)
    assert.equal(guard.admit(PEER), Refusal.failures)
    assert.equal(guard.admit(OTHER), null)
    pass(1)
    fail()
  }
  pass(4000)
  guard.succeeded(PEER)
  fail()
  assert.equal(guard.admit(PEER), null)
  fail()
  fail()
  assert.equal(guard.admit(PEER), Refusal.failures)
})

test('failures of long ago are forgotten', () => {
  const { guard, pass } = make({ failedLogins: 2, loginBackOffMs: 1000 })
  guard.failed(PEER)
  pass(5000)
  guard.failed(PEER)
  assert.equal(guard.admit(PEER), null)
})

test('without a wait there is none', () => {
  const { guard } = make({ failedLogins: 1, loginBackOffMs: 0 })
  for (let i = 0; i < 50; i++) guard.failed(PEER)
  assert.equal(guard.admit(PEER), null)
})

test('trusted addresses have no limits', () => {
  const { guard } = make({ connectionsPerAddress: 1, addressLoginBurst: 1, loginBurst: 1, failedLogins: 1 })
  for (let i = 0; i < 500; i++) {
    assert.equal(guard.admit('127.0.0.1'), null)
    guard.failed('::ffff:127.0.0.1')
  }
  assert.equal(guard.size, 0)
})

test('a flood of addresses does not make it grow, nor forget who is connected', () => {
  const { guard, pass } = make({ connectionsPerAddress: 1 })
  assert.equal(guard.admit(PEER), null)
  for (let i = 0; i < 20_000; i++) {
    const address = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`
    if (guard.admit(address) === null) guard.left(address)
    pass(10)
  }
  assert.equal(guard.size, 4096)
  assert.equal(guard.admit(PEER), Refusal.connections)
})
