// SPDX-License-Identifier: Apache-2.0
// What a failed connection leaves: who may take it over and when, what ends at once, and what a new session makes of it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  IscsiTaskResponse,
  LOGIN_RESPONSE,
  LOGOUT_REQUEST,
  LOGOUT_RESPONSE,
  LoginStage,
  LoginStatus,
  LogoutReason,
  LogoutResponse,
  Opcode,
  SCSI_RESPONSE,
  SnackType,
  Status,
} from '@lunkit/spec'
import {
  BLOCK,
  type IscsiBench,
  read10,
  TARGET,
  testUnitReady,
  withBench,
} from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { RawSession } from '@lunkit/testing/kit/raw-session.ts'
import { KEYS, loseFor, read, readAnswer, snack, takeOver } from './recovery.test-kit.ts'

const LEVEL_2 = {
  ErrorRecoveryLevel: '2',
  DefaultTime2Wait: '0',
  DefaultTime2Retain: '30',
  InitialR2T: 'Yes',
  ...KEYS,
}
const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const { functionComplete, taskDoesNotExist, taskStillAllegiant } = IscsiTaskResponse

async function atLevel(
  level: string,
  run: (session: RawSession, first: RawPeer, bench: IscsiBench) => Promise<void>,
): Promise<void> {
  await withBench({}, async bench => {
    const { session, first } = await RawSession.open(bench, { ...LEVEL_2, ErrorRecoveryLevel: level })
    await run(session, first, bench)
  })
}
const level2 = (run: Parameters<typeof atLevel>[1]): Promise<void> => atLevel('2', run)
const lost = (bench: IscsiBench) => bench.until(() => bench.of('connection-closed').length === 1)

describe('its commands', () => {
  // Requirement: RFC 7143, 7.2.2/3 and 7.1.4.3/1 and 7.14/1.
  test('wait until it is logged out, and go on then', () =>
    level2(async (session, first, bench) => {
      const second = await session.join(2)
      const answered = read(session, first, 0, 1)
      await readAnswer(session, first)
      bench.store.held = true
      const running = read(session, first, 0, 1)
      await bench.until(() => bench.store.underWay === 1)
      first.socket.resetAndDestroy()
      await lost(bench)
      for (const tag of [answered, running])
        assert.equal(await takeOver(session, second, tag), taskStillAllegiant)
      await loseFor(session, first, second)
      bench.store.release()
      for (const tag of [answered, running]) {
        assert.equal(await takeOver(session, second, tag), functionComplete)
        assert.equal((await readAnswer(session, second)).response.itt, tag)
      }
    }))

  test('are allegiant again when the connection that took them over is lost as well', () =>
    level2(async (session, first) => {
      const itt = read(session, first, 0, 1)
      await readAnswer(session, first)
      const second = await session.join(2)
      await loseFor(session, first, second)
      assert.equal(await takeOver(session, second, itt), functionComplete)
      const third = await session.join(3)
      await second.close()
      assert.equal(await takeOver(session, third, itt), taskStillAllegiant)
      await loseFor(session, second, third, 2)
      assert.equal(await takeOver(session, third, itt), functionComplete)
      assert.equal((await readAnswer(session, third)).response.status, Status.good)
    }))

  // Requirement: RFC 7143, 7.2.2/5.
  test('answer with SNACK Tag 0 elsewhere, whatever tag they had', () =>
    level2(async (session, first) => {
      const second = await session.join(2)
      const itt = read(session, first, 0, 2)
      const { statSn } = (await readAnswer(session, first)).response
      snack(first, { type: SnackType.rData, itt, ttt: 99, begRun: 0, expStatSn: statSn })
      assert.equal((await readAnswer(session, first)).response.snackTag, 99)
      await loseFor(session, first, second)
      assert.equal(await takeOver(session, second, itt), functionComplete)
      const { response, pieces } = await readAnswer(session, second)
      assert.deepEqual([response.itt, response.snackTag, pieces.length], [itt, 0, 2])
    }))

  // Requirement: RFC 7143, 7.14/2.
  test('end at once if they are immediate, whether they run or are answered, and nobody has them', () =>
    level2(async (session, first, bench) => {
      const second = await session.join(2)
      const immediate = (): number =>
        first.command(read10(0, 1), {
          immediate: 1,
          read: 1,
          expectedDataTransferLength: BLOCK,
          cmdSn: session.cmdSn,
        })
      const answered = immediate()
      await readAnswer(session, first)
      bench.store.held = true
      const running = immediate()
      const numbered = read(session, first, 0, 1)
      await bench.until(() => bench.store.underWay === 2)
      const { aborts } = bench.store
      await loseFor(session, first, second)
      assert.equal(bench.store.aborts, aborts + 1)
      for (const tag of [answered, running])
        assert.equal(await takeOver(session, second, tag), taskDoesNotExist)
      bench.store.release()
      assert.equal(await takeOver(session, second, numbered), functionComplete)
      assert.equal((await readAnswer(session, second)).response.itt, numbered)
      assert.equal(second.waiting, 0)
    }))

  // Requirement: RFC 7143, 7.14/4.
  test('end by a logout that closes it, and are not to be had any more', () =>
    level2(async (session, first, bench) => {
      const second = await session.join(2)
      const answered = read(session, first, 0, 1)
      await readAnswer(session, first)
      bench.store.held = true
      const running = read(session, first, 0, 1)
      await bench.until(() => bench.store.underWay === 1)
      await first.close()
      await lost(bench)
      const { cmdSn, expStatSn } = session.next(second)
      const fields = { final: 1, reason: LogoutReason.closeConnection, cid: 1, itt: 0x700, cmdSn, expStatSn }
      second.sendPdu(LOGOUT_REQUEST, { opcode: Opcode.logoutRequest, ...fields } as never)
      await bench.until(() => bench.store.aborts > 0)
      bench.store.release()
      const pdu = await session.receive(second, Opcode.logoutResponse)
      assert.equal(fieldsOf(LOGOUT_RESPONSE, pdu).response, LogoutResponse.closed)
      for (const tag of [answered, running])
        assert.equal(await takeOver(session, second, tag), taskDoesNotExist)
    }))

  test('that were answered before leave no unit attention when they are forgotten: they were not cleared', () =>
    level2(async (session, first) => {
      const second = await session.join(2)
      read(session, first, 0, 1)
      await readAnswer(session, first)
      await first.close()
      const { cmdSn, expStatSn } = session.next(second)
      const fields = { final: 1, reason: LogoutReason.closeConnection, cid: 1, itt: 0x700, cmdSn, expStatSn }
      second.sendPdu(LOGOUT_REQUEST, { opcode: Opcode.logoutRequest, ...fields } as never)
      await session.receive(second, Opcode.logoutResponse)
      session.next(second).command(testUnitReady())
      const { status } = fieldsOf(SCSI_RESPONSE, await session.receive(second, Opcode.scsiResponse))
      assert.equal(status, Status.good)
    }))

  for (const level of ['0', '1']) {
    // Requirement: RFC 7143, 6.3.4/4 and 7.14/1.
    test(`end at level ${level} when another takes its place`, () =>
      atLevel(level, async (session, first, bench) => {
        bench.store.held = true
        read(session, first, 0, 1)
        await bench.until(() => bench.store.underWay === 1)
        const joining = session.join(1)
        await bench.until(() => bench.store.aborts === 1)
        bench.store.release()
        const again = await joining
        await first.end()
        let status: number
        do {
          session.next(again).command(testUnitReady())
          status = fieldsOf(SCSI_RESPONSE, await session.receive(again, Opcode.scsiResponse)).status
        } while (status !== Status.good)
        assert.equal(again.waiting, 0)
        assert.equal(bench.of('session-closed').length, 0)
      }))
  }

  // Requirement: RFC 7143, 7.14/1.
  test('end with their session at level 1', () =>
    atLevel('1', async (session, first, bench) => {
      const second = await session.join(2)
      await first.close()
      await second.end()
      await bench.until(() => bench.port.connections.sessions === 0)
    }))
})

describe('its session', () => {
  // Requirement: RFC 7143, 7.15/1 and 7.14/3.
  test('ends when the initiator port begins another, and with it what waited to be taken over', () =>
    level2(async (session, first, bench) => {
      bench.store.held = true
      const itt = read(session, first, 0, 1)
      await bench.until(() => bench.store.underWay === 1)
      await first.close()
      await lost(bench)
      const beginning = RawSession.open(bench, LEVEL_2)
      await bench.until(() => bench.store.aborts === 1)
      bench.store.release()
      const { session: fresh, first: heir } = await beginning
      assert.notEqual(fresh.tsih, session.tsih)
      assert.deepEqual(
        bench.of('session-closed').map(({ cause }) => cause),
        ['replaced'],
      )
      assert.equal(await takeOver(fresh, heir, itt), taskDoesNotExist)
      assert.equal(statusOf((await session.login(2)).pdu), LoginStatus.sessionDoesNotExist)
    }))

  // Requirement: RFC 7143, 8.3.4/1 and 7.14/3.
  test('ends so even while somebody tries to go on with it, whose try fails', () =>
    level2(async (session, first, bench) => {
      await first.close()
      await lost(bench)
      const trying = await bench.connect()
      const { operational, fullFeature } = LoginStage
      const fields = { csg: operational, tsih: session.tsih, cid: 2, cmdSn: session.cmdSn }
      assert.equal(statusOf(await trying.loginRound(fields, NAMES)), 0)
      await RawSession.open(bench, LEVEL_2)
      const pdu = await trying.loginRound({ ...fields, transit: 1, nsg: fullFeature })
      assert.equal(statusOf(pdu), LoginStatus.sessionDoesNotExist)
      await trying.end()
      assert.equal(bench.port.connections.sessions, 1)
    }))

  // Requirement: RFC 7143, 8.3.4/2.
  test('is as it was after tries that fail: refused, or broken off', () =>
    level2(async (session, first, bench) => {
      const itt = read(session, first, 0, 1)
      await readAnswer(session, first)
      await first.close()
      await lost(bench)
      const refused = await session.login(2, { MaxRecvDataSegmentLength: '1' })
      assert.equal(fieldsOf(LOGIN_RESPONSE, refused.pdu).statusClass, 2)
      const broken = await bench.connect()
      const fields = { csg: LoginStage.operational, tsih: session.tsih, cid: 1, cmdSn: session.cmdSn }
      assert.equal(statusOf(await broken.loginRound(fields, NAMES)), 0)
      await broken.close()
      assert.equal(bench.of('session-closed').length, 0)
      const heir = await session.join(1)
      assert.equal(await takeOver(session, heir, itt), functionComplete)
      assert.equal((await readAnswer(session, heir)).response.itt, itt)
    }))
})

const statusOf = (pdu: Parameters<typeof fieldsOf>[1]): number => {
  const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
  return (statusClass << 8) | statusDetail
}
