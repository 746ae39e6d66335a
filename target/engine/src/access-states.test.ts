// SPDX-License-Identifier: Apache-2.0
// Asymmetric access in the engine: which commands run in which state of the port, and who hears of a change.
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import {
  AccessState,
  AccessStatus,
  INQUIRY,
  MODE_SELECT_6,
  READ_10,
  READ_CAPACITY_16,
  REPORT_LUNS,
  REQUEST_SENSE,
  TEST_UNIT_READY,
  WRITE_10,
} from '@lunkit/spec'
import type { AccessOptions } from './access-states.ts'
import { bench, Initiator, StandInPort } from './stand-in.test-kit.ts'

const TWO: AccessOptions = {
  groups: [
    { id: 10, ports: [1], preferred: true },
    { id: 20, ports: [2] },
  ],
}

function twoPorts(options: AccessOptions = TWO) {
  const { engine, target, port, device } = bench()
  const groups = target.setPortGroups(options)
  const first = new Initiator(port, 'one')
  const second = new Initiator(new StandInPort(engine, 2), 'one', { firstTag: 100 })
  const change = (id: number, state: AccessState, by = null as Initiator | null): number => {
    let done = 0
    groups.change([{ id, state }], by?.nexus ?? null, () => done++)
    return done
  }
  return { engine, target, groups, first, second, device, change }
}

const lastCode = ({ port }: Initiator): string => {
  const { sense } = port.answers.at(-1)!
  return sense === null ? 'none' : `${sense.key}/${sense.asc.toString(16)}/${sense.ascq.toString(16)}`
}

const probe = (one: Initiator): string => {
  one.send(TEST_UNIT_READY)
  return lastCode(one)
}

test('each state leaves the commands that SPC-4 names, and tells the others why not', () => {
  const { first, second, change } = twoPorts()
  const rows = [
    [AccessState.optimized, 'none', 'none', 'none', 'none'],
    [AccessState.nonOptimized, 'none', 'none', 'none', 'none'],
    [AccessState.standby, '2/4/b', '2/4/b', 'none', 'none'],
    [AccessState.unavailable, '2/4/c', '2/4/c', '2/4/c', 'none'],
    [AccessState.offline, '2/4/12', '2/4/12', '2/4/12', 'none'],
  ] as const
  for (const [state, write, ready, modes, ask] of rows) {
    assert.equal(change(20, state), 1)
    second.send(REQUEST_SENSE)
    first.send(REQUEST_SENSE)
    const codes = [
      second.send(WRITE_10, { blocks: 1 }) && lastCode(second),
      probe(second),
      second.send(MODE_SELECT_6) && lastCode(second),
      second.send(INQUIRY) && lastCode(second),
    ]
    assert.deepEqual(codes, [write, ready, modes, ask], `state ${state}`)
    second.send(REPORT_LUNS)
    assert.equal(lastCode(second), 'none')
    second.send(READ_CAPACITY_16)
    assert.equal(lastCode(second), modes)
    // The other port has its own state.
    assert.equal(probe(first), 'none')
  }
})

test('a change by the operator is told once to every nexus of the target, one by an initiator to all others', () => {
  const { first, second, change, groups } = twoPorts()
  change(20, AccessState.nonOptimized)
  assert.deepEqual([probe(first), probe(first)], ['6/2a/6', 'none'])
  assert.deepEqual([probe(second), probe(second)], ['6/2a/6', 'none'])
  assert.equal(groups.groupOf(2)!.statusCode, AccessStatus.implicit)
  change(20, AccessState.optimized, second)
  assert.deepEqual([probe(first), probe(first)], ['6/2a/6', 'none'])
  assert.equal(probe(second), 'none')
  assert.equal(groups.groupOf(2)!.statusCode, AccessStatus.explicit)
  // Nothing changed, nothing to tell.
  change(20, AccessState.optimized)
  assert.deepEqual([probe(first), probe(second)], ['none', 'none'])
})

test('the attention comes before the state, and stays for the next command that may report it', () => {
  const { second, change } = twoPorts()
  change(20, AccessState.standby)
  second.send(INQUIRY)
  assert.equal(lastCode(second), 'none')
  assert.deepEqual([probe(second), probe(second)], ['6/2a/6', '2/4/b'])
})

test('a command under way ends as it was admitted', () => {
  const { second, device, change } = twoPorts()
  device.holds = true
  second.send(READ_10, { blocks: 1 })
  change(20, AccessState.unavailable)
  device.end()
  assert.equal(lastCode(second), 'none')
})

test('a transition takes its time, and refuses nearly all until it is over', () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const { first, second, groups } = twoPorts({ ...TWO, transitionMs: 2500 })
    assert.equal(groups.transitionSeconds, 3)
    let done = 0
    groups.change([{ id: 20, state: AccessState.standby }], null, () => done++)
    assert.deepEqual([groups.groupOf(2)!.state, done], [AccessState.transitioning, 0])
    assert.deepEqual([probe(second), probe(first)], ['2/4/a', 'none'])
    second.send(MODE_SELECT_6)
    assert.equal(lastCode(second), '2/4/a')
    second.send(INQUIRY)
    assert.equal(lastCode(second), 'none')
    mock.timers.tick(2499)
    assert.equal(done, 0)
    mock.timers.tick(1)
    assert.deepEqual([groups.groupOf(2)!.state, done], [AccessState.standby, 1])
    assert.deepEqual([probe(second), probe(second), probe(first)], ['6/2a/6', '2/4/b', '6/2a/6'])
  } finally {
    mock.timers.reset()
  }
})

test('a later change takes the place of one in transition; a closing engine ends it at once', async () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const { engine, groups } = twoPorts({ ...TWO, transitionMs: 1000 })
    const ends: string[] = []
    groups.change([{ id: 20, state: AccessState.standby }], null, () => ends.push('standby'))
    mock.timers.tick(500)
    groups.change([{ id: 20, state: AccessState.unavailable }], null, () => ends.push('unavailable'))
    mock.timers.tick(500)
    assert.deepEqual([groups.groupOf(2)!.state, ends], [AccessState.transitioning, ['standby']])
    const closed = engine.close()
    assert.deepEqual([groups.groupOf(2)!.state, ends], [AccessState.unavailable, ['standby', 'unavailable']])
    await closed
  } finally {
    mock.timers.reset()
  }
})

test('groups that cannot be are errors with a code', () => {
  const { target } = bench()
  const wrong: AccessOptions[] = [
    { groups: [] },
    { groups: [{ id: 65536, ports: [1] }] },
    { groups: [{ id: 1, ports: [] }] },
    { groups: [{ id: 1, ports: [0] }] },
    { groups: [TWO.groups[0]!, TWO.groups[0]!] },
    { groups: [TWO.groups[0]!, { id: 2, ports: [1] }] },
    { groups: [{ id: 1, ports: [1], state: AccessState.transitioning }] },
    { groups: [{ id: 1, ports: [1], state: AccessState.standby, states: [AccessState.optimized] }] },
    { ...TWO, transitionMs: 255_001 },
    { ...TWO, unitGroup: -1 },
  ]
  for (const one of wrong) assert.throws(() => target.setPortGroups(one), { code: 'PORT_GROUP_VALUE' })
  const groups = target.setPortGroups(TWO)
  assert.throws(() => groups.change([{ id: 7, state: 0 }], null, () => {}), { code: 'PORT_GROUP_MISSING' })
  assert.deepEqual(
    [0, 1, 2, 3, 4, 14, 15].map(state => groups.allows({ id: 10, state: state as AccessState })),
    [true, true, true, true, false, true, false],
  )
})

test('a nexus through another port is another nexus: it hears of a power on, not of a loss', () => {
  const { engine, second } = twoPorts()
  void engine.closeNexus(second.nexus)
  const back = new Initiator(new StandInPort(engine, 2), 'one', { fresh: true })
  assert.equal(probe(back), '6/29/7')
  const other = new Initiator(new StandInPort(engine, 3), 'one', { fresh: true })
  assert.equal(probe(other), '6/29/0')
})
