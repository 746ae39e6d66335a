// SPDX-License-Identifier: Apache-2.0
// What one session may pin: parts that add up, data that waits, texts in pieces, long headers; others beside it go on.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  BHS_LENGTH,
  NOP_OUT,
  Opcode,
  REJECT,
  RESERVED_TAG,
  SCSI_COMMAND,
  SCSI_RESPONSE,
  Status,
  TEXT_REQUEST,
} from '@lunkit/spec'
import { OperatorError } from '@lunkit/target-api'
import { testUnitReady, withBench, write10 } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { DEFAULT_LIMITS, type Limits, settle } from '../options.ts'
import type { IscsiTargetPort } from '../port.ts'
import { heldBy, partsOfSession } from './session-memory.ts'

const KIB = 1024
const OTHER = Uint8Array.of(0x80, 0, 0, 0, 0, 2)

const limitsOf = (limits: Partial<Limits>): Limits =>
  settle({ portals: [{ host: '127.0.0.1', port: 0 }], limits }, () => undefined).limits

async function isServed(peer: RawPeer): Promise<void> {
  peer.command(testUnitReady())
  assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status, Status.good)
}

describe('the parts of a session', () => {
  test('fit what it may hold, whatever they are set to', () => {
    assert.equal(limitsOf({}).sessionBytes, 64 * KIB * KIB)
    assert.ok(partsOfSession(DEFAULT_LIMITS) <= 64 * KIB * KIB)
    const large = limitsOf({ sendQueueBytes: 64 * KIB * KIB })
    assert.equal(large.sessionBytes, partsOfSession(large))
    assert.ok(large.sessionBytes > 8 * 64 * KIB * KIB)
    const exact = partsOfSession(DEFAULT_LIMITS)
    assert.equal(limitsOf({ sessionBytes: exact }).sessionBytes, exact)
  })

  test('that would not fit are refused with the sum', () => {
    const parts = partsOfSession(DEFAULT_LIMITS)
    assert.throws(
      () => limitsOf({ sessionBytes: parts - 1 }),
      error => error instanceof OperatorError && error.message.includes(String(parts)) && error.hint !== '',
    )
  })
})

test('waiting data of one session has its limit, and others have theirs', () => {
  const limits = {
    maxConnections: 1,
    errorRecoveryLevel: 0,
    sendQueueBytes: 64 * KIB,
    sessionBytes: 4 * KIB * KIB,
    firstBurst: 256 * KIB,
    earlyDataBytes: 1024 * KIB * KIB,
  }
  return withBench({ limits }, async bench => {
    const keys = {
      InitialR2T: 'No',
      ImmediateData: 'Yes',
      FirstBurstLength: String(256 * KIB),
      MaxBurstLength: String(256 * KIB),
    }
    const good = await bench.peer({ isid: OTHER, keys })
    const greedy = await bench.peer({ keys })
    const session = [...(bench.port as IscsiTargetPort).sessions.values()].at(-1)!
    // An ORDERED write that waits for its data makes all that follow wait.
    greedy.command(write10(0, 1), { write: 1, attribute: 2, expectedDataTransferLength: 512 })
    await greedy.receive(Opcode.r2t)
    const data = Buffer.alloc(256 * KIB, 7)
    for (let i = 0; i < 40; i++)
      greedy.command(write10(0, 512), { write: 1, expectedDataTransferLength: data.length }, data)
    let full = 0
    for (let i = 0; i < 40 - 16; i++) {
      const response = fieldsOf(SCSI_RESPONSE, await greedy.receive(Opcode.scsiResponse))
      if (response.status === Status.taskSetFull) full++
    }
    assert.equal(full, 24)
    assert.ok(heldBy(session) <= limits.sessionBytes, String(heldBy(session)))
    // Its own commands wait, too; the other has room for the data of its own.
    good.command(write10(0, 512), { write: 1, expectedDataTransferLength: data.length }, data)
    await bench.until(() => [...(bench.port as IscsiTargetPort).sessions.values()][0]!.early === data.length)
    await greedy.close()
    assert.equal(fieldsOf(SCSI_RESPONSE, await good.receive(Opcode.scsiResponse)).status, Status.good)
    await isServed(good)
  })
})

describe('texts', () => {
  const piece = (peer: RawPeer, data: Buffer, ttt = RESERVED_TAG): void =>
    peer.sendPdu(
      TEXT_REQUEST,
      { opcode: Opcode.textRequest, continue: 1, itt: 77, ttt, cmdSn: peer.cmdSn++ },
      data,
    )

  test('in too many pieces, or too long, are rejected; the session goes on, and so does another', () =>
    withBench({ limits: { textBytes: 2048 } }, async bench => {
      const good = await bench.peer({ isid: OTHER })
      const peer = await bench.peer()
      for (const [bytes, pieces] of [
        [1, 256],
        [512, 4],
      ] as const) {
        for (let i = 0; i < pieces; i++) {
          piece(peer, Buffer.alloc(bytes, 0x41), i === 0 ? RESERVED_TAG : 1)
          await peer.receive(Opcode.textResponse)
        }
        piece(peer, Buffer.alloc(bytes, 0x41), 1)
        const rejected = await peer.receive(Opcode.reject)
        peer.cmdSn = fieldsOf(REJECT, rejected).expCmdSn
        await isServed(peer)
      }
      assert.ok(bench.of('peer-fault').every(({ fault }) => fault.startsWith('Text is too long')))
      await isServed(good)
    }))
})

describe('additional headers', () => {
  const LONGEST = Buffer.alloc(1020)
  LONGEST.set([0x03, 0xf9, 0x99])

  test('of the greatest length cost nothing before login', () =>
    withBench({}, async bench => {
      const good = await bench.peer({ isid: OTHER })
      const flood = await bench.connect()
      // Headers alone: the bytes before login are counted with them.
      const pdu = flood.build(
        NOP_OUT,
        { opcode: Opcode.loginRequest, immediate: 1 },
        Buffer.alloc(0),
        LONGEST,
      )
      assert.equal(pdu.length, BHS_LENGTH + LONGEST.length)
      for (let i = 0; i < 400; i++) flood.send(pdu)
      const last = await flood.end()
      assert.ok(last.every(({ opcode, header }) => opcode === Opcode.loginResponse && header[36] !== 0))
      await isServed(good)
    }))

  test('of the greatest length on every command are stepped over after it', () =>
    withBench({}, async bench => {
      const good = await bench.peer({ isid: OTHER })
      const peer = await bench.peer()
      for (let i = 0; i < 500; i++) {
        peer.sendPdu(
          SCSI_COMMAND,
          { opcode: Opcode.scsiCommand, final: 1, itt: i, cmdSn: peer.cmdSn++, cdb: new Uint8Array(16) },
          undefined,
          LONGEST,
        )
        await peer.receive(Opcode.scsiResponse)
      }
      await isServed(peer)
      await isServed(good)
      assert.deepEqual(bench.of('peer-fault'), [])
    }))
})
