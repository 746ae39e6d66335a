// SPDX-License-Identifier: Apache-2.0
// What comes again after a SNACK: the same PDU with the numbers of now, and what is said where it cannot come.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_IN,
  NOP_IN,
  Opcode,
  R2T,
  REJECT,
  RESERVED_TAG,
  RejectReason,
  SCSI_RESPONSE,
  SnackType,
  Status,
  TEXT_REQUEST,
} from '@lunkit/spec'
import { BLOCK, type IscsiBench, testUnitReady, withBench } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, type RawPdu, type RawPeer, text } from '@lunkit/testing/kit/raw-peer.ts'
import { RawSession } from '@lunkit/testing/kit/raw-session.ts'
import { dataOut, KEYS, pieceOf, read, readAnswer, rejectReason, snack, write } from './recovery.test-kit.ts'

async function level(
  number: 1 | 2,
  run: (session: RawSession, peer: RawPeer, bench: IscsiBench) => Promise<void>,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  await withBench({}, async bench => {
    const keys = { ErrorRecoveryLevel: String(number), ...KEYS, ...more }
    const { session, first } = await RawSession.open(bench, keys)
    await run(session, first, bench)
  })
}

/** A header with other numbers of the command window, which all answers have at one place. */
function withWindow({ header }: RawPdu, now: RawPdu): Buffer {
  const copy = Buffer.from(header)
  const { expCmdSn, maxCmdSn } = fieldsOf(NOP_IN, now)
  NOP_IN.field.expCmdSn.set(copy, 0, expCmdSn)
  NOP_IN.field.maxCmdSn.set(copy, 0, maxCmdSn)
  return copy
}

const byTag = (session: RawSession, peer: RawPeer): Promise<RawPdu> => {
  session.next(peer).command(testUnitReady())
  return peer.receive(Opcode.scsiResponse)
}

/** Tells the target how long data segments may be from now on; acknowledges nothing. */
async function declare(session: RawSession, peer: RawPeer, bytes: number, expStatSn: number): Promise<void> {
  const fields = { immediate: 1, final: 1, itt: 77, ttt: RESERVED_TAG, cmdSn: session.cmdSn, expStatSn }
  const keys = text({ MaxRecvDataSegmentLength: String(bytes) })
  peer.sendPdu(TEXT_REQUEST, { opcode: Opcode.textRequest, ...fields } as never, keys)
  await peer.receive(Opcode.textResponse)
}

describe('what is sent again', () => {
  // Requirement: RFC 7143, 11.16/10 and 11.4/13.
  test('a response has its StatSN of the first time, and the window of now', () =>
    level(1, async (session, peer) => {
      const first = await byTag(session, peer)
      const { statSn } = fieldsOf(SCSI_RESPONSE, first)
      const now = await byTag(session, peer)
      assert.notDeepEqual(withWindow(first, now), first.header)
      snack(peer, { type: SnackType.status, begRun: statSn, runLength: 1, expStatSn: statSn })
      assert.deepEqual((await peer.receive(Opcode.scsiResponse)).header, withWindow(first, now))
    }))

  // Requirement: RFC 7143, 11.16/10 and 11.16/2 and 7.8/8.
  test('data has everything of the first time but the window', () =>
    level(1, async (session, peer) => {
      const itt = read(session, peer, 0, 2)
      const pieces = [await peer.receive(Opcode.dataIn), await peer.receive(Opcode.dataIn)]
      const { statSn } = fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse))
      const now = await byTag(session, peer)
      snack(peer, { type: SnackType.dataOrR2t, itt, begRun: 0, runLength: 2, expStatSn: statSn })
      for (const piece of pieces) {
        const again = await peer.receive(Opcode.dataIn)
        assert.deepEqual([again.header, again.data], [withWindow(piece, now), piece.data])
      }
    }))

  // Requirement: RFC 7143, 11.16/10 and 11.16/3.
  test('an R2T has the StatSN and the window of now', () =>
    level(
      1,
      async (session, peer) => {
        const itt = write(session, peer, 0, 2)
        const first = await peer.receive(Opcode.r2t)
        const now = await byTag(session, peer)
        snack(peer, { type: SnackType.dataOrR2t, itt, begRun: 0, runLength: 1 })
        const again = await peer.receive(Opcode.r2t)
        const wanted = withWindow(first, now)
        R2T.field.statSn.set(wanted, 0, fieldsOf(SCSI_RESPONSE, now).statSn + 1)
        assert.deepEqual(again.header, wanted)
      },
      { InitialR2T: 'Yes' },
    ))

  // Requirement: RFC 7143, 7.1.5/2 and 11.16/11.
  test('at level 2 all kinds of SNACK are served as well', () =>
    level(
      2,
      async (session, peer) => {
        const itt = read(session, peer, 0, 4)
        const { pieces, response } = await readAnswer(session, peer)
        const { statSn: expStatSn } = response
        snack(peer, { type: SnackType.dataAck, ttt: pieces[1]!.tag, begRun: 2, expStatSn })
        snack(peer, { type: SnackType.dataOrR2t, itt, begRun: 2, runLength: 1, expStatSn })
        assert.equal(pieceOf(await peer.receive()).sn, 2)
        snack(peer, { type: SnackType.status, begRun: expStatSn, runLength: 1, expStatSn })
        assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).itt, itt)
        snack(peer, { type: SnackType.rData, itt, ttt: 5, begRun: 0, expStatSn })
        assert.equal((await readAnswer(session, peer)).response.snackTag, 5)
        peer.expStatSn = expStatSn
        const tag = write(session, peer, 0, 1)
        const { ttt } = fieldsOf(R2T, await peer.receive(Opcode.r2t))
        snack(peer, { type: SnackType.dataOrR2t, itt: tag, begRun: 0, runLength: 0 })
        assert.equal(fieldsOf(R2T, await peer.receive(Opcode.r2t)).ttt, ttt)
        dataOut(peer, tag, ttt, 0, 0, Buffer.alloc(BLOCK, 1), 1)
        assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status, Status.good)
      },
      { InitialR2T: 'Yes', DefaultTime2Wait: '0' },
    ))
})

describe('R-Data SNACKs', () => {
  // Requirement: RFC 7143, 11.16/12 and 11.16/13.
  test('the last tag counts, all responses have one StatSN, and a status SNACK brings the latest', () =>
    level(1, async (session, peer) => {
      const itt = read(session, peer, 0, 4)
      const { response } = await readAnswer(session, peer)
      const { statSn } = response
      assert.equal(response.snackTag, 0)
      for (const [bytes, tag, count] of [
        [1024, 7, 2],
        [512, 8, 4],
      ] as const) {
        await declare(session, peer, bytes, statSn)
        snack(peer, { type: SnackType.rData, itt, ttt: tag, begRun: 0, expStatSn: statSn })
        const again = await readAnswer(session, peer)
        assert.equal(again.pieces.length, count)
        assert.deepEqual(
          [again.response.statSn, again.response.snackTag, again.response.expDataSn],
          [statSn, tag, count],
        )
      }
      snack(peer, { type: SnackType.status, begRun: statSn, runLength: 1, expStatSn: statSn })
      const latest = fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse))
      assert.deepEqual([latest.statSn, latest.snackTag, latest.expDataSn], [statSn, 8, 4])
    }))
})

describe('what cannot come again', () => {
  // Requirement: RFC 7143, 7.8/8.
  test('data in pieces that are too long now: SNACK reject, and nothing more, for the status is out', () =>
    level(
      1,
      async (session, peer) => {
        const itt = read(session, peer, 0, 2)
        const { statSn } = (await readAnswer(session, peer)).response
        await declare(session, peer, 512, statSn)
        snack(peer, { type: SnackType.dataOrR2t, itt, begRun: 0, runLength: 0, expStatSn: statSn })
        assert.equal(rejectReason(await peer.receive(Opcode.reject)), RejectReason.snackReject)
        assert.equal(fieldsOf(SCSI_RESPONSE, await byTag(session, peer)).status, Status.good)
      },
      { MaxRecvDataSegmentLength: '1024' },
    ))

  // Requirement: RFC 7143, 11.16/6 and 11.17/5 and 13.19/3.
  test('an R2T whose data has come, alone or with the last one, and one that was not sent', () =>
    level(
      1,
      async (session, peer) => {
        const itt = write(session, peer, 0, 4)
        const first = fieldsOf(R2T, await peer.receive(Opcode.r2t))
        dataOut(peer, itt, first.ttt, 0, 0, Buffer.alloc(1024), 1)
        const last = await peer.receive(Opcode.r2t)
        for (const [begRun, runLength] of [
          [0, 1],
          [0, 2],
          [1, 2],
          [2, 1],
        ] as const) {
          snack(peer, { type: SnackType.dataOrR2t, itt, begRun, runLength })
          const { reason, dataSn } = fieldsOf(REJECT, await peer.receive(Opcode.reject))
          assert.deepEqual([reason, dataSn], [RejectReason.protocolError, 2])
        }
        for (const [begRun, runLength] of [
          [1, 0],
          [1, 1],
          [0, 0],
        ] as const) {
          snack(peer, { type: SnackType.dataOrR2t, itt, begRun, runLength })
          assert.equal(fieldsOf(R2T, await peer.receive(Opcode.r2t)).r2tSn, 1)
        }
        dataOut(peer, itt, fieldsOf(R2T, last).ttt, 0, 1024, Buffer.alloc(1024), 1)
        assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status, Status.good)
      },
      { InitialR2T: 'Yes' },
    ))

  // Requirement: RFC 7143, 11.17/5.
  test('data that was not sent: the Reject tells the DataSN that would come next', () =>
    level(1, async (session, peer) => {
      const itt = read(session, peer, 0, 3)
      const { statSn } = (await readAnswer(session, peer)).response
      snack(peer, { type: SnackType.dataOrR2t, itt, begRun: 3, runLength: 1, expStatSn: statSn })
      const { reason, dataSn } = fieldsOf(REJECT, await peer.receive(Opcode.reject))
      assert.deepEqual([reason, dataSn], [RejectReason.protocolError, 3])
    }))

  // Requirement: RFC 7143, 11.16/6.
  test('data of a command that runs and has sent none', () =>
    level(1, async (session, peer, bench) => {
      bench.store.held = true
      const itt = read(session, peer, 0, 1)
      await bench.until(() => bench.store.underWay === 1)
      snack(peer, { type: SnackType.dataOrR2t, itt, begRun: 0, runLength: 1 })
      assert.equal(rejectReason(await peer.receive(Opcode.reject)), RejectReason.protocolError)
      bench.store.release()
      assert.equal(fieldsOf(DATA_IN, await peer.receive(Opcode.dataIn)).itt, itt)
      assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status, Status.good)
    }))
})
