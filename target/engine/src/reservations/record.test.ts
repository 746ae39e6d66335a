// SPDX-License-Identifier: Apache-2.0
// Reservations as text: what is written is read again, and what is not whole is not taken.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProtocolId, RESERVATION_TYPES, writeTransportId } from '@lunkit/spec'
import { type PersistentState, type Registration, reservedName } from '@lunkit/target-api'
import { NOTHING_RESERVED } from './persistent.ts'
import { formatRecord, parseRecord } from './record.ts'

const iscsi = (name: string, isid = '00023d000001'): string =>
  Buffer.from(writeTransportId({ protocol: ProtocolId.iscsi, name, isid })).toString('hex')

const REGISTRATIONS: readonly Registration[] = [
  {
    transportId: iscsi('iqn.2026-11.test:a'),
    target: 'iqn.2026-11.test:t',
    port: 1,
    key: 1n,
    allPorts: false,
  },
  {
    transportId: iscsi('iqn.2026-11.test:ü%25'),
    target: 'a b=c\n%',
    port: 65535,
    key: 2n ** 64n - 1n,
    allPorts: true,
  },
  { transportId: '0f'.padEnd(48, '0'), target: 't', port: 2, key: 3n, allPorts: false },
]
const registrations = new Map(REGISTRATIONS.map(one => [reservedName(one), one]))

test('every kind of state comes back', () => {
  for (const [type, { allHold }] of [[0, { allHold: true }] as const, ...RESERVATION_TYPES]) {
    for (const one of REGISTRATIONS) {
      const holder = allHold ? null : reservedName(one)
      const state: PersistentState = { ...NOTHING_RESERVED, aptpl: true, type, holder, registrations }
      const back = parseRecord(formatRecord(state)!)
      assert.deepEqual([...back.registrations], [...registrations])
      assert.deepEqual([back.type, back.holder, back.aptpl, back.generation], [type, holder, true, 0])
    }
  }
})

test('it is text that a person can read', () => {
  const [one] = REGISTRATIONS
  const state = { ...NOTHING_RESERVED, aptpl: true, type: 5, holder: reservedName(one!) }
  assert.equal(
    formatRecord({ ...state, registrations: new Map([[reservedName(one!), one!]]) }),
    `reservation type=5 (Write Exclusive - Registrants Only)
registration key=0x0000000000000001 initiator=iqn.2026-11.test:a isid=00023d000001 target=iqn.2026-11.test:t port=1 holder
`,
  )
})

test('nothing is kept where nothing has to be', () => {
  assert.equal(formatRecord({ ...NOTHING_RESERVED, registrations }), null)
  assert.equal(formatRecord({ ...NOTHING_RESERVED, aptpl: true }), null)
})

const GOOD = 'registration key=0x0000000000000001 initiator=iqn.a isid=00023d000001 target=t port=1'
for (const text of [
  '',
  'x\n',
  'reservation type=1\n',
  'reservation type=1\nregistration\n',
  `reservation type=1\n${GOOD}\n`,
  `reservation type=2\n${GOOD} holder\n`,
  `reservation type=7\n${GOOD} holder\n`,
  `${GOOD} holder\n`,
  `${GOOD.replace('0x', '')}\n`,
  `${GOOD.replace('isid=00023d000001', '')}\n`,
  `${GOOD.replace('port=1', 'port=x')}\n`,
  `${GOOD.replace('target=t', 'target=%')}\n`,
]) {
  test(`no record: ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseRecord(text))
  })
}
