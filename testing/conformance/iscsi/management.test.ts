// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 4.2.3, 11.5 and 11.6: task management as the target answers it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_IN,
  IscsiTaskFunction,
  IscsiTaskResponse,
  Opcode,
  RESERVED_TAG,
  Status,
  TASK_MANAGEMENT_RESPONSE,
} from '@lunkit/spec'
import { BLOCK, testUnitReady, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf } from '../../kit/raw-peer.ts'
import {
  dataOut,
  functionResponse,
  ping,
  r2t,
  read,
  response,
  sendFunction,
  textRound,
  write,
} from '../../kit/raw-requests.ts'

const { abortTask, abortTaskSet, clearTaskSet, logicalUnitReset, targetColdReset, taskReassign } =
  IscsiTaskFunction
const SECOND_PORT = Uint8Array.of(0x80, 0, 0, 0, 0, 2)
const NO_SUCH_LUN = Uint8Array.of(0, 9, 0, 0, 0, 0, 0, 0)

describe('task management', () => {
  // Requirement: RFC 7143, 7.11/1.
  // Requirement: RFC 7143, 11.5/1.
  test('ABORT TASK of a command that never came fills its gap if its number is in the window', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const lost = peer.cmdSn++
      const waiting = peer.command(testUnitReady())
      sendFunction(peer, { function: abortTask, referencedTaskTag: 0x99, refCmdSn: lost })
      assert.equal(await functionResponse(peer), IscsiTaskResponse.functionComplete)
      assert.equal((await response(peer)).itt, waiting)
      assert.equal((await ping(peer)).expCmdSn, lost + 2)
    }))

  // Requirement: RFC 7143, 11.5/1.
  test('ABORT TASK of an unknown tag with a number outside of the window: no such task', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      for (const refCmdSn of [peer.cmdSn - 1, peer.cmdSn + 0x1000_0000]) {
        sendFunction(peer, { function: abortTask, referencedTaskTag: 0x99, refCmdSn })
        assert.equal(await functionResponse(peer), IscsiTaskResponse.taskDoesNotExist)
      }
    }))

  // Requirement: RFC 7143, 7.11/2.
  test('ABORT TASK of a command that has been answered: no such task', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const refCmdSn = peer.cmdSn
      const itt = peer.command(testUnitReady())
      await response(peer)
      sendFunction(peer, { function: abortTask, referencedTaskTag: itt, refCmdSn })
      assert.equal(await functionResponse(peer), IscsiTaskResponse.taskDoesNotExist)
    }))

  // Requirement: RFC 7143, 11.6/3 and 4.2.3.3/3.
  test('an aborted task has no response, and the function answers when the task can do nothing more', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      for (const code of [abortTask, abortTaskSet, clearTaskSet, logicalUnitReset]) {
        bench.store.held = true
        const itt = read(peer, 0, 1)
        await bench.until(() => bench.store.underWay === 1)
        sendFunction(peer, { function: code, referencedTaskTag: code === abortTask ? itt : RESERVED_TAG })
        await ping(peer)
        bench.store.release()
        assert.equal(await functionResponse(peer), IscsiTaskResponse.functionComplete)
        await ping(peer)
        peer.command(testUnitReady())
        assert.ok([Status.good, Status.checkCondition].includes((await response(peer)).status as never))
      }
    }))

  // Requirement: RFC 7143, 4.2.3.3/2 and 13.23/2.
  test('a function for many tasks waits for commands before it, and none of them runs behind its answer', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const first = peer.cmdSn
      bench.store.held = true
      sendFunction(peer, { function: logicalUnitReset, cmdSn: first + 2 })
      await ping(peer)
      read(peer, 0, 1, { cmdSn: first + 1 })
      await ping(peer)
      read(peer, 1, 1, { cmdSn: first })
      await bench.until(() => bench.store.aborts > 0)
      bench.store.release()
      assert.equal(await functionResponse(peer), IscsiTaskResponse.functionComplete)
      assert.equal((await ping(peer)).expCmdSn, first + 2)
    }))

  // Requirement: RFC 7143, 4.2.3.3/3 and 13.23/2.
  test('answers of tasks that ended before stand before the response', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const tags = [read(peer, 0, 1), read(peer, 1, 1)]
      sendFunction(peer, { function: logicalUnitReset })
      const seen: number[] = []
      for (;;) {
        const pdu = await peer.receive()
        if (pdu.opcode === Opcode.taskManagementResponse) break
        seen.push(fieldsOf(DATA_IN, pdu).itt)
      }
      await ping(peer)
      assert.deepEqual(seen, tags.slice(0, seen.length))
    }))

  // Requirement: RFC 7143, 11.6/1.
  test('each request has one response with its tag', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      for (const itt of [0x11, 0x22, 0]) {
        sendFunction(peer, { function: abortTaskSet, itt })
        const pdu = await peer.receive(Opcode.taskManagementResponse)
        assert.equal(fieldsOf(TASK_MANAGEMENT_RESPONSE, pdu).itt, itt)
      }
      await ping(peer)
    }))

  // Requirement: RFC 7143, 11.6/2.
  test('functions that are not there are answered as not supported', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      for (const code of [0, 9, 13, 0x7f]) {
        sendFunction(peer, { function: code })
        assert.equal(await functionResponse(peer), IscsiTaskResponse.functionNotSupported, `${code}`)
      }
    }))

  // Requirement: RFC 7143, 7.2.2/1.
  test('TASK REASSIGN at level 0 is answered as not supported', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      sendFunction(peer, { function: taskReassign, referencedTaskTag: 1 })
      assert.equal(await functionResponse(peer), IscsiTaskResponse.reassignmentNotSupported)
    }))

  // Requirement: RFC 7143, 11.5/7.
  test('ABORT TASK of a task management request is rejected, and that is answered', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      read(peer, 0, 1)
      await bench.until(() => bench.store.underWay === 1)
      sendFunction(peer, { function: logicalUnitReset, itt: 0x71 })
      sendFunction(peer, { function: abortTask, itt: 0x72, referencedTaskTag: 0x71 })
      assert.equal(await functionResponse(peer), IscsiTaskResponse.functionRejected)
      bench.store.release()
      assert.equal(await functionResponse(peer), IscsiTaskResponse.functionComplete)
    }))

  // Requirement: RFC 7143, 11.5/8.
  test('TASK REASSIGN of what is no task is rejected', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { ErrorRecoveryLevel: '2' } })
      bench.store.held = true
      read(peer, 0, 1)
      await bench.until(() => bench.store.underWay === 1)
      sendFunction(peer, { function: logicalUnitReset, itt: 0x71 })
      const open = await textRound(peer, { InitiatorAlias: 'a' }, { final: 0, itt: 0x73 })
      for (const referencedTaskTag of [0x71, open.itt]) {
        sendFunction(peer, { function: taskReassign, itt: 0x72, referencedTaskTag })
        assert.equal(await functionResponse(peer), IscsiTaskResponse.functionRejected)
      }
      bench.store.release()
      assert.equal(await functionResponse(peer), IscsiTaskResponse.functionComplete)
    }))

  // Requirement: RFC 7143, 11.5/4.
  test('a reset of a LUN that is not there says so', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      sendFunction(peer, { function: logicalUnitReset, lun: NO_SUCH_LUN })
      assert.equal(await functionResponse(peer), IscsiTaskResponse.lunDoesNotExist)
    }))

  // Requirement: RFC 7143, 11.5/3.
  test('TARGET COLD RESET: the response, then the end of every connection of the target', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const other = await bench.peer({ isid: SECOND_PORT })
      sendFunction(peer, { function: targetColdReset })
      assert.equal(await functionResponse(peer), IscsiTaskResponse.functionComplete)
      await peer.end()
      await other.end()
    }))

  // Requirement: RFC 7143, 11.5/1.
  test('ABORT TASK of a write that waits for its data, whose data then comes late', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { InitialR2T: 'Yes', ImmediateData: 'No' } })
      const itt = write(peer, 0, 1)
      const { ttt } = await r2t(peer)
      sendFunction(peer, { function: abortTask, referencedTaskTag: itt })
      assert.equal(await functionResponse(peer), IscsiTaskResponse.functionComplete)
      dataOut(peer, { itt, ttt }, Buffer.alloc(BLOCK, 0xee))
      await ping(peer)
      assert.notEqual(bench.store.bytes[0], 0xee)
    }))
})
