// SPDX-License-Identifier: Apache-2.0
// ErrorRecoveryLevel 2 with a scripted target: tasks of a lost connection go on elsewhere, and none runs twice.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { buildCdb } from '@lunkit/initiator-core'
import {
  DATA_IN,
  LOGIN_REQUEST,
  LOGOUT_REQUEST,
  LOGOUT_RESPONSE,
  Opcode,
  R2T,
  READ_10,
  RESERVED_TAG,
  TASK_MANAGEMENT_REQUEST,
  TASK_MANAGEMENT_RESPONSE,
  TEST_UNIT_READY,
  WRITE_10,
} from '@lunkit/spec'
import { openSession } from './connect.ts'
import { type Pdu, type Peer, pairsOf, type Script, ScriptedTarget } from './scripted-target.test-kit.ts'
import type { SessionEvent } from './session-event.ts'

const READY = buildCdb(TEST_UNIT_READY, {})
const READ = buildCdb(READ_10, { lba: 0, blocks: 8 })
const WRITE = buildCdb(WRITE_10, { lba: 0, blocks: 8 })
const BYTES = 4096
const DATA = Buffer.from(Array.from({ length: BYTES }, (_, i) => (i * 11) % 251))
const KEYS = { ErrorRecoveryLevel: '2', DefaultTime2Wait: '0', DefaultTime2Retain: '20' }
const REASSIGN = 8
const ABORT = 1

const task = (pdu: Pdu) => TASK_MANAGEMENT_REQUEST.read(pdu.header)
const isReassign = (pdu: Pdu): boolean =>
  pdu.opcode === Opcode.taskManagementRequest && task(pdu).function === REASSIGN

function manage({ itt }: Pdu, peer: Peer, response = 0): void {
  peer.sendStatus(TASK_MANAGEMENT_RESPONSE, {
    opcode: Opcode.taskManagementResponse,
    final: 1,
    itt,
    response,
  })
}

function logout({ itt }: Pdu, peer: Peer, values: Record<string, unknown> = {}): void {
  peer.sendStatus(LOGOUT_RESPONSE, { opcode: Opcode.logoutResponse, final: 1, itt, ...values })
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await wait(1)
}

/** What a session tells of its connections, in words. */
function listener() {
  const events: string[] = []
  const onEvent = (event: SessionEvent): void => {
    const cid = 'cid' in event ? ` ${event.cid}` : ''
    const moved = 'retried' in event ? ` ${event.reassigned}+${event.retried}` : ''
    events.push(`${event.type}${cid}${moved}`)
  }
  return { events, onEvent }
}

/** As many connections as are asked for. */
function offered(pdu: Pdu): Record<string, string> {
  const wish = pairsOf(pdu).get('MaxConnections')
  return wish === undefined ? {} : { MaxConnections: wish }
}

/** Logs in; the script gets all else but pings and logouts of the session. What was taken in once stays so. */
async function serve(script: Script, keys: Record<string, string> = {}): Promise<ScriptedTarget> {
  const target = await ScriptedTarget.start((pdu, peer) => {
    peer.expCmdSn = Math.max(...target.peers.map(({ expCmdSn }) => expCmdSn))
    if (pdu.opcode === Opcode.loginRequest) peer.login(pdu, { ...offered(pdu), ...KEYS, ...keys })
    else if (pdu.opcode === Opcode.logoutRequest && LOGOUT_REQUEST.read(pdu.header).reason === 0)
      logout(pdu, peer)
    else if (pdu.opcode !== Opcode.nopOut || !peer.courtesy(pdu)) script(pdu, peer)
  })
  return target
}

const options = (target: ScriptedTarget, connections: number) => ({
  ...target.options,
  reconnect: { attempts: 2, delays: [0] },
  errorRecoveryLevel: 2,
  connections,
})

// Requirement: RFC 7143, Recovery Classes: a login under the CID of the lost connection takes its place, with its last ExpStatSN.
// Requirement: RFC 7143, 11.5/5 and 6.3.4/5 and 7.2.1/4 and 11.14/10 and 8.2/1.
// Requirement: RFC 7143, 6.3.4/5.
test('the only connection is lost: it is made again under its CID, a task taken in is reassigned, one that is not is sent again', async () => {
  const seen: [Pdu, Peer][] = []
  await using target = await serve((pdu, peer) => {
    seen.push([pdu, peer])
    if (peer.number === 1) {
      // The first one is taken in, the second one is lost with the connection.
      peer.expCmdSn = 2
      if (seen.length < 2) return peer.send(DATA_IN, half(pdu, 0), DATA.subarray(0, 2048))
      peer.socket.destroy()
    } else if (isReassign(pdu)) {
      manage(pdu, peer)
      const { referencedTaskTag: itt } = task(pdu)
      peer.sendStatus(DATA_IN, { ...half({ itt }, 1), final: 1, statusPresent: 1 }, DATA.subarray(2048))
    } else peer.respond(pdu)
  })
  const { events, onEvent } = listener()
  await using session = await openSession({ ...options(target, 1), onEvent })
  const read = session.execute({ lun: 5, cdb: READ, dataIn: Buffer.alloc(BYTES) })
  const write = session.execute({ lun: 6, cdb: WRITE, dataOut: DATA })
  assert.equal((await write).status, 0)
  assert.ok(Buffer.from((await read).dataIn).equals(DATA))
  const [first, second, ...rest] = seen
  const reassign = rest.find(([pdu]) => isReassign(pdu))![0]
  const again = rest.find(([pdu]) => pdu.opcode === Opcode.scsiCommand)![0]
  const { referencedTaskTag, expDataSn, refCmdSn, immediate } = task(reassign)
  assert.deepEqual([referencedTaskTag, expDataSn, refCmdSn, immediate], [first![0].itt, 1, 0, 1])
  assert.deepEqual([again.itt, again.cmdSn], [second![0].itt, second![0].cmdSn])
  assert.ok(again.data.equals(second![0].data))
  assert.equal(rest.length, 2)
  const logins = target.heard
    .filter(({ opcode }) => opcode === Opcode.loginRequest)
    .map(pdu => LOGIN_REQUEST.read(pdu.header))
  assert.deepEqual(
    logins.map(({ tsih, cid }) => [tsih, cid]),
    [
      [0, 0],
      [0, 0],
      [7, 0],
      [7, 0],
    ],
  )
  // Two responses to the login had come.
  assert.equal(logins[2]!.expStatSn, 3)
  await until(() => events.length === 3)
  assert.deepEqual(events, ['connected', 'connection-lost 0', 'connection-recovered 0 1+1'])
})

const half = ({ itt }: Pick<Pdu, 'itt'>, dataSn: number) => ({
  opcode: Opcode.dataIn,
  itt,
  ttt: RESERVED_TAG,
  dataSn,
  bufferOffset: dataSn * 2048,
})

// Requirement: RFC 7143, Connection Recovery: the lost connection is logged out for recovery, then its tasks are reassigned.
// Requirement: RFC 7143, 7.1.4.3/2 and 7.2.2/6 and 11.14/10 and 8.2/1.
test('one of two connections is lost: it is logged out on the other, and another one is added', async () => {
  const order: string[] = []
  const held: Pdu[] = []
  await using target = await serve((pdu, peer) => {
    if (pdu.opcode === Opcode.logoutRequest) {
      const { reason, cid } = LOGOUT_REQUEST.read(pdu.header)
      order.push(`logout ${reason} of ${cid}`)
      logout(pdu, peer, { time2Wait: 0, time2Retain: 20 })
    } else if (isReassign(pdu)) {
      order.push('reassign')
      // Not at once: the target still thinks that the old connection has it.
      const times = order.filter(one => one === 'reassign').length
      manage(pdu, peer, times < 3 ? 3 : 0)
      if (times === 3) peer.respond({ ...pdu, itt: task(pdu).referencedTaskTag })
    } else if (order.length > 0) peer.respond(pdu)
    else {
      held.push(pdu)
      for (const one of target.peers) one.expCmdSn = held.length + 1
      if (peer.number === 2) peer.socket.destroy()
      else peer.respond(pdu)
    }
  })
  const { events, onEvent } = listener()
  await using session = await openSession({ ...options(target, 2), onEvent })
  const commands = [session.execute({ lun: 0, cdb: READY }), session.execute({ lun: 0, cdb: READY })]
  for (const { status } of await Promise.all(commands)) assert.equal(status, 0)
  await until(() => session.connections.length === 2)
  assert.deepEqual(order, ['logout 2 of 1', 'reassign', 'reassign', 'reassign'])
  assert.deepEqual(
    session.connections.map(({ cid }) => cid),
    [0, 2],
  )
  await until(() => events.length === 5)
  assert.deepEqual(events, [
    'connected',
    'connection-added 1',
    'connection-lost 1',
    'connection-recovered 1 1+0',
    'connection-added 2',
  ])
})

test('a write that is reassigned sends what the target still needs, from any offset, under any R2TSN', async () => {
  const got = Buffer.alloc(BYTES)
  let itt = 0
  await using target = await serve(
    (pdu, peer) => {
      if (peer.number === 1) {
        itt = pdu.itt
        peer.expCmdSn = 2
        const fields = { opcode: Opcode.r2t, final: 1, itt, ttt: 1, bufferOffset: 0, desiredLength: 4096 }
        if (pdu.opcode === Opcode.scsiCommand) peer.send(R2T, { ...fields, r2tSn: 0 })
        else peer.socket.destroy()
      } else if (isReassign(pdu)) {
        manage(pdu, peer)
        const fields = { opcode: Opcode.r2t, final: 1, itt, ttt: 2, bufferOffset: 1024, desiredLength: 3072 }
        peer.send(R2T, { ...fields, r2tSn: 0 })
      } else {
        pdu.data.copy(got, 1024)
        peer.respond({ ...pdu, itt }, { expDataSn: 1 })
      }
    },
    { InitialR2T: 'Yes', ImmediateData: 'No' },
  )
  await using session = await openSession(options(target, 1))
  await session.execute({ lun: 0, cdb: WRITE, dataOut: DATA })
  assert.ok(got.subarray(1024).equals(DATA.subarray(1024)))
})

test('a task that the target does not know any more fails if it wrote, and is read anew if it read', async () => {
  let reads = 0
  await using target = await serve((pdu, peer) => {
    if (peer.number === 1) {
      peer.expCmdSn = pdu.cmdSn + 1
      if (pdu.cmdSn === 2) peer.socket.destroy()
    } else if (isReassign(pdu)) manage(pdu, peer, 1)
    else {
      reads++
      const fields = { ...half(pdu, 0), final: 1, statusPresent: 1 }
      peer.sendStatus(DATA_IN, fields, DATA)
    }
  })
  await using session = await openSession(options(target, 1))
  const write = session.execute({ lun: 0, cdb: WRITE, dataOut: DATA, repeatable: true })
  const read = session.execute({ lun: 0, cdb: READ, dataIn: Buffer.alloc(BYTES), repeatable: true })
  await assert.rejects(write, {
    code: 'TRANSPORT_CONNECTION_LOST',
    message: /Task does not exist.*not known whether/,
  })
  assert.ok(Buffer.from((await read).dataIn).equals(DATA))
  assert.equal(reads, 1)
})

test('a command that is given up while its connection is lost is reassigned, then aborted', async () => {
  const stop = new AbortController()
  const order: number[] = []
  await using target = await serve((pdu, peer) => {
    if (peer.number === 1) {
      peer.expCmdSn = 2
      if (pdu.opcode === Opcode.taskManagementRequest) peer.socket.destroy()
      else stop.abort(new Error('not needed'))
    } else {
      order.push(task(pdu).function)
      manage(pdu, peer)
    }
  })
  await using session = await openSession(options(target, 1))
  const given = session.execute({ lun: 0, cdb: WRITE, dataOut: DATA, signal: stop.signal })
  await assert.rejects(given, { message: 'not needed' })
  assert.deepEqual(order, [REASSIGN, ABORT])
})

const UNABLE: Readonly<Record<string, readonly [script: Script, keys?: Record<string, string>]>> = {
  'reassignment is not supported': [(pdu, peer) => manage(pdu, peer, 4)],
  'the function is not known': [(pdu, peer) => manage(pdu, peer, 5)],
  'no task is retained': [() => {}, { DefaultTime2Retain: '0' }],
}

// Requirement: RFC 7143, 7.14/5.
// Requirement: RFC 7143, Session Recovery: where connection recovery fails all connections end and a session is begun anew.
for (const [name, [script, keys]] of Object.entries(UNABLE)) {
  test(`session recovery where ${name}`, async () => {
    await using target = await serve((pdu, peer) => {
      if (peer.number === 1) {
        peer.expCmdSn = 2
        peer.socket.destroy()
      } else if (pdu.opcode === Opcode.scsiCommand) peer.respond(pdu)
      else script(pdu, peer)
    }, keys)
    const { events, onEvent } = listener()
    await using session = await openSession({ ...options(target, 1), onEvent })
    assert.equal((await session.execute({ lun: 0, cdb: READY, repeatable: true })).status, 0)
    assert.deepEqual(events, ['connected', 'connection-lost 0', 'lost', 'reconnecting', 'reconnected'])
    const last = target.heard.findLast(({ opcode }) => opcode === Opcode.loginRequest)!
    assert.equal(LOGIN_REQUEST.read(last.header).tsih, 0)
  })
}

test('session recovery where the target does not know the session any more', async () => {
  await using target = await ScriptedTarget.start((pdu, peer) => {
    const unknown = { statusClass: 2, statusDetail: 10, transit: 0 }
    if (pdu.opcode === Opcode.loginRequest) peer.login(pdu, KEYS, peer.number === 2 ? unknown : {})
    else if (pdu.opcode === Opcode.logoutRequest) logout(pdu, peer)
    else if (peer.number === 1) peer.socket.destroy()
    else peer.respond(pdu)
  })
  await using session = await openSession(options(target, 1))
  assert.equal((await session.execute({ lun: 0, cdb: READY, repeatable: true })).status, 0)
  assert.equal(target.peers.length, 3)
})

test('connections are lost again and again, while others are recovered: every command runs and ends once', async () => {
  const ran = new Map<number, number>()
  const tags = new Set<number>()
  const parked = new Map<number, [Pdu, Peer]>()
  let expCmdSn = 1
  let turns = 0
  const cut = (peer: Peer): void => {
    peer.socket.destroy()
    for (const [cmdSn, [, from]] of parked) if (from === peer) parked.delete(cmdSn)
  }
  await using target = await serve((pdu, peer) => {
    if (peer.socket.destroyed) return
    turns++
    if (pdu.opcode === Opcode.logoutRequest) return logout(pdu, peer, { time2Retain: 20 })
    if (isReassign(pdu)) {
      const { referencedTaskTag: itt } = task(pdu)
      assert.ok(tags.has(itt), 'a task is reassigned that was never taken in')
      if (turns % 5 === 0) return cut(peer)
      manage(pdu, peer)
      return peer.respond({ ...pdu, itt })
    }
    assert.equal(pdu.opcode, Opcode.scsiCommand)
    // Some never arrive, and take their connection with them.
    if (turns % 4 === 0 && turns < 300) return cut(peer)
    if (pdu.cmdSn < expCmdSn) return
    parked.set(pdu.cmdSn, [pdu, peer])
    for (let due = parked.get(expCmdSn); due !== undefined; due = parked.get(expCmdSn)) {
      parked.delete(expCmdSn++)
      for (const one of target.peers) one.expCmdSn = expCmdSn
      const [{ cmdSn, itt }, from] = due
      ran.set(cmdSn, (ran.get(cmdSn) ?? 0) + 1)
      tags.add(itt)
      // Some run, and their answer is lost with the connection.
      if (cmdSn % 7 === 0) cut(from)
      else from.respond(due[0])
    }
  })
  const { events, onEvent } = listener()
  await using session = await openSession({ ...options(target, 3), onEvent })
  const commands = Array.from({ length: 60 }, () => session.execute({ lun: 0, cdb: READY }))
  for (const { status } of await Promise.all(commands)) assert.equal(status, 0)
  assert.equal(ran.size, 60)
  assert.ok([...ran.values()].every(times => times === 1))
  assert.ok(!events.includes('lost'), events.join(', '))
  assert.ok(events.filter(event => event.startsWith('connection-lost')).length > 10)
})
