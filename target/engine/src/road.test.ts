// SPDX-License-Identifier: Apache-2.0
// Each stage of the road: what is refused and how, what data is asked for, and what exceptions lead to.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  INQUIRY,
  MODE_SELECT_6,
  READ_6,
  READ_10,
  READ_16,
  READ_32,
  READ_CAPACITY_16,
  type SenseReport,
  Status,
  SYNCHRONIZE_CACHE_10,
  TaskAttribute,
  TEST_UNIT_READY,
  UNRECOVERED_READ_ERROR,
  VERIFY_10,
  WRITE_10,
} from '@lunkit/spec'
import { fail, StoreError, succeed, type Task } from '@lunkit/target-api'
import { type Answer, bench, Initiator } from './stand-in.test-kit.ts'

const code = ({ sense }: Answer): string =>
  sense === null ? 'none' : [sense.key, sense.asc, sense.ascq].map(part => part.toString(16)).join('/')
const last = (answers: readonly Answer[]): Answer => answers.at(-1)!
const pointer = ({ sense }: Answer): SenseReport['fieldPointer'] => sense?.fieldPointer

// Requirement: SPC-4, Sense key and additional sense code definitions: an unknown operation code and an unknown service
// action have different sense.
test('an unknown opcode and an unknown service action are told apart', () => {
  const { port } = bench()
  const initiator = new Initiator(port)
  initiator.sendCdb(Uint8Array.of(0xff))
  assert.equal(code(last(port.answers)), '5/20/0')
  assert.equal(pointer(last(port.answers)), undefined)
  initiator.sendCdb(Uint8Array.of(0x9e, 0x1f))
  assert.equal(code(last(port.answers)), '5/24/0')
  assert.deepEqual(pointer(last(port.answers)), { byte: 1, bit: 4, inCdb: true })
  initiator.sendCdb(Uint8Array.of(0x7f, 0, 0, 0, 0, 0, 0, 24, 0, 0x77))
  assert.deepEqual(pointer(last(port.answers)), { byte: 8, bit: 7, inCdb: true })
  initiator.send(READ_CAPACITY_16, { allocation: 32 })
  assert.equal(last(port.answers).status, Status.good)
})

// Requirement: SAM-5, Command descriptor block: reserved bits that are set end in INVALID FIELD IN CDB with a field
// pointer.
test('bits that the row has not, and those that the device refuses, are named', () => {
  const { port, device } = bench()
  const initiator = new Initiator(port)
  const refused = (cdb: number[], byte: number, bit: number): void => {
    const started = device.started.length
    initiator.sendCdb(Uint8Array.from(cdb))
    assert.equal(code(last(port.answers)), '5/24/0')
    assert.deepEqual(pointer(last(port.answers)), { byte, bit, inCdb: true })
    assert.equal(device.started.length, started)
  }
  refused([0x00, 0, 0, 8, 0, 0], 3, 3)
  refused([0x28, 0x04, 0, 0, 0, 0, 0, 0, 1, 0], 1, 2)
  refused([0x28, 0, 0, 0, 0, 0, 0, 0, 1, 8], 9, 3)
  refused([0x12, 0, 0, 0, 36, 0x21], 5, 5)
  // Vendor specific bits of the CONTROL byte are nobody's fault.
  initiator.sendCdb(Uint8Array.of(0, 0, 0, 0, 0, 0xc0))
  assert.equal(last(port.answers).status, Status.good)
})

// Requirement: SPC-4, Variable type CDB formats: ADDITIONAL CDB LENGTH has to fit the service action.
test('a variable-length CDB has to be as long as its row', () => {
  const { port } = bench()
  const initiator = new Initiator(port)
  initiator.send(READ_32, { blocks: 1 })
  assert.equal(last(port.answers).status, Status.good)
  initiator.sendCdb(Uint8Array.of(0x7f, 0, 0, 0, 0, 0, 0, 8, 0, 9))
  assert.deepEqual(pointer(last(port.answers)), { byte: 7, bit: 7, inCdb: true })
})

// Requirement: SBC-4, Read and write commands: a range beyond the last block is LBA OUT OF RANGE; an empty one may
// stand right behind it.
test('ranges end at the last block', () => {
  const { port, device } = bench()
  const initiator = new Initiator(port)
  const read = (lba: number, blocks: number): string => {
    initiator.send(READ_10, { lba, blocks })
    return code(last(port.answers))
  }
  assert.equal(read(999, 1), 'none')
  assert.equal(read(999, 2), '5/21/0')
  assert.equal(read(1000, 0), 'none')
  assert.equal(read(1001, 0), '5/21/0')
  assert.equal(read(0xffff_ffff, 1), '5/21/0')
  initiator.sendCdb(Uint8Array.of(0x88, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 1))
  assert.equal(code(last(port.answers)), '5/21/0')
  initiator.send(SYNCHRONIZE_CACHE_10, { lba: 1, blocks: 1000 })
  assert.equal(code(last(port.answers)), '5/21/0')
  assert.equal(device.started.filter(entry => entry.startsWith('28')).length, 2)
})

// Requirement: SBC-4, READ (6) command: a transfer length of zero means 256 blocks in six-byte commands and none in
// longer ones.
test('zero blocks mean 256 in the six-byte commands only', () => {
  const { port, device } = bench()
  device.maxTransfer = 1e9
  const initiator = new Initiator(port)
  const seen: number[] = []
  device.instead = task => {
    seen.push(task.blocks)
    succeed(task)
  }
  initiator.send(READ_6, { blocks: 0 })
  initiator.send(READ_10, { blocks: 0 })
  assert.deepEqual(seen, [256, 0])
})

// Requirement: SBC-4, Block Limits VPD page: more than MAXIMUM TRANSFER LENGTH is refused at its field.
test('a transfer beyond the device is refused at its field, a sweep without data is not', () => {
  const { port } = bench()
  const initiator = new Initiator(port)
  initiator.send(READ_10, { blocks: 65 })
  assert.equal(code(last(port.answers)), '5/24/0')
  assert.deepEqual(pointer(last(port.answers)), { byte: 7, bit: 7, inCdb: true })
  initiator.send(WRITE_10, { blocks: 65 })
  assert.deepEqual(pointer(last(port.answers)), { byte: 7, bit: 7, inCdb: true })
  initiator.send(READ_10, { blocks: 64 })
  initiator.send(WRITE_10, { blocks: 64 })
  initiator.send(VERIFY_10, { blocks: 1000 })
  initiator.send(SYNCHRONIZE_CACHE_10, { blocks: 1000 })
  assert.deepEqual(
    port.answers.slice(2).map(({ status }) => status),
    [0, 0, 0, 0],
  )
  initiator.send(VERIFY_10, { blocks: 65, bytchk: 1 })
  assert.equal(code(last(port.answers)), '5/24/0')
})

// Requirement: SBC-4, Write protection: writes end in DATA PROTECT, WRITE PROTECTED, and reads go on.
test('a write-protected unit reads and refuses to write', () => {
  const { port, device } = bench()
  device.writable = false
  const initiator = new Initiator(port)
  initiator.send(WRITE_10, { blocks: 1 })
  assert.equal(code(last(port.answers)), '7/27/0')
  initiator.send(READ_10, { blocks: 1 })
  assert.equal(last(port.answers).status, Status.good)
  assert.equal(port.fetching.length, 0)
})

test('data is fetched for what the command needs and the initiator gives', () => {
  const { port, device } = bench()
  const initiator = new Initiator(port)
  const seen: [number, number, number][] = []
  device.instead = task => {
    seen.push([task.outLength, task.received, task.segments.reduce((sum, { length }) => sum + length, 0)])
    succeed(task)
  }
  initiator.send(WRITE_10, { blocks: 2 })
  initiator.send(WRITE_10, { blocks: 2 }, { expectedOut: 700 })
  initiator.send(WRITE_10, { blocks: 2 }, { expectedOut: 0 })
  initiator.send(MODE_SELECT_6, { parameterLength: 24 })
  initiator.send(VERIFY_10, { blocks: 1 })
  initiator.send(VERIFY_10, { blocks: 1, bytchk: 1 })
  initiator.send(READ_10, { blocks: 1 })
  assert.deepEqual(seen, [
    [1024, 1024, 1024],
    [1024, 700, 700],
    [1024, 0, 0],
    [24, 24, 24],
    [0, 0, 0],
    [512, 512, 512],
    [0, 0, 0],
  ])
})

test('data beyond the need of the command does not reach the device', () => {
  const { port, device, engine } = bench()
  const initiator = new Initiator(port)
  const seen: number[][] = []
  device.instead = task => {
    seen.push(task.segments.map(({ length }) => length))
    assert.equal(task.received, task.outLength)
    succeed(task)
  }
  for (const cdb of [WRITE_10.cdb.write({ opcode: 0x2a, blocks: 1 }), READ_10.cdb.write({ opcode: 0x28 })]) {
    const task = engine.takeTask(initiator.nexus)
    task.cdb.set(cdb)
    task.attribute = TaskAttribute.simple
    task.expectedOut = 900
    task.segments.push(Buffer.alloc(300), Buffer.alloc(300), Buffer.alloc(300))
    task.received = 900
    engine.submit(task)
  }
  assert.deepEqual(seen, [[300, 212], []])
})

test('data that cannot be had ends the task with the code of the driver', () => {
  const { port, device, engine } = bench()
  const initiator = new Initiator(port)
  port.brings = false
  initiator.send(WRITE_10, { blocks: 1 })
  engine.dataFailed(port.fetching[0]!, { key: 0xb, asc: 0x47, ascq: 5, text: 'CRC' })
  assert.equal(code(last(port.answers)), 'b/47/5')
  assert.deepEqual(device.tags, [])
})

test('an attribute that the task set does not know is refused', () => {
  const { port } = bench()
  const initiator = new Initiator(port)
  initiator.send(TEST_UNIT_READY, {}, { attribute: TaskAttribute.aca })
  assert.equal(code(last(port.answers)), '5/49/0')
  initiator.send(TEST_UNIT_READY, {}, { attribute: TaskAttribute.untagged })
  assert.equal(last(port.answers).status, Status.good)
})

// Requirement: SPC-4, Sense data: D_SENSE chooses the format; field pointer and INFORMATION stand where the format has
// them.
test('sense takes the format, the pointer and the information that belong to it', () => {
  const { port, device, events } = bench()
  const initiator = new Initiator(port)
  device.instead = task => {
    task.information = 0x1_2345_6789
    fail(task, UNRECOVERED_READ_ERROR)
  }
  device.policies.dSense = true
  initiator.send(READ_10, { blocks: 1 })
  const { sense } = last(port.answers)
  assert.equal(sense?.descriptor, true)
  assert.equal(sense?.information, 0x1_2345_6789)
  assert.deepEqual(events, [
    {
      type: 'command-failed',
      target: 'target',
      initiator: 'initiator',
      lun: 0,
      command: 'READ (10)',
      reason: UNRECOVERED_READ_ERROR.text,
    },
  ])
})

test('an exception of the device is one HARDWARE ERROR, one event, one answer', () => {
  const { port, device, events } = bench()
  const initiator = new Initiator(port)
  device.instead = () => {
    throw new Error('Broken device')
  }
  initiator.send(TEST_UNIT_READY)
  assert.equal(code(last(port.answers)), '4/44/0')
  assert.equal(port.answers.length, 1)
  assert.equal(events.length, 1)
  assert.match(JSON.stringify(events[0]), /"command-failed".*TEST UNIT READY.*Broken device/)
  device.instead = null
  initiator.send(TEST_UNIT_READY)
  assert.equal(last(port.answers).status, Status.good)
  assert.equal(initiator.nexus.running, 0)
})

test('an exception after the answer changes nothing about it', () => {
  const { port, device, events } = bench()
  const initiator = new Initiator(port)
  device.instead = task => {
    succeed(task)
    throw new Error('Too late')
  }
  initiator.send(TEST_UNIT_READY)
  assert.deepEqual(
    port.answers.map(({ status }) => status),
    [Status.good],
  )
  assert.equal(events.length, 1)
})

test("an exception in a store's answer ends the task, then and not again", () => {
  const { port, device, events } = bench()
  const initiator = new Initiator(port)
  let kept: Task | null = null
  device.instead = task => {
    kept = task
    task.io.onFinish = () => {
      throw new Error('Broken handler')
    }
  }
  initiator.send(TEST_UNIT_READY)
  assert.equal(port.answers.length, 0)
  kept!.io.finish(StoreError.none)
  assert.equal(code(last(port.answers)), '4/44/0')
  kept!.io.finish(StoreError.none)
  assert.equal(port.answers.length, 1)
  assert.deepEqual(
    events.map(({ type }) => type),
    ['command-failed', 'warning'],
  )
})

test('a task that met an exception is not used again while its store may still answer', () => {
  const { port, device } = bench()
  const initiator = new Initiator(port)
  const seen = new Set<Task>()
  device.instead = task => {
    seen.add(task)
    throw new Error('Broken device')
  }
  initiator.send(TEST_UNIT_READY)
  initiator.send(TEST_UNIT_READY)
  assert.equal(seen.size, 2)
})

test('a second answer is told and has no effect', () => {
  const { port, device, events, engine } = bench()
  const initiator = new Initiator(port)
  port.sends = false
  let kept: Task | null = null
  device.instead = task => {
    kept = task
    succeed(task)
    succeed(task)
  }
  initiator.send(TEST_UNIT_READY)
  assert.equal(port.answers.length, 1)
  succeed(kept!)
  port.sent()
  succeed(kept!)
  engine.responseSent(kept!)
  engine.dataArrived(kept!)
  assert.equal(port.answers.length, 1)
  assert.equal(initiator.nexus.running, 0)
  assert.deepEqual(
    events.map(event => (event.type === 'warning' ? event.reason : event.type)),
    [
      'done() was called for a task in state finish: ignored',
      'done() was called for a task in state respond: ignored',
      'done() was called for a task in state free: ignored',
      'responseSent() was called for a task in state free: ignored',
      'dataArrived() was called for a task in state free: ignored',
    ],
  )
  device.instead = null
  for (let i = 0; i < 3; i++) initiator.send(TEST_UNIT_READY)
  assert.equal(new Set(port.unsent).size, 3)
})

test('an exception of the driver costs its task, not the engine', () => {
  const { port, events, device } = bench()
  const initiator = new Initiator(port)
  const { sendResponse, fetchData } = port
  port.sendResponse = () => {
    throw new Error('Broken driver')
  }
  initiator.send(TEST_UNIT_READY)
  assert.equal(initiator.nexus.running, 0)
  port.sendResponse = sendResponse
  port.fetchData = () => {
    throw new Error('Broken driver')
  }
  initiator.send(WRITE_10, { blocks: 1 })
  port.fetchData = fetchData
  assert.equal(code(last(port.answers)), '4/44/0')
  initiator.send(WRITE_10, { blocks: 1 })
  assert.equal(last(port.answers).status, Status.good)
  assert.equal(events.length, 2)
  assert.equal(device.unit.device, device)
})

test('CHECK CONDITION without a code is the fault of the device', () => {
  const { port, device, events } = bench()
  const initiator = new Initiator(port)
  device.instead = task => {
    task.status = Status.checkCondition
    task.done()
  }
  initiator.send(INQUIRY, { allocation: 36 })
  assert.equal(code(last(port.answers)), '4/44/0')
  assert.match(JSON.stringify(events), /gave no sense code/)
})

test('a hundred thousand commands that end at once, sent from within each other, need no stack', () => {
  const { port, engine } = bench()
  const initiator = new Initiator(port)
  const total = 100_000
  let answered = 0
  port.sendResponse = task => {
    answered++
    engine.responseSent(task)
    if (answered < total) initiator.send(READ_16, { lba: answered % 1000, blocks: 0 })
  }
  initiator.send(TEST_UNIT_READY)
  assert.equal(answered, total)
  assert.equal(initiator.nexus.running, 0)
})
