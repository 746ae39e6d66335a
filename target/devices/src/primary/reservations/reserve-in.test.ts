// SPDX-License-Identifier: Apache-2.0
// PERSISTENT RESERVE IN: the data as it goes over the wire, whole and cut, and RESERVE and RELEASE.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  PERSISTENT_RESERVE_IN_REPORT_CAPABILITIES as CAPABILITIES,
  PERSISTENT_RESERVE_IN_READ_FULL_STATUS as FULL_STATUS,
  PERSISTENT_RESERVE_IN_READ_KEYS as READ_KEYS,
  PERSISTENT_RESERVE_IN_READ_RESERVATION as READ_RESERVATION,
  PERSISTENT_RESERVE_OUT_REGISTER as REGISTER,
  RELEASE_6,
  RELEASE_10,
  PERSISTENT_RESERVE_OUT_RESERVE as RESERVE,
  RESERVE_6,
  RESERVE_10,
  TEST_UNIT_READY,
} from '@lunkit/spec'
import { ManagementFunction } from '@lunkit/target-api'
import { MemoryRecords } from '../../../../../testing/kit/memory-records.ts'
import { ReservationBench, transportId } from '../../../../../testing/kit/reservation-bench.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

// Requirement: SPC-4, READ KEYS service action: the generation, eight bytes for each key, and the whole length however
// little is taken.
test('READ KEYS', async () => {
  const bench = await ReservationBench.open()
  const a = await bench.peer('a')
  const b = await bench.peer('b')
  assert.equal(hex((await a.in(READ_KEYS)).data), '0000000000000000')
  await a.register(0x1234)
  await b.register(0xabcdef)
  const all = '00000002000000100000000000001234' + '0000000000abcdef'
  assert.equal(hex((await a.in(READ_KEYS)).data), all)
  for (const room of [0, 4, 8, 12, 16, 23]) {
    assert.equal(hex((await a.in(READ_KEYS, room)).data), all.slice(0, 2 * room))
  }
  await bench.close()
})

// Requirement: SPC-4, READ RESERVATION service action: the holder's key, or zero where all registrants hold it.
test('READ RESERVATION', async () => {
  const bench = await ReservationBench.open()
  const a = await bench.peer('a')
  await a.register(0x1234)
  assert.equal(hex((await a.in(READ_RESERVATION)).data), '0000000100000000')
  for (const [type, key] of [
    [6, '0000000000001234'],
    [7, '0000000000000000'],
  ] as const) {
    const other = await ReservationBench.open()
    const one = await other.peer('a')
    await one.register(0x1234)
    assert.equal(await one.out(RESERVE, { key: 0x1234 }, { type }), 'good')
    assert.equal(hex((await one.in(READ_RESERVATION)).data), `0000000100000010${key}00000000000${type}0000`)
    await other.close()
  }
  await bench.close()
})

// Requirement: SPC-4, REPORT CAPABILITIES service action: what is supported, the types among it, and whether APTPL is active.
test('REPORT CAPABILITIES', async () => {
  const plain = await ReservationBench.open()
  assert.equal(hex((await (await plain.peer('a')).in(CAPABILITIES)).data), '00089c90ea010000')
  const kept = await ReservationBench.open(new MemoryRecords())
  const a = await kept.peer('a')
  assert.equal(hex((await a.in(CAPABILITIES)).data), '00089d90ea010000')
  assert.equal(await a.register(1, true), 'good')
  assert.equal(hex((await a.in(CAPABILITIES)).data), '00089d91ea010000')
  await plain.close()
  await kept.close()
})

// Requirement: SPC-4, READ FULL STATUS service action: for each registration its key, TransportID and target port, and
// scope and type with the holder.
test('READ FULL STATUS', async () => {
  const bench = await ReservationBench.open()
  const a = await bench.peer('a')
  const b = await bench.peer('b', { port: 2 })
  await b.out(REGISTER, { newKey: 0x22, allPorts: true })
  await a.register(0x11)
  await a.out(RESERVE, { key: 0x11 }, { type: 5 })
  const { data } = await a.in(FULL_STATUS)
  const one = (key: string, flags: string, port: string, id: Uint8Array): string =>
    `00000000000000${key}00000000${flags}00000000${port}${id.length.toString(16).padStart(8, '0')}${hex(id)}`
  const idB = transportId('b')
  const body =
    one('22', '0200', '0002', idB) +
    one('22', '0200', '0001', idB) +
    one('11', '0105', '0001', transportId('a'))
  assert.equal(hex(data), `00000002${(body.length / 2).toString(16).padStart(8, '0')}${body}`)
  await bench.close()
})

// SPC-2, RESERVE (6) command: it ends with RELEASE, with the nexus, and with resets.
test('RESERVE and RELEASE', async () => {
  const bench = await ReservationBench.open()
  const b = await bench.peer('b')
  for (const [reserve, release] of [
    [RESERVE_6, RELEASE_6],
    [RESERVE_10, RELEASE_10],
  ] as const) {
    const a = await bench.peer('a')
    assert.equal((await a.run(reserve)).word, 'good')
    assert.equal((await b.run(reserve)).word, 'conflict')
    assert.equal((await b.run(release)).word, 'good')
    assert.equal((await b.run(TEST_UNIT_READY)).word, 'conflict')
    assert.equal((await a.run(release)).word, 'good')
    assert.equal((await b.run(TEST_UNIT_READY)).word, 'good')
    assert.equal((await a.run(reserve)).word, 'good')
    await a.close()
    assert.equal((await b.run(TEST_UNIT_READY)).word, 'good')
  }
  const a = await bench.peer('a')
  for (const fn of [
    ManagementFunction.logicalUnitReset,
    ManagementFunction.targetWarmReset,
    ManagementFunction.targetColdReset,
    ManagementFunction.nexusReset,
  ]) {
    assert.equal((await a.run(RESERVE_6)).word, 'good')
    await (fn === ManagementFunction.nexusReset ? a : b).nexus.manage(fn)
    await a.attentions()
    await b.attentions()
    assert.equal((await b.run(TEST_UNIT_READY)).word, 'good')
  }
  await bench.close()
})

test('a third party or an extent cannot be reserved', async () => {
  const bench = await ReservationBench.open()
  const a = await bench.peer('a')
  for (const command of [RESERVE_10, RELEASE_10]) {
    assert.equal((await a.run(command, { thirdParty: 1 })).word, '05/2400')
    assert.equal((await a.run(command, { longId: 1 })).word, '05/2400')
  }
  assert.equal((await a.send(Uint8Array.of(0x16, 1, 0, 0, 0, 0))).word, '05/2400')
  await bench.close()
})
