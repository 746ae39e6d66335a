// SPDX-License-Identifier: Apache-2.0
// Reports of sessions and logins: what each PDU of raw sessions adds to them, and that they hold no secret.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_OUT,
  encodeHexBinary,
  LoginStage,
  NOP_IN,
  NOP_OUT,
  Opcode,
  parseBinary,
  R2T,
  RESERVED_TAG,
  TASK_MANAGEMENT_REQUEST,
} from '@lunkit/spec'
import {
  BLOCK,
  type IscsiBench,
  read10,
  TARGET,
  withBench,
  write10,
} from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, keysOf, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { RawSession } from '@lunkit/testing/kit/raw-session.ts'
import { chapResponse } from '../login/chap.ts'
import type { Counters } from './session-report.ts'

const FULL = { transit: 1, csg: LoginStage.operational, nsg: LoginStage.fullFeature } as const

const counted = (bench: IscsiBench): Counters => bench.port.watch.sessions()[0]!.counters

/** What `run` adds to the counters of the only session, without what it does not touch. */
async function added(bench: IscsiBench, run: () => Promise<void>): Promise<Partial<Counters>> {
  const before = counted(bench)
  await run()
  const after = Object.entries(counted(bench)) as [keyof Counters, number][]
  return Object.fromEntries(
    after.map(([name, value]) => [name, value - before[name]] as const).filter(([, value]) => value !== 0),
  )
}

async function writeByR2T(peer: RawPeer, blocks: number): Promise<void> {
  const bytes = blocks * BLOCK
  const itt = peer.command(write10(0, blocks), { write: 1, expectedDataTransferLength: bytes })
  const { ttt } = fieldsOf(R2T, await peer.receive(Opcode.r2t))
  peer.sendPdu(DATA_OUT, { opcode: Opcode.dataOut, final: 1, itt, ttt } as never, Buffer.alloc(bytes))
  await peer.receive(Opcode.scsiResponse)
}

describe('counters', () => {
  test('commands, their data and their PDUs', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { InitialR2T: 'Yes', ImmediateData: 'No' } })
      const read = await added(bench, async () => {
        peer.command(read10(0, 2), { read: 1, expectedDataTransferLength: 2 * BLOCK })
        await peer.receive(Opcode.dataIn)
      })
      assert.deepEqual(read, {
        commands: 1,
        pdusIn: 1,
        bytesIn: 48,
        pdusOut: 1,
        bytesOut: 48 + 2 * BLOCK,
        bytesRead: 2 * BLOCK,
      })
      const written = await added(bench, () => writeByR2T(peer, 4))
      assert.deepEqual(written, {
        commands: 1,
        pdusIn: 2,
        bytesIn: 96 + 4 * BLOCK,
        pdusOut: 2,
        bytesOut: 96,
        bytesWritten: 4 * BLOCK,
        r2ts: 1,
      })
    }))

  test('immediate data is data', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const all = await added(bench, async () => {
        const fields = { write: 1, expectedDataTransferLength: BLOCK }
        peer.command(write10(0, 1), fields, Buffer.alloc(BLOCK))
        await peer.receive(Opcode.scsiResponse)
      })
      assert.equal(all.bytesWritten, BLOCK)
      assert.equal(all.bytesIn, 48 + BLOCK)
    }))

  test('task management, rejects and damaged data', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { DataDigest: 'CRC32C' } })
      const all = await added(bench, async () => {
        for (const fn of [1, 2]) {
          peer.sendPdu(TASK_MANAGEMENT_REQUEST, {
            opcode: Opcode.taskManagementRequest,
            immediate: 1,
            final: 1,
            function: fn,
            itt: 0x100 + fn,
            referencedTaskTag: fn === 1 ? 0x999 : RESERVED_TAG,
            cmdSn: peer.cmdSn,
          } as never)
          await peer.receive(Opcode.taskManagementResponse)
        }
        const ping = { opcode: Opcode.nopOut, immediate: 1, final: 1, itt: 5, ttt: RESERVED_TAG }
        const bad = peer.build(NOP_OUT, ping as never, Buffer.from('ping'))
        bad[bad.length - 1]! ^= 1
        peer.send(bad)
        await peer.receive(Opcode.reject)
      })
      assert.equal(all.managements, 2)
      assert.equal(all.aborts, 1)
      assert.equal(all.rejects, 1)
      assert.equal(all.faults, 1)
      assert.equal(all.dataDigestErrors, 1)
      assert.equal(all.headerDigestErrors, undefined)
    }))

  test('pings of both sides, with the time that ours took', () =>
    withBench({ nop: { intervalMs: 30, timeoutMs: 60_000 } }, async bench => {
      const peer = await bench.peer()
      const ping = { opcode: Opcode.nopOut, immediate: 1, final: 1, ttt: RESERVED_TAG }
      peer.sendPdu(NOP_OUT, { ...ping, itt: 7 } as never)
      await peer.receive(Opcode.nopIn)
      assert.equal(counted(bench).echoes, 1)
      const { ttt } = fieldsOf(NOP_IN, await peer.receive(Opcode.nopIn))
      const { pingsAnswered } = counted(bench)
      peer.sendPdu(NOP_OUT, { ...ping, itt: RESERVED_TAG, ttt } as never)
      await bench.until(() => counted(bench).pingsAnswered === pingsAnswered + 1)
      const { pings, roundTripMs, longestRoundTripMs } = counted(bench)
      assert.ok(pings >= 1)
      assert.ok(roundTripMs > 0 && longestRoundTripMs >= roundTripMs)
    }))
})

describe('reports', () => {
  test('a session tells its connections, and keeps what ended ones have counted', () =>
    withBench({}, async bench => {
      const { session, first } = await RawSession.open(bench, { HeaderDigest: 'CRC32C' })
      await session.join(2)
      const [report] = bench.port.watch.sessions()
      assert.equal(report!.kind, 'normal')
      assert.equal(report!.target, TARGET)
      assert.equal(report!.initiator, INITIATOR)
      assert.equal(report!.isid, '800000000001')
      assert.equal(report!.tsih, session.tsih)
      assert.equal(report!.portalGroup, 1)
      assert.equal(report!.keys['MaxConnections'], 4)
      assert.equal(report!.keys['HeaderDigest'], 'CRC32C')
      assert.deepEqual(
        report!.connections.map(({ cid, headerDigest, dataDigest }) => ({ cid, headerDigest, dataDigest })),
        [
          { cid: 1, headerDigest: true, dataDigest: false },
          { cid: 2, headerDigest: true, dataDigest: false },
        ],
      )
      assert.match(report!.connections[0]!.address, /^127\.0\.0\.1:\d+$/)
      assert.equal(report!.connections[0]!.localAddress, '127.0.0.1')
      const { commands, pdusIn } = report!.counters
      assert.ok(commands > 0 && pdusIn > commands)
      // One more with the CID of the first takes its place: its numbers stay with the session.
      await session.join(1)
      await first.end()
      const [later] = bench.port.watch.sessions()
      assert.equal(later!.reconnects, 1)
      assert.equal(later!.connections.length, 2)
      assert.equal(later!.counters.commands, commands)
      const { sessions, joined, reconnects, accepted, failed } = bench.port.watch.logins()
      assert.deepEqual(
        { sessions, joined, reconnects, accepted, failed },
        { sessions: 1, joined: 2, reconnects: 1, accepted: 3, failed: 0 },
      )
      // A report is a copy.
      assert.equal(report!.reconnects, 0)
      assert.equal(report!.counters.pdusIn, pdusIn)
    }))

  test('a discovery session and a session that replaces another', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      await peer.login({})
      const [report] = bench.port.watch.sessions()
      assert.equal(report!.kind, 'discovery')
      assert.equal(report!.target, '')
      await bench.peer()
      await bench.peer()
      const { sessions, discoveries, reinstatements } = bench.port.watch.logins()
      assert.deepEqual(
        { sessions, discoveries, reinstatements },
        { sessions: 2, discoveries: 1, reinstatements: 1 },
      )
    }))

  test('failed logins are counted by reason, and neither report holds a secret or what CHAP sent', () => {
    const secret = 'twelve bytes or more'
    return withBench({ access: { '*': { chap: { user: 'alice', secret } } } }, async bench => {
      const names = { InitiatorName: INITIATOR, TargetName: TARGET, AuthMethod: 'CHAP' }
      const login = async (own: string): Promise<string> => {
        const peer = await bench.connect()
        await peer.loginRound({ csg: LoginStage.security }, names)
        const asked = keysOf(await peer.loginRound({ csg: LoginStage.security }, { CHAP_A: '7' }))
        const bytes = parseBinary(asked['CHAP_C']!, 1024)!
        const response = encodeHexBinary(chapResponse('sha256', Number(asked['CHAP_I']), own, bytes))
        const answer = { CHAP_N: 'alice', CHAP_R: response }
        const nsg = LoginStage.fullFeature
        await peer.loginRound({ csg: LoginStage.security, transit: 1, nsg }, answer)
        return response
      }
      const wrong = await login('not the right secret')
      const right = await login(secret)
      const none = await bench.connect()
      await none.loginRound(FULL, { InitiatorName: INITIATOR, TargetName: `${TARGET}-not` })
      const stray = await bench.connect()
      stray.command(new Uint8Array(6))
      await stray.end()
      assert.deepEqual(bench.port.watch.logins().reasons, {
        'Authentication failure': 1,
        'Target not found': 1,
        'Invalid request during login': 1,
      })
      const said = JSON.stringify([bench.port.watch.sessions(), bench.port.watch.logins()])
      assert.match(said, /"tsih":1/)
      for (const word of [secret, wrong, right, 'CHAP_']) assert.ok(!said.includes(word), word)
      assert.equal(bench.port.watch.sessions()[0]!.user, 'alice')
    })
  })
})
