// SPDX-License-Identifier: Apache-2.0
// Every command of the disk under every reservation, from holder, registrant and stranger, against a table typed by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ALL_COMMANDS,
  type Command,
  INQUIRY,
  PERSISTENT_RESERVE_IN_READ_KEYS,
  PERSISTENT_RESERVE_OUT_REGISTER,
  PERSISTENT_RESERVE_OUT_RESERVE,
  PREVENT_ALLOW_MEDIUM_REMOVAL,
  RELEASE_6,
  RELEASE_10,
  RESERVATION_TYPES,
  RESERVE_6,
  RESERVE_10,
  SBC_COMMANDS,
  SPC_COMMANDS,
  START_STOP_UNIT,
} from '@lunkit/spec'
import { device as disk } from '@lunkit/target-devices/disk'
import { cdbOf } from '../kit/device-bench.ts'
import { moveList, outList, type Peer, ReservationBench, transportId } from '../kit/reservation-bench.ts'
import { NOT_IN_SPC2, OUT_RULES, RULES, UNDER_RESERVE } from './reservation-table.ts'

// biome-ignore lint/suspicious/noExplicitAny: rows of any fields
type AnyCommand = Command<any>

const OUT = PERSISTENT_RESERVE_OUT_REGISTER.opcode
const changes = ({ opcode }: AnyCommand): boolean =>
  [OUT, RESERVE_6.opcode, RELEASE_6.opcode, RESERVE_10.opcode, RELEASE_10.opcode].includes(opcode)
const PORTS = [1, 2]
const KEYS = { holder: 1, registrant: 2, stranger: 0 } as const
type Who = keyof typeof KEYS

/** Two ports in groups of their own: only then are there commands about them. */
async function openBench(): Promise<ReservationBench> {
  const bench = await ReservationBench.open()
  const groups = PORTS.map(port => ({ id: port, ports: [port] }))
  bench.target.setPortGroups({ groups })
  return bench
}

async function cast(bench: ReservationBench): Promise<Record<Who, Peer>> {
  const peers = {
    holder: await bench.peer('holder'),
    registrant: await bench.peer('registrant', { port: 2 }),
    stranger: await bench.peer('stranger'),
  }
  for (const who of ['holder', 'registrant'] as const) {
    assert.equal(await peers[who].register(KEYS[who]), 'good')
  }
  return peers
}

async function reserved(type: number): Promise<{ bench: ReservationBench; peers: Record<Who, Peer> }> {
  const bench = await openBench()
  const peers = await cast(bench)
  const key = KEYS.holder
  assert.equal(await peers.holder.out(PERSISTENT_RESERVE_OUT_RESERVE, { key }, { type }), 'good')
  return { bench, peers }
}

/** Whether that command without data is a conflict; what else becomes of it does not matter here. */
const conflicts = async (peer: Peer, command: AnyCommand, values = {}): Promise<boolean> =>
  (await peer.run(command, values)).word === 'conflict'

test('the hand-typed table knows every row of SPC and SBC, and no other', () => {
  const rows = [...SPC_COMMANDS, ...SBC_COMMANDS].filter(row => !changes(row)).map(({ name }) => name)
  const missing = rows.filter(name => !RULES.has(name))
  assert.deepEqual(missing, [], 'rows that the table does not know')
  const known = new Set(ALL_COMMANDS.map(({ name }) => name))
  const strange = [...RULES.keys()].filter(name => !known.has(name) && !name.startsWith('XD'))
  assert.deepEqual(strange, [], 'names that no row has')
})

test('the rows say what the hand-typed table says', () => {
  const trait = { always: 'allowed', 'write-exclusive': 'readers', never: 'registrants' } as const
  for (const { name, reservation } of [...SPC_COMMANDS, ...SBC_COMMANDS] as AnyCommand[]) {
    const rule = RULES.get(name)
    if (rule !== undefined && reservation !== 'special') assert.equal(reservation, trait[rule], name)
  }
})

for (const [type, { name, othersRead, registrantsToo }] of RESERVATION_TYPES) {
  // Requirement: SPC-4, Persistent reservations type: who may do what under each type.
  // Requirement: SBC-4, Reservations: block commands that are allowed in the presence of various reservations.
  test(`${name}: every command from holder, registrant and stranger`, async () => {
    const { bench, peers } = await reserved(type)
    let seen = 0
    for (const { command } of bench.device.type.bindings) {
      if (changes(command)) continue
      const rule = RULES.get(command.name)
      assert.ok(rule !== undefined, `${command.name} is in no table`)
      for (const who of ['stranger', 'registrant', 'holder'] as const) {
        const access = who === 'holder' || (who === 'registrant' && registrantsToo)
        const allowed: boolean = access || rule === 'always' || (rule === 'write-exclusive' && othersRead)
        assert.equal(
          await conflicts(peers[who], command),
          !harmless(command) && !allowed,
          `${command.name}, ${who}`,
        )
        seen++
      }
    }
    assert.ok(seen > 120, `only ${seen} commands were sent`)
    await bench.close()
  })
}

/** With all fields zero: PREVENT zero allows removal, and that is allowed to everybody. */
const harmless = (command: AnyCommand): boolean => command === PREVENT_ALLOW_MEDIUM_REMOVAL

// Requirement: SBC-4, Reservations: START STOP UNIT that starts, and PREVENT ALLOW MEDIUM REMOVAL that allows, are for
// everybody.
test('commands that depend on their CDB', async () => {
  const { bench, peers } = await reserved(3)
  const { stranger, holder } = peers
  const cases: [AnyCommand, Record<string, number>, boolean][] = [
    [START_STOP_UNIT, { start: 1 }, false],
    [START_STOP_UNIT, { start: 0 }, true],
    [START_STOP_UNIT, { start: 1, powerCondition: 1 }, true],
    [START_STOP_UNIT, { start: 0, powerCondition: 2 }, true],
    [PREVENT_ALLOW_MEDIUM_REMOVAL, { prevent: 0 }, false],
    [PREVENT_ALLOW_MEDIUM_REMOVAL, { prevent: 1 }, true],
  ]
  for (const [command, values, conflict] of cases) {
    assert.equal(await conflicts(stranger, command, values), conflict, JSON.stringify([command.name, values]))
    assert.equal(await conflicts(holder, command, values), false)
  }
  await bench.close()
})

/** A parameter list with which the action goes well, if nothing else stands against it. */
function listFor(action: string, who: Who): Uint8Array {
  const key = action === 'REGISTER AND IGNORE EXISTING KEY' ? 0 : KEYS[who]
  if (action === 'REGISTER AND MOVE') return moveList({ key, newKey: 9, port: 1, to: transportId('heir') })
  const newKey = action.startsWith('PREEMPT') ? KEYS.holder : 7
  return outList({ key, newKey })
}

for (const [type, { name, allHold }] of RESERVATION_TYPES) {
  // Requirement: SPC-4, PERSISTENT RESERVE OUT command: which service actions are allowed from whom while there is a
  // reservation.
  test(`${name}: PERSISTENT RESERVE OUT from registrant and stranger`, async () => {
    for (const { action, registered, stranger } of OUT_RULES) {
      const command = disk.bindings.find(
        one => one.command.name === `PERSISTENT RESERVE OUT, ${action}`,
      )!.command
      for (const who of ['registrant', 'stranger'] as const) {
        const { bench, peers } = await reserved(type)
        const word = await peers[who].out(command, listFor(action, who), { type })
        // Where all registrants hold it, a registrant is a holder: its RESERVE of the same type changes nothing.
        const holds = who === 'registrant' && allHold && action === 'RESERVE'
        const allowed = holds || (who === 'registrant' ? registered : stranger)
        assert.equal(word, allowed ? 'good' : 'conflict', `${action}, ${who}`)
        await bench.close()
      }
    }
  })
}

// Requirement: SPC-4, Exceptions to SPC-2 RESERVE and RELEASE behavior: they do nothing, with success, for a holder, and
// for a registrant where registrants have the access; for all others they are conflicts.
test('RESERVE and RELEASE while a persistent reservation is there', async () => {
  for (const [type, { registrantsToo }] of RESERVATION_TYPES) {
    const { bench, peers } = await reserved(type)
    for (const command of [RESERVE_6, RESERVE_10, RELEASE_6, RELEASE_10] as AnyCommand[]) {
      for (const who of ['holder', 'registrant', 'stranger'] as const) {
        const good = who === 'holder' || (who === 'registrant' && registrantsToo)
        const wanted = good ? 'good' : 'conflict'
        assert.equal((await peers[who].run(command)).word, wanted, `type ${type}: ${command.name}, ${who}`)
      }
    }
    // Nothing was released or reserved by them.
    assert.equal(await peers.stranger.out(PERSISTENT_RESERVE_OUT_REGISTER, { newKey: 5 }), 'good')
    assert.equal((await peers.stranger.in(PERSISTENT_RESERVE_IN_READ_KEYS)).data.readUInt32BE(4), 24)
    await bench.close()
  }
})

// Requirement: SPC-4, Exceptions to SPC-2 RESERVE and RELEASE behavior: a RESERVE while somebody is registered is a
// conflict, as SPC-2 has it.
test('RESERVE and RELEASE while somebody is registered', async () => {
  const bench = await openBench()
  const peers = await cast(bench)
  for (const peer of Object.values(peers)) {
    for (const command of [RESERVE_6, RELEASE_6]) assert.equal((await peer.run(command)).word, 'conflict')
  }
  await bench.close()
})

test('every command while another has the unit by RESERVE', async () => {
  const bench = await openBench()
  const first = await bench.peer('first')
  const second = await bench.peer('second')
  assert.equal((await first.run(RESERVE_6)).word, 'good')
  let seen = 0
  for (const { command } of bench.device.type.bindings) {
    if (NOT_IN_SPC2.has(command.name) || harmless(command)) continue
    const allowed = UNDER_RESERVE.includes(command.name)
    const list = command.opcode === OUT ? outList({ newKey: 1 }) : undefined
    const values = list === undefined ? {} : { parameterLength: list.length }
    const { word } = await second.send(cdbOf(command, values), list)
    assert.equal(word === 'conflict', !allowed, `${command.name}: ${word}`)
    seen++
  }
  assert.ok(seen > 50, `only ${seen} commands were sent`)
  assert.equal((await first.run(RESERVE_10)).word, 'good')
  // SPC-2: persistent reservations are kept from the one who reserved it, too.
  assert.equal(await first.register(1), 'conflict')
  assert.equal((await first.in(PERSISTENT_RESERVE_IN_READ_KEYS)).word, 'conflict')
  assert.equal((await first.run(INQUIRY)).word, 'good')
  assert.equal((await first.run(RELEASE_10)).word, 'good')
  assert.equal((await second.run(RESERVE_6)).word, 'good')
  await bench.close()
})
