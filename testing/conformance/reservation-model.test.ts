// SPDX-License-Identifier: Apache-2.0
// Random persistent reservations by several nexuses, with lost nexuses and lost power, held against the model after each step.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  PERSISTENT_RESERVE_OUT_CLEAR as CLEAR,
  PERSISTENT_RESERVE_IN_READ_FULL_STATUS as FULL_STATUS,
  FULL_STATUS_DESCRIPTOR,
  PERSISTENT_RESERVE_OUT_REGISTER_AND_IGNORE_EXISTING_KEY as IGNORE,
  PERSISTENT_RESERVE_OUT_REGISTER_AND_MOVE as MOVE,
  PERSISTENT_RESERVE_OUT_PREEMPT as PREEMPT,
  PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT as PREEMPT_AND_ABORT,
  READ_10,
  PERSISTENT_RESERVE_OUT_REGISTER as REGISTER,
  PERSISTENT_RESERVE_OUT_RELEASE as RELEASE,
  PERSISTENT_RESERVE_OUT_RESERVE as RESERVE,
  readTransportId,
  WRITE_10,
} from '@lunkit/spec'
import fc from 'fast-check'
import { MemoryRecords } from '../kit/memory-records.ts'
import { moveList, outList, type Peer, ReservationBench, transportId } from '../kit/reservation-bench.ts'
import { type Ask, ReservationModel } from './reservation-model.ts'

const PORTS = [1, 2]
const NEXUSES = ['a1', 'a2', 'b1', 'b2', 'c1']
const COMMANDS = {
  register: REGISTER,
  ignore: IGNORE,
  reserve: RESERVE,
  release: RELEASE,
  clear: CLEAR,
  preempt: PREEMPT,
  'preempt and abort': PREEMPT_AND_ABORT,
  move: MOVE,
} as const

type Step =
  /** `right`: with the key that it is registered with. */
  | { readonly what: 'ask'; readonly who: string; readonly right: boolean; readonly ask: Ask }
  | { readonly what: 'lose'; readonly who: string }
  | { readonly what: 'power' }

const nexus = fc.constantFrom(...NEXUSES)
const key = fc.constantFrom(0, 1, 2, 3)
const flag = (weight: number): fc.Arbitrary<boolean> => fc.nat(9).map(n => n < weight)

const ask: fc.Arbitrary<Ask> = fc.record({
  verb: fc.constantFrom(
    ...(['register', 'ignore', 'register', 'reserve', 'reserve', 'reserve', 'release', 'clear'] as const),
    ...(['preempt', 'preempt', 'preempt and abort', 'move'] as const),
  ),
  key,
  newKey: key,
  type: fc.constantFrom(1, 3, 5, 6, 7, 8, 1, 3, 5, 6, 7, 8, 2),
  aptpl: flag(7),
  allPorts: flag(2),
  heir: nexus,
  unregister: flag(5),
})

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 16,
    arbitrary: fc.record({ what: fc.constant('ask' as const), who: nexus, right: flag(8), ask }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('lose' as const), who: nexus }) },
  { weight: 1, arbitrary: fc.constant({ what: 'power' } as const) },
)

class Cluster {
  readonly model = new ReservationModel(PORTS)
  readonly records = new MemoryRecords()
  readonly peers = new Map<string, Peer>()
  bench: ReservationBench | null = null

  async start(): Promise<void> {
    this.bench = await ReservationBench.open(this.records)
    for (const who of NEXUSES) await this.connect(who)
  }

  async connect(who: string): Promise<void> {
    this.peers.set(who, await this.bench!.peer(who[0]!, { port: Number(who[1]) }))
  }

  async take(one: Step): Promise<void> {
    if (one.what === 'power') {
      await this.bench!.close()
      this.model.powerLoss()
      await this.start()
    } else if (one.what === 'lose') {
      await this.peers.get(one.who)!.close()
      this.model.told.delete(one.who)
      await this.connect(one.who)
    } else await this.ask(one)
  }

  async ask({ who, right, ask: asked }: Extract<Step, { what: 'ask' }>): Promise<void> {
    const { model } = this
    // Rarely would chance alone release what is there.
    const wanted = right && asked.verb === 'release' ? model.type : asked.type
    const full = right ? { ...asked, key: model.keyOf(who), type: wanted } : asked
    const { verb, type, heir } = full
    const list =
      verb === 'move'
        ? moveList({ ...full, port: Number(heir[1]), to: transportId(heir[0]!) })
        : outList(full)
    const word = await this.peers.get(who)!.out(COMMANDS[verb], list, { type })
    assert.equal(word, model.ask(who, full), `the answer to ${who}: ${JSON.stringify(full)}`)
  }

  async compare(): Promise<void> {
    const { model } = this
    for (const [who, peer] of this.peers) {
      assert.deepEqual(await peer.attentions(), model.told.get(who) ?? [], `what ${who} is told`)
      const writes = (await peer.run(WRITE_10, { blocks: 0 })).word === 'good'
      const reads = (await peer.run(READ_10, { blocks: 0 })).word === 'good'
      assert.deepEqual([reads, writes], [model.mayRead(who), model.mayWrite(who)], `what ${who} may do`)
    }
    model.told.clear()
    const { data } = await this.peers.get('c1')!.in(FULL_STATUS)
    const found: string[] = []
    for (let at = 8; at < data.length; ) {
      const row = FULL_STATUS_DESCRIPTOR.read(data, at)
      const { id, length } = readTransportId(data, at + FULL_STATUS_DESCRIPTOR.length)!
      const name = 'name' in id ? id.name.split(':')[1] : ''
      found.push(`${name}${row.port} ${row.key} ${row.rHolder === 1 ? row.type : '-'}`)
      at += FULL_STATUS_DESCRIPTOR.length + length
    }
    const wanted = model.keys.map(one => `${one.who} ${one.key} ${model.holds(one.who) ? model.type : '-'}`)
    // In which order is nowhere said.
    assert.deepEqual(found.sort(), wanted.sort())
  }
}

// Requirement: SPC-4, Reservations: registrations, reservations and unit attentions follow the rules whatever several nexuses
// do, lose and come back from.
test('random reservations agree with the model', async () => {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async steps => {
      const cluster = new Cluster()
      await cluster.start()
      try {
        for (const one of steps) {
          await cluster.take(one)
          await cluster.compare()
          seen.add(`type ${cluster.model.type}`)
          if (cluster.model.keys.length > 2) seen.add('several registered')
        }
      } finally {
        await cluster.bench!.close()
      }
    }),
    { numRuns: 300, seed: 20261123, endOnFailure: false },
  )
  // A model that never reserves agrees with everything.
  assert.ok(seen.size === 8, `only ${[...seen]} came up`)
})
