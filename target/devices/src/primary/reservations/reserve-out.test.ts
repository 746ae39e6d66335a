// SPDX-License-Identifier: Apache-2.0
// PERSISTENT RESERVE OUT: what each service action does, tells to whom, and answers to what is wrong.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import {
  PERSISTENT_RESERVE_OUT_CLEAR as CLEAR,
  PERSISTENT_RESERVE_IN_READ_FULL_STATUS as FULL_STATUS,
  FULL_STATUS_DESCRIPTOR,
  LOGICAL_UNIT_NOT_READY_MANUAL_INTERVENTION_REQUIRED,
  PERSISTENT_RESERVE_OUT_REGISTER_AND_MOVE as MOVE,
  PERSISTENT_RESERVE_OUT_PREEMPT as PREEMPT,
  PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT as PREEMPT_AND_ABORT,
  PERSISTENT_RESERVE_IN_READ_KEYS as READ_KEYS,
  PERSISTENT_RESERVE_OUT_REGISTER as REGISTER,
  PERSISTENT_RESERVE_OUT_REGISTER_AND_IGNORE_EXISTING_KEY as REGISTER_AND_IGNORE,
  PERSISTENT_RESERVE_OUT_RELEASE as RELEASE,
  PERSISTENT_RESERVE_OUT_REPLACE_LOST_RESERVATION as REPLACE,
  PERSISTENT_RESERVE_OUT_RESERVE as RESERVE,
  readTransportId,
  Status,
  TEST_UNIT_READY,
  WRITE_10,
} from '@lunkit/spec'
import { ManagementFunction } from '@lunkit/target-api'
import { MemoryRecords } from '../../../../../testing/kit/memory-records.ts'
import {
  moveList,
  outList,
  type Peer,
  type PeerAnswer,
  ReservationBench,
  transportId,
} from '../../../../../testing/kit/reservation-bench.ts'
import { StandInStore } from '../../../../../testing/kit/stand-in-store.ts'

const RESERVATIONS_PREEMPTED = '2a03'
const RESERVATIONS_RELEASED = '2a04'
const REGISTRATIONS_PREEMPTED = '2a05'

const open: ReservationBench[] = []
after(() => Promise.all(open.map(bench => bench.close())))

async function benchOf(
  records: MemoryRecords | null = null,
  store?: StandInStore,
): Promise<ReservationBench> {
  const bench = await ReservationBench.open(records, store)
  open.push(bench)
  return bench
}

/** Three nexuses, the first two registered with keys 1 and 2; with a type, the first holds a reservation. */
async function trio(type = 0, records: MemoryRecords | null = null) {
  const bench = await benchOf(records)
  const a = await bench.peer('a')
  const b = await bench.peer('b', { port: 2 })
  const c = await bench.peer('c')
  assert.equal(await a.register(1), 'good')
  assert.equal(await b.register(2), 'good')
  if (type !== 0) assert.equal(await a.out(RESERVE, { key: 1 }, { type }), 'good')
  return { bench, a, b, c }
}

interface FullStatus {
  readonly name: string
  readonly key: number
  readonly holds: boolean
  readonly port: number
}

/** Who is registered, as READ FULL STATUS says; names without their authority. */
async function status(peer: Peer): Promise<FullStatus[]> {
  const { data } = await peer.in(FULL_STATUS)
  const found: FullStatus[] = []
  for (let at = 8; at < data.length; ) {
    const { key, rHolder, port, transportIdLength } = FULL_STATUS_DESCRIPTOR.read(data, at)
    const { id } = readTransportId(data, at + FULL_STATUS_DESCRIPTOR.length)!
    const name = 'name' in id ? `${id.name.split(':')[1]}` : ''
    found.push({ name, key: Number(key), holds: rHolder === 1, port })
    at += FULL_STATUS_DESCRIPTOR.length + transportIdLength
  }
  return found
}

const keysOf = async (peer: Peer): Promise<Record<string, number>> =>
  Object.fromEntries((await status(peer)).map(({ name, key }) => [name, key]))
const holderOf = async (peer: Peer): Promise<string> =>
  (await status(peer))
    .filter(({ holds }) => holds)
    .map(({ name }) => name)
    .join()
const generation = async (peer: Peer): Promise<number> => (await peer.in(READ_KEYS)).data.readUInt32BE(0)

/** The sense as a word, with where it points to. */
function faultOf({ word, sense }: PeerAnswer): string {
  const field = sense?.fieldPointer
  return field ? `${word} ${field.inCdb ? 'cdb' : 'list'} ${field.byte}.${field.bit}` : word
}

// Requirement: SPC-4, Register behaviors for a REGISTER service action: a nexus that is not registered has the key zero.
test('REGISTER registers, changes and ends a registration, with the right key', async () => {
  const bench = await benchOf()
  const a = await bench.peer('a')
  assert.equal(await a.out(REGISTER, { key: 5, newKey: 1 }), 'conflict')
  assert.equal(await a.out(REGISTER, { key: 0, newKey: 0 }), 'good')
  assert.deepEqual(await keysOf(a), {})
  assert.equal(await a.out(REGISTER, { newKey: 1 }), 'good')
  assert.equal(await a.out(REGISTER, { newKey: 2 }), 'conflict')
  assert.equal(await a.out(REGISTER, { key: 2, newKey: 2 }), 'conflict')
  assert.deepEqual(await keysOf(a), { a: 1 })
  assert.equal(await a.out(REGISTER, { key: 1, newKey: 2 }), 'good')
  assert.deepEqual(await keysOf(a), { a: 2 })
  assert.equal(await a.out(REGISTER, { key: 2, newKey: 0 }), 'good')
  assert.deepEqual(await keysOf(a), {})
})

// Requirement: SPC-4, Register behaviors for a REGISTER AND IGNORE EXISTING KEY service action: the RESERVATION KEY field
// is ignored.
test('REGISTER AND IGNORE EXISTING KEY does so with any key', async () => {
  const bench = await benchOf()
  const a = await bench.peer('a')
  for (const newKey of [1, 2, 0, 0]) {
    assert.equal(await a.out(REGISTER_AND_IGNORE, { key: 77, newKey }), 'good')
    assert.deepEqual(await keysOf(a), newKey === 0 ? {} : { a: newKey })
  }
})

// Requirement: SPC-4, READ KEYS service action: PRGENERATION counts registering, clearing and preempting that went well.
test('the generation counts what changes registrations, and nothing else', async () => {
  const { a, b, c } = await trio()
  assert.equal(await generation(a), 2)
  await a.out(RESERVE, { key: 1 }, { type: 1 })
  await a.out(RELEASE, { key: 1 }, { type: 1 })
  await a.out(REGISTER, { key: 9, newKey: 1 })
  await c.out(REGISTER, { key: 0, newKey: 0 })
  await a.out(PREEMPT, { key: 1, newKey: 99 }, { type: 1 })
  assert.equal(await generation(a), 2)
  await a.out(PREEMPT, { key: 1, newKey: 2 }, { type: 1 })
  assert.equal(await generation(a), 3)
  await a.out(CLEAR, { key: 1 })
  await b.attentions()
  assert.equal(await generation(b), 4)
  await b.out(REGISTER_AND_IGNORE, { newKey: 3 })
  assert.equal(await generation(b), 5)
})

test('registrations belong to initiator port and target port', async () => {
  const bench = await benchOf()
  const a = await bench.peer('a')
  const otherSession = await bench.peer('a', { isid: 2 })
  const otherPort = await bench.peer('a', { port: 2 })
  assert.equal(await a.register(1), 'good')
  assert.equal(await otherSession.out(RESERVE, { key: 1 }, { type: 1 }), 'conflict')
  assert.equal(await otherPort.out(RESERVE, { key: 1 }, { type: 1 }), 'conflict')
  assert.equal(await otherPort.register(2), 'good')
  assert.deepEqual(
    (await status(a)).map(({ key, port }) => [key, port]),
    [
      [1, 1],
      [2, 2],
    ],
  )
})

// Requirement: SPC-4, Persistent reservations overview: registrations and reservations stay when the I_T nexus is lost.
test('a nexus that comes back is still registered and still holds', async () => {
  const { bench, a, b, c } = await trio(3)
  await a.close()
  assert.equal((await c.run(WRITE_10, { blocks: 0 })).word, 'conflict')
  assert.equal(await holderOf(b), 'a')
  const again = await bench.peer('a')
  assert.equal((await again.run(WRITE_10, { blocks: 0 })).word, 'good')
  assert.equal(await again.out(RELEASE, { key: 1 }, { type: 3 }), 'good')
  assert.equal((await c.run(WRITE_10, { blocks: 0 })).word, 'good')
})

// Requirement: SPC-4, PERSISTENT RESERVE OUT command: ALL_TG_PT registers the initiator port at every target port.
test('ALL_TG_PT registers at all target ports, and unregisters there', async () => {
  const bench = await benchOf()
  const a = await bench.peer('a')
  const a2 = await bench.peer('a', { port: 2 })
  await bench.peer('b', { port: 7 })
  assert.equal(await a.out(REGISTER, { newKey: 1, allPorts: true }), 'good')
  assert.deepEqual(
    (await status(a)).map(({ port }) => port),
    [1, 2, 7],
  )
  assert.equal(await a2.out(RESERVE, { key: 1 }, { type: 1 }), 'good')
  assert.equal(await a.out(REGISTER, { key: 1, newKey: 0, allPorts: true }), 'good')
  assert.deepEqual(await status(a), [])
})

// Requirement: SPC-4, PERSISTENT RESERVE OUT command: SPEC_I_PT registers the listed initiator ports together with the one
// that asks.
test('SPEC_I_PT registers others, known or not, and only while not registered oneself', async () => {
  const bench = await benchOf()
  const a = await bench.peer('a')
  const b = await bench.peer('b')
  await b.register(9)
  await bench.peer('two', { isid: 1 })
  await bench.peer('two', { isid: 2 })
  const others = [transportId('b'), transportId('later'), transportId('two', null)]
  assert.equal(await a.out(REGISTER, { newKey: 1, others }), 'good')
  assert.deepEqual(
    (await status(a)).map(({ name, key }) => `${name} ${key}`),
    ['b 9', 'a 1', 'later 1', 'two 1', 'two 1'],
  )
  const later = await bench.peer('later')
  assert.equal(await later.out(RESERVE, { key: 1 }, { type: 1 }), 'good')
  const fault = '05/2600 list 20.3'
  const twice = await a.outAnswer(REGISTER, { key: 1, newKey: 2, others })
  assert.equal(faultOf(twice), fault)
  const nobody = await (await bench.peer('d')).outAnswer(REGISTER, {
    newKey: 1,
    others: [transportId('nobody', null)],
  })
  assert.equal(faultOf(nobody), fault)
  assert.equal(faultOf(await (await bench.peer('e')).outAnswer(REGISTER, { others })), fault)
})

// Requirement: SPC-4, Releasing: types that share the access tell the others of the end, the others do not.
test('RELEASE tells those who shared the access, once', async () => {
  for (const type of [1, 3, 5, 6, 7, 8]) {
    const { a, b, c } = await trio(type)
    assert.equal(await b.out(RELEASE, { key: 2 }, { type: 9 }), type > 6 ? '05/2604' : 'good')
    assert.equal(await a.out(RELEASE, { key: 1 }, { type: 2 }), '05/2604')
    assert.equal(await a.out(RELEASE, { key: 1 }, { type, scope: 1 }), '05/2604')
    assert.equal(await a.out(RELEASE, { key: 2 }, { type }), 'conflict')
    assert.equal(await c.out(RELEASE, { key: 0 }, { type }), 'conflict')
    assert.notEqual(await holderOf(a), '')
    assert.equal(await a.out(RELEASE, { key: 1 }, { type }), 'good')
    assert.deepEqual(await b.attentions(), type > 3 ? [RESERVATIONS_RELEASED] : [], `type ${type}`)
    assert.deepEqual(await a.attentions(), [])
    assert.deepEqual(await c.attentions(), [])
    assert.equal(await a.out(RELEASE, { key: 1 }, { type }), 'good')
    assert.deepEqual(await b.attentions(), [])
  }
})

// Requirement: SPC-4, Unregistering: the reservation goes with its holder; where all registrants hold it, with the last one.
test('a holder that unregisters releases', async () => {
  for (const type of [1, 3, 5, 6, 7, 8]) {
    const { a, b } = await trio(type)
    assert.equal(await a.out(REGISTER, { key: 1 }), 'good')
    const shared = type === 5 || type === 6
    assert.deepEqual(await b.attentions(), shared ? [RESERVATIONS_RELEASED] : [], `type ${type}`)
    assert.equal(await holderOf(b), type > 6 ? 'b' : '')
    assert.equal(await b.out(REGISTER, { key: 2 }), 'good')
    assert.deepEqual(await status(b), [])
    assert.equal(await a.register(1), 'good')
    assert.equal(await holderOf(a), '')
  }
})

// Requirement: SPC-4, Clearing: everything goes, and all others who were registered get RESERVATIONS PREEMPTED.
test('CLEAR takes all away and tells the others', async () => {
  for (const type of [0, 1, 8]) {
    const { a, b, c } = await trio(type)
    assert.equal(await b.out(CLEAR, { key: 1 }), 'conflict')
    assert.equal(await c.out(CLEAR), 'conflict')
    assert.equal(await b.out(CLEAR, { key: 2 }), 'good')
    assert.deepEqual(await a.attentions(), [RESERVATIONS_PREEMPTED])
    assert.deepEqual(await status(a), [])
    assert.deepEqual([...(await b.attentions()), ...(await c.attentions())], [])
  }
})

// Requirement: SPC-4, Preempting: the holder's key takes the reservation over, any other key only removes registrations.
test('PREEMPT with the key of the holder takes over', async () => {
  const { bench, a, b, c } = await trio(5)
  const d = await bench.peer('d')
  assert.equal(await d.register(4), 'good')
  assert.equal(await b.out(PREEMPT, { key: 2, newKey: 1 }, { type: 6 }), 'good')
  assert.deepEqual(await keysOf(b), { b: 2, d: 4 })
  assert.equal(await holderOf(b), 'b')
  assert.deepEqual(await a.attentions(), [REGISTRATIONS_PREEMPTED])
  assert.deepEqual(await d.attentions(), [RESERVATIONS_RELEASED])
  assert.deepEqual([...(await b.attentions()), ...(await c.attentions())], [])
  assert.equal((await a.run(WRITE_10, { blocks: 0 })).word, 'conflict')
  // With the type as it was, those who stay have nothing to learn.
  assert.equal(await d.out(PREEMPT, { key: 4, newKey: 2 }, { type: 6 }), 'good')
  assert.deepEqual(await b.attentions(), [REGISTRATIONS_PREEMPTED])
})

test('PREEMPT with another key removes registrations only; one that nobody has is a conflict', async () => {
  const { bench, a, b, c } = await trio(5)
  const d = await bench.peer('d')
  await c.register(4)
  await d.register(4)
  assert.equal(await b.out(PREEMPT, { key: 2, newKey: 4 }, { type: 0 }), 'good')
  assert.deepEqual(await keysOf(a), { a: 1, b: 2 })
  assert.equal(await holderOf(a), 'a')
  for (const peer of [c, d]) assert.deepEqual(await peer.attentions(), [REGISTRATIONS_PREEMPTED])
  assert.deepEqual([...(await a.attentions()), ...(await b.attentions())], [])
  assert.equal(await b.out(PREEMPT, { key: 2, newKey: 4 }, { type: 1 }), 'conflict')
  assert.equal(await c.out(PREEMPT, { key: 4, newKey: 1 }, { type: 1 }), 'conflict')
  assert.equal(await b.out(PREEMPT, { key: 1, newKey: 1 }, { type: 1 }), 'conflict')
  assert.equal(faultOf(await b.outAnswer(PREEMPT, { key: 2 }, { type: 1 })), '05/2600 list 8.7')
})

test('a holder that preempts itself changes the type and stays', async () => {
  const { a, b } = await trio(1)
  assert.equal(await a.out(PREEMPT, { key: 1, newKey: 1 }, { type: 7 }), 'good')
  assert.equal(await holderOf(a), 'a,b')
  assert.deepEqual(await b.attentions(), [RESERVATIONS_RELEASED])
  assert.deepEqual(await a.attentions(), [])
})

// Requirement: SPC-4, Preempting: where all registrants hold the reservation, key zero removes all others and takes over.
test('PREEMPT of all registrants', async () => {
  const { a, b, c } = await trio(8)
  await c.register(4)
  assert.equal(await a.out(PREEMPT, { key: 1, newKey: 4 }, { type: 8 }), 'good')
  assert.deepEqual(await c.attentions(), [REGISTRATIONS_PREEMPTED])
  assert.equal(await holderOf(a), 'a,b')
  assert.equal(await b.out(PREEMPT, { key: 2, newKey: 0 }, { type: 3 }), 'good')
  assert.equal(await holderOf(b), 'b')
  assert.deepEqual(await keysOf(b), { b: 2 })
  assert.deepEqual(await a.attentions(), [REGISTRATIONS_PREEMPTED])
})

// Requirement: SPC-4, PREEMPT AND ABORT service action: the tasks of the preempted nexuses are aborted.
test('PREEMPT AND ABORT ends what the preempted one has under way, and nobody else', async () => {
  const store = new StandInStore({ size: 1024 * 1024 })
  const bench = await benchOf(null, store)
  const [a, b, c] = [await bench.peer('a'), await bench.peer('b'), await bench.peer('c')]
  await a.register(1)
  await b.register(2)
  store.held = true
  const block = Buffer.alloc(512)
  const mine = a.run(WRITE_10, { lba: 1, blocks: 1 }, block)
  const theirs = c.run(WRITE_10, { lba: 2, blocks: 1 }, block)
  const preempt = b.out(PREEMPT_AND_ABORT, { key: 2, newKey: 1 }, { type: 1 })
  // It waits for the task, and nobody else waits for it.
  assert.equal(await c.register(3), 'good')
  assert.ok(store.aborts > 0)
  store.release()
  assert.equal(await preempt, 'good')
  assert.equal((await mine).status, Status.taskAborted)
  assert.equal((await theirs).word, 'good')
  assert.deepEqual(await a.attentions(), [REGISTRATIONS_PREEMPTED])
})

test('PREEMPT AND ABORT is answered though the store never ends what is aborted', async () => {
  const store = new StandInStore({ size: 1024 * 1024 })
  const bench = await ReservationBench.open(null, store, {}, { managementMs: 20 })
  const [a, b] = [await bench.peer('a'), await bench.peer('b')]
  await a.register(1)
  await b.register(2)
  await a.out(RESERVE, { key: 1 }, { type: 1 })
  store.held = true
  const stuck = a.run(WRITE_10, { lba: 1, blocks: 1 }, Buffer.alloc(512))
  assert.equal(await b.out(PREEMPT_AND_ABORT, { key: 2, newKey: 1 }, { type: 1 }), 'good')
  assert.equal((await stuck).status, Status.taskAborted)
  assert.equal(await holderOf(b), 'b')
  store.release()
  await bench.close()
})

test('what is aborted while it waits for another to be saved is not done', async () => {
  const records = new MemoryRecords()
  const { a, b } = await trio(0, records)
  assert.equal(await a.out(REGISTER, { key: 1, newKey: 1, aptpl: true }), 'good')
  records.held = true
  const first = a.out(RESERVE, { key: 1 }, { type: 1 })
  const second = assert.rejects(b.out(CLEAR, { key: 2 }))
  const aborted = b.nexus.manage(ManagementFunction.abortTaskSet)
  records.release()
  assert.equal(await first, 'good')
  await second
  await aborted
  assert.equal(await holderOf(a), 'a')
})

// Requirement: SPC-4, REGISTER AND MOVE service action: the reservation goes to another nexus, which is registered for it.
test('REGISTER AND MOVE', async () => {
  for (const unregister of [false, true]) {
    const { bench, a, b } = await trio(1)
    const list = moveList({ key: 1, newKey: 8, port: 2, to: transportId('heir'), unregister })
    assert.equal(await a.out(MOVE, list), 'good')
    assert.deepEqual(await keysOf(a), unregister ? { b: 2, heir: 8 } : { a: 1, b: 2, heir: 8 })
    assert.equal(await holderOf(a), 'heir')
    const heir = await bench.peer('heir', { port: 2 })
    assert.equal((await heir.run(WRITE_10, { blocks: 0 })).word, 'good')
    assert.equal((await a.run(WRITE_10, { blocks: 0 })).word, 'conflict')
    assert.deepEqual([...(await a.attentions()), ...(await b.attentions())], [])
  }
})

const heir = { key: 1, newKey: 8, port: 1, to: transportId('heir') }
const moves: readonly (readonly [what: string, list: Parameters<typeof moveList>[0], answer: string])[] = [
  ['a wrong key', { ...heir, key: 9 }, 'conflict'],
  ['a new key of zero', { ...heir, newKey: 0 }, '05/2600 list 8.7'],
  ['a port that is not there', { ...heir, port: 99 }, '05/2600 list 18.7'],
  ['itself', { ...heir, to: transportId('a') }, '05/2600 list 24.7'],
  ['an initiator without its ISID', { ...heir, to: transportId('heir', null) }, '05/2600 list 24.7'],
  ['a TransportID of another protocol', { ...heir, to: new Uint8Array(24) }, '05/2600 list 24.7'],
  ['APTPL where nothing can be saved', { ...heir, aptpl: true }, '05/2600 list 17.0'],
]
for (const [what, list, answer] of moves) {
  test(`REGISTER AND MOVE with ${what}`, async () => {
    const { a } = await trio(1)
    assert.equal(faultOf(await a.outAnswer(MOVE, moveList(list))), answer)
    assert.equal(await holderOf(a), 'a')
  })
}

test('REGISTER AND MOVE without a reservation, or with one that all hold', async () => {
  assert.equal(faultOf(await (await trio()).a.outAnswer(MOVE, moveList(heir))), '05/2400 cdb 1.4')
  assert.equal(await (await trio(7)).a.out(MOVE, moveList(heir)), 'conflict')
})

// Requirement: SPC-4, PERSISTENT RESERVE OUT command: SCOPE and TYPE that are not defined are INVALID FIELD IN CDB.
test('types and scopes that there are not', async () => {
  const { a, b } = await trio()
  for (const type of [0, 2, 4, 9, 15]) {
    assert.equal(faultOf(await a.outAnswer(RESERVE, { key: 1 }, { type })), '05/2400 cdb 2.3')
  }
  assert.equal(faultOf(await a.outAnswer(RESERVE, { key: 1 }, { type: 1, scope: 1 })), '05/2400 cdb 2.7')
  await a.out(RESERVE, { key: 1 }, { type: 1 })
  assert.equal(faultOf(await b.outAnswer(PREEMPT, { key: 2, newKey: 1 }, { type: 2 })), '05/2400 cdb 2.3')
  assert.equal(await holderOf(a), 'a')
  assert.equal(await a.out(RESERVE, { key: 1 }, { type: 1 }), 'good')
  assert.equal(await a.out(RESERVE, { key: 1 }, { type: 3 }), 'conflict')
  // CLEAR and REGISTER do not look at them.
  assert.equal(await a.out(REGISTER, { key: 1, newKey: 1 }, { type: 15, scope: 15 }), 'good')
})

// Requirement: SPC-4, PERSISTENT RESERVE OUT command: a parameter list of another length than 24 is PARAMETER LIST LENGTH
// ERROR, where neither SPEC_I_PT nor REGISTER AND MOVE asks for more.
test('parameter lists cut at each byte, or too long, change nothing', async () => {
  const bench = await benchOf()
  const a = await bench.peer('a')
  const lists = {
    basic: [REGISTER, outList({ newKey: 1 })],
    others: [REGISTER, outList({ newKey: 1, others: [transportId('b'), transportId('c')] })],
    move: [MOVE, moveList({ key: 0, newKey: 1, port: 1, to: transportId('b') })],
  } as const
  for (const [what, [command, list]] of Object.entries(lists)) {
    for (let length = 0; length <= list.length + 1; length++) {
      if (length === list.length) continue
      const cut = Buffer.alloc(length)
      Buffer.from(list).copy(cut)
      assert.equal(await a.out(command, cut), '05/1a00', `${what} of ${length}`)
      // What was promised has to come.
      const answer = await a.outAnswer(command, cut, { parameterLength: length + 4 })
      assert.equal(answer.word, '05/1a00', `${what} of ${length} and 4 missing`)
    }
  }
  assert.equal((await a.outAnswer(REGISTER, { newKey: 1 }, { parameterLength: 0xffff_ffff })).word, '05/1a00')
  assert.deepEqual(await status(a), [])
})

test('reserved bits and ports that are none point to themselves', async () => {
  const bench = await benchOf()
  const a = await bench.peer('a')
  for (const [byte, bits] of [
    [20, 0xf2],
    [21, 0xff],
  ] as const) {
    for (let bit = 0; bit < 8; bit++) {
      if ((bits & (1 << bit)) === 0) continue
      const list = outList({ newKey: 1 })
      list[byte]! |= 1 << bit
      assert.equal(faultOf(await a.outAnswer(REGISTER, list)), `05/2600 list ${byte}.${bit}`)
    }
  }
  const broken = transportId('b')
  broken[0]! |= 0x80
  const others = [transportId('c'), broken]
  const at = 28 + others[0]!.length
  assert.equal(faultOf(await a.outAnswer(REGISTER, { newKey: 1, others })), `05/2600 list ${at}.7`)
  // SPEC_I_PT is for REGISTER alone.
  const elsewhere = await a.outAnswer(REGISTER_AND_IGNORE, { newKey: 1, others: [transportId('c')] })
  assert.equal(faultOf(elsewhere), '05/2600 list 20.3')
  assert.deepEqual(await status(a), [])
  // What is obsolete is not looked at.
  const obsolete = outList({ newKey: 1 })
  for (const byte of [16, 17, 18, 19, 22, 23]) obsolete[byte] = 0xff
  assert.equal(await a.out(REGISTER, obsolete), 'good')
})

test('no more registrations than there is room for', async () => {
  const bench = await benchOf()
  const a = await bench.peer('a')
  const many = Array.from({ length: 1023 }, (_, i) => transportId(`x${i}`))
  assert.equal(await a.out(REGISTER, { newKey: 1, others: [...many, transportId('y')] }), '05/5504')
  assert.deepEqual(await status(a), [])
  assert.equal(await a.out(REGISTER, { newKey: 1, others: many }), 'good')
  assert.equal(await (await bench.peer('z')).register(1), '05/5504')
})

test('REPLACE LOST RESERVATION while nothing is lost', async () => {
  const { a } = await trio(1)
  assert.equal(faultOf(await a.outAnswer(REPLACE, { key: 0, newKey: 1 }, { type: 1 })), '05/2400 cdb 1.4')
})

// Requirement: SPC-4, Preserving persistent reservations and registrations: with APTPL they survive the loss of power.
test('APTPL: everything is there again after a power cut, and the answer waits for that', async () => {
  const records = new MemoryRecords()
  const first = await trio(0, records)
  assert.equal(records.texts.size, 0)
  records.held = true
  let answered = false
  const registered = first.a.out(REGISTER, { key: 1, newKey: 1, aptpl: true }).then(word => {
    answered = true
    return word
  })
  const reserved = first.a.out(RESERVE, { key: 1 }, { type: 5 })
  assert.deepEqual((await first.c.run(TEST_UNIT_READY)).word, 'good')
  assert.equal(answered, false)
  records.release()
  assert.equal(await registered, 'good')
  assert.equal(await reserved, 'good')
  const before = await status(first.a)

  const second = await benchOf(records)
  const a = await second.peer('a')
  const c = await second.peer('c')
  assert.deepEqual(await status(a), before)
  assert.equal(await generation(a), 0)
  assert.equal((await c.run(WRITE_10, { blocks: 0 })).word, 'conflict')
  assert.equal((await a.run(WRITE_10, { blocks: 0 })).word, 'good')
  // Without APTPL in the last registration nothing stays.
  assert.equal(await a.out(REGISTER, { key: 1, newKey: 1, aptpl: false }), 'good')
  assert.equal(records.texts.size, 0)
  const third = await benchOf(records)
  assert.deepEqual(await status(await third.peer('a')), [])
})

test('APTPL: what cannot be saved is not done, and is told', async () => {
  const records = new MemoryRecords()
  const { bench, a, b } = await trio(0, records)
  assert.equal(await a.out(REGISTER, { key: 1, newKey: 1, aptpl: true }), 'good')
  records.failure = new Error('the disk is full')
  assert.equal(await b.out(CLEAR, { key: 2 }), '04/4400')
  assert.deepEqual(await keysOf(a), { a: 1, b: 2 })
  assert.match(bench.warnings().join(), /could not be saved: the disk is full/)
  records.failure = null
  assert.equal(await b.out(CLEAR, { key: 2 }), 'good')
})

test('APTPL where nothing can be saved', async () => {
  const { a } = await trio()
  assert.equal(faultOf(await a.outAnswer(REGISTER, { key: 1, newKey: 1, aptpl: true })), '05/2600 list 20.0')
})

// Requirement: SPC-4, Preserving persistent reservations and registrations: reservations whose record is damaged are not forgotten.
test('a damaged record: not ready for what it could forbid, until it is replaced', async () => {
  for (const text of [null, 'nonsense\n', 'reservation type=1 (Write Exclusive)\n']) {
    const records = new MemoryRecords()
    if (text === null) records.damaged.add('reservations')
    else records.texts.set('reservations', text)
    const bench = await benchOf(records)
    const a = await bench.peer('a')
    const { asc, ascq } = LOGICAL_UNIT_NOT_READY_MANUAL_INTERVENTION_REQUIRED
    const notReady = `02/${Buffer.of(asc, ascq).toString('hex')}`
    assert.match(bench.warnings().join(), /reservations of unit 3000000000000003 are lost/)
    assert.equal((await a.run(WRITE_10, { blocks: 0 })).word, notReady)
    assert.equal((await a.run(TEST_UNIT_READY)).word, notReady)
    assert.equal((await a.in(READ_KEYS)).word, notReady)
    assert.equal(await a.register(1), notReady)
    assert.equal(faultOf(await a.outAnswer(REPLACE, { newKey: 0 }, { type: 1 })), '05/2600 list 8.7')
    assert.equal(faultOf(await a.outAnswer(REPLACE, { newKey: 1 }, { type: 2 })), '05/2400 cdb 2.3')
    assert.equal(await a.out(REPLACE, { key: 1, newKey: 1 }, { type: 1 }), 'conflict')
    assert.equal(await a.out(REPLACE, { newKey: 1, aptpl: true }, { type: 1 }), 'good')
    assert.equal(await holderOf(a), 'a')
    assert.equal((await a.run(WRITE_10, { blocks: 0 })).word, 'good')
    assert.equal(await holderOf(await (await benchOf(records)).peer('a')), 'a')
  }
})
