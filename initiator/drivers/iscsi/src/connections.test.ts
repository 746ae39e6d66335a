// SPDX-License-Identifier: Apache-2.0
// Sessions of several connections with a scripted target: how they join, share commands, and leave.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { buildCdb } from '@lunkit/initiator-core'
import {
  ASYNC_MESSAGE,
  LOGIN_REQUEST,
  LOGOUT_REQUEST,
  Opcode,
  RESERVED_TAG,
  TEST_UNIT_READY,
} from '@lunkit/spec'
import { openSession } from './connect.ts'
import { type Pdu, type Peer, pairsOf, ScriptedTarget } from './scripted-target.test-kit.ts'
import type { SessionEvent } from './session-event.ts'

const READY = buildCdb(TEST_UNIT_READY, {})
const ready = { lun: 0, cdb: READY }
const logins = (target: ScriptedTarget) =>
  target.heard
    .filter(({ opcode }) => opcode === Opcode.loginRequest)
    .map(pdu => ({ ...LOGIN_REQUEST.read(pdu.header), pairs: pairsOf(pdu) }))

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await wait(1)
}

// Requirement: RFC 7143, Login Phase Start: a further connection joins a session by its TSIH with a CID of its own.
test('connections up to what the target grants join by TSIH and CID, and say nothing of the session', async () => {
  await using target = await ScriptedTarget.logsIn((pdu, peer) => peer.respond(pdu), { MaxConnections: '3' })
  const events: SessionEvent[] = []
  const onEvent = (event: SessionEvent): void => void events.push(event)
  await using session = await openSession({ ...target.options, connections: 8, onEvent })
  assert.deepEqual(session.connections.map(({ cid }) => cid).toSorted(), [0, 1, 2])
  assert.deepEqual(events.map(({ type }) => type).toSorted(), [
    'connected',
    'connection-added',
    'connection-added',
  ])
  const [first, ...others] = logins(target)
  assert.deepEqual([first!.tsih, first!.cid, first!.pairs.get('SessionType')], [0, 0, 'Normal'])
  const added = others.filter(({ tsih }) => tsih !== 0)
  assert.deepEqual(new Set(added.map(({ tsih, cid }) => `${tsih}:${cid}`)), new Set(['7:1', '7:2']))
  for (const { pairs, isid } of added) {
    assert.deepEqual(isid, first!.isid)
    for (const key of ['SessionType', 'MaxConnections', 'ErrorRecoveryLevel', 'InitialR2T'])
      assert.ok(!pairs.has(key), key)
  }
  const own = added.filter(({ csg }) => csg === 1).map(({ pairs }) => [...pairs.keys()])
  assert.deepEqual(own, new Array(2).fill(['HeaderDigest', 'DataDigest', 'MaxRecvDataSegmentLength']))
})

// Requirement: RFC 7143, Command Numbering and Acknowledging: CmdSN is the session's over all connections, StatSN each connection's.
test('commands go to the connection with the fewest, numbered over all of them', async () => {
  const held: [Pdu, Peer][] = []
  await using target = await ScriptedTarget.logsIn((pdu, peer) => void held.push([pdu, peer]), {
    MaxConnections: '4',
  })
  await using session = await openSession({ ...target.options, connections: 4 })
  const commands = Array.from({ length: 12 }, () => session.execute(ready))
  await until(() => held.length === 12)
  for (const { number } of target.peers) {
    assert.equal(held.filter(([, peer]) => peer.number === number).length, 3)
  }
  const numbers = held.map(([pdu]) => pdu.cmdSn).toSorted((a, b) => a - b)
  assert.deepEqual(
    numbers,
    Array.from({ length: 12 }, (_, i) => i + 1),
  )
  assert.equal(new Set(held.map(([pdu]) => pdu.itt)).size, 12)
  for (const [pdu, peer] of held.splice(0)) peer.respond(pdu)
  await Promise.all(commands)
  // The one that is slow gets no more.
  const slow = session.execute(ready)
  await until(() => held.length === 1)
  const [[kept, at]] = held as [[Pdu, Peer]]
  for (let i = 0; i < 6; i++) {
    const next = session.execute(ready)
    await until(() => held.length === 2)
    const [pdu, peer] = held.pop()!
    assert.notEqual(peer, at)
    peer.respond(pdu)
    await next
  }
  at.respond(kept)
  await slow
})

test('a connection that the target refuses is told, and the session works without it', async () => {
  await using target = await ScriptedTarget.start((pdu, peer) => {
    const full = { statusClass: 2, statusDetail: 6, transit: 0 }
    if (pdu.opcode === Opcode.loginRequest)
      peer.login(pdu, { MaxConnections: '4' }, peer.number > 2 ? full : {})
    else if (!peer.courtesy(pdu)) peer.respond(pdu)
  })
  const refused: SessionEvent[] = []
  const onEvent = (event: SessionEvent): void =>
    void (event.type === 'connection-refused' && refused.push(event))
  await using session = await openSession({ ...target.options, connections: 4, onEvent })
  assert.equal(session.connections.length, 2)
  assert.equal(refused.length, 2)
  assert.equal((await session.execute(ready)).status, 0)
})

test('a target that puts a connection in another session is not believed', async () => {
  await using target = await ScriptedTarget.start((pdu, peer) => {
    if (pdu.opcode === Opcode.loginRequest)
      peer.login(pdu, { MaxConnections: '2' }, { tsih: 6 + peer.number })
    else if (!peer.courtesy(pdu)) peer.respond(pdu)
  })
  const refused: string[] = []
  const onEvent = (event: SessionEvent): void =>
    void (event.type === 'connection-refused' && refused.push(event.error.code))
  await using session = await openSession({ ...target.options, connections: 2, onEvent })
  assert.deepEqual(refused, ['LOGIN_PROTOCOL'])
  assert.equal((await session.execute(ready)).status, 0)
})

test('an answer on another connection than that of its command ends the connection', async () => {
  await using target = await ScriptedTarget.logsIn(
    (pdu, peer) => target.peers.find(other => other !== peer)!.respond(pdu),
    { MaxConnections: '2' },
  )
  await using session = await openSession({ ...target.options, connections: 2 })
  await assert.rejects(session.execute(ready), { code: 'TRANSPORT_PROTOCOL' })
})

// Requirement: RFC 7143, Error Recovery Hierarchy: below ErrorRecoveryLevel 2 a lost connection ends the session, which is begun anew.
test('at level 0 a lost connection ends the others, and all come again in a new session', async () => {
  const held: Pdu[] = []
  await using target = await ScriptedTarget.logsIn(
    (pdu, peer) => {
      if (peer.number > 2) return peer.respond(pdu)
      held.push(pdu)
      if (held.length === 4) peer.socket.destroy()
    },
    { MaxConnections: '2' },
  )
  const events: string[] = []
  const options = { ...target.options, reconnect: { attempts: 3, delays: [0] }, connections: 2 }
  await using session = await openSession({ ...options, onEvent: ({ type }) => void events.push(type) })
  const commands = Array.from({ length: 4 }, () => session.execute({ ...ready, repeatable: true }))
  for (const { status } of await Promise.all(commands)) assert.equal(status, 0)
  await until(() => session.connections.length === 2)
  assert.deepEqual(
    logins(target)
      .filter(({ csg }) => csg === 0)
      .map(({ tsih }) => tsih),
    [0, 7, 0, 7],
  )
  assert.deepEqual(events, [
    'connected',
    'connection-added',
    'lost',
    'reconnecting',
    'reconnected',
    'connection-added',
  ])
})

// Requirement: RFC 7143, Reason Code: a logout with the reason "close the connection" names its CID, the session goes on.
test('one of several connections is closed when its commands have ended; the last one is not', async () => {
  const held: [Pdu, Peer][] = []
  await using target = await ScriptedTarget.logsIn((pdu, peer) => void held.push([pdu, peer]), {
    MaxConnections: '2',
  })
  await using session = await openSession({ ...target.options, connections: 2 })
  const commands = [session.execute(ready), session.execute(ready)]
  await until(() => held.length === 2)
  const closing = session.closeConnection(1)
  await assert.rejects(session.closeConnection(0), { code: 'ARGUMENT_INVALID' })
  await assert.rejects(session.closeConnection(5), { code: 'ARGUMENT_INVALID' })
  for (const [pdu, peer] of held.splice(0)) peer.respond(pdu)
  await Promise.all([...commands, closing])
  const logout = target.heard.find(({ opcode }) => opcode === Opcode.logoutRequest)!
  const { reason, cid } = LOGOUT_REQUEST.read(logout.header)
  assert.deepEqual([reason, cid], [1, 1])
  assert.deepEqual(
    session.connections.map(one => one.cid),
    [0],
  )
  const last = session.execute(ready)
  await until(() => held.length === 1)
  held[0]![1].respond(held[0]![0])
  assert.equal((await last).status, 0)
})

test('a logout that the target asks for on one connection makes way for another', async () => {
  await using target = await ScriptedTarget.logsIn((pdu, peer) => peer.respond(pdu), { MaxConnections: '2' })
  await using session = await openSession({ ...target.options, connections: 2 })
  const fields = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, asyncEvent: 1, parameter3: 5 }
  target.peers[1]!.sendStatus(ASYNC_MESSAGE, fields)
  await until(() => session.connections.some(({ cid }) => cid > 1))
  assert.deepEqual(session.connections.map(({ cid }) => cid).toSorted(), [0, 2])
  const logout = target.heard.find(({ opcode }) => opcode === Opcode.logoutRequest)!
  assert.equal(LOGOUT_REQUEST.read(logout.header).reason, 1)
  assert.equal((await session.execute(ready)).status, 0)
})

test('numbers that a target tells while a connection is not in the session yet do not count', async () => {
  await using target = await ScriptedTarget.start((pdu, peer) => {
    const { csg } = pdu.opcode === Opcode.loginRequest ? LOGIN_REQUEST.read(pdu.header) : { csg: -1 }
    const early = peer.number > 1 && csg === 0 ? { expCmdSn: 5, maxCmdSn: 5000 } : {}
    if (csg >= 0) peer.login(pdu, { MaxConnections: '2' }, { maxCmdSn: 1, ...early })
    else if (!peer.courtesy(pdu)) held.push([pdu, peer])
  })
  const held: [Pdu, Peer][] = []
  await using session = await openSession({ ...target.options, connections: 2 })
  const commands = [session.execute(ready), session.execute(ready)]
  await until(() => held.length === 1)
  await session.ping()
  assert.equal(held.length, 1)
  for (let answered = 0; answered < 2; answered++) {
    await until(() => held.length > 0)
    const [pdu, peer] = held.shift()!
    peer.respond(pdu, { expCmdSn: pdu.cmdSn + 1, maxCmdSn: pdu.cmdSn + 1 })
  }
  await Promise.all(commands)
})

test('commands that the target ends with their connection are done again elsewhere, or fail and say so', async () => {
  const order: string[] = []
  const held: Pdu[] = []
  await using target = await ScriptedTarget.start((pdu, peer) => {
    if (pdu.opcode === Opcode.loginRequest) peer.login(pdu, { MaxConnections: '2' })
    else if (pdu.opcode === Opcode.scsiCommand) {
      order.push(`${peer.number}:${pdu.cmdSn}`)
      if (peer.number === 1) held.push(pdu)
      if (order.length === 8) for (const one of held) peer.respond(one)
    } else {
      // All but the last command have been taken in.
      if (pdu.opcode === Opcode.logoutRequest) peer.expCmdSn = 6
      peer.courtesy(pdu)
    }
  })
  await using session = await openSession({ ...target.options, connections: 2 })
  const run = (repeatable: boolean) => session.execute({ ...ready, repeatable })
  const commands = [run(false), run(true), run(false)]
  const ended = assert.rejects(run(false), {
    code: 'TRANSPORT_CONNECTION_LOST',
    message: /not known whether/,
  })
  commands.push(run(false), run(false))
  await until(() => order.length === 6)
  const fields = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, asyncEvent: 1, parameter3: 0 }
  target.peers[1]!.sendStatus(ASYNC_MESSAGE, fields)
  await ended
  for (const { status } of await Promise.all(commands)) assert.equal(status, 0)
  assert.deepEqual(order.slice(0, 6).toSorted(), ['1:1', '1:3', '1:5', '2:2', '2:4', '2:6'])
  assert.deepEqual(order.slice(6), ['1:6', '1:7'])
})

// Requirement: RFC 7143, AsyncEvent: a SCSI event carries sense data, which the initiator hands to its upper layer.
test('a SCSI event is told with its unit and its sense data', async () => {
  await using target = await ScriptedTarget.logsIn((pdu, peer) => peer.respond(pdu))
  const told = Promise.withResolvers<SessionEvent>()
  const onEvent = (event: SessionEvent): void => (event.type === 'async' ? told.resolve(event) : undefined)
  await using session = await openSession({ ...target.options, onEvent })
  // REPORTED LUNS DATA HAS CHANGED, and data of the event behind it.
  const sense = Buffer.from('70000600000000 0a000000003f0e00000000'.replaceAll(' ', ''), 'hex')
  const data = Buffer.concat([Buffer.from([0, sense.length]), sense, Buffer.from('more')])
  const lun = Buffer.from([0, 9, 0, 0, 0, 0, 0, 0])
  const fields = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, asyncEvent: 0, lun }
  target.peers[0]!.sendStatus(ASYNC_MESSAGE, fields, data)
  const event = await told.promise
  assert.ok(event.type === 'async')
  assert.deepEqual([Buffer.from(event.sense), Buffer.from(event.lun)], [sense, lun])
  assert.equal((await session.execute(ready)).status, 0)
})

test('a target that drops all connections is left, and a new session is begun', async () => {
  await using target = await ScriptedTarget.logsIn((pdu, peer) => peer.respond(pdu), { MaxConnections: '2' })
  const again = { reconnect: { attempts: 3, delays: [0] }, connections: 2 }
  await using session = await openSession({ ...target.options, ...again })
  const fields = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, asyncEvent: 3 }
  target.peers[1]!.sendStatus(ASYNC_MESSAGE, fields)
  await until(() => target.peers.length === 4 && session.connections.length === 2)
  assert.ok(target.peers.slice(0, 2).every(({ socket }) => socket.destroyed || socket.readableEnded))
  assert.equal((await session.execute(ready)).status, 0)
})
