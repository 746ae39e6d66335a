// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 7.3, 7.8, 10.7 and 11.16: what a Reject ends and what it does not, and data that comes too late for its task.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  ASYNC_MESSAGE,
  AsyncEvent,
  BHS,
  LOGIN_RESPONSE,
  LoginStage,
  Opcode,
  RESERVED_TAG,
  RejectReason,
  SNACK,
  SnackType,
  Status,
  TEXT_RESPONSE,
} from '@lunkit/spec'
import { BLOCK, TARGET, testUnitReady, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, type RawPdu, type RawPeer } from '../../kit/raw-peer.ts'
import {
  dataOut,
  functionResponse,
  ping,
  r2t,
  read,
  rejected,
  response,
  sendFunction,
  sendText,
  write,
} from '../../kit/raw-requests.ts'

const SNACK_REJECTED = '0b1113'
const ABORT_TASK = 1
const SOLICITED = { InitialR2T: 'Yes', ImmediateData: 'No', MaxBurstLength: '1024' }

const snack = (peer: RawPeer, fields: Readonly<Record<string, number>>): void =>
  peer.sendPdu(SNACK, { opcode: Opcode.snack, final: 1, ttt: RESERVED_TAG, ...fields } as never)

describe('a SNACK at level 0', () => {
  // Requirement: RFC 7143, 7.8/9 and 11.16/1.
  test('for an R2T ends its command, by a sense code and behind the data', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: SOLICITED })
      const itt = write(peer, 0, 4)
      const { ttt } = await r2t(peer)
      bench.store.takeCalls()
      snack(peer, { type: SnackType.dataOrR2t, itt, begRun: 0, runLength: 1 })
      await rejected(peer, RejectReason.snackReject)
      dataOut(peer, { itt, ttt, final: 0 }, Buffer.alloc(BLOCK))
      await ping(peer)
      dataOut(peer, { itt, ttt, dataSn: 1, bufferOffset: BLOCK }, Buffer.alloc(BLOCK))
      const answer = await response(peer)
      assert.deepEqual([answer.itt, answer.sense], [itt, SNACK_REJECTED])
      assert.deepEqual(bench.store.takeCalls(), [])
      await ping(peer)
    }))

  // Requirement: RFC 7143, 11.16/6.
  test('for data that was not sent is a protocol error, and its command goes on', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      const itt = read(peer, 0, 1)
      await bench.until(() => bench.store.underWay === 1)
      snack(peer, { type: SnackType.dataOrR2t, itt, begRun: 0, runLength: 1 })
      await rejected(peer, RejectReason.protocolError)
      bench.store.release()
      assert.equal((await peer.receive(Opcode.dataIn)).data.length, BLOCK)
    }))

  // Requirement: RFC 7143, 7.1.4/1.
  test('and a request to take a command over have no place in login', () =>
    withBench({}, async bench => {
      const names = { InitiatorName: INITIATOR, TargetName: TARGET }
      for (const opcode of [Opcode.snack, Opcode.taskManagementRequest]) {
        const peer = await bench.connect()
        await peer.loginRound({ csg: LoginStage.operational }, names)
        snack(peer, { opcode, itt: RESERVED_TAG, type: SnackType.status })
        const last = await peer.end()
        assert.ok(last.every(pdu => pdu.opcode === Opcode.loginResponse && statusClass(pdu) === 2))
      }
      assert.equal(bench.port.connections.sessions, 0)
    }))
})

const statusClass = (pdu: RawPdu): number => fieldsOf(LOGIN_RESPONSE, pdu).statusClass

describe('a Reject leaves its task', () => {
  // Requirement: RFC 7143, 7.3/5.
  test('a function is answered all the same', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      const itt = read(peer, 0, 1)
      await bench.until(() => bench.store.underWay === 1)
      sendFunction(peer, { function: ABORT_TASK, referencedTaskTag: itt, itt: 0x77 })
      snack(peer, { type: SnackType.dataOrR2t, itt: 0x77, begRun: 0, runLength: 0 })
      await rejected(peer, RejectReason.snackReject)
      bench.store.release()
      assert.equal(await functionResponse(peer), 0)
      await ping(peer)
    }))

  // Requirement: RFC 7143, 7.3/5.
  test('a text exchange goes on to its end', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      sendText(peer, { final: 0, continue: 1, itt: 0x88 }, Buffer.from('Send'))
      const { ttt } = fieldsOf(TEXT_RESPONSE, await peer.receive(Opcode.textResponse))
      snack(peer, { type: SnackType.dataOrR2t, itt: 0x88, begRun: 0, runLength: 0 })
      await rejected(peer, RejectReason.snackReject)
      // A request of another exchange, which there is not.
      sendText(peer, { itt: 0x99, ttt: 0x777 })
      await rejected(peer, RejectReason.protocolError)
      sendText(peer, { itt: 0x88, ttt }, Buffer.from('Targets=All\0'))
      const pdu = await peer.receive(Opcode.textResponse)
      assert.equal(fieldsOf(TEXT_RESPONSE, pdu).final, 1)
    }))
})

describe('functions for many tasks', () => {
  for (const [name, code] of [
    ['ABORT TASK SET', 2],
    ['CLEAR TASK SET', 4],
    ['LOGICAL UNIT RESET', 5],
    ['TARGET WARM RESET', 6],
  ] as const) {
    // Requirement: RFC 7143, 10.7/1.
    test(`data that comes after ${name} for a task that it ended is dropped without a word`, () =>
      withBench({}, async bench => {
        const peer = await bench.peer({ keys: SOLICITED })
        const itt = write(peer, 0, 2)
        const { ttt } = await r2t(peer)
        bench.store.takeCalls()
        sendFunction(peer, { function: code })
        assert.equal(await functionResponse(peer), 0)
        dataOut(peer, { itt, ttt, final: 0 }, Buffer.alloc(BLOCK, 0x99))
        dataOut(peer, { itt, ttt, dataSn: 1, bufferOffset: BLOCK }, Buffer.alloc(BLOCK, 0x99))
        await ping(peer)
        assert.deepEqual([bench.of('peer-fault'), bench.store.takeCalls()], [[], []])
      }))
  }

  // Requirement: RFC 7143, 11.9/7.
  test('are no event to others, even to those who want FastAbort: it was not agreed on', () =>
    withBench({ asyncEvents: true }, async bench => {
      const other = await bench.peer({
        keys: { ...SOLICITED, TaskReporting: 'FastAbort,ResponseFence,RFC3720' },
      })
      const peer = await bench.peer({ isid: Uint8Array.of(0x80, 0, 0, 0, 0, 9) })
      for (const code of [4, 5, 6]) {
        write(other, 0, 2)
        await r2t(other)
        sendFunction(peer, { function: code })
        assert.equal(await functionResponse(peer), 0)
        const heard = await untilGood(other)
        const events = heard.filter(pdu => pdu.opcode === Opcode.asyncMessage)
        for (const event of events)
          assert.notEqual(fieldsOf(ASYNC_MESSAGE, event).asyncEvent, AsyncEvent.tasksTerminated)
        await untilGood(peer)
      }
    }))
})

/** What comes until a command is GOOD. */
async function untilGood(peer: RawPeer): Promise<RawPdu[]> {
  const heard: RawPdu[] = []
  for (;;) {
    const itt = peer.command(testUnitReady())
    for (;;) {
      const pdu = await peer.receive()
      heard.push(pdu)
      if (pdu.opcode !== Opcode.scsiResponse || BHS.field.itt.get(pdu.header, 0) !== itt) continue
      if (pdu.header[3] === Status.good) return heard
      break
    }
  }
}

describe('R2Ts', () => {
  // Requirement: RFC 7143, 13.17/4.
  test('one is outstanding until the last of its data has come', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: SOLICITED })
      const itt = write(peer, 0, 4)
      const { ttt } = await r2t(peer)
      dataOut(peer, { itt, ttt, final: 0 }, Buffer.alloc(BLOCK))
      await ping(peer)
      dataOut(peer, { itt, ttt, dataSn: 1, bufferOffset: BLOCK }, Buffer.alloc(BLOCK))
      assert.equal((await r2t(peer)).bufferOffset, 1024)
    }))

  // Requirement: RFC 7143, 13.17/4.
  test('data that comes unasked is none of those that were agreed on', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({
        keys: {
          InitialR2T: 'No',
          FirstBurstLength: '512',
          MaxBurstLength: '512',
          MaxOutstandingR2T: '2',
        },
      })
      const itt = write(peer, 0, 4, undefined, { final: 0 })
      dataOut(peer, { itt }, Buffer.alloc(BLOCK))
      assert.deepEqual([(await r2t(peer)).bufferOffset, (await r2t(peer)).bufferOffset], [BLOCK, 2 * BLOCK])
      await ping(peer)
    }))
})
