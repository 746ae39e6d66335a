// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 8.1.2, 11.14 and 11.15: what a logout ends, on which connections, and what comes behind it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_IN,
  IscsiTaskFunction,
  IscsiTaskResponse,
  LOGIN_RESPONSE,
  LogoutReason,
  LogoutResponse,
  Opcode,
} from '@lunkit/spec'
import { BLOCK, TARGET, testUnitReady, withBench, write10 } from '../../kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR } from '../../kit/raw-peer.ts'
import {
  functionResponse,
  logoutRound,
  ping,
  r2t,
  read,
  response,
  sendFunction,
} from '../../kit/raw-requests.ts'
import { RawSession } from '../../kit/raw-session.ts'

const { closeSession, closeConnection, removeConnectionForRecovery } = LogoutReason
const { logicalUnitReset, taskReassign } = IscsiTaskFunction
const LEVEL_2 = { ErrorRecoveryLevel: '2', DefaultTime2Wait: '0', DefaultTime2Retain: '3600' }
const LOGOUT_TAG = 0x4000_0000
const NEVER = Buffer.alloc(BLOCK, 0xee)

describe('logouts', () => {
  // Requirement: RFC 7143, 11.14/11.
  test('a command that waits for a gap ends with the session', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const fields = { write: 1, expectedDataTransferLength: BLOCK, cmdSn: peer.cmdSn + 1 } as const
      peer.command(write10(0, 1), fields, NEVER)
      await ping(peer)
      const { response: code } = await logoutRound(peer, { reason: closeSession })
      assert.equal(code, LogoutResponse.closed)
      assert.deepEqual(await peer.end(), [])
      await bench.peer()
      assert.notEqual(bench.store.bytes[0], 0xee)
    }))

  // Requirement: RFC 7143, 11.14/11.
  test('a command that waits for a gap ends with its connection, and its number may be used elsewhere', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      const second = await session.join(2)
      const { cmdSn } = session.next(first)
      session.next(second).command(write10(0, 1), { write: 1, expectedDataTransferLength: BLOCK }, NEVER)
      await ping(second, { cmdSn: session.cmdSn })
      const gone = await logoutRound(first, { reason: closeConnection, cid: 2, cmdSn: session.cmdSn })
      assert.equal(gone.response, LogoutResponse.closed)
      assert.deepEqual(await second.end(), [])
      const tags = [0, 1].map(offset => first.command(testUnitReady(), { cmdSn: cmdSn + offset }))
      for (const tag of tags) assert.equal((await response(first)).itt, tag)
      assert.notEqual(bench.store.bytes[0], 0xee)
    }))

  // Requirement: RFC 7143, 8.1.2/5 and 11.15/6.
  test('a logout of the session closes all its connections, those that have just begun to log in included', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      const second = await session.join(2)
      const third = await bench.connect()
      const names = { InitiatorName: INITIATOR, TargetName: TARGET }
      const fields = { transit: 0, csg: 1, nsg: 0, tsih: session.tsih, cid: 3, cmdSn: session.cmdSn } as const
      assert.equal(fieldsOf(LOGIN_RESPONSE, await third.loginRound(fields, names)).statusClass, 0)
      const stranger = await bench.connect()
      const own = { InitiatorName: 'iqn.2026-11.test:stranger', TargetName: TARGET }
      await stranger.loginRound({ transit: 0, csg: 1, nsg: 0 }, own)
      const gone = await logoutRound(session.next(second), { immediate: 0, reason: closeSession })
      assert.equal(gone.response, LogoutResponse.closed)
      for (const peer of [first, second, third]) assert.deepEqual(await peer.end(), [])
      assert.equal(stranger.closed, false)
      assert.equal(bench.port.connections.sessions, 0)
    }))

  // Requirement: RFC 7143, 8.1.2/6.
  test('a connection that has logged out is not asked to', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      const second = await session.join(2)
      bench.store.held = true
      read(session.next(second), 0, 1, { cmdSn: second.cmdSn })
      await bench.until(() => bench.store.underWay === 1)
      const gone = logoutRound(session.next(second), { immediate: 0, reason: closeConnection, cid: 2 })
      await bench.until(() => bench.store.aborts > 0)
      bench.port.control.askLogout(5)
      await first.receive(Opcode.asyncMessage)
      bench.store.release()
      assert.equal((await gone).response, LogoutResponse.closed)
      assert.deepEqual(await second.end(), [])
    }))

  // Requirement: RFC 7143, 11.14/12.
  test('after a logout for recovery nothing of its commands goes out on the connection', () =>
    withBench({}, async bench => {
      const keys = {
        ...LEVEL_2,
        InitialR2T: 'Yes',
        ImmediateData: 'No',
        MaxBurstLength: '512',
        FirstBurstLength: '512',
      }
      const { session, first } = await RawSession.open(bench, keys)
      const second = await session.join(2)
      session.next(second).command(write10(8, 2), { write: 1, expectedDataTransferLength: 2 * BLOCK })
      await r2t(second)
      bench.store.held = true
      const reading = read(session.next(second), 0, 1, { cmdSn: second.cmdSn })
      await bench.until(() => bench.store.underWay === 1)
      const fields = { immediate: 0, reason: removeConnectionForRecovery, cid: 2 } as const
      assert.equal((await logoutRound(session.next(first), fields)).response, LogoutResponse.closed)
      bench.store.release()
      assert.deepEqual(await second.end(), [])
      sendFunction(first, { function: taskReassign, referencedTaskTag: reading, cmdSn: session.cmdSn })
      assert.equal(await functionResponse(first), IscsiTaskResponse.functionComplete)
      assert.equal(fieldsOf(DATA_IN, await first.receive(Opcode.dataIn)).itt, reading)
    }))

  // Requirement: RFC 7143, 11.5.1/6.
  test('TASK REASSIGN of a logout that is under way is rejected', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench, LEVEL_2)
      const second = await session.join(2)
      const third = await session.join(3)
      bench.store.held = true
      read(session.next(second), 0, 1, { cmdSn: second.cmdSn })
      await bench.until(() => bench.store.underWay === 1)
      const gone = logoutRound(session.next(first), { immediate: 0, reason: closeConnection, cid: 2 })
      await bench.until(() => bench.store.aborts > 0)
      const fields = { function: taskReassign, referencedTaskTag: LOGOUT_TAG, cmdSn: session.cmdSn } as const
      sendFunction(third, fields)
      assert.equal(await functionResponse(third), IscsiTaskResponse.functionRejected)
      bench.store.release()
      assert.equal((await gone).response, LogoutResponse.closed)
      sendFunction(third, fields)
      assert.equal(await functionResponse(third), IscsiTaskResponse.taskDoesNotExist)
    }))

  // Requirement: RFC 7143, 11.6.2/1 and 11.15.2/1.
  test('responses of functions and logouts are a header and nothing else', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      for (const code of [logicalUnitReset, 200]) {
        sendFunction(peer, { function: code })
        const { header, data } = await peer.receive(Opcode.taskManagementResponse)
        assert.deepEqual([header.readUInt32BE(4), data.length], [0, 0])
      }
      for (const cid of [9, 1]) {
        const { totalAhsLength, dataSegmentLength } = await logoutRound(peer, {
          reason: closeConnection,
          cid,
        })
        assert.deepEqual([totalAhsLength, dataSegmentLength], [0, 0])
      }
      assert.deepEqual(await peer.end(), [])
    }))
})
