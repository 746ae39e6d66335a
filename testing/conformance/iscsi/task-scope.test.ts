// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 4.2.2.1, 4.2.3 and 11.5: which commands a function reaches, and what has to be taken at any time.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_IN,
  IscsiTaskFunction,
  IscsiTaskResponse,
  LOGOUT_REQUEST,
  NOP_IN,
  Opcode,
  RejectReason,
  SCSI_RESPONSE,
} from '@lunkit/spec'
import { BLOCK, type IscsiBench, testUnitReady, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf, type RawPdu, type RawPeer } from '../../kit/raw-peer.ts'
import {
  dataOut,
  functionResponse,
  ping,
  read,
  rejected,
  response,
  sendFunction,
  sendPing,
  sendText,
  textRound,
  write,
} from '../../kit/raw-requests.ts'
import { RawSession } from '../../kit/raw-session.ts'

const { abortTask, abortTaskSet, clearTaskSet, logicalUnitReset, targetWarmReset, taskReassign } =
  IscsiTaskFunction
const LOGOUT = { opcode: Opcode.logoutRequest, final: 1, cid: 1 } as const
const OTHER_PORT = Uint8Array.of(0x80, 0, 0, 0, 0, 3)

/** Reads on, answers pings of the target, and keeps the rest. */
function listen(session: RawSession, peer: RawPeer): RawPdu[] {
  const heard: RawPdu[] = []
  const go = async (): Promise<void> => {
    for (;;) heard.push(await session.receiveAnswer(peer))
  }
  void go().catch(() => undefined)
  return heard
}

const opcodes = (pdus: readonly RawPdu[]): number[] => pdus.map(({ opcode }) => opcode)

async function underWay(bench: IscsiBench, count: number): Promise<void> {
  await bench.until(() => bench.store.underWay === count)
}

describe('the reach of functions', () => {
  // Requirement: RFC 7143, 4.2.2.1/17 and 4.2.3.2/1 and 4.2.3.5/2.
  for (const code of [abortTaskSet, clearTaskSet, logicalUnitReset, targetWarmReset]) {
    test(`function ${code} ends what has a lower CmdSN, and leaves what came before it on another connection with a higher one`, () =>
      withBench({}, async bench => {
        const { session, first } = await RawSession.open(bench)
        const second = await session.join(2)
        bench.store.held = true
        read(session.next(second), 0, 1, { cmdSn: second.cmdSn })
        const number = session.cmdSn
        const later = read(session.next(second), 1, 1, { cmdSn: second.cmdSn })
        await underWay(bench, 2)
        const heard = [listen(session, first), listen(session, second)]
        sendFunction(first, { function: code, cmdSn: number, expStatSn: first.expStatSn })
        await bench.until(() => bench.store.aborts > 0)
        bench.store.release()
        await bench.until(() => heard.every(pdus => pdus.length > 0))
        assert.deepEqual(opcodes(heard[0]!), [Opcode.taskManagementResponse])
        assert.deepEqual(opcodes(heard[1]!), [Opcode.dataIn])
        const { itt, status, final } = fieldsOf(DATA_IN, heard[1]![0]!)
        assert.deepEqual([itt, status, final], [later, 0, 1])
        assert.equal(bench.store.aborts, 1)
      }))
  }

  // Requirement: RFC 7143, 4.2.2.1/17 and 4.2.3.2/1.
  test('a command behind a function that waited for others is not met by it', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const first = peer.cmdSn
      bench.store.held = true
      sendFunction(peer, { function: abortTaskSet, cmdSn: first + 1 })
      const behind = read(peer, 1, 1, { cmdSn: first + 1 })
      await ping(peer)
      read(peer, 0, 1, { cmdSn: first })
      await underWay(bench, 2)
      bench.store.release()
      const seen = [await peer.receive(), await peer.receive()]
      const data = seen.find(({ opcode }) => opcode === Opcode.dataIn)
      assert.equal(fieldsOf(DATA_IN, data!).itt, behind)
      assert.deepEqual(opcodes(seen).sort(), [Opcode.taskManagementResponse, Opcode.dataIn].sort())
      assert.equal(bench.store.aborts, 1)
    }))

  // Requirement: RFC 7143, 4.2.2.1/17.
  test('an immediate command of before has the number of the function, and ends with it', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      bench.store.held = true
      read(first, 0, 1, { immediate: 1, cmdSn: session.cmdSn })
      await underWay(bench, 1)
      sendFunction(first, { function: abortTaskSet, cmdSn: session.cmdSn, expStatSn: first.expStatSn })
      await bench.until(() => bench.store.aborts === 1)
      bench.store.release()
      assert.equal(await functionResponse(first), IscsiTaskResponse.functionComplete)
    }))

  // Requirement: RFC 7143, 4.2.3.3/3 and 11.5.1/7.
  test('the answer of a failed write that waits for its data never comes behind the response', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { InitialR2T: 'No' } })
      for (const code of [abortTaskSet, clearTaskSet, logicalUnitReset]) {
        const itt = write(peer, 0x7fff_0000, 2, undefined, { final: 0 })
        await ping(peer)
        sendFunction(peer, { function: code })
        assert.equal(await functionResponse(peer), IscsiTaskResponse.functionComplete)
        dataOut(peer, { itt }, Buffer.alloc(2 * BLOCK))
        await ping(peer)
      }
    }))

  // Requirement: RFC 7143, 11.5/7 and 11.5/8 and 11.5.1/6.
  test('functions and logouts that wait for their turn are no tasks that could be aborted or taken over', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { ErrorRecoveryLevel: '2' } })
      const first = peer.cmdSn
      sendFunction(peer, { function: clearTaskSet, immediate: 0, itt: 0x81, cmdSn: first + 1 })
      peer.sendPdu(LOGOUT_REQUEST, { ...LOGOUT, itt: 0x82, cmdSn: first + 2 })
      for (const [code, referencedTaskTag] of [
        [abortTask, 0x81],
        [taskReassign, 0x81],
        [taskReassign, 0x82],
      ] as const) {
        const fields = { itt: 0x83, referencedTaskTag, refCmdSn: first + 1, cmdSn: first + 3 }
        sendFunction(peer, { function: code, ...fields })
        assert.equal(await functionResponse(peer), IscsiTaskResponse.functionRejected)
      }
      peer.command(testUnitReady(), { cmdSn: first })
      await response(peer)
      assert.equal(await functionResponse(peer), IscsiTaskResponse.functionComplete)
      await peer.receive(Opcode.logoutResponse)
    }))

  // Requirement: RFC 7143, 11.5.1/8.
  test('ABORT TASK is for tagged requests that are no commands, too, and for none that has another tag', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const first = peer.cmdSn
      const open = await textRound(peer, { InitiatorAlias: 'a' }, { final: 0 })
      sendFunction(peer, { function: abortTask, referencedTaskTag: open.itt, refCmdSn: first })
      assert.equal(await functionResponse(peer), IscsiTaskResponse.functionComplete)
      sendText(peer, { itt: open.itt, ttt: open.ttt })
      await rejected(peer, RejectReason.protocolError)
      const kept = peer.command(testUnitReady(), { cmdSn: first + 1 })
      sendPing(peer, { immediate: 0, itt: 0x91, cmdSn: first + 2 })
      for (const [referencedTaskTag, refCmdSn] of [
        [0x91, first + 2],
        [0x92, first + 1],
      ] as const) {
        sendFunction(peer, { function: abortTask, referencedTaskTag, refCmdSn, cmdSn: first + 3 })
        assert.equal(await functionResponse(peer), IscsiTaskResponse.functionComplete)
      }
      const filler = peer.command(testUnitReady(), { cmdSn: first })
      for (const itt of [filler, kept]) assert.equal((await response(peer)).itt, itt)
      assert.equal((await ping(peer)).expCmdSn, first + 3)
    }))

  // Requirement: RFC 7143, 4.2.3.2/1 and 4.2.3.5/2.
  test('ABORT TASK SET is for its own nexus, the others for all; nobody hears of them by an event', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const other = await bench.peer({ isid: OTHER_PORT })
      bench.store.held = true
      const kept = read(other, 0, 1)
      await underWay(bench, 1)
      sendFunction(peer, { function: abortTaskSet })
      assert.equal(await functionResponse(peer), IscsiTaskResponse.functionComplete)
      assert.equal(bench.store.aborts, 0)
      bench.store.release()
      assert.equal(fieldsOf(DATA_IN, await other.receive(Opcode.dataIn)).itt, kept)
      bench.store.held = true
      for (const code of [clearTaskSet, logicalUnitReset, targetWarmReset]) {
        const before = bench.store.aborts
        const itt = read(other, 0, 1)
        await underWay(bench, 1)
        sendFunction(peer, { function: code })
        await bench.until(() => bench.store.aborts > before)
        bench.store.release()
        bench.store.held = true
        assert.equal(await functionResponse(peer), IscsiTaskResponse.functionComplete)
        // TASK ABORTED, and no message.
        assert.equal((await response(other)).itt, itt)
        await ping(other)
        for (;;) {
          other.command(testUnitReady())
          if ((await response(other)).status === 0) break
        }
      }
    }))
})

describe('numbers of commands', () => {
  // Requirement: RFC 7143, 4.2.2.1/18.
  test('ExpCmdSN does not pass what has not come', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const first = peer.cmdSn
      for (const offset of [3, 1, 2]) {
        peer.command(testUnitReady(), { cmdSn: first + offset })
        assert.equal((await ping(peer)).expCmdSn, first)
      }
      peer.command(testUnitReady(), { cmdSn: first })
      for (let i = 0; i < 4; i++) await response(peer)
      assert.equal((await ping(peer)).expCmdSn, first + 4)
    }))

  // Requirement: RFC 7143, 4.2.2.1/19.
  test('a status comes with the acknowledgement of its command, or behind it', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { InitialR2T: 'Yes' } })
      const sent = new Map<number, number>()
      const note = (number: number, itt: number): void => void sent.set(itt, number)
      for (let i = 0; i < 4; i++) {
        const { cmdSn } = peer
        note(cmdSn + 1, read(peer, i, 1, { cmdSn: cmdSn + 1 }))
        note(cmdSn + 2, peer.command(Uint8Array.of(0xc1, 0, 0, 0, 0, 0), { cmdSn: cmdSn + 2 }))
        note(cmdSn, write(peer, i, 1, Buffer.alloc(BLOCK), { cmdSn }))
        peer.cmdSn = cmdSn + 3
      }
      for (let i = 0; i < 12; i++) {
        const { itt, expCmdSn } = fieldsOf(SCSI_RESPONSE, await peer.receive())
        assert.ok(expCmdSn > sent.get(itt)!, `${expCmdSn} at the answer of ${sent.get(itt)}`)
      }
    }))

  // Requirement: RFC 7143, 4.2.2.1/20 and 4.2.5.3/4.
  test('a tag that is in use is looked up first: whatever number comes with it, nothing runs twice', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      const second = await session.join(2)
      bench.store.held = true
      const { cmdSn } = session
      const itt = read(session.next(first), 0, 1, { cmdSn: first.cmdSn })
      await underWay(bench, 1)
      read(first, 0, 1, { itt, cmdSn })
      await ping(first, { cmdSn: session.cmdSn })
      read(second, 1, 1, { itt, cmdSn: session.cmdSn })
      await rejected(second, RejectReason.taskInProgress)
      assert.equal(bench.store.underWay, 1)
      bench.store.release()
      assert.equal(fieldsOf(DATA_IN, await first.receive(Opcode.dataIn)).itt, itt)
    }))

  // Requirement: RFC 7143, 4.2.2.1/21.
  test('each connection has room for one immediate command and one function, however many others have', () =>
    withBench({ engineLimits: { tasksPerSession: 1 } }, async bench => {
      const { session, first } = await RawSession.open(bench)
      const second = await session.join(2)
      bench.store.held = true
      const tag = read(session.next(first), 0, 1, { cmdSn: first.cmdSn })
      const now = { immediate: 1, cmdSn: session.cmdSn } as const
      for (let i = 0; i < 18; i++) read(first, i, 1, now)
      await rejected(first, RejectReason.immediateCommandReject)
      const own = read(second, 40, 1, now)
      read(second, 41, 1, now)
      await rejected(second, RejectReason.immediateCommandReject)
      const ask = (peer: RawPeer): void =>
        sendFunction(peer, { function: abortTask, referencedTaskTag: tag, cmdSn: session.cmdSn })
      for (let i = 0; i < 65; i++) ask(first)
      assert.equal(await functionResponse(first), IscsiTaskResponse.functionRejected)
      ask(second)
      const echo = await ping(second, { cmdSn: session.cmdSn })
      assert.equal(echo.opcode, Opcode.nopIn)
      bench.store.release()
      const data = await second.receive()
      const rest = await second.receive()
      const answers = [data, rest].map(pdu => [pdu.opcode, fieldsOf(NOP_IN, pdu).itt])
      assert.ok(answers.some(([opcode, itt]) => opcode === Opcode.dataIn && itt === own))
      assert.ok(answers.some(([opcode]) => opcode === Opcode.taskManagementResponse))
    }))
})
