// SPDX-License-Identifier: Apache-2.0
// Stuck commands are told once and by what they wait for, slow ones where asked for, and who does not read is let go.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { IscsiTaskFunction, Opcode, R2T, TASK_MANAGEMENT_REQUEST, TaskAttribute } from '@lunkit/spec'
import { BLOCK, read10, TARGET, testUnitReady, withBench, write10 } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR } from '@lunkit/testing/kit/raw-peer.ts'

const READ = { read: 1, expectedDataTransferLength: 2 * BLOCK }

describe('a command without an answer', () => {
  test('is told once, with what it is and what it waits for', () =>
    withBench({ limits: { responseTimeoutMs: 40 } }, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      peer.command(read10(7, 2), READ)
      peer.command(testUnitReady(), { attribute: TaskAttribute.ordered })
      await bench.until(() => bench.of('stuck-command').length === 2)
      const [first, second] = bench.of('stuck-command')
      const { address, ms, ...words } = first!
      assert.deepEqual(words, {
        type: 'stuck-command',
        target: TARGET,
        initiator: INITIATOR,
        lun: 0,
        command: 'READ (10)',
        lba: 7,
        blocks: 2,
        waitsFor: 'the storage',
      })
      assert.match(address, /^127\.0\.0\.1:\d+$/)
      assert.ok(ms >= 40)
      assert.equal(second!.command, 'TEST UNIT READY')
      assert.equal(second!.lba, null)
      assert.equal(second!.waitsFor, 'commands before it')
      // A third is told by a later look; the others are not told again.
      peer.command(read10(9, 2), READ)
      await bench.until(() => bench.of('stuck-command').length === 3)
      assert.equal(bench.of('stuck-command')[2]!.lba, 9)
      bench.store.release()
      await peer.receive(Opcode.dataIn)
    }))

  test('may be waited for by its initiator, which owes its data', () =>
    withBench({ limits: { responseTimeoutMs: 40 } }, async bench => {
      const peer = await bench.peer({ keys: { ImmediateData: 'No' } })
      peer.command(write10(0, 1), { write: 1, expectedDataTransferLength: BLOCK })
      fieldsOf(R2T, await peer.receive(Opcode.r2t))
      await bench.until(() => bench.of('stuck-command').length === 1)
      assert.equal(bench.of('stuck-command')[0]!.waitsFor, 'data from the initiator')
    }))

  test('one with an answer is not told of', () =>
    withBench({ limits: { responseTimeoutMs: 40 } }, async bench => {
      const peer = await bench.peer()
      peer.command(read10(0, 2), READ)
      await peer.receive(Opcode.dataIn)
      bench.store.held = true
      peer.command(read10(1, 2), READ)
      await bench.until(() => bench.of('stuck-command').length > 0)
      assert.deepEqual(
        bench.of('stuck-command').map(({ lba }) => lba),
        [1],
      )
    }))
})

describe('answers that nobody reads', () => {
  const KEYS = { MaxRecvDataSegmentLength: '262144', MaxBurstLength: '262144' }
  const LONG = { read: 1, expectedDataTransferLength: 262_144 }

  test('end their connection, and an event says so', () =>
    withBench({ limits: { responseTimeoutMs: 60 } }, async bench => {
      const slow = await bench.peer({ keys: KEYS })
      slow.socket.pause()
      for (let i = 0; i < 100; i++) slow.command(read10(0, 512), LONG)
      await bench.until(() => bench.of('session-closed').length === 1)
      const [event] = bench.of('answers-not-read')
      assert.equal(event!.initiator, INITIATOR)
      assert.equal(event!.cid, 1)
      assert.ok(event!.bytes > 0)
      assert.equal(bench.of('session-closed')[0]!.cause, 'fault')
    }))

  test('a peer that goes on reading keeps its connection', () =>
    withBench({ limits: { responseTimeoutMs: 300 } }, async bench => {
      const peer = await bench.peer({ keys: KEYS })
      for (let i = 0; i < 100; i++) peer.command(read10(0, 512), LONG)
      for (let i = 0; i < 100; i++) {
        await peer.receive(Opcode.dataIn)
        await new Promise(resolve => setTimeout(resolve, 5))
      }
      assert.equal(bench.of('answers-not-read').length, 0)
    }))
})

describe('slow commands', () => {
  const hold = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

  test('are told with their time and their status, quick ones are not', () =>
    withBench({ slowMs: 30 }, async bench => {
      const peer = await bench.peer()
      const before = bench.of('slow-command').length
      bench.store.held = true
      peer.command(read10(3, 2), READ)
      await bench.until(() => bench.store.underWay > 0)
      await hold(31)
      bench.store.release()
      await peer.receive(Opcode.dataIn)
      const [event] = bench.of('slow-command').slice(before)
      const { ms, ...words } = event!
      assert.deepEqual(words, {
        type: 'slow-command',
        target: TARGET,
        initiator: INITIATOR,
        lun: 0,
        command: 'READ (10)',
        lba: 3,
        blocks: 2,
        outcome: 'GOOD',
      })
      assert.ok(ms >= 30)
    }))

  test('an aborted one is told, too', () =>
    withBench({ slowMs: 20 }, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      const tag = peer.command(read10(5, 2), READ)
      await bench.until(() => bench.store.underWay > 0)
      await hold(21)
      peer.sendPdu(TASK_MANAGEMENT_REQUEST, {
        opcode: Opcode.taskManagementRequest,
        immediate: 1,
        final: 1,
        function: IscsiTaskFunction.abortTask,
        itt: 0x99,
        referencedTaskTag: tag,
        cmdSn: peer.cmdSn,
      } as never)
      await bench.until(() => bench.store.aborts > 0)
      bench.store.release()
      await peer.receive(Opcode.taskManagementResponse)
      const event = bench.of('slow-command').find(({ lba }) => lba === 5)
      assert.equal(event!.outcome, 'aborted')
    }))

  test('nobody is told where nobody asked', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      peer.command(read10(0, 2), READ)
      await peer.receive(Opcode.dataIn)
      assert.equal(bench.of('slow-command').length, 0)
    }))
})
