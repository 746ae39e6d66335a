// SPDX-License-Identifier: Apache-2.0
// Units of every type that can be passed through, by a bridge with a script: what they are, what they keep in order, what they bring.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DeviceType, READ_6, STANDARD_INQUIRY, Status, TAPE_WRITE_6, TEST_UNIT_READY } from '@lunkit/spec'
import { type Device, type Identity, OperatorError } from '@lunkit/target-api'
import { device as absent } from '@lunkit/target-devices/absent'
import { type LocalNexus, openLocal } from '@lunkit/target-driver-local'
import { TargetEngine } from '@lunkit/target-engine'
import { cdbOf } from '@lunkit/testing/kit/device-bench.ts'
import { until } from '@lunkit/testing/kit/gateway-bench.ts'
import { codeText } from '@lunkit/testing/kit/local-bridge.ts'
import type { Bridge, BridgeAnswer, BridgeRequest } from './bridge.ts'
import { passthrough } from './device-type.ts'

const ILLEGAL = Buffer.from('700005000000000a000000002000000000000000', 'hex').subarray(0, 18)
const GOOD: BridgeAnswer = {
  outcome: 'done',
  status: Status.good,
  sense: Buffer.alloc(0),
  received: 0,
  excess: 0,
  outResidual: 0,
  reason: '',
}

/** Answers INQUIRY and TEST UNIT READY, keeps what `keeps` names, and refuses all else. */
class Script implements Bridge {
  readonly seen: string[] = []
  readonly kept: BridgeRequest[] = []
  readonly keeps: ReadonlySet<number>
  readonly #type: number
  constructor(type: number, keeps: readonly number[] = []) {
    this.#type = type
    this.keeps = new Set(keeps)
  }
  execute(request: BridgeRequest): void {
    const { cdb, dataIn } = request
    this.seen.push(Buffer.from(cdb).toString('hex'))
    if (this.keeps.has(cdb[0]!)) this.kept.push(request)
    else if (cdb[0] === 0x12 && cdb[1] === 0) {
      const data = STANDARD_INQUIRY.write({
        deviceType: this.#type,
        version: 6,
        vendor: 'ACME',
        additionalLength: 91,
      })
      Buffer.from(data).copy(dataIn)
      request.finish({ ...GOOD, received: Math.min(96, dataIn.length) })
    } else if (cdb[0] === 0x00) request.finish(GOOD)
    else request.finish({ ...GOOD, status: Status.checkCondition, sense: ILLEGAL })
  }
  reset(): void {}
}

async function open(script: Script): Promise<Device> {
  const opened = {
    bridge: script,
    identity: 'script:1',
    maxTransfer: 1 << 20,
    longestCdb: 16,
    close: async () => {},
  }
  const type = passthrough({ script: { parameters: {}, open: async () => opened } })
  const values = { unit: 'script:1', timeout: 60, wait: 20, reservations: 'own', readonly: false }
  return type.open(null, values)
}

const NAMES: Identity = {
  vendor: 'ACME',
  product: 'X',
  revision: '1',
  serial: 'S',
  naa: Uint8Array.of(0x30, 0, 0, 0, 0, 0, 0, 1),
}

async function bench(script: Script): Promise<{ engine: TargetEngine; one: LocalNexus; two: LocalNexus }> {
  const engine = new TargetEngine({ observe: () => {}, absent: await absent.open(null, {}) })
  const device = await open(script)
  engine.addTarget({ name: 'target' }).map(0, engine.addUnit(device, NAMES))
  const [one, two] = ['one', 'two'].map(name => openLocal(engine, 'target', name)) as [LocalNexus, LocalNexus]
  for (const nexus of [one, two]) {
    const ready = { lun: 0, cdb: cdbOf(TEST_UNIT_READY) }
    while ((await nexus.execute(ready)).status !== Status.good);
  }
  script.seen.length = 0
  return { engine, one, two }
}

describe('types', () => {
  for (const type of [0x00, 0x01, 0x03, 0x05, 0x07, 0x08, 0x0c]) {
    test(`${type.toString(16)}h is what the unit says, and takes commands that nobody knows`, async () => {
      const script = new Script(type, [0xc1])
      const { engine, one } = await bench(script)
      const inquiry = { lun: 0, cdb: Uint8Array.of(0x12, 0, 0, 0, 96, 0), expectedIn: 96 }
      assert.equal((await one.execute(inquiry)).dataIn[0], type)
      const cdb = Uint8Array.of(0xc1, 0, 0, 0, 0, 0)
      const answer = one.execute({ lun: 0, cdb, dataOut: Buffer.from('vendor') })
      await until(() => script.kept.length === 1)
      const [request] = script.kept
      assert.deepEqual([request!.direction, Buffer.concat(request!.dataOut).toString()], ['out', 'vendor'])
      request!.finish({ ...GOOD, outResidual: 2 })
      assert.deepEqual([(await answer).status, (await answer).residual], [Status.good, 2])
      await engine.close()
    })
  }

  test('others are refused at the start', async () => {
    for (const type of [DeviceType.enclosure, DeviceType.unknown]) {
      await assert.rejects(
        open(new Script(type)),
        (error: OperatorError) => error instanceof OperatorError && error.code === 'PASSTHROUGH_TYPE',
      )
    }
  })
})

test('a tape gets one command after the other, in the order in which they came, whoever sent them', async () => {
  const script = new Script(DeviceType.tape, [TAPE_WRITE_6.opcode])
  const { engine, one, two } = await bench(script)
  const answers = Array.from({ length: 6 }, (_, i) =>
    (i % 2 === 0 ? one : two).execute({
      lun: 0,
      cdb: Uint8Array.of(TAPE_WRITE_6.opcode, 0, 0, 0, i + 1, 0),
      dataOut: Buffer.alloc(i + 1, i),
    }),
  )
  for (let i = 0; i < 6; i++) {
    await until(() => script.kept.length === 1)
    const request = script.kept.pop()!
    assert.equal(request.cdb[4], i + 1)
    assert.equal(Buffer.concat(request.dataOut).length, i + 1)
    request.finish(GOOD)
  }
  await Promise.all(answers)
  await engine.close()
})

test('a block of another length: data and CHECK CONDITION with ILI, as tapes have them', async () => {
  const script = new Script(DeviceType.tape, [READ_6.opcode])
  const { engine, one } = await bench(script)
  const answer = one.execute({ lun: 0, cdb: Uint8Array.of(0x08, 0, 0, 1, 0, 0), expectedIn: 256 })
  await until(() => script.kept.length === 1)
  const sense = Buffer.from('f000200000003c0a000000000000000000000000', 'hex').subarray(0, 18)
  script.kept[0]!.dataIn.fill(0x42, 0, 196)
  script.kept[0]!.finish({ ...GOOD, status: Status.checkCondition, sense, received: 196 })
  const { status, sense: got, dataIn, residual } = await answer
  assert.deepEqual([status, dataIn.length, residual], [Status.checkCondition, 196, 60])
  assert.ok(got.equals(sense))
  assert.ok(dataIn.equals(Buffer.alloc(196, 0x42)))
  await engine.close()
})

test('a CDB that the bridge does not carry, or that it refuses, is no command of this unit', async () => {
  const script = new Script(DeviceType.disk, [0xc1])
  const { engine, one } = await bench(script)
  const long = Uint8Array.from({ 0: 0x7f, 7: 24, length: 32 })
  assert.equal(codeText((await one.execute({ lun: 0, cdb: long })).sense), '20/00')
  assert.deepEqual(script.seen, [])
  const answer = one.execute({ lun: 0, cdb: Uint8Array.of(0xc1, 0, 0, 0, 0, 0) })
  await until(() => script.kept.length === 1)
  script.kept[0]!.finish({ ...GOOD, outcome: 'refused', reason: 'it has no such thing' })
  assert.equal(codeText((await answer).sense), '20/00')
  await engine.close()
})
