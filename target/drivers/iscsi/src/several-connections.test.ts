// SPDX-License-Identifier: Apache-2.0
// Sessions with several connections: allegiance, order over connections, joining, leaving and replacing.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_OUT,
  IscsiTaskFunction,
  LOGIN_RESPONSE,
  LOGOUT_REQUEST,
  LOGOUT_RESPONSE,
  LoginStage,
  LoginStatus,
  LogoutReason,
  LogoutResponse,
  NOP_OUT,
  Opcode,
  R2T,
  RESERVED_TAG,
  SCSI_RESPONSE,
  Status,
  TASK_MANAGEMENT_REQUEST,
} from '@lunkit/spec'
import { BLOCK, senseOf, TARGET, testUnitReady, withBench, write10 } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { RawSession } from '@lunkit/testing/kit/raw-session.ts'

const status = (pdu: Parameters<typeof fieldsOf>[1]) => fieldsOf(SCSI_RESPONSE, pdu).status

async function answers(session: RawSession, peer: RawPeer): Promise<void> {
  session.next(peer).command(testUnitReady())
  assert.equal(status(await session.receiveAnswer(peer, Opcode.scsiResponse)), Status.good)
}

/** The next command tells that others ended with a connection (RFC 7143, 11.14.5); the one after it runs. */
async function hearsOfClearedTasks(session: RawSession, peer: RawPeer): Promise<void> {
  session.next(peer).command(testUnitReady())
  assert.equal(senseOf(await session.receive(peer, Opcode.scsiResponse)), '06477f')
  await answers(session, peer)
}

function logout(session: RawSession, peer: RawPeer, reason: number, cid: number): void {
  const { cmdSn, itt, expStatSn } = session.next(peer)
  peer.sendPdu(LOGOUT_REQUEST, {
    opcode: Opcode.logoutRequest,
    immediate: 0,
    final: 1,
    reason,
    cid,
    itt,
    cmdSn,
    expStatSn,
  } as never)
}

describe('several connections', () => {
  // Requirement: RFC 7143, Connection Allegiance: the answer comes on the connection of the command.
  // Requirement: RFC 7143, 4.2.5.1/1.
  test('each answers what came on it', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      const second = await session.join(2)
      const third = await session.join(3)
      for (const peer of [second, third, first, third]) await answers(session, peer)
      assert.equal(bench.port.connections.sessions, 1)
      assert.equal(bench.of('session-opened').length, 1)
    }))

  test('a login that is not through tells no numbers of the session that it is to join', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      await answers(session, first)
      const second = await bench.connect()
      const operational = { transit: 0, csg: LoginStage.operational, nsg: 0 } as const
      // Commands of these numbers are on their way, and may be lost.
      const cmdSn = session.cmdSn + 20
      const names = { InitiatorName: INITIATOR, TargetName: TARGET }
      const pdu = await second.loginRound({ ...operational, tsih: session.tsih, cid: 2, cmdSn }, names)
      const { expCmdSn, maxCmdSn, statusClass } = fieldsOf(LOGIN_RESPONSE, pdu)
      assert.equal(statusClass, 0)
      assert.ok(((maxCmdSn - (expCmdSn - 1)) | 0) < 0, `${expCmdSn} to ${maxCmdSn}`)
    }))

  // Requirement: RFC 7143, Command Numbering and Acknowledging: commands are delivered in the order of CmdSN over all connections.
  // Requirement: RFC 7143, 4.2.2.1/1.
  test('a command waits for those before it on other connections', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      const second = await session.join(2)
      const { cmdSn } = session
      second.command(
        write10(0, 1),
        { write: 1, cmdSn: cmdSn + 1, expectedDataTransferLength: BLOCK },
        Buffer.alloc(BLOCK, 2),
      )
      first.command(
        write10(0, 1),
        { write: 1, cmdSn: cmdSn + 2, expectedDataTransferLength: BLOCK },
        Buffer.alloc(BLOCK, 3),
      )
      second.command(
        write10(0, 1),
        { write: 1, cmdSn, expectedDataTransferLength: BLOCK },
        Buffer.alloc(BLOCK, 1),
      )
      for (const peer of [second, second, first]) assert.equal(status(await peer.receive()), Status.good)
      assert.equal(bench.store.bytes[0], 3)
    }))

  // Requirement: RFC 7143, 6.3.4/2.
  test('no more than agreed on, and none to a session that is not there', () =>
    withBench({ limits: { maxConnections: 2 } }, async bench => {
      const { session } = await RawSession.open(bench)
      await session.join(2)
      const { pdu } = await session.login(3)
      const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
      assert.equal((statusClass << 8) | statusDetail, LoginStatus.tooManyConnections)
    }))

  // Requirement: RFC 7143, Connection Allegiance: data of a command is taken on its own connection only.
  // Requirement: RFC 7143, 4.2.5.1/2.
  test('data of a write on another connection is refused', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      const second = await session.join(2)
      const itt = session.next(first).command(write10(0, 1), { write: 1, expectedDataTransferLength: BLOCK })
      const { ttt } = fieldsOf(R2T, await first.receive(Opcode.r2t))
      const data = { opcode: Opcode.dataOut, final: 1, itt, ttt } as never
      second.sendPdu(DATA_OUT, data, Buffer.alloc(BLOCK, 9))
      await second.receive(Opcode.reject)
      first.sendPdu(DATA_OUT, data, Buffer.alloc(BLOCK, 7))
      assert.equal(status(await first.receive()), Status.good)
      assert.equal(bench.store.bytes[0], 7)
    }))
})

describe('the end of a connection', () => {
  // Requirement: RFC 7143, Logout Request: a connection can be closed by its own or another one, and its tasks end first.
  for (const own of [true, false]) {
    // Requirement: RFC 7143, 11.14/4 and 11.14.5/1.
    test(`logout by ${own ? 'itself' : 'another'} ends its tasks, and the session goes on`, () =>
      withBench({}, async bench => {
        const { session, first } = await RawSession.open(bench)
        const second = await session.join(2)
        bench.store.held = true
        session
          .next(second)
          .command(write10(0, 1), { write: 1, expectedDataTransferLength: BLOCK }, Buffer.alloc(BLOCK))
        await bench.until(() => bench.store.underWay === 1)
        logout(session, own ? second : first, LogoutReason.closeConnection, 2)
        await bench.until(() => bench.store.aborts > 0)
        assert.equal(first.waiting + second.waiting, 0, 'a task still runs')
        bench.store.release()
        const pdu = await session.receive(own ? second : first, Opcode.logoutResponse)
        assert.equal(fieldsOf(LOGOUT_RESPONSE, pdu).response, LogoutResponse.closed)
        assert.deepEqual(await second.end(), [])
        await hearsOfClearedTasks(session, first)
        assert.deepEqual(
          bench.of('connection-closed').map(event => [event.cid, event.cause]),
          [[2, 'logout']],
        )
        assert.equal(bench.of('session-closed').length, 0)
      }))
  }

  test('logout of an unknown connection is told so', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      logout(session, first, LogoutReason.closeConnection, 9)
      const pdu = await session.receive(first, Opcode.logoutResponse)
      assert.equal(fieldsOf(LOGOUT_RESPONSE, pdu).response, LogoutResponse.cidNotFound)
      await answers(session, first)
    }))

  test('logout of the last one, or of the session, ends the session', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      const second = await session.join(2)
      logout(session, first, LogoutReason.closeConnection, 1)
      await session.receive(first, Opcode.logoutResponse)
      await first.end()
      logout(session, second, LogoutReason.closeConnection, 2)
      await session.receive(second, Opcode.logoutResponse)
      await second.end()
      await bench.until(() => bench.port.connections.sessions === 0)
      const again = await RawSession.open(bench)
      const other = await again.session.join(2)
      logout(again.session, other, LogoutReason.closeSession, 0)
      await again.session.receive(other, Opcode.logoutResponse)
      await Promise.all([other.end(), again.first.end()])
      assert.equal(bench.port.connections.sessions, 0)
    }))

  test('at recovery level 0 a lost one takes the session with it', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench)
      const second = await session.join(2)
      await second.close()
      await first.end()
      await bench.until(() => bench.port.connections.sessions === 0)
      assert.deepEqual(
        bench.of('session-closed').map(event => event.cause),
        ['lost'],
      )
    }))

  // Requirement: RFC 7143, Connection Reinstatement: a login with the CID of a connection logs that out and takes its place.
  for (const others of [0, 1]) {
    // Requirement: RFC 7143, 6.3.4/1 and 11.14.5/1 and 6.3.4/4.
    test(`a login with its CID takes its place, beside ${others} others`, () =>
      withBench({}, async bench => {
        const { session, first } = await RawSession.open(bench)
        const other = others === 1 ? await session.join(2) : null
        bench.store.held = true
        session
          .next(first)
          .command(write10(0, 1), { write: 1, expectedDataTransferLength: BLOCK }, Buffer.alloc(BLOCK))
        await bench.until(() => bench.store.underWay === 1)
        const joining = session.join(1)
        await bench.until(() => bench.store.aborts > 0)
        bench.store.release()
        const again = await joining
        assert.deepEqual(await first.end(), [])
        await hearsOfClearedTasks(session, again)
        if (other !== null) await answers(session, other)
        assert.equal(bench.of('session-closed').length, 0)
        assert.equal(bench.of('session-opened').length, 1)
      }))
  }
})

test('of two that want one place at the same time, the last has it, and neither is left over', () =>
  withBench({}, async bench => {
    const { session, first } = await RawSession.open(bench)
    const second = await session.join(2)
    bench.store.held = true
    session
      .next(first)
      .command(write10(0, 1), { write: 1, expectedDataTransferLength: BLOCK }, Buffer.alloc(BLOCK))
    await bench.until(() => bench.store.underWay === 1)
    const both = [session.join(1), session.join(1)]
    await bench.until(() => bench.store.aborts > 0)
    bench.store.release()
    const [one, other] = await Promise.all(both)
    await first.end()
    await Promise.race([one!.end(), other!.end()])
    const left = one!.closed ? other! : one!
    await hearsOfClearedTasks(session, left)
    await answers(session, second)
  }))

// Requirement: RFC 7143, Response Fence: the answer to a function for many tasks waits until answers on other connections are acknowledged.
// Requirement: RFC 7143, 4.2.2.3/1.
test('a reset is answered when what other connections answered before has been acknowledged', () =>
  withBench({}, async bench => {
    const { session, first } = await RawSession.open(bench)
    const second = await session.join(2)
    session.next(second).command(testUnitReady())
    await session.receive(second, Opcode.scsiResponse)
    const { cmdSn, itt, expStatSn } = session.next(first)
    first.sendPdu(TASK_MANAGEMENT_REQUEST, {
      opcode: Opcode.taskManagementRequest,
      final: 1,
      function: IscsiTaskFunction.logicalUnitReset,
      itt,
      referencedTaskTag: RESERVED_TAG,
      cmdSn,
      expStatSn,
    } as never)
    const ping = await second.receive(Opcode.nopIn)
    assert.equal(first.waiting, 0)
    second.sendPdu(NOP_OUT, {
      opcode: Opcode.nopOut,
      immediate: 1,
      final: 1,
      itt: RESERVED_TAG,
      ttt: ping.header.readUInt32BE(20),
      cmdSn: session.cmdSn,
      expStatSn: second.expStatSn,
    } as never)
    await first.receive(Opcode.taskManagementResponse)
  }))
