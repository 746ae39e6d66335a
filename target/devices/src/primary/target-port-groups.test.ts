// SPDX-License-Identifier: Apache-2.0
// REPORT and SET TARGET PORT GROUPS, and what INQUIRY and its pages say of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AccessState,
  AccessStatus,
  DesignatorType,
  designatorText,
  INQUIRY,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  PARAMETER_LIST_LENGTH_ERROR,
  REPORT_SUPPORTED_OPERATION_CODES,
  REPORT_TARGET_PORT_GROUPS,
  readDesignators,
  SET_TARGET_PORT_GROUPS,
  STANDARD_INQUIRY,
  Status,
} from '@lunkit/spec'
import type { PortGroup, PortGroupChange, PortGroups } from '@lunkit/target-api'
import { benchPort, cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk/disk.test-kit.ts'

const FIVE: readonly AccessState[] = [0, 1, 2, 3, 14]

class StandInGroups implements PortGroups {
  explicit = true
  transitionSeconds = 7
  unitGroup = 0x0102
  readonly asked: PortGroupChange[][] = []
  readonly by: (string | undefined)[] = []
  readonly waiting: (() => void)[] = []
  all: PortGroup[] = [
    { id: 1, state: 0, preferred: true, statusCode: AccessStatus.none, ports: [1], states: FIVE },
    { id: 0x203, state: 2, preferred: false, statusCode: 1, ports: [2, 0x304], states: [0, 2, 15] },
  ]
  groupOf(port: number): PortGroup | null {
    return this.all.find(({ ports }) => ports.includes(port)) ?? null
  }
  allows({ id, state }: PortGroupChange): boolean {
    return this.all.find(group => group.id === id)?.states.includes(state) === true
  }
  change(changes: readonly PortGroupChange[], by: { initiator: { name: string } } | null, done: () => void) {
    this.asked.push([...changes])
    this.by.push(by?.initiator.name)
    this.waiting.push(done)
  }
}

async function openGrouped() {
  const all = await openDisk()
  const groups = new StandInGroups()
  all.bench.target.portGroups = groups
  return { ...all, groups }
}

const report = (values: Record<string, number> = {}) =>
  cdbOf(REPORT_TARGET_PORT_GROUPS, { allocation: 0x1000, ...values })

const FIRST = '80' + '4f' + '0001' + '00' + '00' + '00' + '01' + '00000001'
const SECOND = '02' + '85' + '0203' + '00' + '01' + '00' + '02' + '00000002' + '00000304'

// Requirement: SPC-4, REPORT TARGET PORT GROUPS command: both formats of the parameter data, truncation.
test('both formats tell states, abilities and ports of each group', async () => {
  const { bench } = await openGrouped()
  const short = await bench.run(report())
  assert.equal(short.data.toString('hex'), `0000001c${FIRST}${SECOND}`)
  const long = await bench.run(report({ dataFormat: 1 }))
  assert.equal(long.data.toString('hex'), `0000002010070000${FIRST}${SECOND}`)
  assert.deepEqual((await bench.run(report({ allocation: 6 }))).data, short.data.subarray(0, 6))
  const unknown = await bench.run(report({ dataFormat: 2 }))
  assert.deepEqual([unknown.sense, unknown.field], [INVALID_FIELD_IN_CDB, { byte: 1, bit: 7, inCdb: true }])
})

const descriptor = (state: number, id: number): number[] => [state, 0, id >> 8, id & 0xff]
const set = (...descriptors: readonly number[][]) => {
  const out = Uint8Array.from([0, 0, 0, 0, ...descriptors.flat()])
  return { cdb: cdbOf(SET_TARGET_PORT_GROUPS, { parameterLength: out.length }), out }
}

// Requirement: SPC-4, SET TARGET PORT GROUPS command: states are changed as asked, and the command ends after that.
test('SET TARGET PORT GROUPS asks for the changes and ends when they are made', async () => {
  const { bench, groups } = await openGrouped()
  const { cdb, out } = set(descriptor(1, 1), descriptor(0, 0x203))
  const task = bench.submit(cdb, { out, nexus: 1 })
  assert.deepEqual(groups.asked, [
    [
      { id: 1, state: 1 },
      { id: 0x203, state: 0 },
    ],
  ])
  assert.deepEqual(groups.by, ['iqn.2026-11.test:initiator-2'])
  assert.notEqual(task.state, 6)
  groups.waiting[0]!()
  assert.deepEqual([task.state, task.status], [6, Status.good])
  assert.equal((await bench.run(cdbOf(SET_TARGET_PORT_GROUPS))).status, Status.good)
  assert.equal(groups.asked.length, 1)
})

// Requirement: SPC-4, SET TARGET PORT GROUPS command: what cannot be is refused as a whole.
test('SET TARGET PORT GROUPS refuses unknown groups, states that cannot be set, stray bits and broken lists', async () => {
  const { bench, groups } = await openGrouped()
  const rows: [readonly number[][], number, number][] = [
    [[descriptor(0, 2)], 6, 7],
    [[descriptor(0, 1), descriptor(1, 0x203)], 8, 3],
    [[descriptor(1, 1), descriptor(0, 1)], 10, 7],
    [[descriptor(AccessState.offline, 1)], 4, 3],
    [[descriptor(AccessState.transitioning, 0x203)], 4, 3],
    [[descriptor(4, 1)], 4, 3],
    [[[0x10, 0, 0, 1]], 4, 4],
    [[[0, 0x80, 0, 1]], 5, 7],
  ]
  for (const [descriptors, byte, bit] of rows) {
    const { cdb, out } = set(...descriptors)
    const answer = await bench.run(cdb, { out })
    assert.equal(answer.sense, INVALID_FIELD_IN_PARAMETER_LIST)
    assert.deepEqual(answer.field, { byte, bit, inCdb: false })
  }
  const header = await bench.run(cdbOf(SET_TARGET_PORT_GROUPS, { parameterLength: 8 }), {
    out: Uint8Array.of(0, 0, 1, 0, 0, 0, 0, 1),
  })
  assert.deepEqual([header.sense, header.field?.byte], [INVALID_FIELD_IN_PARAMETER_LIST, 2])
  for (const parameterLength of [1, 3, 5, 7, 9]) {
    const { sense, field } = await bench.run(cdbOf(SET_TARGET_PORT_GROUPS, { parameterLength }), {
      out: new Uint8Array(parameterLength),
    })
    assert.deepEqual([sense, field?.byte], [INVALID_FIELD_IN_CDB, 6])
  }
  const { cdb, out } = set(descriptor(1, 1))
  for (let length = 0; length < out.length; length++) {
    const { sense } = await bench.run(cdb, { out: out.subarray(0, length) })
    assert.equal(sense, PARAMETER_LIST_LENGTH_ERROR)
  }
  assert.deepEqual(groups.asked, [])
})

// Requirement: SPC-4, standard INQUIRY data: TPGS tells which of the two commands there are.
test('TPGS and the list of commands say what the target is set up for', async () => {
  const { bench, groups } = await openGrouped()
  const inquiry = async () =>
    STANDARD_INQUIRY.read((await bench.run(cdbOf(INQUIRY, { allocation: 96 }))).data)
  const listed = async () => {
    const cdb = cdbOf(REPORT_SUPPORTED_OPERATION_CODES, { allocation: 0xffff })
    const { data } = await bench.run(cdb)
    return ['a3000a', 'a4000a'].map(code => data.toString('hex').includes(code.replace('00', '0000')))
  }
  assert.deepEqual([(await inquiry()).tpgs, await listed()], [3, [true, true]])
  groups.explicit = false
  assert.deepEqual([(await inquiry()).tpgs, await listed()], [1, [true, false]])
  const { cdb, out } = set(descriptor(1, 1))
  assert.equal((await bench.run(cdb, { out })).sense, INVALID_FIELD_IN_CDB)
  bench.target.portGroups = null
  assert.deepEqual([(await inquiry()).tpgs, await listed()], [0, [false, false]])
  assert.equal((await bench.run(report())).sense, INVALID_FIELD_IN_CDB)
  assert.equal((await inquiry()).multiPort, 0)
  bench.target.ports = [benchPort(1), benchPort(2)]
  assert.equal((await inquiry()).multiPort, 1)
})

// Requirement: SPC-4, Device Identification VPD page: the groups of the unit and of the port are among the designators.
test('83h names the port group and the logical unit group', async () => {
  const { bench } = await openGrouped()
  const { data } = await bench.run(cdbOf(INQUIRY, { evpd: 1, pageCode: 0x83, allocation: 0xffff }))
  const groups = readDesignators(data, 4)
    .filter(({ type }) => type === DesignatorType.targetPortGroup || type === DesignatorType.logicalUnitGroup)
    .map(one => [one.type, one.association, designatorText(one)])
  assert.deepEqual(groups, [
    [DesignatorType.logicalUnitGroup, 0, '258'],
    [DesignatorType.targetPortGroup, 1, '1'],
  ])
})
