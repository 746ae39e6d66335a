// SPDX-License-Identifier: Apache-2.0
// The device type user against the contract of a device, and what a handler hears and can say.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  DEVICE_INTERNAL_RESET,
  INQUIRY,
  READ_10,
  SenseKey,
  Status,
  TEST_UNIT_READY,
  WRITE_10,
  writeSense,
} from '@lunkit/spec'
import { readParameters } from '@lunkit/target-api'
import { Bench, cdbOf } from '@lunkit/testing/kit/device-bench.ts'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { device } from './index.ts'
import { ATTENTION, CAPACITY, EXECUTE, Kind } from './link/protocol.ts'
import { type Answered, type Asked, Peer, ScriptedHandler } from './scripted-handler.test-kit.ts'
import { codeOf } from './sense.ts'

const DISK = { type: 0, block: 512, blocks: 2048 }

interface Subject {
  readonly handler: ScriptedHandler
  readonly bench: Bench
  /** What it answers commands with; may be changed. */
  answer: (asked: Asked) => Answered
  executed(): Asked[]
}

async function open(context: TestContext, hello: Record<string, unknown> = DISK): Promise<Subject> {
  const handler = new ScriptedHandler(join(await scratch(context), 'unit.sock'), hello)
  const subject: Subject = {
    handler,
    bench: null as unknown as Bench,
    answer: () => ({}),
    executed: () => handler.asked.filter(({ kind }) => kind === Kind.execute),
  }
  handler.otherwise = (asked, peer) => {
    if (asked.kind === Kind.execute) peer.answer(asked.tag, subject.answer(asked))
    return asked.kind === Kind.execute
  }
  await handler.listen()
  context.after(() => handler.die())
  const values = readParameters('user', device.parameters, { socket: handler.path, shared: 'no', wait: '0' })
  const bench = await Bench.open(device, null, values)
  context.after(() => bench.device.close())
  return Object.assign(subject, { bench })
}

test('commands reach the handler as they are, with what lunkit reads in them', async context => {
  const subject = await open(context)
  const data = Buffer.alloc(1024, 7)
  const written = await subject.bench.run(cdbOf(WRITE_10, { lba: 5, blocks: 2 }), { out: data })
  assert.equal(written.status, Status.good)
  const [write] = subject.executed()
  const { lba, blocks, outLength, cdbLength, attribute } = EXECUTE.read(write!.body)
  assert.deepEqual([lba, blocks, outLength, cdbLength, attribute], [5, 2, 1024, 10, 0])
  assert.deepEqual(write!.body.subarray(0, 10), Buffer.from(cdbOf(WRITE_10, { lba: 5, blocks: 2 })))
  assert.ok(Peer.dataOf(write!).equals(data))

  subject.answer = () => ({ data: Buffer.alloc(512, 9) })
  const read = await subject.bench.run(cdbOf(READ_10, { lba: 0, blocks: 1 }), { expectedIn: 512 })
  assert.deepEqual([read.status, read.data.equals(Buffer.alloc(512, 9))], [Status.good, true])

  subject.answer = () => ({ data: Buffer.from('vendor specific') })
  const own = await subject.bench.run([0xc1, 0, 0, 0, 0, 0], { expectedIn: 100 })
  assert.equal(own.data.toString(), 'vendor specific')
})

test('an initiator is announced before its first command, and its end is told', async context => {
  const { bench, handler } = await open(context)
  await bench.run(cdbOf(TEST_UNIT_READY))
  await bench.run(cdbOf(TEST_UNIT_READY))
  await bench.run(cdbOf(TEST_UNIT_READY), { nexus: 1 })
  bench.device.nexusLost(bench.nexusUnits[0]!.nexus)
  bench.device.reset()
  await bench.run(cdbOf(TEST_UNIT_READY))
  const { hello, attach, execute, detach, reset } = Kind
  assert.deepEqual(
    handler.asked.map(({ kind, session }) => [kind, session]),
    [
      [hello, 0],
      [attach, 1],
      [execute, 1],
      [execute, 1],
      [attach, 2],
      [execute, 2],
      [detach, 1],
      [reset, 0],
      [attach, 3],
      [execute, 3],
    ],
  )
  const told = JSON.parse(handler.asked[1]!.body.toString()) as Record<string, unknown>
  assert.deepEqual(
    [told['initiator'], told['lun'], told['readonly'], told['serial']],
    ['iqn.2026-11.test:initiator-1', 0, false, 'serial-0001'],
  )
})

test('sense data and statuses of the handler become the answer', async context => {
  const subject = await open(context)
  const sense = Buffer.alloc(48)
  const length = writeSense(sense, true, codeOf(SenseKey.mediumError, 0x11, 0), { information: 77 })
  subject.answer = () => ({ status: Status.checkCondition, sense: sense.subarray(0, length) })
  const failed = await subject.bench.run(cdbOf(READ_10, { lba: 77, blocks: 1 }))
  assert.deepEqual(
    [failed.sense?.key, failed.sense?.asc, failed.information],
    [SenseKey.mediumError, 0x11, 77],
  )
  for (const status of [Status.busy, Status.reservationConflict, Status.taskSetFull, Status.conditionMet]) {
    subject.answer = () => ({ status })
    assert.equal((await subject.bench.run(cdbOf(TEST_UNIT_READY))).status, status)
  }
  subject.answer = () => ({ status: Status.checkCondition })
  assert.equal((await subject.bench.run(cdbOf(INQUIRY))).sense?.key, SenseKey.hardwareError)
})

test('a command whose connection breaks is not sent again, and everybody hears of the return', async context => {
  const subject = await open(context)
  const { handler, bench } = subject
  handler.otherwise = ({ kind }, peer) => {
    if (kind === Kind.execute) peer.socket.destroy()
    return kind === Kind.execute
  }
  const lost = await bench.run(cdbOf(TEST_UNIT_READY))
  assert.deepEqual([lost.sense?.key, lost.sense?.asc, lost.sense?.ascq], [SenseKey.notReady, 0x08, 0x01])
  handler.otherwise = () => false
  while (bench.warnings.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
  assert.match(bench.warnings.join(), /closed.*is back/s)
  for (const { attentions } of bench.nexusUnits) assert.equal(attentions.at(-1), DEVICE_INTERNAL_RESET)
  assert.equal(subject.executed().length, 1)
})

test('a unit says what it is while its handler is away', async context => {
  const subject = await open(context)
  const { handler, bench } = subject
  subject.answer = () => ({ data: Buffer.alloc(36, 5) })
  await bench.run(cdbOf(INQUIRY, { allocation: 96 }), { expectedIn: 96 })
  subject.answer = () => ({ data: Buffer.alloc(5, 5) })
  await bench.run(cdbOf(INQUIRY, { allocation: 5 }), { expectedIn: 5 })
  await handler.die()
  while (bench.warnings.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  const kept = await bench.run(cdbOf(INQUIRY, { allocation: 96 }), { expectedIn: 96 })
  assert.deepEqual([kept.status, kept.data.length], [Status.good, 36])
  assert.equal((await bench.run(cdbOf(INQUIRY, { allocation: 20 }), { expectedIn: 96 })).data.length, 20)
  const page = await bench.run(cdbOf(INQUIRY, { evpd: 1, pageCode: 0x80, allocation: 96 }))
  assert.equal(page.sense?.key, SenseKey.notReady)
})

test('what a handler tells unasked reaches all initiators', async context => {
  const { handler, bench } = await open(context)
  const [peer] = handler.peers
  peer!.notice(Kind.capacity, CAPACITY.write({ size: 4096 }))
  peer!.notice(Kind.attention, ATTENTION.write({ asc: 0x3f, ascq: 0x01 }))
  while (bench.nexusUnits[1]!.attentions.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
  assert.equal(bench.device.blocks, 4096)
  for (const { attentions } of bench.nexusUnits) {
    assert.deepEqual(
      attentions.map(({ key, asc, ascq }) => [key, asc, ascq]),
      [
        [6, 0x2a, 0x09],
        [6, 0x3f, 0x01],
      ],
    )
  }
})

test('a hello that is none of a unit is refused', async context => {
  for (const hello of [
    {},
    { type: 32 },
    { type: 0 },
    { type: 0, block: 0, blocks: 1 },
    { type: 1, maxTransfer: 1 },
    { type: 1, policies: { qerr: 2 } },
    { type: 1, policies: { other: 1 } },
  ]) {
    await assert.rejects(open(context, hello), { code: 'HANDLER_WRONG' }, JSON.stringify(hello))
  }
  const { bench } = await open(context, { type: 3, policies: { tas: true } })
  assert.deepEqual([bench.device.type.peripheralType, bench.device.policies.tas], [3, true])
})
