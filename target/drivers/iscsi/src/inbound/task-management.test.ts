// SPDX-License-Identifier: Apache-2.0
// Task management over a real socket: tasks in the engine, in the driver's hands, and not delivered yet.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_IN,
  DATA_OUT,
  NOP_OUT,
  Opcode,
  R2T,
  RESERVED_TAG,
  SCSI_RESPONSE,
  Status,
  TASK_MANAGEMENT_REQUEST,
  TASK_MANAGEMENT_RESPONSE,
} from '@lunkit/spec'
import { read10, TARGET, testUnitReady, withBench, write10 } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'

interface Request {
  readonly function: number
  readonly referencedTaskTag?: number
  readonly refCmdSn?: number
  readonly lun?: Uint8Array
}

const TAG = 0x6000_0000

/** Sends an immediate request. */
function ask(peer: RawPeer, request: Request): void {
  peer.sendPdu(TASK_MANAGEMENT_REQUEST, {
    opcode: Opcode.taskManagementRequest,
    immediate: 1,
    final: 1,
    itt: TAG,
    cmdSn: peer.cmdSn,
    ...request,
  })
}

async function answer(peer: RawPeer): Promise<number> {
  const { response, itt } = fieldsOf(
    TASK_MANAGEMENT_RESPONSE,
    await peer.receive(Opcode.taskManagementResponse),
  )
  assert.equal(itt, TAG)
  return response
}

const ABORT_TASK = 1
const ABORT_TASK_SET = 2
const LUN_RESET = 5
const COLD_RESET = 7

describe('task management', () => {
  test('a store that never answers: every function is answered, the session goes on, a new one can take its place', () =>
    withBench({ engineLimits: { managementMs: 20 } }, async bench => {
      const options = { keys: { iSCSIProtocolLevel: '2' } }
      const peer = await bench.peer(options)
      bench.store.held = true
      for (const fn of [ABORT_TASK, ABORT_TASK_SET, 4, LUN_RESET, 6]) {
        const itt = peer.command(
          write10(fn, 1),
          { write: 1, expectedDataTransferLength: 512 },
          Buffer.alloc(512),
        )
        await bench.until(() => bench.store.underWay > 0)
        ask(peer, { function: fn, referencedTaskTag: itt })
        assert.equal(await answer(peer), 0, `function ${fn}`)
        let status = -1
        for (let i = 0; i < 4 && status !== 0; i++) {
          peer.command(testUnitReady())
          status = fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status
        }
        assert.equal(status, 0)
      }
      // Its initiator comes again: the nexus is free in time although the store still has a task of it.
      peer.command(write10(20, 1), { write: 1, expectedDataTransferLength: 512 }, Buffer.alloc(512))
      const again = await bench.peer(options)
      again.command(testUnitReady())
      assert.equal(fieldsOf(SCSI_RESPONSE, await again.receive(Opcode.scsiResponse)).status, 0)
      again.command(write10(30, 1), { write: 1, expectedDataTransferLength: 512 }, Buffer.alloc(512))
      ask(again, { function: 11 })
      assert.equal(await answer(again), 0)
      await again.end()
    }))

  // Requirement: RFC 7143, 13.24/2.
  test('the functions of RFC 7144 are there where the login settled on iSCSIProtocolLevel 2', () =>
    withBench({}, async bench => {
      const old = await bench.peer()
      const peer = await bench.peer({ initiator: 'iqn.2026-11.test:new', keys: { iSCSIProtocolLevel: '2' } })
      for (const fn of [9, 10, 11, 12]) {
        ask(old, { function: fn })
        assert.equal(await answer(old), 5, `function ${fn}`)
      }
      bench.store.held = true
      const itt = peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      await bench.until(() => bench.store.underWay === 1)
      for (const [fn, response] of [
        [9, 7],
        [10, 7],
        [12, 0],
      ] as const) {
        ask(peer, { function: fn, referencedTaskTag: itt })
        assert.equal(await answer(peer), response, `function ${fn}`)
      }
      ask(peer, { function: 11 })
      await bench.until(() => bench.store.aborts === 1)
      bench.store.release()
      assert.equal(await answer(peer), 0)
      // Requirement: RFC 7144, 6.3: I_T NEXUS RESET drops all connections of its session.
      await peer.end()
      await bench.until(() => bench.of('session-closed').length === 1)
      assert.equal(bench.of('session-closed')[0]!.cause, 'lost')
      const again = await bench.connect()
      await again.login({
        target: TARGET,
        initiator: 'iqn.2026-11.test:new',
        keys: { iSCSIProtocolLevel: '2' },
      })
      ask(again, { function: 12 })
      const event = fieldsOf(TASK_MANAGEMENT_RESPONSE, await again.receive(Opcode.taskManagementResponse))
      // One unit attention, of the group of resets and losses.
      assert.deepEqual([event.response, event.additionalResponseInformation >> 8], [7, 0x16_29])
    }))

  // Requirement: RFC 7143, 11.5.1: ABORT TASK of a task management request is rejected.
  // Requirement: RFC 7144, 6.3: QUERY TASK of a task management request is rejected.
  test('a request of this kind is no task that could be aborted or asked for', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { iSCSIProtocolLevel: '2' } })
      bench.store.held = true
      peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      await bench.until(() => bench.store.underWay === 1)
      ask(peer, { function: LUN_RESET })
      for (const fn of [ABORT_TASK, 9]) {
        ask(peer, { function: fn, referencedTaskTag: TAG })
        assert.equal(await answer(peer), 255)
      }
      bench.store.release()
      assert.equal(await answer(peer), 0)
      ask(peer, { function: 9, referencedTaskTag: TAG })
      assert.equal(await answer(peer), 0)
    }))

  // Requirement: RFC 7144, 4: the version descriptor of iSCSI tells the level that was agreed on.
  for (const [level, descriptor] of [
    ['1', 0x0961],
    ['2', 0x0962],
  ] as const) {
    test(`INQUIRY tells version ${descriptor.toString(16)} at iSCSIProtocolLevel ${level}`, () =>
      withBench({}, async bench => {
        const peer = await bench.peer({ keys: { iSCSIProtocolLevel: level } })
        peer.command(Buffer.from([0x12, 0, 0, 0, 96, 0]), { read: 1, expectedDataTransferLength: 96 })
        const { data } = await peer.receive(Opcode.dataIn)
        const told = Array.from({ length: 8 }, (_, i) => data.readUInt16BE(58 + 2 * i))
        assert.ok(told.includes(descriptor), told.map(one => one.toString(16)).join())
        assert.ok(!told.includes(0x0960))
      }))
  }

  test('a command priority is taken at any level', () =>
    withBench({}, async bench => {
      for (const level of ['1', '2']) {
        const peer = await bench.peer({ keys: { iSCSIProtocolLevel: level } })
        peer.command(testUnitReady(), { priority: 15 })
        assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status, 0)
      }
    }))

  test('requests that wait for a store are few: more are rejected, and none is lost', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      const itt = peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      await bench.until(() => bench.store.underWay === 1)
      for (let i = 0; i < 70; i++) ask(peer, { function: ABORT_TASK, referencedTaskTag: itt })
      for (let i = 0; i < 6; i++) assert.equal(await answer(peer), 255)
      bench.store.release()
      for (let i = 0; i < 64; i++) assert.equal(await answer(peer), 0)
      ask(peer, { function: ABORT_TASK_SET })
      assert.equal(await answer(peer), 0)
    }))

  test('ABORT TASK of a write that waits for its data ends it at once, and late data is dropped', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { InitialR2T: 'Yes', ImmediateData: 'No' } })
      const itt = peer.command(write10(0, 2), { write: 1, expectedDataTransferLength: 1024 })
      const { ttt } = fieldsOf(R2T, await peer.receive(Opcode.r2t))
      ask(peer, { function: ABORT_TASK, referencedTaskTag: itt })
      assert.equal(await answer(peer), 0)
      const late = { opcode: Opcode.dataOut, final: 1, itt, ttt }
      peer.sendPdu(DATA_OUT, late, Buffer.alloc(1024, 1))
      const next = peer.command(testUnitReady())
      assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).itt, next)
      assert.equal(bench.of('peer-fault').length, 0)
      assert.ok(bench.store.bytes[4] !== 1)
    }))

  test('ABORT TASK of a task in the store is answered when the store lets go, without a response', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      const itt = peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      ask(peer, { function: ABORT_TASK, referencedTaskTag: itt })
      peer.sendPdu(NOP_OUT, { opcode: Opcode.nopOut, immediate: 1, itt: 77, ttt: RESERVED_TAG })
      await peer.receive(Opcode.nopIn)
      assert.equal(bench.store.underWay, 1)
      assert.equal(peer.waiting, 0)
      bench.store.release()
      assert.equal(await answer(peer), 0)
      assert.equal(peer.waiting, 0)
    }))

  test('ABORT TASK of a failed command whose data is still to come', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { InitialR2T: 'No' } })
      const itt = peer.command(write10(0xffff_ff00, 2), {
        write: 1,
        final: 0,
        expectedDataTransferLength: 1024,
      })
      ask(peer, { function: ABORT_TASK, referencedTaskTag: itt })
      assert.equal(await answer(peer), 0)
      peer.sendPdu(DATA_OUT, { opcode: Opcode.dataOut, final: 1, itt, ttt: RESERVED_TAG }, Buffer.alloc(1024))
      const next = peer.command(testUnitReady())
      assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).itt, next)
    }))

  test('ABORT TASK of a command that waits for its turn, or is not here yet', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const first = peer.cmdSn
      const parked = peer.command(testUnitReady(), { cmdSn: first + 1 })
      peer.cmdSn = first + 3
      ask(peer, { function: ABORT_TASK, referencedTaskTag: parked, refCmdSn: first + 1 })
      assert.equal(await answer(peer), 0)
      const missing = 0x1234
      ask(peer, { function: ABORT_TASK, referencedTaskTag: missing, refCmdSn: first })
      assert.equal(await answer(peer), 0)
      // Number `first` counts as received, so that the next one runs; should it come after all, it is a duplicate.
      peer.command(testUnitReady(), { itt: missing, cmdSn: first })
      const last = peer.command(testUnitReady(), { cmdSn: first + 2 })
      assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).itt, last)
    }))

  // Requirement: RFC 7143, 11.6.1/1.
  test('ABORT TASK of what was never there, or is over', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const first = peer.cmdSn
      for (const refCmdSn of [first - 1, first + 100_000, first]) {
        ask(peer, { function: ABORT_TASK, referencedTaskTag: 0x4321, refCmdSn })
        assert.equal(await answer(peer), 1)
      }
    }))

  test('functions for many tasks meet those that wait for their turn', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      const running = peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      const first = peer.cmdSn
      peer.command(testUnitReady(), { cmdSn: first + 1 })
      peer.cmdSn = first + 2
      ask(peer, { function: ABORT_TASK_SET })
      // The echo shows that the request has been handled.
      const ping = { opcode: Opcode.nopOut, immediate: 1, final: 1, itt: 77, ttt: RESERVED_TAG }
      peer.sendPdu(NOP_OUT, { ...ping, cmdSn: peer.cmdSn })
      await peer.receive(Opcode.nopIn)
      // It waits for the command before it.
      const filler = peer.command(testUnitReady(), { cmdSn: first })
      assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).itt, filler)
      await bench.until(() => bench.store.aborts > 0)
      bench.store.release()
      assert.equal(await answer(peer), 0)
      peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      const { itt } = fieldsOf(DATA_IN, await peer.receive(Opcode.dataIn))
      assert.notEqual(itt, running)
    }))

  test('a reset by one session frees the command window of another', () =>
    withBench({ engineLimits: { tasksPerSession: 1 } }, async bench => {
      const peer = await bench.peer({ keys: { InitialR2T: 'Yes', ImmediateData: 'No' } })
      const other = await bench.peer({ isid: Uint8Array.of(0x80, 0, 0, 0, 0, 9) })
      peer.command(write10(0, 1), { write: 1, expectedDataTransferLength: 512 })
      const closed = fieldsOf(R2T, await peer.receive(Opcode.r2t))
      assert.equal(closed.maxCmdSn, closed.expCmdSn - 1)
      ask(other, { function: LUN_RESET })
      assert.equal(await answer(other), 0)
      const told = fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse))
      assert.equal(told.status, Status.taskAborted)
      assert.equal(told.maxCmdSn, closed.expCmdSn)
    }))

  test('what is not supported says so', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      for (const [code, response] of [
        [3, 0],
        [8, 4],
        [0, 5],
        [9, 5],
        [100, 5],
      ] as const) {
        ask(peer, { function: code })
        assert.equal(await answer(peer), response, `function ${code}`)
      }
      ask(peer, { function: LUN_RESET, lun: Uint8Array.of(0, 7, 0, 0, 0, 0, 0, 0) })
      assert.equal(await answer(peer), 2)
    }))

  test('a cold reset is answered, then all sessions of the target end', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const other = await bench.peer({ isid: Uint8Array.of(0x80, 0, 0, 0, 0, 9) })
      ask(peer, { function: COLD_RESET })
      assert.equal(await answer(peer), 0)
      await peer.end()
      await other.end()
      assert.equal(bench.of('session-closed').length, 2)
    }))
})
