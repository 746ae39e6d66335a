// SPDX-License-Identifier: Apache-2.0
// The task set against a model of SAM-5's words: random attributes, ranges, arrivals, ends, aborts, resets and stuck stores.
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import {
  COMPARE_AND_WRITE,
  INQUIRY,
  MODE_SELECT_6,
  READ_10,
  SYNCHRONIZE_CACHE_10,
  TaskAttribute,
  TEST_UNIT_READY,
  UNMAP,
  WRITE_10,
} from '@lunkit/spec'
import { ManagementFunction as Fn, on } from '@lunkit/target-api'
import fc from 'fast-check'
import { bench, Initiator, StandInDevice, standInType } from './stand-in.test-kit.ts'

const { simple, ordered, headOfQueue } = TaskAttribute
const LIMIT = 1000

/** What the commands are to each other, in words of their own: the engine's table is not used. */
const COMMANDS = {
  read: READ_10,
  write: WRITE_10,
  atomic: COMPARE_AND_WRITE,
  unmap: UNMAP,
  sync: SYNCHRONIZE_CACHE_10,
  select: MODE_SELECT_6,
  ready: TEST_UNIT_READY,
  inquiry: INQUIRY,
} as const
type Name = keyof typeof COMMANDS

interface Entry {
  readonly tag: number
  readonly nexus: number
  name: Name
  readonly attribute: number
  readonly from: number
  readonly to: number
  started: boolean
  aborted: boolean
  /** Answered for by time; only what it may still write counts. */
  lost: boolean
}

const changes = ({ name }: Entry): boolean => name === 'write' || name === 'atomic' || name === 'unmap'
const overlap = (one: Entry, other: Entry): boolean => one.from < other.to && other.from < one.to

class Model {
  /** By arrival; what has ended is not here. */
  readonly entries: Entry[] = []
  tst = 0
  restricted = false

  /** Whether two may be with the device together, whoever came first. */
  clash(one: Entry, other: Entry): boolean {
    const names = [one.name, other.name]
    if (changes(one) && changes(other)) return overlap(one, other)
    if (names.includes('atomic') && names.includes('read')) return overlap(one, other)
    if (names.includes('read') && (changes(one) || changes(other)))
      return this.restricted && overlap(one, other)
    const select = names.indexOf('select')
    if (select < 0) return false
    const partner = select === 0 ? other : one
    return partner.name === 'select' || changes(partner)
  }

  /** Whether `task` has to wait for `other`, which is in the set with it. */
  waits(task: Entry, other: Entry): boolean {
    if (task === other) return false
    const older = this.entries.indexOf(other) < this.entries.indexOf(task)
    const sameSet = this.tst === 0 || task.nexus === other.nexus
    const urgent = task.attribute === headOfQueue
    if (other.lost) return changes(other) && this.clash(task, other)
    if (!urgent && sameSet) {
      if (other.attribute === headOfQueue) return true
      if (older && (task.attribute === ordered || other.attribute === ordered)) return true
    }
    if (!this.clash(task, other)) return false
    // In each other's way: who runs goes first; of two that wait, the urgent one, else the older.
    if (other.started) return true
    if (urgent !== (other.attribute === headOfQueue)) return !urgent
    return older
  }

  mayStart(task: Entry): boolean {
    return !task.aborted && !this.entries.some(other => this.waits(task, other))
  }
}

interface Step {
  readonly do: 'send' | 'end' | 'abort' | 'abortSet' | 'clearSet' | 'reset' | 'time'
  readonly name: Name
  readonly attribute: number
  readonly lba: number
  readonly blocks: number
  readonly pick: number
}

const names = fc.constantFrom<Name>(
  'read',
  'read',
  'read',
  'write',
  'write',
  'write',
  'atomic',
  'atomic',
  'unmap',
  'sync',
  'select',
  'ready',
  'inquiry',
)
const kinds = fc.constantFrom<Step['do']>(
  'send',
  'send',
  'send',
  'send',
  'send',
  'send',
  'end',
  'end',
  'end',
  'end',
  'abort',
  'abortSet',
  'clearSet',
  'reset',
  'time',
)
const stepOf = (attributes: readonly number[], wide: number): fc.Arbitrary<Step> =>
  fc.record({
    do: kinds,
    name: names,
    attribute: fc.constantFrom(...attributes),
    // Near and far, so that regions collide and ranges span several of them.
    lba: fc.oneof(fc.nat(wide), fc.constantFrom(60, 64, 127, 900)),
    blocks: fc.constantFrom(1, 1, 2, 8),
    pick: fc.nat(),
  })

const mixed = stepOf([simple, simple, simple, simple, ordered, headOfQueue], 12)
/** Many that go ahead of the others, in few blocks. */
const urgent = stepOf([simple, headOfQueue, headOfQueue], 3)

function run(steps: readonly Step[], tst: number, queueAlgorithm: number): void {
  const { run: perform } = standInType.bindings[0]!
  const more = [
    on(COMPARE_AND_WRITE, perform as never, { dataOut: () => 0 }),
    on(UNMAP, perform as never, { dataOut: () => 0 }),
  ]
  const device = new StandInDevice({ ...standInType, bindings: [...standInType.bindings, ...more] })
  const { port, unit } = bench({ managementMs: LIMIT }, device)
  Object.assign(device.policies, { tst, queueAlgorithm })
  device.holds = true
  const initiators = [new Initiator(port, 'a'), new Initiator(port, 'b', { firstTag: 1000 })]
  const model = new Model()
  model.tst = tst
  model.restricted = queueAlgorithm === 0
  let sent = 0
  let managed = 0

  /** The device has what the model lets start, and nothing else. */
  const compare = (): void => {
    for (let again = true; again; ) {
      again = false
      for (const entry of model.entries) {
        if (entry.started || !device.tags.includes(entry.tag)) continue
        assert.ok(model.mayStart(entry), `${entry.name} ${entry.tag} was started before its turn`)
        entry.started = true
        again = true
      }
    }
    for (const entry of model.entries) {
      if (!entry.started) assert.ok(!model.mayStart(entry), `${entry.name} ${entry.tag} was left waiting`)
    }
  }
  const gone = (entry: Entry): void => void model.entries.splice(model.entries.indexOf(entry), 1)
  const abort = (matches: (entry: Entry) => boolean): void => {
    for (const entry of model.entries.filter(one => matches(one) && !one.lost)) {
      entry.aborted = true
      if (!entry.started) gone(entry)
    }
  }

  for (const one of steps) {
    const nexus = one.pick & 1
    const initiator = initiators[nexus]!
    const mine = (entry: Entry): boolean => entry.nexus === nexus
    if (one.do === 'send') {
      sent++
      const { name, attribute, lba, blocks } = one
      const ranged = name === 'read' || name === 'write' || name === 'atomic'
      const values = ranged ? { lba, blocks } : name === 'inquiry' ? { allocation: 36 } : {}
      for (const itl of unit.nexuses) while (itl.takeAttention() !== null);
      const tag = initiator.send(COMMANDS[name] as typeof READ_10, values, { attribute })
      const jumps = name === 'inquiry' || (name === 'ready' && attribute === simple)
      if (jumps) {
        // It is with the device at once, whatever waits.
        assert.equal(device.tags.at(-1), tag)
        device.end(tag)
      } else {
        const range = ranged ? { from: lba, to: lba + blocks } : { from: 0, to: Number.MAX_SAFE_INTEGER }
        model.entries.push({
          tag,
          nexus,
          name,
          attribute,
          ...range,
          started: false,
          aborted: false,
          lost: false,
        })
      }
    } else if (one.do === 'end') {
      if (device.held.length === 0) continue
      const { tag } = device.held[one.pick % device.held.length]!
      const entry = model.entries.find(other => other.tag === tag)
      // A read that was lost holds up nobody.
      if (entry !== undefined) gone(entry)
      device.end(tag)
    } else if (one.do === 'abort') {
      const entry = model.entries.filter(mine)[one.pick % 7]
      if (entry === undefined) continue
      abort(other => other === entry)
      initiator.manage(Fn.abortTask, { tag: entry.tag })
      managed++
    } else if (one.do === 'abortSet') {
      abort(mine)
      initiator.manage(Fn.abortTaskSet)
      managed++
    } else if (one.do === 'clearSet') {
      abort(entry => tst === 0 || mine(entry))
      initiator.manage(Fn.clearTaskSet)
      managed++
    } else if (one.do === 'reset') {
      abort(() => true)
      initiator.manage(Fn.logicalUnitReset)
      managed++
    } else {
      mock.timers.tick(LIMIT)
      for (const entry of [...model.entries]) {
        if (!entry.aborted || entry.lost) continue
        entry.lost = true
        if (!changes(entry)) gone(entry)
        // Nobody sees its blocks before and after it may have changed them.
        if (entry.name === 'write') entry.name = 'atomic'
      }
      assert.equal(port.managed.length, managed)
    }
    compare()
  }
  // All comes to its end: each task was answered once, or let go once, and each function was answered.
  while (device.held.length > 0) device.end()
  const ends = [...port.answers.map(({ tag }) => tag), ...port.abandoned]
  assert.deepEqual([ends.length, new Set(ends).size], [sent, sent])
  assert.equal(port.managed.length, managed)
  assert.deepEqual([unit.set.length, unit.set.oldest, unit.set.youngest], [0, null, null])
  for (const { nexus } of initiators) assert.equal(nexus.running, 0)
  for (const itl of unit.nexuses) assert.equal(itl.queued, 0)
}

// Requirement: SAM-5, Task set management: order by attribute, and what overlaps does not run together.
for (const tst of [0, 1]) {
  for (const queueAlgorithm of [0, 1]) {
    test(`as the model has it: TST ${tst}, QUEUE ALGORITHM MODIFIER ${queueAlgorithm}`, () => {
      mock.timers.enable({ apis: ['setTimeout'] })
      try {
        fc.assert(
          fc.property(
            fc.oneof(fc.array(mixed, { maxLength: 50 }), fc.array(urgent, { maxLength: 50 })),
            steps => run(steps, tst, queueAlgorithm),
          ),
          { numRuns: 400, seed: 20_261_123 },
        )
      } finally {
        mock.timers.reset()
      }
    })
  }
}
