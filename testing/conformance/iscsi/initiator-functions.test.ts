// SPDX-License-Identifier: Apache-2.0
// Rules of RFC 7143 on task management that bind an initiator: where functions go, what they say, and which tasks they end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskManagement } from '@lunkit/initiator-core'
import { openSession } from '@lunkit/initiator-driver-iscsi'
import {
  AsyncEvent,
  BHS,
  DATA_OUT,
  IscsiTaskFunction,
  NOP_IN,
  NOP_OUT,
  Opcode,
  RESERVED_TAG,
  SNACK,
  SnackType,
  TASK_MANAGEMENT_REQUEST,
} from '@lunkit/spec'
import type { Pdu, Peer } from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'
import {
  answerFunction,
  answerLogout,
  answerText,
  ask,
  BYTES,
  DATA,
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

const ready = { lun: 1, cdb: READY }
const isFunction = ({ opcode }: Pdu): boolean => opcode === Opcode.taskManagementRequest
const request = ({ header }: Pdu) => TASK_MANAGEMENT_REQUEST.read(header)

// Requirement: RFC 7143, 4.2.3.3/5 and 11.5.1/1.
test('the commands of a function end with it, also where its connection is lost before an answer', async () => {
  const held: [Pdu, Peer][] = []
  const aborted: [itt: number, peer: number][] = []
  await using target = await serve((pdu, peer) => {
    if (pdu.opcode === Opcode.logoutRequest) return answerLogout(pdu, peer, { time2Retain: 20 })
    if (peer.courtesy(pdu)) return
    if (!isFunction(pdu)) {
      held.push([pdu, peer])
      for (const one of target.peers) one.expCmdSn = held.length + 1
      return
    }
    const { function: code, referencedTaskTag } = request(pdu)
    if (code === IscsiTaskFunction.logicalUnitReset) return peer.socket.destroy()
    if (code === IscsiTaskFunction.abortTask) aborted.push([referencedTaskTag, peer.number])
    answerFunction(pdu, peer)
  }, LEVEL_2)
  const options = { connections: 2, errorRecoveryLevel: 2, time2Wait: 0, time2Retain: 20 }
  await using session = await openSession({ ...target.options, ...options })
  const affected = [1, 2].map(() => session.execute(ready))
  const other = [3, 4].map(() => session.execute({ ...ready, lun: 7 }))
  const ends = affected.map(one => assert.rejects(one, { code: 'TRANSPORT_TASK_ABORTED' }))
  await until(() => held.length === 4)
  await assert.rejects(session.manage('logical-unit-reset', 1), { code: 'TRANSPORT_CONNECTION_LOST' })
  await Promise.all(ends)
  const ours = held.filter(([pdu]) => BHS.field.lun.get(pdu.header, 0)[1] === 1)
  assert.deepEqual(aborted.map(([itt]) => itt).toSorted(), ours.map(([{ itt }]) => itt).toSorted())
  // Those of the connection that is left were aborted there.
  const left = target.peers.find(({ socket }) => !socket.destroyed)!
  for (const [, number] of aborted) assert.equal(number, left.number)
  for (const [pdu] of held) if (!ours.some(([one]) => one === pdu)) left.respond(pdu)
  for (const { status } of await Promise.all(other)) assert.equal(status, 0)
})

// Requirement: RFC 7143, 4.2.3.3/7 and 11.5.1/3 and 4.2.2.1/16.
for (const level of [0, 1]) {
  test(`answers of commands that a function has ended go nowhere, at level ${level}`, async () => {
    const held: [Pdu, Peer][] = []
    await using target = await serve(
      (pdu, peer) => {
        if (peer.courtesy(pdu)) return
        if (!isFunction(pdu)) return void held.push([pdu, peer])
        answerFunction(pdu, peer)
        for (const [one, its] of held) {
          if (BHS.field.lun.get(one.header, 0)[1] !== 1) continue
          if (one.cmdSn % 2 === 1) its.send(...piece(one, 0))
          its.respond(one)
        }
      },
      { ErrorRecoveryLevel: String(level) },
    )
    await using session = await openSession({
      ...target.options,
      connections: 2,
      errorRecoveryLevel: level,
    })
    let told = 0
    const ended = Array.from({ length: 4 }, () =>
      session.execute({ lun: 1, cdb: READ, expectedIn: BYTES }).catch((error: { code: string }) => {
        told++
        assert.equal(error.code, 'TRANSPORT_TASK_ABORTED')
      }),
    )
    const other = session.execute({ lun: 2, cdb: READY })
    await until(() => held.length === 5)
    assert.equal(await session.manage('clear-task-set', 1), 'complete')
    assert.equal(told, 4)
    await Promise.all(ended)
    const [last, its] = held.find(([{ header }]) => BHS.field.lun.get(header, 0)[1] === 2)!
    its.respond(last)
    assert.equal((await other).status, 0)
    assert.equal(session.connections.length, 2)
  })
}

// Requirement: RFC 7143, 11.5.1/3.
test('an answer behind that of an ABORT TASK goes nowhere', async () => {
  const stop = new AbortController()
  let command: Pdu | null = null
  await using target = await serve((pdu, peer) => {
    if (peer.courtesy(pdu)) return
    if (isFunction(pdu)) {
      answerFunction(pdu, peer)
      peer.respond(command!)
    } else if (command !== null) peer.respond(pdu)
    else {
      command = pdu
      stop.abort(new Error('enough'))
    }
  })
  await using session = await openSession(target.options)
  await assert.rejects(session.execute({ ...ready, signal: stop.signal }), { message: 'enough' })
  assert.equal((await session.execute(ready)).status, 0)
})

// Requirement: RFC 7143, 4.2.3.3/6.
test('an answer to a function whose commands are over already changes nothing', async () => {
  await using target = await serve((pdu, peer) => {
    if (peer.courtesy(pdu) || peer.number > 1) return void (isFunction(pdu) || peer.respond(pdu))
    if (!isFunction(pdu)) return
    // An answer that nobody asked for ends the connection; that to the function is read in the same piece.
    peer.socket.cork()
    answerFunction({ itt: 99 }, peer)
    answerFunction(pdu, peer)
    peer.socket.uncork()
  })
  const again = { reconnect: { attempts: 3, delays: [0] } }
  await using session = await openSession({ ...target.options, ...again })
  const affected = assert.rejects(session.execute(ready))
  await assert.rejects(session.manage('logical-unit-reset', 1), { code: 'TRANSPORT_PROTOCOL' })
  await affected
  assert.equal((await session.execute(ready)).status, 0)
})

// Requirement: RFC 7143, 11.5.1/2.
for (const action of ['abort-task-set', 'clear-task-set'] as const) {
  test(`while ${action} goes on, all that has a transfer tag is answered`, async () => {
    const answers = new Set<string>()
    let [read, write, text]: (Pdu | null)[] = [null, null, null]
    let pending: Pdu | null = null
    await using target = await serve(
      (pdu, peer) => {
        if (pdu.opcode === Opcode.textRequest && text === null) {
          // One more piece is to be asked for.
          text = pdu
          return
        }
        if (isFunction(pdu)) {
          pending = pdu
          const ping = { opcode: Opcode.nopIn, final: 1, itt: RESERVED_TAG, ttt: 7, lun: Buffer.from([0, 1]) }
          peer.send(NOP_IN, ping)
          ask(write!, peer, { ttt: 8, r2tSn: 0, bufferOffset: 0, desiredLength: BYTES })
          const lun = BHS.field.lun.get(read!.header, 0)
          peer.send(...piece(read!, 0, { acknowledge: 1, final: 1, ttt: 9, lun }))
          answerText(text!, peer, '', { final: 0, ttt: 10 })
          return
        }
        if (pdu.opcode === Opcode.nopOut && pdu.itt === RESERVED_TAG) {
          answers.add(`ping ${NOP_OUT.field.ttt.get(pdu.header, 0)}`)
        } else if (pdu.opcode === Opcode.dataOut && BHS.field.final.get(pdu.header, 0) === 1) {
          answers.add(`R2T ${DATA_OUT.field.ttt.get(pdu.header, 0)}`)
        } else if (pdu.opcode === Opcode.snack) {
          const { type, ttt } = SNACK.read(pdu.header)
          if (type === SnackType.dataAck) answers.add(`data ${ttt}`)
        } else if (pdu.opcode === Opcode.textRequest) {
          answers.add('text')
          answerText(pdu, peer)
        } else if (peer.courtesy(pdu)) return
        else if (pdu.opcode === Opcode.scsiCommand) {
          if (read === null) read = pdu
          else write = pdu
        }
        if (answers.size === 4) answerFunction(pending!, peer)
      },
      { ErrorRecoveryLevel: '1', InitialR2T: 'Yes', ImmediateData: 'No' },
    )
    await using session = await openSession({ ...target.options, errorRecoveryLevel: 1 })
    const commands = [
      session.execute({ lun: 1, cdb: READ, expectedIn: BYTES }),
      session.execute({ lun: 1, cdb: WRITE, dataOut: DATA }),
    ].map(one => assert.rejects(one, { code: 'TRANSPORT_TASK_ABORTED' }))
    const exchange = session.renegotiate()
    await until(() => write !== null && text !== null)
    assert.equal(await session.manage(action, 1), 'complete')
    await Promise.all([...commands, exchange])
    assert.deepEqual([...answers].toSorted(), ['R2T 8', 'data 9', 'ping 7', 'text'])
  })
}

// Requirement: RFC 7143, 11.5.1/1 and 11.5/6.
test('an ABORT TASK goes on the connection of its command, with its LUN, tag and number', async () => {
  const stop = new AbortController()
  const sent = new Map<number, readonly [peer: number, cmdSn: number, lun: number]>()
  await using target = await serve((pdu, peer) => {
    if (peer.courtesy(pdu)) return
    const lun = BHS.field.lun.get(pdu.header, 0)[1]!
    if (pdu.opcode === Opcode.scsiCommand) {
      sent.set(pdu.itt, [peer.number, pdu.cmdSn, lun])
      return sent.size === 9 ? stop.abort(new Error('enough')) : undefined
    }
    const { referencedTaskTag, refCmdSn } = request(pdu)
    assert.deepEqual([peer.number, refCmdSn, lun], sent.get(referencedTaskTag))
    sent.delete(referencedTaskTag)
    answerFunction(pdu, peer)
  })
  await using session = await openSession({ ...target.options, connections: 3 })
  const luns = Array.from({ length: 9 }, (_, i) => i % 4)
  await Promise.allSettled(luns.map(lun => session.execute({ lun, cdb: READY, signal: stop.signal })))
  assert.equal(new Set(target.peers.map(({ number }) => number)).size, 3)
  assert.equal(sent.size, 0)
})

// Requirement: RFC 7143, 11.5.2/1 and 11.5.4/1.
test('a function names a unit where it is for one and no task; it has no further header and no data', async () => {
  await using target = await serve((pdu, peer) => {
    if (!peer.courtesy(pdu)) answerFunction(pdu, peer)
  })
  await using session = await openSession(target.options)
  const actions: Readonly<Record<TaskManagement, number>> = {
    'abort-task-set': 3,
    'clear-task-set': 3,
    'clear-aca': 3,
    'logical-unit-reset': 3,
    'target-warm-reset': 0,
    'target-cold-reset': 0,
  }
  for (const action of Object.keys(actions)) await session.manage(action as TaskManagement, 3)
  const sent = of(target, Opcode.taskManagementRequest)
  assert.equal(sent.length, 6)
  for (const [at, { header }] of sent.entries()) {
    const { lun, referencedTaskTag, refCmdSn, expDataSn } = TASK_MANAGEMENT_REQUEST.read(header)
    assert.deepEqual([lun[1], referencedTaskTag], [Object.values(actions)[at], RESERVED_TAG])
    assert.deepEqual([refCmdSn, expDataSn], [0, 0])
    assert.equal(BHS.field.totalAhsLength.get(header, 0), 0)
    assert.equal(BHS.field.dataSegmentLength.get(header, 0), 0)
  }
})

// Requirement: RFC 7143, 4.2.3.5/1 and 11.9/10.
test('a message that tasks of a unit are ended is acknowledged by a NOP-Out with its LUN', async () => {
  await using target = await serve((pdu, peer) => {
    if (pdu.opcode === Opcode.scsiCommand) peer.respond(pdu)
    else peer.courtesy(pdu)
  })
  await using session = await openSession(target.options)
  const lun = Buffer.from([0, 6, 0, 0, 0, 0, 0, 0])
  const [peer] = target.peers
  tell(peer!, AsyncEvent.tasksTerminated, { lun })
  await until(() => of(target, Opcode.nopOut).length === 1)
  const answer = NOP_OUT.read(of(target, Opcode.nopOut)[0]!.header)
  assert.deepEqual([answer.itt, answer.ttt, answer.immediate], [RESERVED_TAG, RESERVED_TAG, 1])
  assert.deepEqual([Buffer.from(answer.lun), answer.expStatSn], [lun, peer!.statSn])
  assert.equal((await session.execute(ready)).status, 0)
})

// Requirement: RFC 7143, 11.9/9.
test('a wish to negotiate is followed by one text request at once, on the same connection', async () => {
  const texts: number[] = []
  await using target = await serve((pdu, peer) => {
    if (pdu.opcode === Opcode.textRequest) {
      texts.push(peer.number)
      answerText(pdu, peer)
    } else if (!peer.courtesy(pdu)) peer.respond(pdu)
  })
  await using session = await openSession({ ...target.options, connections: 2 })
  tell(target.peers[1]!, AsyncEvent.negotiationRequested, { parameter3: 3 })
  await until(() => texts.length === 1)
  assert.equal((await session.execute(ready)).status, 0)
  assert.deepEqual(texts, [2])
})
