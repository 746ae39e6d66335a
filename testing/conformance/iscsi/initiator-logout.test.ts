// SPDX-License-Identifier: Apache-2.0
// Rules of RFC 7143 on logouts that bind an initiator, against a scripted target: what follows one, and what asks for one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSession, type SessionEvent } from '@lunkit/initiator-driver-iscsi'
import {
  AsyncEvent,
  BHS,
  LOGIN_REQUEST,
  LOGOUT_REQUEST,
  Opcode,
  RESERVED_TAG,
  RejectReason,
} from '@lunkit/spec'
import { obeyMessage } from '../../../initiator/drivers/iscsi/src/async-message.ts'
import type { FullFeature } from '../../../initiator/drivers/iscsi/src/full-feature.ts'
import { Links } from '../../../initiator/drivers/iscsi/src/links.ts'
import {
  type Pdu,
  type Peer,
  ScriptedTarget,
} from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'
import {
  answerLogout,
  answerText,
  isClosed,
  LEVEL_2,
  of,
  READY,
  refuse,
  serve,
  tell,
  until,
} from './scripted-answers.ts'

const ready = { lun: 0, cdb: READY }
const logouts = (target: ScriptedTarget) =>
  of(target, Opcode.logoutRequest).map(({ header }) => LOGOUT_REQUEST.read(header))
const again = { reconnect: { attempts: 3, delays: [0] } }

/** Requests are those that want an answer or a task: what has the reserved tag answers the target. */
const isRequest = ({ itt, opcode }: Pdu): boolean => itt !== RESERVED_TAG && opcode !== Opcode.dataOut

// Requirement: RFC 7143, 11.14/8 and 11.14/9 and 11.15/5 and 8.1.2/2.
test('after a logout of the session no connection has a new request, whatever goes on; then all are closed', async () => {
  const held: [Pdu, Peer][] = []
  const late: Pdu[] = []
  let logout: [Pdu, Peer] | null = null
  await using target = await serve((pdu, peer) => {
    if (logout !== null) {
      if (isRequest(pdu)) late.push(pdu)
    } else if (pdu.opcode === Opcode.logoutRequest) logout = [pdu, peer]
    else held.push([pdu, peer])
  })
  const options = { ...target.options, queueDepth: 2, connections: 2, nopIntervalMs: 20 }
  const session = await openSession(options)
  const commands = Array.from({ length: 4 }, () => session.execute(ready))
  const failed = Promise.allSettled(commands)
  await until(() => held.length >= 2)
  const closing = session.close()
  // The target does not wait for the commands.
  tell(target.peers[0]!, AsyncEvent.logoutRequested, { parameter3: 0 })
  tell(target.peers[1]!, AsyncEvent.logoutRequested, { parameter3: 0 })
  await until(() => logout !== null)
  // All of this would have an answer in another hour.
  for (const [pdu, peer] of held.splice(0)) if (pdu.opcode === Opcode.scsiCommand) peer.respond(pdu)
  for (const peer of target.peers) tell(peer, AsyncEvent.negotiationRequested, { parameter3: 1 })
  await assert.rejects(session.ping())
  await assert.rejects(session.manage('logical-unit-reset', 0))
  await assert.rejects(session.execute(ready))
  await Promise.race([closing, new Promise(resolve => setTimeout(resolve, 100))])
  answerLogout(logout![0], logout![1])
  await closing
  await failed
  await until(() => target.peers.every(isClosed))
  assert.deepEqual(late, [])
  assert.deepEqual(
    logouts(target).map(({ reason }) => reason),
    [0],
  )
})

// Requirement: RFC 7143, 11.14/6 and 11.14/9 and 11.15/5.
test('after a logout of one connection it has no new request, and is closed whole; the others go on', async () => {
  let logout: [Pdu, Peer] | null = null
  const late: Pdu[] = []
  await using target = await serve((pdu, peer) => {
    if (peer.number === 2 && logout !== null && isRequest(pdu)) late.push(pdu)
    else if (pdu.opcode === Opcode.logoutRequest && peer.number === 2) logout = [pdu, peer]
    else if (pdu.opcode === Opcode.textRequest) answerText(pdu, peer)
    else if (!peer.courtesy(pdu)) peer.respond(pdu)
  })
  await using session = await openSession({ ...target.options, connections: 2, nopIntervalMs: 20 })
  const closing = session.closeConnection(1)
  await until(() => logout !== null)
  tell(target.peers[1]!, AsyncEvent.negotiationRequested, { parameter3: 1 })
  tell(target.peers[1]!, AsyncEvent.logoutRequested, { parameter3: 1 })
  await assert.rejects(session.renegotiate(), { code: 'TRANSPORT_CLOSED' })
  for (let i = 0; i < 4; i++) assert.equal((await session.execute(ready)).status, 0)
  await new Promise(resolve => setTimeout(resolve, 100))
  answerLogout(logout![0], logout![1])
  await closing
  await until(() => isClosed(target.peers[1]!))
  assert.deepEqual(late, [])
  assert.equal(logouts(target).length, 1)
  assert.equal(isClosed(target.peers[0]!), false)
})

// Requirement: RFC 7143, 8.1.2/2.
test('a connection that is in login when the session is logged out is closed', async () => {
  await using target = await ScriptedTarget.start((pdu, peer) => {
    if (pdu.opcode !== Opcode.loginRequest) peer.courtesy(pdu)
    // The place of the second connection would be taken by one whose login is never answered.
    else if (peer.number < 3) peer.login(pdu, { MaxConnections: '2' })
  })
  const session = await openSession({ ...target.options, connections: 2 })
  tell(target.peers[1]!, AsyncEvent.logoutRequested, { parameter3: 5 })
  await until(() => target.peers.length === 3)
  await session.close()
  await until(() => target.peers.every(isClosed))
})

// Requirement: RFC 7143, 11.9/6 and 8.1.2/3.
for (const level of [0, 2]) {
  test(`a logout that is asked for closes the connection, and is sent once, at level ${level}`, async () => {
    const held: [Pdu, Peer][] = []
    await using target = await serve(
      (pdu, peer) => {
        if (peer.number === 2 && pdu.opcode === Opcode.scsiCommand) held.push([pdu, peer])
        else if (!peer.courtesy(pdu)) peer.respond(pdu)
      },
      { ...LEVEL_2, ErrorRecoveryLevel: String(level) },
    )
    const options = { ...target.options, ...again, connections: 2, time2Wait: 0, time2Retain: 20 }
    await using session = await openSession({ ...options, errorRecoveryLevel: level })
    const commands = Promise.allSettled([session.execute(ready), session.execute(ready)])
    await until(() => held.length === 1)
    // A command is under way, but there is no time.
    for (let i = 0; i < 3; i++) tell(target.peers[1]!, AsyncEvent.logoutRequested, { parameter3: 0 })
    await commands
    await until(() => session.connections.length === 2)
    assert.equal((await session.execute(ready)).status, 0)
    assert.deepEqual(
      logouts(target).map(({ reason, cid }) => [reason, cid]),
      [[1, 1]],
    )
  })
}

// Requirement: RFC 7143, 11.9/5.
test('commands are waited for, but not for all the time that there is for a logout', () => {
  const limits: number[] = []
  const message = { lun: new Uint8Array(8), parameter1: 0, parameter2: 0, data: new Uint8Array(0) }
  for (const parameter3 of [0, 1, 5, 65_535]) {
    const leave = (limitMs: number): void => void limits.push(limitMs / 1000)
    const feature = { leavesAt: Number.POSITIVE_INFINITY } as FullFeature
    obeyMessage(feature, { ...message, event: AsyncEvent.logoutRequested, parameter3 }, leave)
  }
  assert.equal(limits[0], 0)
  for (const [at, seconds] of [1, 5, 65_535].entries()) {
    assert.ok(limits[at + 1]! < seconds - 0.2 && limits[at + 1]! >= 0)
  }
})

// Requirement: RFC 7143, 11.9/6.
test('logouts that are asked for on all connections end in one of the session, and a new session', async () => {
  const held: [Pdu, Peer][] = []
  await using target = await serve((pdu, peer) => {
    if (peer.courtesy(pdu)) return
    if (peer.number <= 2) held.push([pdu, peer])
    else peer.respond(pdu)
  })
  let told = 0
  const onEvent = ({ type }: SessionEvent): void => void (type === 'async' && told++)
  await using session = await openSession({ ...target.options, ...again, connections: 2, onEvent })
  const commands = [session.execute(ready), session.execute(ready)]
  await until(() => held.length === 2)
  for (const peer of [...target.peers]) tell(peer, AsyncEvent.logoutRequested, { parameter3: 60 })
  await until(() => told === 2)
  for (const [pdu, peer] of held) peer.respond(pdu)
  for (const { status } of await Promise.all(commands)) assert.equal(status, 0)
  await until(() => target.peers.length === 4 && session.connections.length === 2)
  assert.equal((await session.execute(ready)).status, 0)
  assert.deepEqual(
    logouts(target).map(({ reason }) => reason),
    [0],
  )
  const began = of(target, Opcode.loginRequest).map(({ header }) => LOGIN_REQUEST.read(header))
  assert.equal(began.filter(({ tsih, csg }) => tsih === 0 && csg === 1).length, 2)
})

// Requirement: RFC 7143, 11.14/8.
test('commands that wait have no connection any more once the session is being logged out', () => {
  const links = new Links(8)
  links.window.update(1, 100)
  const link = { cid: 0, leaving: false, inFlight: 0 } as unknown as FullFeature
  links.add(link)
  assert.equal(links.free(), link)
  links.loggedOut = true
  assert.equal(links.free(), null)
})

// Requirement: RFC 7143, 11.14.2/1.
test('logouts have neither an additional header nor data', async () => {
  await using target = await serve((pdu, peer) => {
    if (!peer.courtesy(pdu)) peer.respond(pdu)
  })
  const session = await openSession({ ...target.options, connections: 2 })
  await session.closeConnection(1)
  await session.close()
  const sent = of(target, Opcode.logoutRequest)
  assert.equal(sent.length, 2)
  for (const { header } of sent) {
    assert.equal(BHS.field.totalAhsLength.get(header, 0), 0)
    assert.equal(BHS.field.dataSegmentLength.get(header, 0), 0)
  }
})

// Requirement: RFC 7143, 7.3/4.
test('numbers that a connection on its way out leaves behind are used on another one', async () => {
  for (const refused of [true, false]) {
    const stop = new AbortController()
    const plugs: [cmdSn: number, peer: number][] = []
    let left: [Pdu, Peer] | null = null
    await using target = await serve((pdu, peer) => {
      const isNumbered = BHS.field.immediate.get(pdu.header, 0) === 0
      if (pdu.opcode === Opcode.nopOut && isNumbered) plugs.push([pdu.cmdSn, peer.number])
      if (pdu.opcode === Opcode.taskManagementRequest || peer.courtesy(pdu)) return
      if (peer.number !== 2) return peer.respond(pdu)
      left = [pdu, peer]
      if (refused) {
        tell(peer, AsyncEvent.logoutRequested, { parameter3: 60 })
        refuse(peer, RejectReason.waitingForLogout, pdu)
      } else {
        // It is given up, but the target does not get to that before the connection is over.
        stop.abort(new Error('enough'))
        tell(peer, AsyncEvent.logoutRequested, { parameter3: 0 })
      }
    })
    await using session = await openSession({ ...target.options, ...again, connections: 2 })
    const commands = [0, 1].map(() => session.execute({ ...ready, signal: stop.signal }))
    const outcomes = await Promise.allSettled(commands)
    // What was refused has never run: it does so elsewhere.
    assert.equal(outcomes.filter(({ status }) => status === 'rejected').length, refused ? 0 : 1)
    await until(() => plugs.length === 1 && session.connections.length === 2)
    assert.deepEqual(plugs, [[left![0].cmdSn, 1]])
    assert.equal((await session.execute(ready)).status, 0)
    assert.equal(of(target, Opcode.scsiCommand).filter(({ cmdSn }) => cmdSn === left![0].cmdSn).length, 1)
  }
})

// Requirement: RFC 7143, 11.9/5.
test('a connection that waits for its commands before it is closed does not wait longer than the target', async () => {
  await using target = await serve((pdu, peer) => {
    if (!peer.courtesy(pdu) && peer.number !== 2) peer.respond(pdu)
  })
  await using session = await openSession({ ...target.options, ...again, connections: 2 })
  const commands = Promise.allSettled([session.execute(ready), session.execute(ready)])
  await until(() => of(target, Opcode.scsiCommand).length === 2)
  // It would wait for ten seconds.
  const closing = session.closeConnection(1)
  tell(target.peers[1]!, AsyncEvent.logoutRequested, { parameter3: 0 })
  await until(() => logouts(target).length === 1)
  await closing
  await commands
  assert.deepEqual(
    logouts(target).map(({ reason, cid }) => [reason, cid]),
    [[1, 1]],
  )
})
