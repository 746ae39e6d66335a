// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 4.2 and 4.4: sessions and connections, their parameters, and what SCSI sees of them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_OUT,
  IscsiTaskFunction,
  LOGIN_RESPONSE,
  LogoutReason,
  Opcode,
  RejectReason,
  SCSI_RESPONSE,
  Status,
} from '@lunkit/spec'
import { BLOCK, read10, senseOf, TARGET, testUnitReady, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, type RawPeer } from '../../kit/raw-peer.ts'
import {
  dataOut,
  functionResponse,
  logoutRound,
  ping,
  r2t,
  read,
  rejected,
  response,
  sendFunction,
  write,
} from '../../kit/raw-requests.ts'
import { RawSession } from '../../kit/raw-session.ts'

const OTHER_PORT = Uint8Array.of(0x80, 0, 0, 0, 0, 5)
const ISID_TEXT = '0x800000000001'

/** Data of a command that reads so much at most. */
async function dataOf(peer: RawPeer, cdb: Uint8Array, length: number): Promise<Buffer> {
  peer.command(cdb, { read: 1, expectedDataTransferLength: length })
  return (await peer.receive(Opcode.dataIn)).data
}

/** PERSISTENT RESERVE OUT with a key, and a key of the service action. */
async function reserveOut(
  peer: RawPeer,
  action: number,
  type: number,
  key: number,
  next: number,
): Promise<number> {
  const list = Buffer.alloc(24)
  list[7] = key
  list[15] = next
  const cdb = Uint8Array.of(0x5f, action, type, 0, 0, 0, 0, 0, 24, 0)
  peer.command(cdb, { write: 1, expectedDataTransferLength: 24 }, list)
  return (await response(peer)).status
}

describe('sessions and connections', () => {
  // Requirement: RFC 7143, 4.2.1/2 and 4.6.1.2/1.
  test('one connection is enough: commands, data, functions, senses and the end', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      assert.equal(
        (await peer.login({ target: TARGET, keys: { MaxConnections: '1' } }))['MaxConnections'],
        '1',
      )
      peer.command(testUnitReady())
      const first = await peer.receive(Opcode.scsiResponse)
      assert.equal(fieldsOf(SCSI_RESPONSE, first).status, Status.checkCondition)
      assert.equal(first.data.readUInt16BE(0), first.data.length - 2)
      assert.equal(senseOf(first), '062900')
      write(peer, 0, 1, Buffer.alloc(BLOCK, 5))
      assert.equal((await response(peer)).status, Status.good)
      assert.deepEqual(await dataOf(peer, read10(0, 1), BLOCK), Buffer.alloc(BLOCK, 5))
      sendFunction(peer, { function: IscsiTaskFunction.abortTaskSet })
      assert.equal(await functionResponse(peer), 0)
      await logoutRound(peer, { reason: LogoutReason.closeSession })
      assert.deepEqual(await peer.end(), [])
    }))

  // Requirement: RFC 7143, 4.2.8/2 and 4.4.3/2.
  test('each begins with the defaults, whatever others have settled on; the TSIH is one for all of a session', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench, {
        MaxRecvDataSegmentLength: '512',
        HeaderDigest: 'CRC32C',
        DataDigest: 'CRC32C',
      })
      read(session.next(first), 0, 4, { cmdSn: first.cmdSn })
      for (let at = 0; at < 4; at++) assert.equal((await first.receive(Opcode.dataIn)).data.length, 512)
      const plain = { MaxRecvDataSegmentLength: '8192', HeaderDigest: 'None', DataDigest: 'None' }
      const { peer: second, pdu } = await session.login(2, plain)
      assert.notEqual(session.tsih, 0)
      assert.equal(fieldsOf(LOGIN_RESPONSE, pdu).tsih, session.tsih)
      read(session.next(second), 0, 4, { cmdSn: second.cmdSn })
      assert.equal((await second.receive(Opcode.dataIn)).data.length, 2048)
      const other = await bench.peer({ isid: OTHER_PORT })
      assert.equal(other.headerDigest, false)
      // 8192 bytes a PDU, and no immediate data beyond the default of a new session.
      read(other, 0, 32)
      for (let at = 0; at < 2; at++) assert.equal((await other.receive(Opcode.dataIn)).data.length, 8192)
    }))

  // Requirement: RFC 7143, 4.2.5.2/8.
  test('behind the data that may come unasked the rest is asked for', () =>
    withBench({}, async bench => {
      const keys = { InitialR2T: 'No', ImmediateData: 'No', FirstBurstLength: '512', MaxBurstLength: '1024' }
      const peer = await bench.peer({ keys })
      const itt = write(peer, 0, 4, undefined, { final: 0 })
      dataOut(peer, { itt }, Buffer.alloc(BLOCK, 1))
      for (const [offset, length] of [
        [512, 1024],
        [1536, 512],
      ] as const) {
        const { ttt, bufferOffset, desiredLength } = await r2t(peer)
        assert.deepEqual([bufferOffset, desiredLength], [offset, length])
        dataOut(peer, { itt, ttt, bufferOffset }, Buffer.alloc(length, 1))
      }
      assert.equal((await response(peer)).status, Status.good)
      assert.ok(bench.store.bytes.subarray(0, 4 * BLOCK).every(byte => byte === 1))
    }))

  // Requirement: RFC 7143, 4.2.5.3/3.
  test('data for a transfer tag that names another unit is refused, and none of it is written', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { InitialR2T: 'Yes', ImmediateData: 'No' } })
      for (const right of [false, true]) {
        const itt = write(peer, 0, 1)
        const { ttt } = await r2t(peer)
        const lun = Uint8Array.of(0, right ? 0 : 1, 0, 0, 0, 0, 0, 0)
        peer.sendPdu(
          DATA_OUT,
          { opcode: Opcode.dataOut, final: 1, itt, ttt, lun } as never,
          Buffer.alloc(BLOCK, 0xee),
        )
        if (!right) await rejected(peer, RejectReason.protocolError)
        assert.equal((await response(peer)).status, right ? Status.good : Status.checkCondition)
        assert.equal(bench.store.bytes[0] === 0xee, right)
      }
    }))
})

describe('what SCSI sees', () => {
  // Requirement: RFC 7143, 4.4.2/1.
  test('the Device Identification page has the names of the device and of the port', () =>
    withBench({ tpgt: 0x0102 }, async bench => {
      const peer = await bench.peer()
      const page = await dataOf(peer, Uint8Array.of(0x12, 1, 0x83, 0x10, 0, 0), 4096)
      const text = page.toString('latin1')
      assert.ok(text.includes(`${TARGET},t,0x0102\0`), text)
      assert.ok(text.includes(`${TARGET}\0`), text)
    }))

  // Requirement: RFC 7143, 4.4.2/2 and 4.4.3.2/1.
  test('reservations know an initiator by name and ISID, and outlive its session', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      assert.equal(await reserveOut(peer, 0, 0, 0, 7), Status.good)
      assert.equal(await reserveOut(peer, 1, 3, 7, 0), Status.good)
      const full = await dataOf(peer, Uint8Array.of(0x5e, 3, 0, 0, 0, 0, 0, 0x10, 0, 0), 4096)
      assert.ok(full.toString('latin1').includes(`${INITIATOR},i,${ISID_TEXT}\0`), full.toString('latin1'))
      await logoutRound(peer, { reason: LogoutReason.closeSession })
      await peer.end()
      const other = await bench.peer({ isid: OTHER_PORT })
      read(other, 0, 1)
      assert.equal((await response(other)).status, Status.reservationConflict)
      const again = await bench.peer()
      assert.equal((await dataOf(again, read10(0, 1), BLOCK)).length, BLOCK)
      await ping(again)
    }))

  // Requirement: RFC 7143, 11.5.1/5.
  test('LOGICAL UNIT RESET ends tasks and a contingent allegiance of all, and all hear of it', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const other = await bench.peer({ isid: OTHER_PORT })
      bench.store.held = true
      read(other, 0, 1)
      read(peer, 1, 1)
      await bench.until(() => bench.store.underWay === 2)
      other.command(Uint8Array.of(0x3f, 0, 0, 0, 0, 0, 0, 0, 0, 4))
      assert.equal((await response(other)).sense, '052000')
      other.command(testUnitReady())
      assert.equal((await response(other)).status, Status.acaActive)
      sendFunction(peer, { function: IscsiTaskFunction.logicalUnitReset })
      await bench.until(() => bench.store.aborts === 2)
      bench.store.release()
      assert.equal(await functionResponse(peer), 0)
      assert.equal((await response(other)).status, Status.taskAborted)
      for (const one of [peer, other]) {
        one.command(testUnitReady())
        assert.equal((await response(one)).sense, '062903')
        one.command(testUnitReady())
        assert.equal((await response(one)).status, Status.good)
      }
    }))
})
