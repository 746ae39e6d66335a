// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 4.2.2: command, status and data numbers, and the command window.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DATA_IN, NOP_IN, NOP_OUT, Opcode, RESERVED_TAG, SCSI_COMMAND, SCSI_RESPONSE } from '@lunkit/spec'
import { BLOCK, testUnitReady, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf, type RawPdu, type RawPeer } from '../../kit/raw-peer.ts'
import {
  dataOut,
  functionResponse,
  ping,
  r2t,
  read,
  response,
  sendFunction,
  sendPing,
  write,
} from '../../kit/raw-requests.ts'

const ABORT_TASK = 1
const CLEAR_ACA = 3
/** ExpCmdSN and MaxCmdSN are at the same place in every answer. */
const windowOf = (pdu: RawPdu): { expCmdSn: number; maxCmdSn: number } => fieldsOf(NOP_IN, pdu)

const ready = (peer: RawPeer, cmdSn: number): number => peer.command(testUnitReady(), { cmdSn: cmdSn >>> 0 })

describe('command numbers', () => {
  // Requirement: RFC 7143, 4.2.2.1/1.
  test('commands that come in a wrong order are answered in the right one', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const first = peer.cmdSn
      const tags = [3, 0, 2, 1].map(offset => [offset, ready(peer, first + offset)] as const)
      for (const wanted of [0, 1, 2, 3]) {
        const tag = tags.find(([offset]) => offset === wanted)![1]
        assert.equal((await response(peer)).itt, tag)
      }
      assert.equal((await ping(peer)).expCmdSn, first + 4)
    }))

  // Requirement: RFC 7143, 4.2.2.1/2.
  test('an immediate request overtakes and leaves ExpCmdSN alone', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const first = peer.cmdSn
      const late = ready(peer, first + 1)
      const now = peer.command(testUnitReady(), { immediate: 1, cmdSn: first + 1 })
      const answer = await response(peer)
      assert.deepEqual([answer.itt, answer.expCmdSn], [now, first])
      const before = ready(peer, first)
      assert.deepEqual([(await response(peer)).itt, (await response(peer)).itt], [before, late])
    }))

  // Requirement: RFC 7143, 4.2.2.1/3.
  test('MaxCmdSN stays at or above ExpCmdSN less one while the window closes and opens', () =>
    withBench({ engineLimits: { tasksPerSession: 3 } }, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      const seen: RawPdu[] = []
      for (let i = 0; i < 3; i++) {
        read(peer, i, 1)
        sendPing(peer)
        seen.push(await peer.receive(Opcode.nopIn))
      }
      assert.equal(windowOf(seen[2]!).maxCmdSn, windowOf(seen[2]!).expCmdSn - 1)
      bench.store.release()
      while (seen.length < 6) seen.push(await peer.receive())
      for (const pdu of seen) {
        const { expCmdSn, maxCmdSn } = windowOf(pdu)
        assert.ok(maxCmdSn >= expCmdSn - 1, `${maxCmdSn} is below ${expCmdSn} - 1`)
      }
    }))

  // Requirement: RFC 7143, 4.2.2.1/4.
  test('numbers before and behind the window are dropped', () =>
    withBench({ engineLimits: { tasksPerSession: 4 } }, async bench => {
      const peer = await bench.peer()
      const { expCmdSn, maxCmdSn } = await ping(peer)
      for (const number of [expCmdSn - 1, expCmdSn - 50, maxCmdSn + 1, maxCmdSn + 100]) ready(peer, number)
      const answer = await ping(peer)
      assert.deepEqual([answer.expCmdSn, answer.maxCmdSn], [expCmdSn, maxCmdSn])
      assert.equal(bench.of('peer-fault').length, 0)
    }))

  // Requirement: RFC 7143, 4.2.2.1/5 and 7.2.1/1.
  test('a number that comes twice runs once, whether it waits or is under way', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const first = peer.cmdSn
      bench.store.held = true
      const running = read(peer, 0, 1)
      await bench.until(() => bench.store.underWay === 1)
      read(peer, 0, 1, { itt: running, cmdSn: first })
      const waiting = ready(peer, first + 2)
      peer.command(testUnitReady(), { itt: waiting, cmdSn: first + 2 })
      bench.store.release()
      assert.equal(fieldsOf(DATA_IN, await peer.receive(Opcode.dataIn)).itt, running)
      const between = ready(peer, first + 1)
      assert.deepEqual([(await response(peer)).itt, (await response(peer)).itt], [between, waiting])
      assert.equal((await ping(peer)).expCmdSn, first + 3)
    }))

  // Requirement: RFC 7143, 4.2.2.1/6.
  test('with a closed window a ping and a task management request are answered', () =>
    withBench({ engineLimits: { tasksPerSession: 1 } }, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      read(peer, 0, 1)
      await bench.until(() => bench.store.underWay === 1)
      const { expCmdSn, maxCmdSn } = await ping(peer)
      assert.equal(maxCmdSn, expCmdSn - 1)
      sendFunction(peer, { function: CLEAR_ACA })
      assert.equal(await functionResponse(peer), 0)
      assert.equal((await ping(peer)).expCmdSn, expCmdSn)
    }))

  // Requirement: RFC 7143, 11.19/5 and 11.19/6 and 11.4/14.
  test('a window that opens without an answer is told by a NOP-In that wants none', () =>
    withBench({ engineLimits: { tasksPerSession: 1 } }, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      const itt = read(peer, 0, 1)
      await bench.until(() => bench.store.underWay === 1)
      sendFunction(peer, { function: ABORT_TASK, referencedTaskTag: itt })
      await bench.until(() => bench.store.aborts > 0)
      bench.store.release()
      const both = [await peer.receive(), await peer.receive()]
      const news = both.find(({ opcode }) => opcode === Opcode.nopIn)!
      const told = fieldsOf(NOP_IN, news)
      assert.deepEqual([told.itt, told.ttt, news.data.length], [RESERVED_TAG, RESERVED_TAG, 0])
      assert.ok(told.maxCmdSn >= told.expCmdSn)
      await ping(peer)
    }))

  // Requirement: RFC 7143, 4.2.2.1/7.
  // Requirement: RFC 7143, 4.2.2.1/8.
  test('numbers go on over the end of 32 bits, from the one that the login had', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      await peer.login({ target: 'iqn.2026-11.test.lunkit:disk', cmdSn: 0xffff_ffff })
      const tags = [ready(peer, 0xffff_ffff), ready(peer, 1), ready(peer, 0)]
      assert.deepEqual(
        [(await response(peer)).itt, (await response(peer)).itt, (await response(peer)).itt],
        [tags[0], tags[2], tags[1]],
      )
      assert.equal((await ping(peer)).expCmdSn, 2)
    }))
})

describe('status numbers', () => {
  // Requirement: RFC 7143, 4.2.2.2/1.
  test('answers of all kinds count StatSN by one', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      let statSn = (await ping(peer)).statSn
      const next = (got: number): void => assert.equal(got, (statSn = (statSn + 1) >>> 0))
      peer.command(testUnitReady())
      next((await response(peer)).statSn)
      read(peer, 0, 1)
      next(fieldsOf(DATA_IN, await peer.receive(Opcode.dataIn)).statSn)
      sendFunction(peer, { function: CLEAR_ACA })
      next(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.taskManagementResponse)).statSn)
      peer.sendPdu(SCSI_COMMAND, { opcode: 0x1b as never, immediate: 1 })
      next(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.reject)).statSn)
      next((await ping(peer)).statSn)
    }))

  // Requirement: RFC 7143, 4.2.2.2/2.
  test('R2T and pings of the target show StatSN and do not use it up', () =>
    withBench({ nop: { intervalMs: 40, timeoutMs: 60_000 } }, async bench => {
      const peer = await bench.peer()
      const { statSn } = await ping(peer)
      const itt = write(peer, 0, 1)
      const asked = await r2t(peer)
      assert.equal(asked.statSn, statSn + 1)
      const own = fieldsOf(NOP_IN, await peer.receive(Opcode.nopIn))
      assert.equal(own.statSn, statSn + 1)
      dataOut(peer, { itt, ttt: asked.ttt }, Buffer.alloc(BLOCK))
      assert.equal((await response(peer)).statSn, statSn + 1)
    }))
  test('a request in no form that has the number of one that came takes nothing back', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const { cmdSn } = peer
      await ping(peer, { immediate: 0, cmdSn })
      peer.sendPdu(
        NOP_OUT,
        { opcode: Opcode.nopOut, final: 1, itt: 9, ttt: RESERVED_TAG, cmdSn },
        undefined,
        Buffer.alloc(8),
      )
      assert.equal((await ping(peer, { cmdSn: cmdSn + 1 })).expCmdSn, cmdSn + 1)
    }))
})

describe('data numbers', () => {
  // Requirement: RFC 7143, 4.2.2.4/1.
  test('Data-In counts from 0 in each command, over all its sequences', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { MaxRecvDataSegmentLength: '512', MaxBurstLength: '1024' } })
      for (let command = 0; command < 2; command++) {
        read(peer, 0, 6)
        for (let number = 0; number < 6; number++) {
          assert.equal(fieldsOf(DATA_IN, await peer.receive(Opcode.dataIn)).dataSn, number)
        }
      }
    }))

  // Requirement: RFC 7143, 4.2.2.4/2.
  test('R2T counts from 0 in each command', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { MaxBurstLength: '512', FirstBurstLength: '512' } })
      for (let command = 0; command < 2; command++) {
        const itt = write(peer, 0, 3)
        for (let number = 0; number < 3; number++) {
          const { r2tSn, ttt, bufferOffset } = await r2t(peer)
          assert.equal(r2tSn, number)
          dataOut(peer, { itt, ttt, bufferOffset }, Buffer.alloc(BLOCK))
        }
        assert.equal((await response(peer)).status, 0)
      }
    }))
})
