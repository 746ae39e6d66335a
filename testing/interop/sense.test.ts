// SPDX-License-Identifier: Apache-2.0
// Everything that sense data can say reaches an initiator: of a handler in another process, of a device and of a store in this one.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  FILEMARK_DETECTED,
  INQUIRY,
  DeviceType as Peripheral,
  READ_10,
  readSense,
  SenseKey,
  STANDARD_INQUIRY,
  Status,
  sense,
  TEST_UNIT_READY,
} from '@lunkit/spec'
import {
  type Device,
  type DeviceType,
  defaultPolicies,
  failWith,
  on,
  reply,
  StoreError,
  succeed,
} from '@lunkit/target-api'
import { MemoryStore } from '@lunkit/target-stores/memory'
import { connect } from 'lunkit/initiator'
import { createTarget, lun } from 'lunkit/target'
import { Flag, Kind } from '../../target/user/src/link/protocol.ts'
import {
  type Answered,
  type Asked,
  type Peer,
  ScriptedHandler,
} from '../../target/user/src/scripted-handler.test-kit.ts'
import { cdbOf } from '../kit/device-bench.ts'
import { scratch } from '../kit/scratch.ts'

const READ_6 = [0x08, 0, 0, 0x10, 0, 0]
const tapeInquiry = STANDARD_INQUIRY.write({
  deviceType: Peripheral.tape,
  version: 6,
  responseFormat: 2,
  additionalLength: STANDARD_INQUIRY.length - 5,
  vendor: 'TEST',
  product: 'TAPE',
  revision: '1',
})

/** A handler of a tape, whose READ answers as the test says. */
async function tape(
  context: TestContext,
  read: (asked: Asked, peer: Peer) => Answered,
  hello: Record<string, unknown> = { version: 2 },
) {
  const handler = new ScriptedHandler(join(await scratch(context), 'tape.sock'), { type: 1, ...hello })
  handler.otherwise = (asked, peer) => {
    if (asked.kind !== Kind.execute) return false
    const inquiry = asked.body[0] === INQUIRY.opcode
    if (inquiry || asked.body[0] === TEST_UNIT_READY.opcode) {
      peer.answer(asked.tag, { data: inquiry ? tapeInquiry : Buffer.alloc(0) })
    } else peer.answer(asked.tag, read(asked, peer))
    return true
  }
  await handler.listen()
  context.after(() => handler.die())
  const target = await createTarget({ luns: [`user:${handler.path},wait=0`] })
  context.after(() => target.close())
  const warnings: string[] = []
  target.on('warning', ({ reason }) => warnings.push(reason))
  target.on('command-failed', event => warnings.push(JSON.stringify(event)))
  const unit = await connect(target.url, { reconnect: { attempts: 0, delays: [] } })
  context.after(() => unit.close())
  await unit.testReady()
  return {
    url: target.url,
    unit,
    warnings,
    read: () => unit.execute(Uint8Array.from(READ_6), { expectedIn: 4096 }),
  }
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** What a tape says, and what it is to the initiator. */
const SAID: readonly [string, string, Record<string, unknown>][] = [
  [
    'a filemark with a residue',
    'f0 00 80 00001000 0a 00000000 0001 00 000000',
    { filemark: true, information: 4096, key: SenseKey.noSense, asc: 0, ascq: 1 },
  ],
  [
    'early warning, after all was written',
    'f0 00 40 00000000 0a 00000000 0002 00 000000',
    { endOfMedium: true, information: 0, ascq: 2 },
  ],
  [
    'a longer block: a negative residue',
    'f0 00 20 fffff000 0a 00000000 0000 00 000000',
    { incorrectLength: true, information: 0xffff_f000 },
  ],
  [
    'the same in descriptor format, 64 bits long',
    '72 00 00 00 00 00 00 10  00 0a 80 00 fffffffffffff000  04 02 00 20',
    { incorrectLength: true, information: -4096, descriptor: true },
  ],
  [
    'the end of the medium, with command specific information and a deferred error',
    '71 00 43 00000000 0a 00000007 0c00 00 000000',
    { endOfMedium: true, deferred: true, commandSpecific: 7, key: SenseKey.mediumError, asc: 0x0c },
  ],
  [
    'an actual retry count and bytes of its vendor',
    '70 00 03 00000000 0e 00000000 1100 05 800003 aabbccdd',
    { key: SenseKey.mediumError, asc: 0x11 },
  ],
]

test('a tape in another process says all that sense data can say, and brings data beside them', async t => {
  const block = Buffer.alloc(1024, 7)
  let said: Answered = {}
  const { unit, url } = await tape(t, () => ({ status: Status.checkCondition, ...said }))
  await using gateway = await createTarget({ luns: [`passthrough:${url}`] })
  await using behind = await connect(gateway.url)
  await using careful = await connect(url, { errorRecoveryLevel: 2, headerDigest: 'require' })
  for (const one of [behind, careful]) await one.testReady()
  const ways = [unit, behind, careful]
  for (const [name, bytes, wanted] of SAID) {
    for (const [data, from] of [Buffer.alloc(0), block].flatMap(one =>
      ways.map(way => [one, way] as const),
    )) {
      said = { sense: hex(bytes), data }
      const answer = await from.execute(Uint8Array.from(READ_6), { expectedIn: 4096 })
      assert.equal(answer.status, Status.checkCondition)
      assert.deepEqual(Buffer.from(answer.sense), hex(bytes), name)
      const report = readSense(answer.sense)! as unknown as Record<string, unknown>
      for (const [field, value] of Object.entries(wanted))
        assert.equal(report[field], value, `${name}: ${field}`)
      assert.ok(Buffer.from(answer.dataIn).equals(data), `${name}: ${answer.dataIn.length} bytes`)
    }
  }
})

test('data beside sense data may come by shared memory', async t => {
  const { writeSync } = await import('node:fs')
  const { read } = await tape(t, ({ body, flags }, peer) => {
    assert.equal(flags & Flag.shared, Flag.shared)
    writeSync(peer.memory, Buffer.alloc(512, 3), 0, 512, Number(body.readBigUInt64BE(64)))
    return { status: Status.checkCondition, sense: hex(SAID[2]![1]), flags: Flag.shared, count: 512 }
  })
  const { dataIn, status } = await read()
  assert.equal(status, Status.checkCondition)
  assert.ok(Buffer.from(dataIn).equals(Buffer.alloc(512, 3)))
})

test('what is no sense data is a failure of the target, in words for the operator', async t => {
  let said = ''
  const { read, warnings } = await tape(t, () => ({ status: Status.checkCondition, sense: hex(said) }))
  for (const [bytes, why] of [
    ['', /are missing/],
    ['00', /response code 0h/],
    ['74 00 00 00 00 00 00 00', /response code 74h/],
    ['70 00 03 00 00 00', /end after 6 bytes/],
    ['70 00 03 00000000 ff 00000000 1100 00 000000', /say that they have 263 bytes/],
    ['70 00 03 00000000 02 00000000 1100 00 000000', /before the additional sense code/],
    ['72 03 11 00 00 00 00 04 00 0a 80 00', /a descriptor that does not fit/],
    ['72 03 11 00 00 00 00 01 00', /a descriptor that does not fit/],
    ['70 '.repeat(255), /are 255 bytes long/],
  ] as const) {
    said = bytes
    warnings.length = 0
    const { status, sense: bytesOf } = await read()
    const report = readSense(bytesOf)!
    assert.deepEqual([status, report.key, report.asc], [Status.checkCondition, SenseKey.hardwareError, 0x44])
    assert.match(warnings.join(), why)
  }
})

test('in version 1 data came with GOOD only: a handler that does otherwise is given up', async t => {
  const both = { status: Status.checkCondition, sense: hex(SAID[0]![1]), data: Buffer.alloc(16) }
  const { read, warnings } = await tape(t, () => both, { version: 1 })
  assert.equal(readSense((await read()).sense)!.key, SenseKey.notReady)
  assert.match(warnings.join(), /data that nobody asked for/)
})

test('a length that is not that of the data is a fault, not bytes of somebody else', async t => {
  const { read, warnings } = await tape(t, () => ({ count: 4096 }))
  assert.equal(readSense((await read()).sense)!.key, SenseKey.notReady)
  assert.match(warnings.join(), /two lengths/)
})

const extra = { filemark: true, information: -5, commandSpecific: 9, deferred: true } as const

const ownTape = (dSense: boolean): DeviceType => {
  const type: DeviceType = {
    apiVersion: 1,
    name: 'tape',
    peripheralType: Peripheral.tape,
    parameters: {},
    bindings: [
      on(TEST_UNIT_READY, succeed),
      on(INQUIRY, task => reply(task, Uint8Array.from(tapeInquiry), 96)),
    ],
    otherwise(task) {
      task.segments.push(Buffer.alloc(100, 4))
      task.inLength = 100
      failWith(task, FILEMARK_DETECTED, extra)
    },
    open: async () => new OwnTape(type, dSense),
  }
  return type
}

class OwnTape implements Device {
  readonly type: DeviceType
  readonly blockSize = 0
  readonly blocks = 0
  readonly writable = true
  readonly maxTransfer = 65536
  readonly notReady = null
  readonly occupied = null
  readonly policies = defaultPolicies()
  constructor(type: DeviceType, dSense: boolean) {
    this.type = type
    this.policies.dSense = dSense
  }
  attach(): void {}
  abort(): void {}
  reset(): void {}
  nexusLost(): void {}
  async close(): Promise<void> {}
}

for (const dSense of [false, true]) {
  test(`a device in this process says all of it, D_SENSE ${dSense ? 1 : 0}`, async () => {
    await using target = await createTarget({ luns: [lun({ device: ownTape(dSense) })] })
    await using unit = await connect(target.url)
    await unit.testReady()
    const { status, sense: bytes, dataIn } = await unit.execute(Uint8Array.from(READ_6), { expectedIn: 4096 })
    assert.equal(status, Status.checkCondition)
    const report = readSense(bytes)!
    assert.deepEqual(
      [report.filemark, report.deferred, report.descriptor, report.commandSpecific],
      [true, true, dSense, 9],
    )
    // Two's complement, of 64 or 32 bits.
    const residue = Buffer.from(bytes)
    assert.equal(dSense ? Number(residue.readBigInt64BE(12)) : residue.readInt32BE(3), -5)
    assert.ok(Buffer.from(dataIn).equals(Buffer.alloc(100, 4)))
  })
}

test('a store says more than a code, through filters', async () => {
  class Saying extends MemoryStore {
    override read(io: Parameters<MemoryStore['read']>[0]): void {
      io.sense = sense(SenseKey.recoveredError, 0x17, 0x01, 'RECOVERED DATA WITH RETRIES')
      io.senseExtra = { information: 4242, commandSpecific: 1 }
      io.finish(StoreError.sense)
    }
  }
  for (const filters of [[], ['cache'], ['overlay']]) {
    const store = lun({ store: new Saying(1 << 20) })
    await using target = await createTarget({ luns: [{ ...store, filters }] })
    await using disk = await connect(target.url)
    await disk.testReady()
    const answer = await disk.execute(cdbOf(READ_10, { lba: 3, blocks: 1 }), { expectedIn: 512 })
    const report = readSense(answer.sense)!
    const said = [report.key, report.asc, report.ascq, report.information, report.commandSpecific]
    assert.deepEqual(said, [SenseKey.recoveredError, 0x17, 1, 4242, 1], filters.join())
  }
})
