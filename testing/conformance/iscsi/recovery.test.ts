// SPDX-License-Identifier: Apache-2.0
// RFC 7143, section 7 at ErrorRecoveryLevel 0: Reject, digests, sequences, and the ends of connections.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_OUT,
  LOGIN_RESPONSE,
  NOP_OUT,
  Opcode,
  RESERVED_TAG,
  RejectReason,
  SCSI_COMMAND,
  SNACK,
  Status,
} from '@lunkit/spec'
import { BLOCK, TARGET, testUnitReady, withBench, write10 } from '../../kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, text } from '../../kit/raw-peer.ts'
import {
  dataOut,
  logoutRound,
  ping,
  r2t,
  read,
  rejected,
  response,
  sendText,
  textRound,
  write,
} from '../../kit/raw-requests.ts'

const CRC_ERROR = '0b4705'
const SOLICITED = { InitialR2T: 'Yes', ImmediateData: 'No', MaxBurstLength: '1024', DataDigest: 'CRC32C' }

/** The same bytes with one bit of the last digest turned. */
function damaged(bytes: Buffer): Buffer {
  bytes[bytes.length - 1]! ^= 1
  return bytes
}

describe('Reject', () => {
  // Requirement: RFC 7143, 7.3/2.
  test('a rejected command has no other answer', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      peer.command(testUnitReady(), { attribute: 7, immediate: 1 })
      await rejected(peer, RejectReason.protocolError)
      await ping(peer)
    }))

  // Requirement: RFC 7143, 7.3/3.
  test('the number of a rejected request is not received: what is behind waits, and the request may come again', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const number = peer.cmdSn++
      peer.command(testUnitReady(), { cmdSn: number, attribute: 7 })
      assert.equal((await rejected(peer, RejectReason.protocolError)).expCmdSn, number)
      const behind = peer.command(testUnitReady())
      assert.equal((await ping(peer)).expCmdSn, number)
      const again = peer.command(testUnitReady(), { cmdSn: number })
      assert.deepEqual([(await response(peer)).itt, (await response(peer)).itt], [again, behind])
      assert.equal((await ping(peer)).expCmdSn, number + 2)
    }))

  // Requirement: RFC 7143, 7.3/3.
  test('that holds for a request that had to wait for its turn, and for those that are no commands', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const number = peer.cmdSn
      peer.command(testUnitReady(), { cmdSn: number + 1, attribute: 7 })
      const first = peer.command(testUnitReady(), { cmdSn: number })
      assert.equal((await response(peer)).itt, first)
      assert.equal((await rejected(peer, RejectReason.protocolError)).expCmdSn, number + 1)
      peer.cmdSn = number + 1
      sendText(peer, { immediate: 0, ttt: 0x777 })
      assert.equal((await rejected(peer, RejectReason.protocolError)).expCmdSn, number + 1)
      peer.command(testUnitReady())
      assert.equal((await response(peer)).expCmdSn, number + 2)
    }))
})

describe('digests', () => {
  // Requirement: RFC 7143, 7.8/1.
  test('a wrong header digest closes the connection', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { HeaderDigest: 'CRC32C' } })
      peer.send(damaged(peer.build(NOP_OUT, { opcode: Opcode.nopOut, immediate: 1, final: 1, itt: 1 })))
      await peer.end()
    }))

  // Requirement: RFC 7143, 7.8/2.
  test('a ping with a wrong data digest is rejected and not echoed', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { DataDigest: 'CRC32C' } })
      const fields = { opcode: Opcode.nopOut, immediate: 1, final: 1, itt: 1, ttt: 0xffff_ffff }
      peer.send(damaged(peer.build(NOP_OUT, fields, Buffer.from('data'))))
      await rejected(peer, RejectReason.dataDigestError)
      await ping(peer)
    }))

  // Requirement: RFC 7143, 7.8/2.
  test('so is a SNACK that brings data with a wrong digest, whatever it asks for', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { DataDigest: 'CRC32C', ErrorRecoveryLevel: '1' } })
      const fields = { opcode: Opcode.snack, final: 1, type: 1, itt: RESERVED_TAG, ttt: RESERVED_TAG }
      peer.send(damaged(peer.build(SNACK, fields, Buffer.from('data'))))
      await rejected(peer, RejectReason.dataDigestError)
      await ping(peer)
    }))

  // Requirement: RFC 7143, 7.8/3 and 7.8/2 and 11.17/3 and 11.4/6.
  test('a Data-Out with a wrong digest is rejected, and its command fails behind the last of its data', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { ...SOLICITED, MaxOutstandingR2T: '2' } })
      const itt = write(peer, 0, 4)
      const first = await r2t(peer)
      const second = await r2t(peer)
      bench.store.takeCalls()
      const fields = { opcode: Opcode.dataOut, final: 1, itt, ttt: first.ttt }
      peer.send(damaged(dataOutBytes(peer, fields)))
      await rejected(peer, RejectReason.dataDigestError)
      await ping(peer)
      dataOut(peer, { itt, ttt: second.ttt, bufferOffset: 1024 }, Buffer.alloc(1024))
      assert.equal((await response(peer)).sense, CRC_ERROR)
      assert.deepEqual(bench.store.takeCalls(), [])
    }))

  // Requirement: RFC 7143, 7.8/4.
  test('a command with damaged immediate data was never there: sent again, it is carried out', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { DataDigest: 'CRC32C', ImmediateData: 'Yes' } })
      const number = peer.cmdSn++
      const fields = {
        opcode: Opcode.scsiCommand,
        final: 1,
        write: 1,
        attribute: 1,
        expectedDataTransferLength: BLOCK,
        cdb: write10(0, 1),
        itt: 0x500,
        cmdSn: number,
      }
      const bytes = peer.build(SCSI_COMMAND, fields, Buffer.alloc(BLOCK, 0x77))
      peer.send(damaged(Buffer.from(bytes)))
      assert.equal((await rejected(peer, RejectReason.dataDigestError)).expCmdSn, number)
      await ping(peer)
      peer.send(bytes)
      const { status, itt, expCmdSn } = await response(peer)
      assert.deepEqual([status, itt, expCmdSn], [Status.good, 0x500, number + 1])
      assert.ok(bench.store.bytes.subarray(0, BLOCK).equals(Buffer.alloc(BLOCK, 0x77)))
    }))
})

describe('failed negotiations', () => {
  // Requirement: RFC 7143, 7.12/1 and 11.17/6.
  test('a text exchange that fails changes nothing', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      sendText(peer, {}, Buffer.concat([text({ MaxRecvDataSegmentLength: '512' }), Buffer.from('no pair\0')]))
      await rejected(peer, RejectReason.protocolError)
      read(peer, 0, 2)
      assert.equal((await peer.receive(Opcode.dataIn)).data.length, 1024)
      assert.equal((await textRound(peer, { SendTargets: '' })).keys['TargetName'], TARGET)
    }))

  // Requirement: RFC 7143, 7.12/2.
  test('a login that fails ends its connection and nothing else', () =>
    withBench({}, async bench => {
      const other = await bench.peer()
      const peer = await bench.connect()
      const names = { InitiatorName: INITIATOR, TargetName: TARGET }
      const pdu = await peer.loginRound({ csg: 1 }, { ...names, MaxRecvDataSegmentLength: '1' })
      assert.equal(fieldsOf(LOGIN_RESPONSE, pdu).statusClass, 2)
      await peer.end()
      await ping(other)
    }))
})

describe('logout', () => {
  // Requirement: RFC 7143, 11.14/1 and 7.6/1.
  test('a logout of the session ends its tasks: none of them is answered, or writes, behind it', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { InitialR2T: 'Yes', ImmediateData: 'No' } })
      bench.store.held = true
      read(peer, 0, 1)
      const itt = write(peer, 0, 1)
      const { ttt } = await r2t(peer)
      await bench.until(() => bench.store.underWay === 1)
      const answer = logoutRound(peer, { reason: 0 })
      dataOut(peer, { itt, ttt }, Buffer.alloc(BLOCK, 0x99))
      await bench.until(() => bench.store.aborts > 0)
      bench.store.release()
      assert.equal((await answer).response, 0)
      assert.deepEqual(await peer.end(), [])
      assert.notEqual(bench.store.bytes[0], 0x99)
    }))

  // Requirement: RFC 7143, 11.14/2 and 11.14/3.
  test('a logout of the one connection ends the session; nothing comes behind the response', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      assert.equal((await logoutRound(peer, { reason: 1, cid: 1 })).response, 0)
      peer.command(testUnitReady())
      assert.deepEqual(await peer.end(), [])
      assert.equal(bench.port.connections.sessions, 0)
    }))

  // Requirement: RFC 7143, 11.15/1 and 11.15/2.
  test('a logout of a connection that is not there, and one for recovery, say so and change nothing', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      assert.equal((await logoutRound(peer, { reason: 1, cid: 99 })).response, 1)
      assert.equal((await logoutRound(peer, { reason: 2, cid: 1 })).response, 2)
      await ping(peer)
    }))

  // Requirement: RFC 7143, 7.6/1.
  test('a connection that breaks takes its tasks with it: data that came does not reach the disk later', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({
        keys: { InitialR2T: 'Yes', ImmediateData: 'No', MaxBurstLength: '512', FirstBurstLength: '512' },
      })
      const itt = write(peer, 0, 2)
      const { ttt } = await r2t(peer)
      dataOut(peer, { itt, ttt }, Buffer.alloc(BLOCK, 0x99))
      await r2t(peer)
      await peer.close()
      await bench.until(() => bench.port.connections.sessions === 0)
      assert.notEqual(bench.store.bytes[0], 0x99)
    }))
})

/** A Data-Out of 1024 bytes. */
function dataOutBytes(peer: Parameters<typeof ping>[0], fields: object): Buffer {
  return peer.build(DATA_OUT, fields as never, Buffer.alloc(1024))
}
