// SPDX-License-Identifier: Apache-2.0
// A port that meets initiators for another: what is handed over, what is answered at the door, and that limits hold there.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  LOGIN_REQUEST,
  LOGIN_RESPONSE,
  LoginStatus,
  NOP_OUT,
  Opcode,
  RESERVED_TAG,
  TEXT_REQUEST,
} from '@lunkit/spec'
import type { TargetEvent } from '@lunkit/target-api'
import { device as absent } from '@lunkit/target-devices/absent'
import { type Arrival, driver, type IscsiOptions, type Released } from '@lunkit/target-driver-iscsi'
import { TargetEngine } from '@lunkit/target-engine'
import { IscsiBench, TARGET } from '@lunkit/testing/kit/iscsi-bench.ts'
import {
  fieldsOf,
  INITIATOR,
  ISID,
  keysOf,
  type RawPdu,
  RawPeer,
  text,
} from '@lunkit/testing/kit/raw-peer.ts'
import type { IscsiTargetPort } from '../port.ts'
import { SlabSocket } from '../receive/slab-socket.ts'

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const FULL = { transit: 1, csg: 1, nsg: 3 }

const statusOf = (pdu: RawPdu): number => {
  const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
  return (statusClass << 8) | statusDetail
}

interface House {
  readonly bench: IscsiBench
  /** Those that were handed over. */
  readonly arrivals: Arrival[]
  readonly events: TargetEvent[]
  connect(): Promise<RawPeer>
  pending(): number
}

/** A port at the door, and a bench that serves its target; `give` says what becomes of arrivals. */
async function withHouse(
  options: Partial<IscsiOptions>,
  run: (house: House) => Promise<void>,
  give?: (arrival: Arrival) => void,
): Promise<void> {
  const events: TargetEvent[] = []
  const arrivals: Arrival[] = []
  const observe = (event: TargetEvent): void => void events.push(event)
  const engine = new TargetEngine({ observe, absent: await absent.open(null, {}) })
  engine.addTarget({ name: TARGET })
  const peers: RawPeer[] = []
  let bench: IscsiBench | null = null
  const door = await driver.start(engine, {
    portals: [{ host: '127.0.0.1', port: 0 }],
    nop: { intervalMs: 0 },
    ...options,
    handOver: arrival => {
      arrivals.push(arrival)
      if (give !== undefined) give(arrival)
      else bench!.port.take(arrival.release())
    },
  })
  bench = await IscsiBench.open({ ...options, reception: door.reception })
  const connect = async (): Promise<RawPeer> => {
    const peer = await RawPeer.connect(door.portals[0]!.port)
    peers.push(peer)
    return peer
  }
  try {
    await run({ bench, arrivals, events, connect, pending: () => door.connections.pending })
  } finally {
    await Promise.all(peers.map(peer => peer.close()))
    await door.stop(0)
    assert.deepEqual(door.connections, { sessions: 0, pending: 0 })
    await engine.close()
    await bench.close()
  }
}

test('a login to a target is done by the port that serves it, discovery by the one at the door', () =>
  withHouse({}, async ({ bench, arrivals, connect }) => {
    const peer = await connect()
    await peer.login({ target: TARGET })
    assert.equal(bench.port.connections.sessions, 1)
    assert.equal(arrivals[0]!.target, TARGET)
    // Both name the same portals.
    const addresses: string[] = []
    for (const keys of [{ SendTargets: '' }, { SendTargets: 'All' }]) {
      const one = keys.SendTargets === '' ? peer : await connect()
      if (one !== peer) await one.loginRound(FULL, { InitiatorName: INITIATOR, SessionType: 'Discovery' })
      const fields = { opcode: Opcode.textRequest, final: 1, itt: 9, ttt: RESERVED_TAG, cmdSn: one.cmdSn }
      one.sendPdu(TEXT_REQUEST, fields, text(keys))
      addresses.push(keysOf(await one.receive(Opcode.textResponse))['TargetAddress']!)
    }
    assert.equal(addresses[0], addresses[1])
    assert.equal(bench.port.connections.sessions, 1)
    assert.equal(arrivals.length, 1)
  }))

test('a request in pieces is put together, and bytes behind it go along', () =>
  withHouse({}, async ({ bench, connect }) => {
    const peer = await connect()
    const fields = { opcode: Opcode.loginRequest, immediate: 1, isid: ISID, cid: 1, cmdSn: 1, ...FULL }
    const request = peer.build(LOGIN_REQUEST, fields, text(NAMES))
    for (const byte of request.subarray(0, 60)) {
      peer.send(Buffer.of(byte))
      await new Promise(resolve => setImmediate(resolve))
    }
    // Nobody may send before it is answered; what comes all the same is not lost on the way, and is judged.
    const nop = peer.build(NOP_OUT, { opcode: Opcode.nopOut, immediate: 1, itt: 7, ttt: RESERVED_TAG })
    peer.send(Buffer.concat([request.subarray(60), nop]))
    assert.equal(statusOf(await peer.receive(Opcode.loginResponse)), LoginStatus.success)
    await bench.until(() => bench.of('session-opened').length === 1)
    assert.equal((await peer.receive()).opcode, Opcode.nopIn)
  }))

for (const [what, keys, status] of [
  ['an unknown target', { ...NAMES, TargetName: 'iqn.2026-11.test.lunkit:none' }, LoginStatus.notFound],
  ['no target', { InitiatorName: INITIATOR }, LoginStatus.missingParameter],
] as const) {
  test(`a login to ${what} is refused at the door`, () =>
    withHouse({}, async ({ arrivals, connect }) => {
      const peer = await connect()
      assert.equal(statusOf(await peer.loginRound(FULL, keys)), status)
      assert.equal(arrivals.length, 0)
    }))
}

for (const [what, bytes] of [
  ['what is no login', Buffer.concat([Buffer.of(0x01), Buffer.alloc(47)])],
  [
    'a segment that is too long',
    Buffer.concat([Buffer.of(0x43, 0x87, 0, 0, 0, 0xff, 0xff, 0xff), Buffer.alloc(40)]),
  ],
  [
    'a text that is none',
    Buffer.concat([Buffer.of(0x43, 0x87, 0, 0, 0, 0, 0, 4), Buffer.alloc(40), Buffer.from('no!\0')]),
  ],
] as const) {
  test(`${what} ends at the door`, () =>
    withHouse({}, async ({ arrivals, connect, pending, bench }) => {
      const peer = await connect()
      peer.send(bytes)
      await peer.end()
      assert.equal(arrivals.length, 0)
      await bench.until(() => pending() === 0)
    }))
}

test('half a request has the time of a login, and no more', () =>
  withHouse({ limits: { loginTimeoutMs: 100 } }, async ({ events, arrivals, connect }) => {
    const peer = await connect()
    peer.send(Buffer.alloc(47, 0x43))
    await peer.end()
    const reasons = events.map(event => ('reason' in event ? event.reason : ''))
    assert.ok(reasons.includes('Login took too long'))
    assert.equal(arrivals.length, 0)
  }))

test('of too many that do not log in, the oldest makes room', () =>
  withHouse({ limits: { pendingConnections: 2 } }, async ({ connect }) => {
    const oldest = await connect()
    oldest.send(Buffer.alloc(47, 0x43))
    const others = [await connect(), await connect()]
    await oldest.end()
    await others[1]!.login({ target: TARGET })
  }))

test('a connection that nobody can serve is told so; one that waits is within its time, and may go', () => {
  const waiting: Arrival[] = []
  const limits = { loginTimeoutMs: 200 }
  return withHouse(
    { limits },
    async ({ connect, bench, pending }) => {
      const refused = await connect()
      const request = refused.loginRound(FULL, NAMES)
      await bench.until(() => waiting.length === 1)
      waiting[0]!.refuse()
      assert.equal(statusOf(await request), LoginStatus.serviceUnavailable)
      assert.equal(waiting[0]!.over, true)

      const late = await connect()
      const unanswered = late.loginRound(FULL, NAMES)
      await assert.rejects(unanswered, /closed the connection/)
      assert.equal(waiting[1]!.over, true)
      waiting[1]!.refuse()

      const gone = await connect()
      void gone.loginRound(FULL, NAMES).catch(() => undefined)
      await bench.until(() => waiting.length === 3)
      await gone.close()
      await bench.until(() => waiting[2]!.over && pending() === 0)
    },
    arrival => void waiting.push(arrival),
  )
})

test('failed logins count for the address where it is let in', () => {
  const chap = { user: 'anna', secret: 'secret-of-anna-12' }
  const options = {
    limits: { failedLogins: 1, loginBackOffMs: 60_000 },
    trustedAddresses: [],
    access: { [TARGET]: { chap } },
  }
  return withHouse(options, async ({ connect, events }) => {
    const guesser = await connect()
    assert.equal(statusOf(await guesser.loginRound(FULL, NAMES)), LoginStatus.authenticationFailure)
    const barred = await connect()
    await barred.end()
    const reasons = events.map(event => ('reason' in event ? event.reason : ''))
    assert.ok(reasons.includes('Address has failed to log in too often, and must wait'))
  })
})

test('a connection counts for its address until the process that was given it says that it has gone', () => {
  const options = { limits: { connectionsPerAddress: 1 }, trustedAddresses: [] }
  const given: Released[] = []
  return withHouse(
    options,
    async ({ connect, arrivals, bench, pending }) => {
      const first = await connect()
      void first.loginRound(FULL, NAMES).catch(() => undefined)
      await bench.until(() => arrivals.length === 1)
      assert.equal(pending(), 0)
      await (await connect()).end()
      // As if another process had closed it.
      given[0]!.left()
      const second = await connect()
      void second.loginRound(FULL, NAMES).catch(() => undefined)
      await bench.until(() => arrivals.length === 2)
      for (const { socket } of given) socket.destroy()
    },
    arrival => void given.push(arrival.release()),
  )
})

test('a connection that is given to a port of the same process is still read into slabs', () =>
  withHouse({}, async ({ bench, connect }) => {
    const peer = await connect()
    await peer.login({ target: TARGET })
    const [session] = (bench.port as IscsiTargetPort).sessions.values()
    assert.ok(session!.anyConnection!.socket instanceof SlabSocket)
  }))
