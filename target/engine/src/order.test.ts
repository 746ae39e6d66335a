// SPDX-License-Identifier: Apache-2.0
// Order by task attribute: the rules one by one, then random runs against a model.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INQUIRY, READ_10, REPORT_LUNS, REQUEST_SENSE, TaskAttribute, WRITE_10 } from '@lunkit/spec'
import { ManagementFunction } from '@lunkit/target-api'
import fc from 'fast-check'
import { bench, Initiator } from './stand-in.test-kit.ts'

const { simple, ordered, headOfQueue, untagged } = TaskAttribute

function held(limits = {}) {
  const all = bench(limits)
  all.device.holds = true
  const initiator = new Initiator(all.port)
  const send = (attribute: number): number => initiator.send(READ_10, { blocks: 1 }, { attribute })
  return { ...all, initiator, send }
}

// Requirement: SAM-5, SIMPLE task attribute: simple tasks may run in any order beside each other; an untagged task
// counts as simple.
test('simple tasks run side by side, and untagged ones count as simple', () => {
  const { device, send } = held()
  send(simple)
  send(untagged)
  send(simple)
  assert.deepEqual(device.tags, [1, 2, 3])
})

// Requirement: SAM-5, ORDERED task attribute: it waits until all older tasks have ended, and younger ones wait for it.
test('an ordered task waits for all older ones, and all younger ones wait for it', () => {
  const { device, send } = held()
  send(simple)
  send(simple)
  send(ordered)
  send(simple)
  send(simple)
  assert.deepEqual(device.tags, [1, 2])
  device.end(2)
  assert.deepEqual(device.tags, [1, 2])
  device.end(1)
  assert.deepEqual(device.tags, [1, 2, 3])
  device.end(3)
  assert.deepEqual(device.tags, [1, 2, 3, 4, 5])
})

// Requirement: SAM-5, HEAD OF QUEUE task attribute: it goes before every task that has not begun.
test('a task at the head of the queue goes at once, and blocked ones wait for it', () => {
  const { device, send } = held()
  send(ordered)
  send(simple)
  send(headOfQueue)
  assert.deepEqual(device.tags, [1, 3])
  device.end(1)
  assert.deepEqual(device.tags, [1, 3])
  device.end(3)
  assert.deepEqual(device.tags, [1, 3, 2])
})

// Requirement: SPC-4, Implicit head of queue: INQUIRY, REPORT LUNS and REQUEST SENSE may go as if sent with HEAD OF
// QUEUE.
test('INQUIRY, REPORT LUNS and REQUEST SENSE neither wait nor make others wait', () => {
  const { device, initiator, send } = held()
  send(ordered)
  send(simple)
  initiator.send(INQUIRY, { allocation: 36 }, { attribute: ordered })
  initiator.send(REPORT_LUNS, { allocation: 16 })
  initiator.send(REQUEST_SENSE, { allocation: 18 })
  assert.deepEqual(device.tags, [1, 3, 4, 5])
  device.end(1)
  assert.deepEqual(device.tags, [1, 3, 4, 5, 2])
})

// Requirement: SAM-5, Task set: a logical unit has one task set for all I_T nexuses.
test('one task set serves all initiators, and units do not know each other', () => {
  const { device, port, send, engine, target, unit } = held()
  const other = new Initiator(port, 'other', { firstTag: 100 })
  send(ordered)
  other.send(READ_10, { blocks: 1 })
  assert.deepEqual(device.tags, [1])
  const second = engine.addTarget({ name: 'second' })
  second.map(0, unit)
  assert.deepEqual([...target.units()], [...second.units()])
  device.end()
  assert.deepEqual(device.tags, [1, 101])
})

test('a task that waits for data is in its turn', () => {
  const { device, port, engine, initiator, send } = held()
  port.brings = false
  initiator.send(WRITE_10, { blocks: 1 })
  send(ordered)
  assert.deepEqual(device.tags, [])
  port.bring(port.fetching[0]!)
  assert.deepEqual(device.tags, [1])
  device.end()
  assert.deepEqual(device.tags, [1, 2])
  assert.equal(engine.targets.length, 1)
})

// Requirement: SAM-5, ABORT TASK: an aborted task no longer blocks others in the task set.
test('an aborted ordered task makes way for those behind it', () => {
  const { device, initiator, send, port } = held()
  send(simple)
  send(ordered)
  send(simple)
  initiator.manage(ManagementFunction.abortTask, { tag: 2 })
  assert.deepEqual(port.abandoned, [2])
  assert.deepEqual(device.tags, [1, 3])
})

test('a long chain of ordered tasks that end at once needs no stack', () => {
  const { device, port, send } = held({ queuePerUnit: 30_000, queuePerSession: 30_000 })
  send(ordered)
  for (let i = 0; i < 20_000; i++) send(ordered)
  device.holds = false
  device.end()
  assert.equal(port.answers.length, 20_001)
  assert.deepEqual(
    port.answers.map(({ tag }) => tag),
    port.answers.map((_, index) => index + 1),
  )
})

/** SAM-5's rules, said again in the plainest way: look at everything that has not ended. */
class Model {
  readonly tasks: { tag: number; attribute: number; started: boolean }[] = []
  readonly started: number[] = []

  send(tag: number, attribute: number): void {
    this.tasks.push({ tag, attribute, started: false })
    this.#start()
  }
  end(tag: number): void {
    this.tasks.splice(
      this.tasks.findIndex(task => task.tag === tag),
      1,
    )
    this.#start()
  }
  abort(tag: number): boolean {
    const task = this.tasks.find(one => one.tag === tag)
    if (task === undefined) return false
    if (!task.started) this.end(tag)
    return true
  }
  #start(): void {
    for (;;) {
      const next = this.tasks.find((task, index) => !task.started && this.#mayStart(index))
      if (next === undefined) return
      next.started = true
      this.started.push(next.tag)
    }
  }
  #mayStart(index: number): boolean {
    const older = this.tasks.slice(0, index)
    const { attribute } = this.tasks[index]!
    if (attribute === headOfQueue) return true
    if (this.tasks.some(task => task.attribute === headOfQueue)) return false
    return attribute === ordered ? older.length === 0 : !older.some(task => task.attribute === ordered)
  }
}

type Step = { do: 'send'; attribute: number } | { do: 'end'; pick: number } | { do: 'abort'; pick: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      attribute: fc.constantFrom(simple, simple, ordered, headOfQueue),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('end' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), pick: fc.nat() }) },
)

// Requirement: SAM-5, Task set management model: the order in which tasks become enabled follows their attributes,
// whatever ends or is aborted.
test('random runs of sends, ends and aborts start the same tasks in the same order as the model', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const { device, port, send, initiator } = held()
      const model = new Model()
      let sent = 0
      for (const one of steps) {
        if (one.do === 'send') {
          sent++
          model.send(sent, one.attribute)
          send(one.attribute)
        } else if (one.do === 'abort') {
          const tag = 1 + (one.pick % (sent + 1))
          model.abort(tag)
          initiator.manage(ManagementFunction.abortTask, { tag })
        } else if (device.held.length > 0) {
          const { tag } = device.held[one.pick % device.held.length]!
          model.end(tag)
          device.end(tag)
        }
        assert.deepEqual(device.tags, model.started)
      }
      while (device.held.length > 0) device.end()
      // Each task had one end: an answer, or being let go.
      const ends = [...port.answers.map(({ tag }) => tag), ...port.abandoned].sort((a, b) => a - b)
      assert.deepEqual(
        ends,
        Array.from({ length: sent }, (_, index) => index + 1),
      )
      assert.equal(initiator.nexus.running, 0)
    }),
    { numRuns: 500 },
  )
})
