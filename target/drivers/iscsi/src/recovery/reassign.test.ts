// SPDX-License-Identifier: Apache-2.0
// Error recovery level 2: commands of a lost connection go on over another one, once and with all their data.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  IscsiTaskFunction,
  IscsiTaskResponse,
  LOGIN_RESPONSE,
  LOGOUT_RESPONSE,
  LoginStatus,
  LogoutResponse,
  Opcode,
  R2T,
  SCSI_RESPONSE,
  Status,
  TASK_MANAGEMENT_REQUEST,
  TASK_MANAGEMENT_RESPONSE,
} from '@lunkit/spec'
import {
  type BenchOptions,
  BLOCK,
  type IscsiBench,
  testUnitReady,
  withBench,
} from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { RawSession } from '@lunkit/testing/kit/raw-session.ts'
import {
  dataOut,
  KEYS,
  logoutForRecovery,
  loseFor,
  read,
  readAnswer,
  takeOver,
  write,
} from './recovery.test-kit.ts'

const LEVEL_2 = {
  ErrorRecoveryLevel: '2',
  DefaultTime2Wait: '0',
  DefaultTime2Retain: '30',
  InitialR2T: 'Yes',
  ...KEYS,
}

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

const lost = (bench: IscsiBench) => bench.until(() => bench.of('connection-closed').length === 1)
const { functionComplete, taskDoesNotExist, taskStillAllegiant } = IscsiTaskResponse
const data = Buffer.alloc(4 * BLOCK, 'taken over')

describe('a read', () => {
  // Requirement: RFC 7143, 7.2.2/2.
  test('that runs answers where it was taken over', () =>
    level2(async (session, first, bench) => {
      const second = await session.join(2)
      bench.store.held = true
      const itt = read(session, first, 0, 2)
      await bench.until(() => bench.store.underWay === 1)
      await loseFor(session, first, second)
      assert.equal(await takeOver(session, second, itt), functionComplete)
      bench.store.release()
      const whole = Buffer.alloc(2 * BLOCK)
      const { response } = await readAnswer(session, second, whole)
      assert.deepEqual([response.itt, response.status], [itt, Status.good])
      assert.deepEqual(whole, bench.store.bytes.subarray(0, 2 * BLOCK))
    }))

  test('that ended meanwhile keeps its answer', () =>
    level2(async (session, first, bench) => {
      const second = await session.join(2)
      bench.store.held = true
      const itt = read(session, first, 0, 2)
      await bench.until(() => bench.store.underWay === 1)
      await loseFor(session, first, second)
      bench.store.release()
      bench.store.held = false
      await bench.until(() => bench.store.underWay === 0)
      assert.equal(await takeOver(session, second, itt), functionComplete)
      const { pieces, response } = await readAnswer(session, second)
      assert.deepEqual([pieces.length, response.status, response.expDataSn], [2, Status.good, 2])
    }))

  // Requirement: RFC 7143, 11.5/9.
  test('with an ExpDataSN that cannot be is sent as if there were none', () =>
    level2(async (session, first) => {
      const second = await session.join(2)
      const itt = read(session, first, 0, 2)
      await readAnswer(session, first)
      await loseFor(session, first, second)
      assert.equal(await takeOver(session, second, itt, 99), functionComplete)
      const { pieces } = await readAnswer(session, second)
      assert.deepEqual(
        pieces.map(one => one.sn),
        [0, 1],
      )
    }))

  // Requirement: RFC 7143, ExpDataSN: a command that is taken over sends all Data-In that is not acknowledged.
  // Requirement: RFC 7143, 7.2.2/2.
  // Requirement: RFC 7143, 7.2.2/4.
  test('whose answer got lost is sent again, but for what the initiator has', () =>
    level2(async (session, first, bench) => {
      const second = await session.join(2)
      const itt = read(session, first, 0, 6)
      await readAnswer(session, first)
      await loseFor(session, first, second)
      assert.equal(await takeOver(session, second, itt, 4), functionComplete)
      const whole = Buffer.alloc(6 * BLOCK)
      const { pieces, response } = await readAnswer(session, second, whole)
      assert.deepEqual(
        pieces.map(one => one.sn),
        [4, 5],
      )
      assert.deepEqual(whole.subarray(4 * BLOCK), bench.store.bytes.subarray(4 * BLOCK, 6 * BLOCK))
      assert.equal(response.expDataSn, 6)
    }))
})

describe('a write', () => {
  test('goes on where its data had come to', () =>
    level2(async (session, first, bench) => {
      const second = await session.join(2)
      const itt = write(session, first, 0, 4)
      const r2t = fieldsOf(R2T, await first.receive(Opcode.r2t))
      dataOut(first, itt, r2t.ttt, 0, 0, data.subarray(0, BLOCK))
      // What follows on the connection shows that the data has arrived.
      session.next(first).command(testUnitReady())
      await session.receive(first, Opcode.scsiResponse)
      await loseFor(session, first, second)
      assert.equal(await takeOver(session, second, itt), functionComplete)
      const next = fieldsOf(R2T, await second.receive(Opcode.r2t))
      assert.deepEqual([next.r2tSn, next.bufferOffset, next.desiredLength], [1, BLOCK, 1024])
      dataOut(second, itt, next.ttt, 0, BLOCK, data.subarray(BLOCK, BLOCK + 1024), 1)
      const last = fieldsOf(R2T, await second.receive(Opcode.r2t))
      assert.deepEqual([last.bufferOffset, last.desiredLength], [BLOCK + 1024, BLOCK])
      dataOut(second, itt, last.ttt, 0, BLOCK + 1024, data.subarray(BLOCK + 1024), 1)
      const { status } = fieldsOf(SCSI_RESPONSE, await second.receive(Opcode.scsiResponse))
      assert.equal(status, Status.good)
      assert.deepEqual(bench.store.bytes.subarray(0, data.length), data)
    }))

  test('that was done is not done again', () =>
    level2(async (session, first, bench) => {
      const second = await session.join(2)
      const itt = write(session, first, 0, 1, data.subarray(0, BLOCK))
      await first.receive(Opcode.scsiResponse)
      await loseFor(session, first, second)
      const writes = () => bench.store.calls.filter(call => call.startsWith('write')).length
      assert.equal(writes(), 1)
      assert.equal(await takeOver(session, second, itt), functionComplete)
      const response = fieldsOf(SCSI_RESPONSE, await session.receive(second, Opcode.scsiResponse))
      assert.deepEqual([response.itt, response.status], [itt, Status.good])
      assert.equal(writes(), 1)
      // Its answer is acknowledged by this request.
      assert.equal(await takeOver(session, second, itt), taskDoesNotExist)
    }))

  // Requirement: RFC 7143, 11.14/5.
  test('whose number never arrived is sent again elsewhere, and holds up nobody then', () =>
    level2(async (session, first, bench) => {
      const second = await session.join(2)
      const { cmdSn } = session.next(first)
      // It waits for the one before it, which is lost with its connection.
      const after = write(session, second, 1, 1, data.subarray(0, BLOCK))
      await first.close()
      await lost(bench)
      second.command(testUnitReady(), { cmdSn, itt: 4711 })
      assert.equal(fieldsOf(SCSI_RESPONSE, await session.receive(second)).itt, 4711)
      assert.equal(fieldsOf(SCSI_RESPONSE, await session.receive(second)).itt, after)
    }))
})

describe('allegiance', () => {
  // Requirement: RFC 7143, 7.2.2/3.
  test('a command of a connection that lives is not taken over, before that is logged out for recovery', () =>
    level2(async (session, first, bench) => {
      const second = await session.join(2)
      bench.store.held = true
      const itt = read(session, first, 0, 1)
      await bench.until(() => bench.store.underWay === 1)
      assert.equal(await takeOver(session, second, itt), taskStillAllegiant)
      logoutForRecovery(session, second, 1)
      const logout = fieldsOf(LOGOUT_RESPONSE, await session.receive(second, Opcode.logoutResponse))
      assert.deepEqual(
        [logout.response, logout.time2Wait, logout.time2Retain],
        [LogoutResponse.closed, 0, 20],
      )
      await first.end()
      assert.equal(await takeOver(session, second, itt), functionComplete)
      bench.store.release()
      assert.equal((await readAnswer(session, second)).response.status, Status.good)
    }))

  // Requirement: RFC 7143, 11.15/3.
  test('logout for recovery of a connection that is gone already, and of one that never was', () =>
    level2(async (session, first, bench) => {
      const second = await session.join(2)
      await first.close()
      await lost(bench)
      for (const [cid, expected] of [
        [1, LogoutResponse.closed],
        [9, LogoutResponse.cidNotFound],
      ] as const) {
        logoutForRecovery(session, second, cid)
        const pdu = await session.receive(second, Opcode.logoutResponse)
        assert.equal(fieldsOf(LOGOUT_RESPONSE, pdu).response, expected)
      }
    }))

  // Requirement: RFC 7143, Connection Reinstatement: at level 2 the commands of the replaced connection can be taken over.
  // Requirement: RFC 7143, 6.3.4/1.
  test('a connection that takes the place of another takes its commands over', () =>
    level2(async (session, first, bench) => {
      const itt = read(session, first, 0, 1)
      await readAnswer(session, first)
      const again = await session.join(1)
      await first.end()
      assert.equal(await takeOver(session, again, itt), functionComplete)
      assert.equal((await readAnswer(session, again)).response.status, Status.good)
      assert.equal(bench.of('session-closed').length, 0)
    }))

  // Requirement: RFC 7143, 6.3.6/1.
  test('the session outlives its last connection, and goes on with a new one', () =>
    level2(async (session, first, bench) => {
      const itt = write(session, first, 0, 1, data.subarray(0, BLOCK))
      await first.receive(Opcode.scsiResponse)
      await first.close()
      await lost(bench)
      assert.equal(bench.port.connections.sessions, 1)
      const second = await session.join(2)
      await loseFor(session, first, second)
      assert.equal(await takeOver(session, second, itt), functionComplete)
      await session.receive(second, Opcode.scsiResponse)
      session.next(second).command(testUnitReady())
      assert.equal(fieldsOf(SCSI_RESPONSE, await session.receive(second)).status, Status.good)
    }))

  test('an abort of a command that nobody took over forgets its answer', () =>
    level2(async (session, first) => {
      const second = await session.join(2)
      const itt = read(session, first, 0, 1)
      await readAnswer(session, first)
      await loseFor(session, first, second)
      const { cmdSn, expStatSn } = session.next(second)
      second.sendPdu(TASK_MANAGEMENT_REQUEST, {
        opcode: Opcode.taskManagementRequest,
        final: 1,
        function: IscsiTaskFunction.abortTask,
        itt: second.itt++,
        referencedTaskTag: itt,
        refCmdSn: cmdSn - 1,
        cmdSn,
        expStatSn,
      } as never)
      const pdu = await session.receive(second, Opcode.taskManagementResponse)
      assert.equal(fieldsOf(TASK_MANAGEMENT_RESPONSE, pdu).response, functionComplete)
      assert.equal(await takeOver(session, second, itt), taskDoesNotExist)
    }))
})

describe('time', () => {
  // Requirement: RFC 7143, DefaultTime2Retain: after it the state of a lost connection is given up.
  // Requirement: RFC 7143, 7.5/1.
  test('commands are given up when nobody came for them, and so is a session without connections', () =>
    level2(
      async (session, first, bench) => {
        const second = await session.join(2)
        bench.store.held = true
        const itt = read(session, first, 0, 1)
        await bench.until(() => bench.store.underWay === 1)
        await first.close()
        await lost(bench)
        await new Promise(resolve => setTimeout(resolve, 1400))
        bench.store.release()
        bench.store.held = false
        assert.equal(await takeOver(session, second, itt), taskDoesNotExist)
        await second.close()
        await bench.until(() => bench.port.connections.sessions === 0)
        const { pdu } = await session.login(3)
        const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
        assert.equal((statusClass << 8) | statusDetail, LoginStatus.sessionDoesNotExist)
      },
      { DefaultTime2Retain: '1' },
    ))

  test('with nothing to retain the session ends with a connection', () =>
    level2(
      async (session, first, bench) => {
        const second = await session.join(2)
        await first.close()
        await second.end()
        await bench.until(() => bench.port.connections.sessions === 0)
      },
      { DefaultTime2Retain: '0' },
    ))

  test('a port stops with a session that has no connection', () =>
    level2(async (_session, first, bench) => {
      await first.close()
      await lost(bench)
      assert.equal(bench.port.connections.sessions, 1)
    }))
})
