// SPDX-License-Identifier: Apache-2.0
// What error recovery keeps for initiators that do not come back, or do not acknowledge: how much, how long, and who makes room.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  IscsiTaskResponse,
  LOGOUT_REQUEST,
  LOGOUT_RESPONSE,
  LogoutReason,
  NOP_IN,
  NOP_OUT,
  Opcode,
  RESERVED_TAG,
  SCSI_RESPONSE,
} from '@lunkit/spec'
import {
  type BenchOptions,
  BLOCK,
  type IscsiBench,
  read10,
  testUnitReady,
  withBench,
} from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { RawSession } from '@lunkit/testing/kit/raw-session.ts'
import { KEYS, logoutForRecovery, read, takeOver, write } from './recovery.test-kit.ts'

const LEVEL_2 = {
  ErrorRecoveryLevel: '2',
  DefaultTime2Wait: '0',
  DefaultTime2Retain: '30',
  InitialR2T: 'Yes',
  ...KEYS,
}
const LARGE = { MaxRecvDataSegmentLength: '262144', MaxBurstLength: '1048576' }

async function level2(
  run: (session: RawSession, first: RawPeer, bench: IscsiBench) => Promise<void>,
  keys: Readonly<Record<string, string>> = {},
  options: BenchOptions = {},
): Promise<void> {
  await withBench(options, async bench => {
    const { session, first } = await RawSession.open(bench, { ...LEVEL_2, ...keys })
    await run(session, first, bench)
  })
}

const lost = (bench: IscsiBench, count = 1) =>
  bench.until(() => bench.of('connection-closed').length === count)

/** A read of 4 MiB whose answer is not acknowledged. */
function largeRead(session: RawSession, peer: RawPeer, expStatSn: number): number {
  session.next(peer)
  return peer.command(read10(0, 8192), { read: 1, expectedDataTransferLength: 8192 * BLOCK, expStatSn })
}

/** Reads answers until `count` commands have theirs. */
async function answers(session: RawSession, peer: RawPeer, count: number): Promise<void> {
  for (let have = 0; have < count; ) {
    const pdu = await session.receive(peer)
    if (pdu.opcode === Opcode.scsiResponse) have++
  }
}

test('a session without connections makes room for a new one', () =>
  level2(
    async (_session, first, bench) => {
      await first.close()
      await lost(bench)
      assert.equal(bench.port.connections.sessions, 1)
      await bench.peer({ isid: Uint8Array.of(0x80, 0, 0, 0, 0, 99) })
      assert.equal(bench.port.connections.sessions, 1)
      assert.equal(bench.of('session-closed').length, 1)
    },
    { DefaultTime2Wait: '3600' },
    { limits: { sessions: 1, sessionsPerInitiator: 1, sessionsPerTarget: 1 } },
  ))

test('of many connections that were lost the latest are remembered', () =>
  level2(
    async (session, first, bench) => {
      const tags: number[] = []
      for (let cid = 2; cid < 70; cid++) {
        const peer = await session.join(cid)
        tags.push(read(session, peer, 0, 1))
        await answers(session, peer, 1)
        await peer.close()
        await lost(bench, cid - 1)
      }
      assert.equal(await takeOver(session, first, tags[0]!), IscsiTaskResponse.taskDoesNotExist)
      logoutForRecovery(session, first, 69)
      await session.receive(first, Opcode.logoutResponse)
      assert.equal(await takeOver(session, first, tags.at(-1)!), IscsiTaskResponse.functionComplete)
    },
    { DefaultTime2Wait: '3600' },
  ))

test('a write that nobody takes over does not wait for its data for ever', () =>
  level2(
    async (session, first, bench) => {
      const second = await session.join(2)
      const itt = write(session, first, 0, 4)
      await first.receive(Opcode.r2t)
      await first.close()
      await lost(bench)
      await bench.until(() => bench.of('peer-fault').length === 1)
      assert.match(bench.of('peer-fault')[0]!.fault, /did not come in time/)
      assert.equal(await takeOver(session, second, itt), IscsiTaskResponse.taskDoesNotExist)
    },
    { DefaultTime2Wait: '3600' },
    { limits: { dataTimeoutMs: 200 } },
  ))

test('an initiator that never acknowledges loses its session, in which answers wait', () =>
  level2(
    async (session, first, bench) => {
      const { expStatSn } = first
      for (let i = 0; i < 6; i++) largeRead(session, first, expStatSn)
      while (bench.of('session-closed').length === 0) {
        const pdu = await first.receive().catch(() => null)
        if (pdu === null) break
        // It lives, but what it has got it does not say.
        const tag = pdu.opcode === Opcode.nopIn ? fieldsOf(NOP_IN, pdu).ttt : RESERVED_TAG
        const fields = { opcode: Opcode.nopOut, immediate: 1, final: 1, itt: RESERVED_TAG, ttt: tag }
        if (tag !== RESERVED_TAG)
          first.sendPdu(NOP_OUT, { ...fields, cmdSn: session.cmdSn, expStatSn } as never)
      }
      await bench.until(() => bench.port.connections.sessions === 0)
      assert.equal(bench.of('answers-not-read').length, 1)
    },
    LARGE,
    { limits: { responseTimeoutMs: 300 } },
  ))

test('answers that wait come when others are given up, without an acknowledgement', () =>
  level2(
    async (session, first, bench) => {
      const second = await session.join(2)
      const { expStatSn } = second
      for (let i = 0; i < 4; i++) largeRead(session, second, expStatSn)
      await answers(session, second, 4)
      bench.store.held = true
      const waiting = largeRead(session, first, first.expStatSn)
      await bench.until(() => bench.store.underWay > 0)
      bench.store.release()
      bench.store.held = false
      await second.close()
      await answers(session, first, 1)
      assert.equal(typeof waiting, 'number')
    },
    { ...LARGE, DefaultTime2Retain: '1' },
  ))

test('requests that wait on a connection that is logged out are never carried out', () =>
  level2(async (session, first, bench) => {
    const second = await session.join(2)
    bench.store.held = true
    read(session, second, 0, 1)
    await bench.until(() => bench.store.underWay === 1)
    const hole = session.next(first).cmdSn
    read(session, second, 77, 1)
    const { cmdSn, expStatSn } = session.next(second)
    const fields = { opcode: Opcode.logoutRequest, immediate: 1, final: 1, itt: 4711, cid: 2 }
    const reason = LogoutReason.closeConnection
    second.sendPdu(LOGOUT_REQUEST, { ...fields, reason, cmdSn, expStatSn } as never)
    await bench.until(() => bench.store.aborts > 0)
    first.command(testUnitReady(), { cmdSn: hole })
    assert.equal(fieldsOf(SCSI_RESPONSE, await first.receive(Opcode.scsiResponse)).status, 0)
    bench.store.release()
    bench.store.held = false
    const pdu = await second.receive(Opcode.logoutResponse)
    assert.equal(fieldsOf(LOGOUT_RESPONSE, pdu).response, 0)
    assert.deepEqual(
      bench.store.calls.filter(call => call.includes(String(77 * BLOCK))),
      [],
    )
  }))
