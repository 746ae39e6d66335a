// SPDX-License-Identifier: Apache-2.0
// Unit attentions over iSCSI: for each change who is told what, exactly once, and in which order when there are several.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  MODE_SELECT_6,
  MODE_SENSE_6,
  ModeCode,
  readSense,
  SET_IDENTIFYING_INFORMATION,
  SET_TIMESTAMP,
  Status,
  TEST_UNIT_READY,
} from '@lunkit/spec'
import { openSession, type Session } from 'lunkit/initiator'
import { createTarget, memory, type RunningTarget } from 'lunkit/target'
import { cdbOf } from '../kit/device-bench.ts'

/** What a TEST UNIT READY brings: a sense as `6/29/00`, or `good`. */
async function ready(session: Session, lun = 0): Promise<string> {
  const { status, sense } = await session.execute({ lun, cdb: cdbOf(TEST_UNIT_READY) })
  if (status === Status.good) return 'good'
  assert.equal(status, Status.checkCondition)
  const { key, asc, ascq } = readSense(sense)!
  const hex = (value: number): string => value.toString(16).padStart(2, '0')
  return `${key.toString(16)}/${hex(asc)}/${hex(ascq)}`
}

/** Everything that is pending, to the first GOOD. */
async function pending(session: Session, lun = 0): Promise<string[]> {
  const found: string[] = []
  for (let answer = await ready(session, lun); answer !== 'good'; answer = await ready(session, lun)) {
    found.push(answer)
    assert.ok(found.length < 20, 'unit attentions without end')
  }
  return found
}

async function good(session: Session, cdb: Uint8Array, dataOut?: Uint8Array): Promise<Buffer> {
  const more = dataOut === undefined ? { expectedIn: 255 } : { dataOut }
  const { status, dataIn, sense } = await session.execute({ lun: 0, cdb, ...more })
  assert.equal(status, Status.good, Buffer.from(sense).toString('hex'))
  return Buffer.from(dataIn)
}

/** Switches a bit of the caching page that can be switched: RCD, or else WCE. */
async function selectModes(session: Session): Promise<void> {
  const list = await good(
    session,
    cdbOf(MODE_SENSE_6, { dbd: 1, pageCode: ModeCode.control, allocation: 255 }),
  )
  list[0] = 0
  list[2] = 0
  // D_SENSE
  list[4 + 2]! ^= 0x04
  await good(session, cdbOf(MODE_SELECT_6, { pf: 1, parameterLength: list.length }), list)
}

interface Change {
  readonly name: string
  readonly make: (actor: Session, target: RunningTarget) => Promise<unknown>
  /** Told to those who did not ask for it, and to the one who did. */
  readonly others: readonly string[]
  readonly actor: readonly string[]
}

const CHANGES: readonly Change[] = [
  { name: 'MODE SELECT', make: selectModes, others: ['6/2a/01'], actor: [] },
  {
    name: 'SET TIMESTAMP',
    make: actor =>
      good(
        actor,
        cdbOf(SET_TIMESTAMP, { parameterLength: 12 }),
        Buffer.from('000000000000000100000000', 'hex'),
      ),
    others: ['6/2a/10'],
    actor: [],
  },
  {
    name: 'SET IDENTIFYING INFORMATION',
    make: actor =>
      good(actor, cdbOf(SET_IDENTIFYING_INFORMATION, { parameterLength: 4 }), Buffer.from('blue')),
    others: ['6/3f/05'],
    actor: [],
  },
  {
    name: 'another capacity',
    make: (_, target) => target.luns[0]!.resize('2M'),
    others: ['6/2a/09'],
    actor: ['6/2a/09'],
  },
  {
    name: 'another LUN',
    make: (_, target) => target.addLun(memory('1M')),
    others: ['6/3f/0e'],
    actor: ['6/3f/0e'],
  },
  {
    name: 'LOGICAL UNIT RESET',
    make: actor => actor.manage('logical-unit-reset', 0),
    others: ['6/29/03'],
    actor: ['6/29/03'],
  },
]

const names = ['actor', 'first', 'second'].map(name => `iqn.2026-11.test.lunkit:${name}`)

async function opened() {
  const target = await createTarget({ luns: [memory('1M')] })
  const sessions = await Promise.all(names.map(initiatorName => openSession(target.url, { initiatorName })))
  const [actor, ...others] = sessions as [Session, Session, Session]
  return {
    target,
    actor,
    others,
    sessions,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) await session.close()
      await target.close()
    },
  }
}

// Requirement: SAM-5, Unit attention condition: power on is told to each new nexus once.
test('a new nexus meets one unit attention', async () => {
  await using all = await opened()
  for (const session of all.sessions) {
    const found = await pending(session)
    assert.equal(found.length, 1)
    assert.match(found[0]!, /^6\/29\//)
    assert.deepEqual(await pending(session), [])
  }
})

for (const { name, make, others, actor } of CHANGES) {
  // Requirement: SAM-5, Unit attention condition: a change is told exactly once to each nexus that it concerns.
  test(`${name}: told once to each whom it concerns`, async () => {
    await using all = await opened()
    for (const session of all.sessions) await pending(session)
    await make(all.actor, all.target)
    for (const session of all.others) assert.deepEqual(await pending(session), others)
    assert.deepEqual(await pending(all.actor), actor)
    for (const session of all.sessions) assert.deepEqual(await pending(session), [])
  })
}

// Requirement: SAM-5, Unit attention condition queueing: several conditions are all told, resets first, the others in their order.
test('several changes: each once, resets first', async () => {
  await using all = await opened()
  for (const session of all.sessions) await pending(session)
  for (const { make } of CHANGES.slice(1, 4)) await make(all.actor, all.target)
  await CHANGES[5]!.make(all.actor, all.target)
  for (const session of all.others) {
    assert.deepEqual(await pending(session), ['6/29/03', '6/2a/10', '6/3f/05', '6/2a/09'])
  }
})

// Requirement: SAM-5, Unit attention condition: what one nexus was told is still told to the others, and a new LUN is told at every LUN.
test('a changed list of LUNs is told at each LUN that was there, and cleared by REPORT LUNS', async () => {
  await using all = await opened()
  for (const session of all.sessions) await pending(session)
  await all.target.addLun(memory('1M'))
  const [first, second] = all.others as [Session, Session]
  await first.execute({ lun: 0, cdb: Buffer.from('a00000000000000001000000', 'hex'), expectedIn: 256 })
  assert.deepEqual(await pending(first), [])
  assert.deepEqual(await pending(second), ['6/3f/0e'])
})
