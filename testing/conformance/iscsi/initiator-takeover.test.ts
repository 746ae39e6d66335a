// SPDX-License-Identifier: Apache-2.0
// Rules of RFC 7143 on lost connections that bind an initiator: what is taken over when, and what only a new session mends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openSession } from '@lunkit/initiator-driver-iscsi'
import {
  AsyncEvent,
  DATA_IN,
  LOGIN_REQUEST,
  LOGOUT_REQUEST,
  LogoutReason,
  NOP_IN,
  Opcode,
  RESERVED_TAG,
  SNACK,
  SnackType,
  TASK_MANAGEMENT_REQUEST,
} from '@lunkit/spec'
import type {
  Pdu,
  Peer,
  Script,
  ScriptedTarget,
} from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'
import {
  answerFunction,
  answerLogout,
  answerText,
  ask,
  BYTES,
  DATA,
  isClosed,
  LEVEL_2,
  of,
  piece,
  READ,
  READY,
  serve,
  tell,
  until,
  WRITE,
} from './scripted-answers.ts'

const ready = { lun: 0, cdb: READY }
const read = () => ({ lun: 0, cdb: READ, dataIn: Buffer.alloc(BYTES) })
const isFunction = ({ opcode }: Pdu): boolean => opcode === Opcode.taskManagementRequest
const isLogout = ({ opcode }: Pdu): boolean => opcode === Opcode.logoutRequest
const request = ({ header }: Pdu) => TASK_MANAGEMENT_REQUEST.read(header)
const options = (target: ScriptedTarget, connections: number) => ({
  ...target.options,
  reconnect: { attempts: 3, delays: [0] },
  errorRecoveryLevel: 2,
  time2Wait: 0,
  time2Retain: 20,
  connections,
})
const logins = (target: ScriptedTarget) =>
  of(target, Opcode.loginRequest).map(({ header }) => LOGIN_REQUEST.read(header))

/** What the initiator says once a connection is lost, in words; `first` says what comes before. */
function recovery(first: Script, then: Script = () => {}, keys: Record<string, string> = {}) {
  const order: string[] = []
  const script: Script = (pdu, peer) => {
    if (pdu.opcode === Opcode.nopOut) return void peer.courtesy(pdu)
    const reason = isLogout(pdu) ? LOGOUT_REQUEST.read(pdu.header).reason : -1
    if (reason === LogoutReason.closeSession) return answerLogout(pdu, peer)
    if (reason === LogoutReason.removeConnectionForRecovery) {
      order.push(`logout of ${LOGOUT_REQUEST.read(pdu.header).cid}`)
    } else if (isFunction(pdu)) order.push(`function ${request(pdu).function}`)
    if (order.length > 0) then(pdu, peer)
    else first(pdu, peer)
  }
  return { order, target: serve(script, { ...LEVEL_2, ...keys }) }
}

// Requirement: RFC 7143, 7.1.4.3/2 and 7.1.4.3/3 and 8.2/1.
for (const event of [AsyncEvent.connectionDropped, AsyncEvent.sessionDropped]) {
  test(`connections of which event ${event} says that they are dropped are closed and recovered`, async () => {
    const held: [Pdu, Peer][] = []
    const { order, target: served } = recovery(
      (pdu, peer) => {
        if (peer.number > 2) return peer.respond(pdu)
        if (pdu.opcode !== Opcode.scsiCommand) return
        held.push([pdu, peer])
        for (const one of target.peers) one.expCmdSn = held.length + 1
      },
      (pdu, peer) => {
        if (isLogout(pdu)) return answerLogout(pdu, peer, { time2Retain: 20 })
        if (!isFunction(pdu)) return peer.respond(pdu)
        answerFunction(pdu, peer)
        peer.respond({ ...pdu, itt: request(pdu).referencedTaskTag })
      },
    )
    await using target = await served
    await using session = await openSession(options(target, 2))
    const commands = [session.execute(ready), session.execute(ready)]
    await until(() => held.length === 2)
    const [first, second] = [...target.peers]
    tell(first!, event, { parameter1: 1, parameter2: 0, parameter3: 20 })
    await until(() => isClosed(second!))
    if (event === AsyncEvent.connectionDropped)
      held.find(([, peer]) => peer === first)![1].respond(held[0]![0])
    for (const { status } of await Promise.all(commands)) assert.equal(status, 0)
    await until(() => session.connections.length === 2)
    if (event === AsyncEvent.connectionDropped) {
      assert.deepEqual(order, ['logout of 1', 'function 8'])
      assert.equal(isClosed(first!), false)
    } else {
      assert.ok(isClosed(first!))
      assert.equal(order.filter(one => one === 'function 8').length, 2)
      // One of the two takes the place of its connection, by its CID and the session's TSIH.
      const [again] = logins(target)
        .filter(({ tsih, csg }) => tsih !== 0 && csg === 1)
        .slice(1)
      assert.ok(again !== undefined && again.cid < 2 && again.tsih === 7)
    }
  })
}

// Requirement: RFC 7143, 7.14/6 and 7.14/5.
test('a target that drops the session and keeps nothing is followed by a new session, whatever is recovered', async () => {
  let logout: Pdu | null = null
  const { order, target: served } = recovery(
    (pdu, peer) => {
      if (peer.number === 2) peer.socket.destroy()
      else if (peer.number > 3) peer.respond(pdu)
    },
    (pdu, peer) => {
      if (peer.number > 3) return peer.respond(pdu)
      // The connection that is being recovered never gets there.
      logout = pdu
      const fields = { parameter1: 0, parameter2: 0, parameter3: 0 }
      tell(peer, AsyncEvent.sessionDropped, fields)
    },
  )
  await using target = await served
  await using session = await openSession(options(target, 3))
  const commands = [0, 1, 2].map(() => session.execute({ ...ready, repeatable: true }))
  for (const { status } of await Promise.all(commands)) assert.equal(status, 0)
  assert.ok(logout !== null)
  assert.deepEqual(order, ['logout of 1'])
  await until(() => session.connections.length === 3)
  assert.ok(target.peers.slice(0, 3).every(isClosed))
  assert.deepEqual(
    logins(target)
      .slice(6)
      .map(({ tsih }) => tsih)
      .slice(0, 2),
    [0, 0],
  )
})

const MALFORMED: Readonly<Record<string, readonly [said: RegExp, script: Script]>> = {
  'read data beyond the end': [
    /at most 4096/,
    (pdu, peer) => peer.send(...piece(pdu, 0, { bufferOffset: BYTES })),
  ],
  'an R2T for another unit': [
    /another unit/,
    (pdu, peer) =>
      ask(pdu, peer, { lun: Buffer.from([0, 5]), ttt: 1, r2tSn: 0, bufferOffset: 0, desiredLength: 512 }),
  ],
  'data to be acknowledged for another unit': [
    /another unit/,
    (pdu, peer) =>
      peer.send(...piece(pdu, 0, { acknowledge: 1, final: 1, ttt: 3, lun: Buffer.from([0, 5]) })),
  ],
  'a ping that is an answer as well': [
    /both answers and asks/,
    (pdu, peer) => peer.send(NOP_IN, { opcode: Opcode.nopIn, final: 1, itt: pdu.itt, ttt: 5 }),
  ],
  'an underflow and an overflow at once': [
    /at once/,
    (pdu, peer) => peer.respond(pdu, { underflow: 1, overflow: 1, residualCount: 1 }),
  ],
  'an opcode of an initiator': [
    /no target may send/,
    (pdu, peer) => peer.send(DATA_IN, { opcode: Opcode.scsiCommand, final: 1, itt: pdu.itt }),
  ],
}

// Requirement: RFC 7143, 7.7/2 and 4.2.5.3/1.
for (const [name, [message, script]] of Object.entries(MALFORMED)) {
  test(`at level 2, too, ${name} ends all connections and the session`, async () => {
    const { order, target: served } = recovery(
      (pdu, peer) => {
        if (pdu.opcode !== Opcode.scsiCommand) return
        if (peer.number > 2) peer.respond(pdu)
        else script(pdu, peer)
      },
      () => {},
      { InitialR2T: 'Yes', ImmediateData: 'No' },
    )
    await using target = await served
    await using session = await openSession({ ...options(target, 2), initialR2T: true })
    const command = name.includes('R2T') ? { lun: 0, cdb: WRITE, dataOut: DATA } : read()
    await assert.rejects(session.execute(command), { code: 'TRANSPORT_PROTOCOL', message })
    await until(() => session.connections.length === 2)
    assert.ok(target.peers.slice(0, 2).every(isClosed))
    assert.equal((await session.execute(ready)).status, 0)
    assert.deepEqual(order, [])
    assert.equal(logins(target)[4]!.tsih, 0)
  })
}

// Requirement: RFC 7143, 7.15/2 and 7.15/3 and 6.3.5/3.
test('a new session begins when all is over of the old one, as the same port', async () => {
  const order: string[] = []
  await using target = await serve((pdu, peer) => {
    if (peer.courtesy(pdu)) return
    if (peer.number > 2) return peer.respond(pdu)
    order.push('command')
    if (order.length === 4) peer.socket.destroy()
  })
  let closed = false
  const onEvent = ({ type }: { type: string }): void => {
    if (type === 'reconnected') closed = target.peers.slice(0, 2).every(isClosed)
  }
  const again = { reconnect: { attempts: 3, delays: [20] } }
  await using session = await openSession({ ...target.options, ...again, connections: 2, onEvent })
  const heard = target.heard.length
  const ends = [0, 1, 2].map(() => session.execute(ready).catch(() => order.push('ended')))
  const ping = session.execute({ ...ready, repeatable: true })
  const others = [session.manage('clear-aca', 0).catch(() => order.push('ended'))]
  await Promise.all([...ends, ...others])
  // Nothing was heard of a new session before.
  assert.equal(target.peers.length, 2)
  assert.equal((await ping).status, 0)
  assert.ok(closed)
  const [old, ...rest] = logins(target)
  assert.ok(heard > 0)
  const fresh = rest.slice(3)
  assert.equal(fresh[0]!.tsih, 0)
  for (const { isid } of fresh) assert.deepEqual(Buffer.from(isid), Buffer.from(old!.isid))
})

// Requirement: RFC 7143, 7.2.2/6 and 7.2.2/7 and 11.5.6/1 and 11.5.6/2.
for (const [came, expected] of [
  [[], 0],
  [[0, 1], 2],
  [[0, 1, 3, 5], 2],
  [[2], 0],
] as const) {
  test(`a read of which the pieces ${came.join(', ') || 'none'} have come is taken over from ${expected} on`, async () => {
    const { order, target: served } = recovery(
      (pdu, peer) => {
        if (pdu.opcode === Opcode.snack) {
          for (const one of target.peers) one.expCmdSn = 2
          return peer.socket.destroy()
        }
        peer.expCmdSn = 2
        // The command is acknowledged in any case.
        peer.send(NOP_IN, { opcode: Opcode.nopIn, final: 1, itt: RESERVED_TAG, ttt: RESERVED_TAG })
        const wrong = Buffer.alloc(512, 0xee)
        for (const sn of came) {
          const [layout, fields, data] = piece(pdu, sn)
          peer.send(layout, fields, sn < expected ? data : wrong)
        }
        // Where none is missing the initiator says nothing before the end.
        if (came.every((sn, at) => sn === at)) setImmediate(() => peer.socket.end())
      },
      (pdu, peer) => {
        if (isLogout(pdu)) return answerLogout(pdu, peer, { time2Retain: 20 })
        const { referencedTaskTag: itt, expDataSn, lun, refCmdSn } = request(pdu)
        assert.deepEqual([expDataSn, refCmdSn, Buffer.from(lun)], [expected, 0, Buffer.alloc(8)])
        answerFunction(pdu, peer)
        for (let sn = expDataSn; sn < 8; sn++) peer.send(...piece({ itt }, sn))
        peer.respond({ ...pdu, itt }, { expDataSn: 8 })
      },
    )
    await using target = await served
    await using session = await openSession(options(target, 2))
    const { dataIn } = await session.execute(read())
    assert.ok(Buffer.from(dataIn).equals(DATA))
    assert.deepEqual(order, ['logout of 0', 'function 8'])
  })
}

// Requirement: RFC 7143, 7.2.2/8 and 11.16.2/1.
test('data that a takeover has acknowledged are not asked for again, nor cut anew', async () => {
  let reassigned: Pdu | null = null
  const asked: [type: number, begRun: number][] = []
  const { target: served } = recovery(
    (pdu, peer) => {
      peer.expCmdSn = 2
      if (pdu.opcode === Opcode.scsiCommand) {
        for (const sn of [0, 1, 2]) peer.send(...piece(pdu, sn))
        setImmediate(() => peer.socket.end())
      }
    },
    (pdu, peer) => {
      const itt = reassigned === null ? 0 : request(reassigned).referencedTaskTag
      if (isFunction(pdu)) {
        reassigned = pdu
        answerFunction(pdu, peer)
        peer.send(...piece({ itt: request(pdu).referencedTaskTag }, 4))
      } else if (pdu.opcode === Opcode.snack) {
        const { type, begRun } = SNACK.read(pdu.header)
        asked.push([type, begRun])
        // The pieces are cut anew from the first one that is not acknowledged on.
        if (type !== SnackType.rData) return
        const at = 3 * 512
        const last = { opcode: Opcode.dataIn, final: 1, itt, ttt: RESERVED_TAG, dataSn: 3, bufferOffset: at }
        peer.send(DATA_IN, last, DATA.subarray(at))
        peer.respond({ ...pdu, itt }, { expDataSn: 4, snackTag: SNACK.field.ttt.get(pdu.header, 0) })
      } else if (pdu.opcode === Opcode.textRequest) {
        answerText(pdu, peer, 'MaxRecvDataSegmentLength=8192\0')
        peer.send(...piece({ itt }, 6))
      }
    },
  )
  await using target = await served
  await using session = await openSession(options(target, 1))
  const command = session.execute(read())
  await until(() => asked.length === 1)
  await session.renegotiate(4096)
  assert.ok(Buffer.from((await command).dataIn).equals(DATA))
  assert.deepEqual(asked.slice(0, 2), [
    [SnackType.dataOrR2t, 3],
    [SnackType.rData, 0],
  ])
})

// Requirement: RFC 7143, 7.5/2.
test('recovery waits for Time2Wait, that of the message and that of the answer to the logout', async () => {
  const waits = [false, false]
  const witness = (at: number): void => void setTimeout(() => (waits[at] = true), 900)
  const { order, target: served } = recovery(
    (pdu, peer) => {
      if (peer.number !== 2) return peer.respond(pdu)
      for (const one of target.peers) one.expCmdSn = 3
      tell(peer, AsyncEvent.connectionDropped, { parameter1: 1, parameter2: 1, parameter3: 20 })
      witness(0)
    },
    (pdu, peer) => {
      if (isLogout(pdu)) {
        assert.ok(waits[0], 'logged out too early')
        answerLogout(pdu, peer, { time2Wait: 1, time2Retain: 20 })
        return witness(1)
      }
      assert.ok(waits[1], 'moved too early')
      answerFunction(pdu, peer)
      peer.respond({ ...pdu, itt: request(pdu).referencedTaskTag })
    },
  )
  await using target = await served
  await using session = await openSession(options(target, 2))
  const commands = [session.execute(ready), session.execute(ready)]
  for (const { status } of await Promise.all(commands)) assert.equal(status, 0)
  assert.deepEqual(order, ['logout of 1', 'function 8'])
})

// Requirement: RFC 7143, 7.5/2.
test('after Time2Retain nothing is moved any more: where it is zero, or over, tasks are begun anew', async () => {
  for (const retain of [0, 1]) {
    let commands = 0
    const { order, target: served } = recovery(
      (pdu, peer) => {
        if (++commands > 2) return peer.respond(pdu)
        for (const one of target.peers) one.expCmdSn = 3
        if (peer.number === 2) peer.socket.destroy()
        else peer.respond(pdu)
      },
      (pdu, peer) => {
        if (isLogout(pdu)) answerLogout(pdu, peer, { time2Wait: 0, time2Retain: retain })
        // Still allegiant, until the time is over.
        else if (isFunction(pdu)) answerFunction(pdu, peer, 3)
        else if (pdu.opcode === Opcode.scsiCommand) peer.respond(pdu)
      },
    )
    await using target = await served
    await using session = await openSession(options(target, 2))
    const both = [0, 1].map(() => session.execute({ ...ready, repeatable: true }))
    for (const { status } of await Promise.all(both)) assert.equal(status, 0)
    const moves = order.filter(one => one === 'function 8').length
    if (retain === 0) assert.deepEqual([moves, target.peers[0]!.socket.destroyed], [0, false])
    else
      assert.ok(
        moves > 1 &&
          logins(target)
            .slice(4)
            .some(({ tsih }) => tsih === 0),
      )
  }
})
