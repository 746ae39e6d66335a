// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 4.2.2.3: responses that all earlier ones precede and all later ones follow, over all connections of a session.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  INQUIRY,
  IscsiTaskFunction,
  IscsiTaskResponse,
  LOGIN_RESPONSE,
  Opcode,
  PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT,
  PERSISTENT_RESERVE_OUT_REGISTER,
  RESERVED_TAG,
  SCSI_RESPONSE,
  Status,
  TASK_MANAGEMENT_RESPONSE,
} from '@lunkit/spec'
import {
  BLOCK,
  type IscsiBench,
  read10,
  senseOf,
  testUnitReady,
  withBench,
  write10,
} from '../../kit/iscsi-bench.ts'
import { fieldsOf, keysOf, type RawPdu, type RawPeer } from '../../kit/raw-peer.ts'
import { dataOut, functionResponse, ping, r2t, sendFunction } from '../../kit/raw-requests.ts'
import { RawSession } from '../../kit/raw-session.ts'

const { abortTask, abortTaskSet, clearAca, clearTaskSet, logicalUnitReset } = IscsiTaskFunction
const FENCED = { TaskReporting: 'ResponseFence,RFC3720' }
const OTHER_PORT = Uint8Array.of(0x80, 0, 0, 0, 0, 7)
/** NACA in the last byte. */
const BAD_WITH_ACA = Uint8Array.of(0x3f, 0, 0, 0, 0, 0, 0, 0, 0, 4)

interface Two {
  readonly bench: IscsiBench
  readonly session: RawSession
  readonly first: RawPeer
  readonly second: RawPeer
}

/** A session with two connections, of which everything is acknowledged. */
const withTwo = (run: (two: Two) => Promise<void>, keys: Readonly<Record<string, string>> = FENCED) =>
  withBench({}, async bench => {
    const { session, first } = await RawSession.open(bench, keys)
    const second = await session.join(2)
    await settle(session, first)
    await settle(session, second)
    await run({ bench, session, first, second })
  })

/** A ping of the initiator, which acknowledges. */
async function settle(session: RawSession, peer: RawPeer): Promise<number> {
  const { statSn } = await ping(peer, { cmdSn: session.cmdSn, expStatSn: peer.expStatSn })
  peer.expStatSn = (statSn + 1) >>> 0
  return peer.expStatSn
}

/** A command that acknowledges what has been received on its connection. */
function send(
  { session }: Two,
  peer: RawPeer,
  cdb: Uint8Array,
  fields: Parameters<RawPeer['command']>[1] = {},
  data?: Uint8Array,
): number {
  return session.next(peer).command(cdb, { expStatSn: peer.expStatSn, ...fields }, data)
}

const ready = (two: Two, peer: RawPeer): number => send(two, peer, testUnitReady())

/** The next PDU has to be a ping of the target. */
async function pinged({ session }: Two, peer: RawPeer): Promise<RawPdu> {
  const pdu = await session.receive(peer, Opcode.nopIn)
  return pdu
}

/** Nothing else has come: an echo is next. */
async function isSilent({ session }: Two, peer: RawPeer): Promise<void> {
  const { statSn } = await ping(peer, { cmdSn: session.cmdSn, expStatSn: 0 })
  peer.expStatSn = (statSn + 1) >>> 0
}

function ask({ session }: Two, peer: RawPeer, fields: Parameters<typeof sendFunction>[1]): void {
  sendFunction(peer, { cmdSn: session.cmdSn, expStatSn: peer.expStatSn, ...fields })
}

/** Leaves an answer on the second connection that is not acknowledged. */
async function owe(two: Two): Promise<void> {
  ready(two, two.second)
  await two.session.receive(two.second, Opcode.scsiResponse)
}

/** What the fence of a response on the first connection looks like from outside. `peek` takes the response. */
async function isFenced(two: Two, peek: () => Promise<unknown>): Promise<void> {
  const { session, first, second } = two
  // Before it: what the second connection owes is asked for.
  const early = await pinged(two, second)
  await isSilent(two, first)
  session.pong(second, early)
  await peek()
  // Behind it: nothing of the nexus, until it is acknowledged.
  const later = ready(two, second)
  const asked = await pinged(two, first)
  await isSilent(two, second)
  session.pong(first, asked)
  const pdu = await session.receiveAnswer(second, Opcode.scsiResponse)
  assert.equal(fieldsOf(SCSI_RESPONSE, pdu).itt, later)
}

async function functionCompletes({ session, first }: Two): Promise<void> {
  const pdu = await session.receive(first, Opcode.taskManagementResponse)
  assert.equal(fieldsOf(TASK_MANAGEMENT_RESPONSE, pdu).response, IscsiTaskResponse.functionComplete)
}

async function senseIs({ session, first }: Two, sense: string): Promise<void> {
  assert.equal(senseOf(await session.receive(first, Opcode.scsiResponse)), sense)
}

describe('the response fence', () => {
  // Requirement: RFC 7143, 4.2.2.3/3 and 13.23/1.
  test('it is agreed upon for sessions of several connections, too', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const pdu = await peer.loginRound(
        { transit: 1, csg: 1, nsg: 3 },
        {
          InitiatorName: 'iqn.2026-11.test:fence',
          TargetName: 'iqn.2026-11.test.lunkit:disk',
          MaxConnections: '4',
          ...FENCED,
        },
      )
      assert.equal(fieldsOf(LOGIN_RESPONSE, pdu).statusClass, 0)
      const { TaskReporting, MaxConnections } = keysOf(pdu)
      assert.deepEqual([TaskReporting, MaxConnections], ['ResponseFence', '4'])
    }))

  // Requirement: RFC 7143, 4.2.2.3/1 and 4.2.2.3/2 and 4.2.2.3/4 and 4.2.3.3/8 and 11.6.1/2.
  for (const keys of [FENCED, { TaskReporting: 'RFC3720' }]) {
    test(`functions for many tasks, with TaskReporting=${keys.TaskReporting}`, () =>
      withTwo(async two => {
        for (const code of [abortTaskSet, clearTaskSet]) {
          await owe(two)
          ask(two, two.first, { function: code })
          await isFenced(two, () => functionCompletes(two))
        }
      }, keys))
  }

  // Requirement: RFC 7143, 4.2.2.3/4.
  test('CLEAR ACA, and the establishment of an auto contingent allegiance before it', () =>
    withTwo(async two => {
      const { session, first, second } = two
      await owe(two)
      send(two, first, BAD_WITH_ACA)
      const early = await pinged(two, second)
      await isSilent(two, first)
      session.pong(second, early)
      await senseIs(two, '052000')
      // Another command meets the ACA, and its answer waits for the acknowledgement of the first.
      ready(two, second)
      const asked = await pinged(two, first)
      await isSilent(two, second)
      session.pong(first, asked)
      const pdu = await session.receiveAnswer(second, Opcode.scsiResponse)
      assert.equal(fieldsOf(SCSI_RESPONSE, pdu).status, Status.acaActive)
      ask(two, first, { function: clearAca })
      session.pong(second, await pinged(two, second))
      await functionCompletes(two)
      ready(two, second)
      session.pong(first, await pinged(two, first))
      const good = await session.receiveAnswer(second, Opcode.scsiResponse)
      assert.equal(fieldsOf(SCSI_RESPONSE, good).status, Status.good)
    }))

  // Requirement: RFC 7143, 4.2.2.3/4 and 4.2.3.3/9.
  test('the unit attention after a reset, on the own session and on another', () =>
    withTwo(async two => {
      const { bench, session, first } = two
      const by = await bench.peer({ isid: OTHER_PORT })
      for (const own of [false, true]) {
        await settle(session, first)
        await settle(session, two.second)
        if (own) {
          ask(two, first, { function: logicalUnitReset })
          session.pong(two.second, await pinged(two, two.second))
          await functionCompletes(two)
          await settle(session, first)
        } else {
          sendFunction(by, { function: logicalUnitReset })
          await by.receive(Opcode.taskManagementResponse)
        }
        // INQUIRY leaves the unit attention; its answer is what the second connection owes.
        const cdb = INQUIRY.cdb.write({ opcode: INQUIRY.opcode, allocation: 36 } as never)
        send(two, two.second, cdb, { read: 1, expectedDataTransferLength: 36 })
        const data = await two.second.receive(Opcode.dataIn)
        two.second.expStatSn = (data.header.readUInt32BE(24) + 1) >>> 0
        ready(two, first)
        await isFenced(two, () => senseIs(two, '062903'))
      }
    }))

  // Requirement: RFC 7143, 4.2.2.3/4.
  test('PREEMPT AND ABORT', () =>
    withTwo(async two => {
      const { session, first } = two
      const register = Buffer.alloc(24)
      register[15] = 1
      const out = { write: 1, expectedDataTransferLength: 24 } as const
      const cdb = (command: typeof PERSISTENT_RESERVE_OUT_REGISTER, type = 0): Uint8Array =>
        command.cdb.write({
          opcode: command.opcode,
          serviceAction: command.serviceAction,
          type,
          parameterLength: 24,
        } as never)
      send(two, first, cdb(PERSISTENT_RESERVE_OUT_REGISTER), out, register)
      await session.receive(first, Opcode.scsiResponse)
      await settle(session, first)
      await owe(two)
      const preempt = Buffer.alloc(24)
      preempt[7] = 1
      preempt[15] = 9
      const command = PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT as never
      send(two, first, cdb(command, 3), out, preempt)
      await isFenced(two, async () => {
        await session.receive(first, Opcode.scsiResponse)
      })
    }))

  // Requirement: RFC 7143, 4.2.2.3/2.
  test('answers for other units pass, and those that wait keep their order', () =>
    withTwo(async two => {
      const { session, first, second } = two
      await owe(two)
      ask(two, first, { function: abortTaskSet })
      const early = await pinged(two, second)
      const lun = Uint8Array.of(0, 9, 0, 0, 0, 0, 0, 0)
      const elsewhere = send(two, second, testUnitReady(), { lun })
      const passed = await session.receive(second, Opcode.scsiResponse)
      assert.equal(fieldsOf(SCSI_RESPONSE, passed).itt, elsewhere)
      const waiting = [ready(two, second), ready(two, second), ready(two, second)]
      await isSilent(two, second)
      session.pong(second, early)
      await functionCompletes(two)
      session.pong(first, await pinged(two, first))
      for (const itt of waiting) {
        const pdu = await session.receiveAnswer(second, Opcode.scsiResponse)
        assert.equal(fieldsOf(SCSI_RESPONSE, pdu).itt, itt)
      }
    }))

  // Requirement: RFC 7143, 4.2.2.3/2.
  test('data of a write that ended by another initiator go nowhere while its answer waits', () =>
    withTwo(async two => {
      const { bench, session, first, second } = two
      const by = await bench.peer({ isid: OTHER_PORT })
      const itt = send(two, first, write10(0, 1), { write: 1, expectedDataTransferLength: BLOCK })
      const { ttt } = await r2t(first)
      await owe(two)
      ask(two, first, { function: clearAca })
      const asked = await pinged(two, second)
      sendFunction(by, { function: clearTaskSet })
      await ping(by)
      dataOut(first, { itt, ttt, expStatSn: first.expStatSn }, Buffer.alloc(BLOCK, 1))
      await isSilent(two, first)
      session.pong(second, asked)
      await functionCompletes(two)
      session.pong(first, await pinged(two, first))
      const pdu = await session.receive(first, Opcode.scsiResponse)
      assert.equal(fieldsOf(SCSI_RESPONSE, pdu).status, Status.taskAborted)
      await functionResponse(by)
      assert.equal(bench.store.bytes[0], 0)
      assert.equal(bench.of('warning').length, 0)
    }))

  test('a connection that ends is not waited for, and a session that ends drops what waits', () =>
    withTwo(
      async two => {
        const { bench, session, first, second } = two
        await owe(two)
        ask(two, first, { function: abortTaskSet })
        await pinged(two, second)
        await second.close()
        await functionCompletes(two)
        const third = await session.join(3)
        send(two, third, testUnitReady())
        session.pong(first, await pinged(two, first))
        await session.receiveAnswer(third, Opcode.scsiResponse)
        ask(two, first, { function: abortTaskSet })
        await pinged(two, third)
        send(two, first, read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
        await isSilent(two, first)
        await Promise.all([first.close(), third.close()])
        await bench.until(() => bench.of('connection-closed').length === 3)
      },
      { ...FENCED, ErrorRecoveryLevel: '2', DefaultTime2Wait: '0', DefaultTime2Retain: '3600' },
    ))

  // Requirement: RFC 7143, 4.2.2.3/2.
  test('who acknowledges nothing is not waited for without an end', () =>
    withBench({ limits: { responseTimeoutMs: 200 } }, async bench => {
      const { session, first } = await RawSession.open(bench, FENCED)
      const second = await session.join(2)
      const two = { bench, session, first, second }
      await owe(two)
      ask(two, first, { function: abortTaskSet })
      await second.end()
      await first.end()
      assert.equal(bench.of('session-closed')[0]!.cause, 'lost')
      assert.equal(bench.of('answers-not-read')[0]!.cid, 2)
    }))

  test('who has nothing to say is not given up where nobody waits for it, and is given its time once it is asked', () =>
    withBench({ limits: { responseTimeoutMs: 200 } }, async bench => {
      const { session, first } = await RawSession.open(bench, FENCED)
      const second = await session.join(2)
      const two = { bench, session, first, second }
      ready(two, first)
      await session.receiveAnswer(first, Opcode.scsiResponse)
      ask(two, first, { function: logicalUnitReset })
      await session.receiveAnswer(first, Opcode.taskManagementResponse)
      await new Promise(resolve => setTimeout(resolve, 600))
      assert.equal(bench.of('answers-not-read').length, 0)
      ready(two, second)
      session.pong(first, await pinged(two, first))
      assert.equal(senseOf(await session.receiveAnswer(second, Opcode.scsiResponse)), '062903')
    }))

  // Requirement: RFC 7143, 4.2.2.3/5.
  test('with one connection nothing waits, and nobody is pinged', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: FENCED })
      for (const code of [abortTaskSet, logicalUnitReset, abortTask]) {
        sendFunction(peer, { function: code, referencedTaskTag: RESERVED_TAG })
        await peer.receive(Opcode.taskManagementResponse)
      }
      peer.command(testUnitReady())
      peer.command(testUnitReady())
      assert.equal(senseOf(await peer.receive(Opcode.scsiResponse)), '062903')
      await peer.receive(Opcode.scsiResponse)
      await ping(peer)
    }))
})
