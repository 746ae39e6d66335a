// SPDX-License-Identifier: Apache-2.0
// A command with data in both directions, over a real socket: lengths, data, numbers and residuals of both.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BIDIRECTIONAL_READ_AHS,
  bits,
  command,
  DATA_IN,
  DATA_OUT,
  EXTENDED_CDB_AHS,
  NOP_OUT,
  Opcode,
  R2T,
  RESERVED_TAG,
  SCSI_COMMAND,
  SCSI_RESPONSE,
  Status,
  serviceAction,
  u8,
} from '@lunkit/spec'
import { type Device, type DeviceType, defaultPolicies, on, reply, type Task } from '@lunkit/target-api'
import { device as absent } from '@lunkit/target-devices/absent'
import { TargetEngine } from '@lunkit/target-engine'
import { fieldsOf, RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { driver } from './index.ts'

const TRAITS = { data: 'both', touches: 'nothing', reservation: 'allowed', unitAttention: 'passes' } as const
const SWAP = command(0xc2, 10, 'SWAP', 'a command of this test', TRAITS, {
  out: u8(2),
  in: u8(3),
  more: bits(4, 7, 0),
})
const LONG_SWAP = serviceAction(0x7f, 0xf001, 32, 'SWAP (32)', 'a command of this test', TRAITS, {
  out: u8(30),
  in: u8(31),
})

/** Answers with `in` bytes of what it took, bit by bit the other way. */
const swap = (row: typeof SWAP | typeof LONG_SWAP) => (task: Task) => {
  const taken = Buffer.concat(task.segments)
  const wanted = row.cdb.field.in.get(task.cdb, 0)
  task.releaseData()
  const bytes = Array.from({ length: wanted }, (_, index) => ~(taken[index] ?? 0) & 0xff)
  reply(task, Buffer.from(bytes))
}

const type: DeviceType = {
  apiVersion: 1,
  name: 'swapping',
  peripheralType: 0,
  parameters: {},
  bindings: [
    on(SWAP, swap(SWAP), { dataOut: task => SWAP.cdb.field.out.get(task.cdb, 0) }),
    on(LONG_SWAP, swap(LONG_SWAP), { dataOut: task => LONG_SWAP.cdb.field.out.get(task.cdb, 0) }),
  ],
  open: async () => device(),
}

const device = (): Device => ({
  type,
  blockSize: 512,
  blocks: 8,
  writable: true,
  maxTransfer: 65536,
  notReady: null,
  occupied: null,
  policies: defaultPolicies(),
  attach() {},
  abort() {},
  reset() {},
  nexusLost() {},
  async close() {},
})

const identity = { vendor: 'L', product: 'P', revision: '1', serial: '1', naa: new Uint8Array(8) }
const NAME = 'iqn.2026-11.test:both'

async function withPeer(keys: Record<string, string>, run: (peer: RawPeer) => Promise<void>): Promise<void> {
  const engine = new TargetEngine({ observe: () => {}, absent: await absent.open(null, {}) })
  engine.addTarget({ name: NAME }).map(0, engine.addUnit(device(), identity))
  const port = await driver.start(engine, {
    portals: [{ host: '127.0.0.1', port: 0 }],
    nop: { intervalMs: 0 },
  })
  const peer = await RawPeer.connect(port.portals[0]!.port)
  try {
    await peer.login({ target: NAME, keys })
    await run(peer)
  } finally {
    await peer.close()
    await port.stop(0)
    await engine.close()
  }
}

const readLength = (expectedReadLength: number): Uint8Array =>
  BIDIRECTIONAL_READ_AHS.write({ ahsLength: 5, ahsType: 2, expectedReadLength })

function send(
  peer: RawPeer,
  cdb: Uint8Array,
  length: number,
  ahs: Uint8Array,
  data?: Uint8Array,
  final = 1,
): number {
  const itt = peer.itt++
  const head = { opcode: Opcode.scsiCommand, final, attribute: 1, read: 1, write: 1 } as const
  const fields = { ...head, expectedDataTransferLength: length, itt, cmdSn: peer.cmdSn++ }
  peer.sendPdu(SCSI_COMMAND, { ...fields, cdb: cdb.subarray(0, 16) } as never, data, ahs)
  return itt
}

async function end(peer: RawPeer) {
  const answer = fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse))
  const out = answer.overflow ? answer.residualCount : 0 - answer.residualCount
  const into = answer.bidiOverflow ? answer.bidiResidualCount : 0 - answer.bidiResidualCount
  return { status: answer.status, out, into, expDataSn: answer.expDataSn }
}

const data = Buffer.from(Array.from({ length: 32 }, (_, index) => index))
const turned = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, index) => 255 - index))

// Requirement: RFC 7143, 11.7/14 and 11.4/9.
test('immediate data, and a status of its own with both residuals', () =>
  withPeer({}, async peer => {
    const cdb = SWAP.cdb.write({ opcode: SWAP.opcode, out: 16, in: 12 })
    send(peer, cdb, 32, readLength(8), data)
    const read = await peer.receive(Opcode.dataIn)
    assert.deepEqual([read.data, fieldsOf(DATA_IN, read).statusPresent], [turned(8), 0])
    // 16 of 32 bytes were taken; of 12 bytes 8 were wanted.
    assert.deepEqual(await end(peer), { status: Status.good, out: -16, into: 4, expDataSn: 1 })
  }))

// Requirement: RFC 7143, 4.2.2.4/3.
test('R2T and Data-In are numbered in one row', () =>
  withPeer({ ImmediateData: 'No', InitialR2T: 'Yes' }, async peer => {
    const itt = send(peer, SWAP.cdb.write({ opcode: SWAP.opcode, out: 32, in: 16 }), 32, readLength(20))
    const { ttt, r2tSn, desiredLength } = fieldsOf(R2T, await peer.receive(Opcode.r2t))
    assert.deepEqual([r2tSn, desiredLength], [0, 32])
    peer.sendPdu(DATA_OUT, { opcode: Opcode.dataOut, final: 1, itt, ttt }, data)
    const read = await peer.receive(Opcode.dataIn)
    assert.deepEqual([read.data, fieldsOf(DATA_IN, read).dataSn], [turned(16), 1])
    assert.deepEqual(await end(peer), { status: Status.good, out: 0, into: -4, expDataSn: 1 })
  }))

test('a CDB of 32 bytes and the read length, in either order of the segments', () =>
  withPeer({}, async peer => {
    const cdb = LONG_SWAP.cdb.write({
      opcode: 0x7f,
      serviceAction: 0xf001,
      additionalLength: 24,
      out: 8,
      in: 8,
    } as never)
    const long = Buffer.concat([EXTENDED_CDB_AHS.write({ ahsLength: 17, ahsType: 1 }), cdb.subarray(16)])
    for (const ahs of [
      [long, readLength(8)],
      [readLength(8), long],
    ]) {
      send(peer, cdb, 8, Buffer.concat(ahs), data.subarray(0, 8))
      assert.deepEqual((await peer.receive(Opcode.dataIn)).data, turned(8))
      assert.deepEqual(await end(peer), { status: Status.good, out: 0, into: 0, expDataSn: 1 })
    }
  }))

test('a command that fails has neither data nor an overflow', () =>
  withPeer({}, async peer => {
    send(
      peer,
      SWAP.cdb.write({ opcode: SWAP.opcode, out: 8, in: 8, naca: 0, more: 0 }).fill(0xff, 5, 6),
      8,
      readLength(8),
      data.subarray(0, 8),
    )
    const answer = await end(peer)
    assert.deepEqual([answer.status, answer.into], [Status.checkCondition, -8])
  }))

for (const ErrorRecoveryLevel of ['0', '1']) {
  // Requirement: RFC 7143, 11.4/2 and 11.4/9.
  test(`one that fails at level ${ErrorRecoveryLevel} is answered behind the data that comes unasked`, () =>
    withPeer({ InitialR2T: 'No', ErrorRecoveryLevel }, async peer => {
      const cdb = Uint8Array.of(0xc2, 0, 8, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
      const itt = send(peer, cdb, 16, readLength(8), data.subarray(0, 8), 0)
      const ping = { opcode: Opcode.nopOut, immediate: 1, final: 1, itt: 0x700, ttt: RESERVED_TAG } as const
      peer.sendPdu(NOP_OUT, { ...ping, cmdSn: peer.cmdSn })
      await peer.receive(Opcode.nopIn)
      const rest = { opcode: Opcode.dataOut, final: 1, itt, ttt: RESERVED_TAG, bufferOffset: 8 } as const
      peer.sendPdu(DATA_OUT, rest, data.subarray(8, 16))
      const { status, into, expDataSn } = await end(peer)
      assert.deepEqual([status, into, expDataSn], [Status.checkCondition, -8, 0])
    }))
}
