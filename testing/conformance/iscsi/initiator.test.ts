// SPDX-License-Identifier: Apache-2.0
// Rules of RFC 7143 that bind an initiator, against a scripted target: numbers, data, Reject, NOP, logout and login.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { buildCdb } from '@lunkit/initiator-core'
import { discover, openSession } from '@lunkit/initiator-driver-iscsi'
import {
  ASYNC_MESSAGE,
  AsyncEvent,
  BHS,
  DATA_IN,
  DATA_OUT,
  encodeText,
  LOGIN_RESPONSE,
  NOP_IN,
  NOP_OUT,
  Opcode,
  R2T,
  READ_10,
  REJECT,
  RESERVED_TAG,
  RejectReason,
  SCSI_COMMAND,
  SCSI_RESPONSE,
  TASK_MANAGEMENT_REQUEST,
  TASK_MANAGEMENT_RESPONSE,
  TEST_UNIT_READY,
  TEXT_REQUEST,
  TEXT_RESPONSE,
  WRITE_10,
} from '@lunkit/spec'
import {
  type Pdu,
  type Peer,
  ScriptedTarget,
} from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'

const READY = buildCdb(TEST_UNIT_READY, {})
const READ = buildCdb(READ_10, { lba: 0, blocks: 1 })
const WRITE = buildCdb(WRITE_10, { lba: 0, blocks: 4 })
const DATA = Buffer.from(Array.from({ length: 2048 }, (_, i) => i % 251))

const isImmediate = ({ header }: Pdu): boolean => BHS.field.immediate.get(header, 0) === 1
const of = (target: ScriptedTarget, opcode: number): Pdu[] =>
  target.heard.filter(pdu => pdu.opcode === opcode)

function ask(peer: Peer, { itt }: Pdu, r2tSn: number, bufferOffset: number, desiredLength: number): void {
  const fields = { opcode: Opcode.r2t, final: 1, itt, ttt: 100 + r2tSn, r2tSn, bufferOffset, desiredLength }
  peer.send(R2T, fields)
}

function reject(peer: Peer, reason: number, refused: Pdu): void {
  const fields = { opcode: Opcode.reject, final: 1, reason, itt: RESERVED_TAG }
  peer.sendStatus(REJECT, fields, refused.header.subarray(0, 48))
}

describe('numbers', () => {
  // Requirement: RFC 7143, 4.2.2.1/9 and 11.12/6.
  test('numbered requests go out in order, from the number that every login request had', async () => {
    await using target = await ScriptedTarget.logsIn((pdu, peer) => peer.respond(pdu))
    await using session = await openSession(target.options)
    await Promise.all(Array.from({ length: 20 }, () => session.execute({ lun: 0, cdb: READY })))
    const logins = of(target, Opcode.loginRequest).map(({ cmdSn }) => cmdSn)
    const commands = of(target, Opcode.scsiCommand).map(({ cmdSn }) => cmdSn)
    assert.ok(logins.length >= 2)
    for (const number of logins) assert.equal(number, commands[0])
    for (const [at, number] of commands.entries()) assert.equal(number, (commands[0]! + at) >>> 0)
  })

  // Requirement: RFC 7143, 4.2.2.1/10.
  test('no command goes out beyond MaxCmdSN', async () => {
    const waiting: Pdu[] = []
    await using target = await ScriptedTarget.start((pdu, peer) => {
      if (pdu.opcode === Opcode.loginRequest) {
        peer.expCmdSn = pdu.cmdSn
        peer.maxCmdSn = pdu.cmdSn + 2
        return peer.login(pdu)
      }
      if (peer.courtesy(pdu)) return
      waiting.push(pdu)
      assert.ok(((pdu.cmdSn - peer.maxCmdSn) | 0) <= 0, 'beyond the window')
      if (waiting.length < 3) return
      peer.expCmdSn += 3
      peer.maxCmdSn += 3
      for (const one of waiting.splice(0)) peer.respond(one)
    })
    await using session = await openSession(target.options)
    await Promise.all(Array.from({ length: 9 }, () => session.execute({ lun: 0, cdb: READY })))
  })

  // Requirement: RFC 7143, 4.2.2.1/11 and 4.2.2.1/12.
  test('numbers of the window that contradict each other, or are old, change nothing', async () => {
    let count = 0
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      count++
      const old = { expCmdSn: pdu.cmdSn - 100, maxCmdSn: pdu.cmdSn - 90 }
      const odd = { expCmdSn: pdu.cmdSn + 900, maxCmdSn: pdu.cmdSn + 10 }
      peer.respond(pdu, count % 2 === 0 ? old : odd)
    })
    await using session = await openSession(target.options)
    for (let i = 0; i < 20; i++) assert.equal((await session.execute({ lun: 0, cdb: READY })).status, 0)
  })

  // Requirement: RFC 7143, 4.2.2.2/3.
  test('ExpStatSN follows the answers', async () => {
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      assert.equal(SCSI_COMMAND.field.expStatSn.get(pdu.header, 0), peer.statSn)
      peer.respond(pdu)
    })
    await using session = await openSession(target.options)
    for (let i = 0; i < 5; i++) await session.execute({ lun: 0, cdb: READY })
  })
})

describe('data', () => {
  // Requirement: RFC 7143, 11.8/6 and 4.2.5.2/3 and 4.2.2.4/4 and 13.18/5 and 13.19/5.
  test('two R2Ts at a time are answered in their order, each in full and numbered from 0', async () => {
    const seen: [ttt: number, dataSn: number, offset: number, length: number, final: number][] = []
    let command: Pdu | null = null
    const got = Buffer.alloc(2048)
    await using target = await ScriptedTarget.logsIn(
      (pdu, peer) => {
        if (pdu.opcode === Opcode.scsiCommand) {
          command = pdu
          ask(peer, pdu, 0, 0, 1024)
          ask(peer, pdu, 1, 1024, 1024)
          return
        }
        const { ttt, dataSn, bufferOffset, final } = DATA_OUT.read(pdu.header)
        seen.push([ttt, dataSn, bufferOffset, pdu.data.length, final])
        pdu.data.copy(got, bufferOffset)
        if (bufferOffset + pdu.data.length === 2048) peer.respond(command!)
      },
      { InitialR2T: 'Yes', ImmediateData: 'No', MaxOutstandingR2T: '2', MaxRecvDataSegmentLength: '512' },
    )
    await using session = await openSession(target.options)
    await session.execute({ lun: 0, cdb: WRITE, dataOut: DATA })
    assert.deepEqual(seen, [
      [100, 0, 0, 512, 0],
      [100, 1, 512, 512, 1],
      [101, 0, 1024, 512, 0],
      [101, 1, 1536, 512, 1],
    ])
    assert.ok(got.equals(DATA))
  })

  // Requirement: RFC 7143, 4.2.5.2/4.
  test('no data goes unasked where that was not agreed on, nor more than FirstBurstLength', async () => {
    for (const [keys, most] of [
      [{ InitialR2T: 'Yes', ImmediateData: 'No' }, 0],
      [{ InitialR2T: 'No', ImmediateData: 'Yes', FirstBurstLength: '1024' }, 1024],
    ] as const) {
      let command: Pdu | null = null
      let unasked = 0
      let asked = false
      await using target = await ScriptedTarget.logsIn((pdu, peer) => {
        if (pdu.opcode === Opcode.scsiCommand) command = pdu
        if (!asked) unasked += pdu.data.length
        const final = BHS.field.final.get(pdu.header, 0) === 1
        if (!final) return
        if (asked) return peer.respond(command!)
        asked = true
        ask(peer, command!, 0, unasked, 2048 - unasked)
      }, keys)
      await using session = await openSession(target.options)
      await session.execute({ lun: 0, cdb: WRITE, dataOut: DATA })
      assert.equal(unasked, most)
    }
  })

  // Requirement: RFC 7143, 4.2.3.3/4.
  test('an R2T of a task that a reset will end is still answered', async () => {
    let command: Pdu | null = null
    let request: Pdu | null = null
    await using target = await ScriptedTarget.logsIn(
      (pdu, peer) => {
        if (pdu.opcode === Opcode.scsiCommand) command = pdu
        else if (pdu.opcode === Opcode.taskManagementRequest) {
          request = pdu
          ask(peer, command!, 0, 0, 2048)
        } else if (DATA_OUT.field.final.get(pdu.header, 0) === 1) {
          const fields = { opcode: Opcode.taskManagementResponse, final: 1, itt: request!.itt, response: 0 }
          peer.sendStatus(TASK_MANAGEMENT_RESPONSE, fields)
        }
      },
      { InitialR2T: 'Yes', ImmediateData: 'No' },
    )
    await using session = await openSession(target.options)
    const write = assert.rejects(session.execute({ lun: 0, cdb: WRITE, dataOut: DATA }))
    assert.equal(await session.manage('logical-unit-reset', 0), 'complete')
    await write
  })

  // Requirement: RFC 7143, 11.7/13 and 11.7/16.
  test('Data-In PDUs without data count, and do no harm', async () => {
    await using target = await ScriptedTarget.logsIn(({ itt }, peer) => {
      const fields = { opcode: Opcode.dataIn, itt, ttt: RESERVED_TAG }
      peer.send(DATA_IN, { ...fields, dataSn: 0 })
      peer.send(DATA_IN, { ...fields, dataSn: 1, final: 1, statusPresent: 1 }, Buffer.alloc(512, 7))
      peer.statSn++
    })
    await using session = await openSession(target.options)
    const { dataIn } = await session.execute({ lun: 0, cdb: READ, expectedIn: 512 })
    assert.ok(Buffer.from(dataIn).equals(Buffer.alloc(512, 7)))
  })

  // Requirement: RFC 7143, 7.9/2.
  test('a gap in Data-In at level 0 ends the task with an error', async () => {
    await using target = await ScriptedTarget.logsIn(({ itt }, peer) => {
      const fields = { opcode: Opcode.dataIn, final: 1, itt, ttt: RESERVED_TAG, dataSn: 1 }
      peer.send(DATA_IN, fields, Buffer.alloc(512))
    })
    await using session = await openSession(target.options)
    await assert.rejects(session.execute({ lun: 0, cdb: READ, expectedIn: 512 }))
  })

  // Requirement: RFC 7143, 11.4/7.
  test('a response that says that the command was not completed is no status', async () => {
    await using target = await ScriptedTarget.logsIn(({ itt }, peer) => {
      const fields = { opcode: Opcode.scsiResponse, final: 1, itt, response: 1, status: 0 }
      peer.sendStatus(SCSI_RESPONSE, fields)
    })
    await using session = await openSession(target.options)
    await assert.rejects(session.execute({ lun: 0, cdb: READY }), { code: 'TRANSPORT_TARGET_FAILURE' })
  })
})

describe('what the target says', () => {
  // Requirement: RFC 7143, 7.3/4.
  test('the number of a rejected command is taken by another request, so that those behind it go on', async () => {
    const plugs: Pdu[] = []
    let refused = 0
    await using target = await ScriptedTarget.start((pdu, peer) => {
      if (pdu.opcode === Opcode.loginRequest) {
        peer.expCmdSn = pdu.cmdSn
        peer.maxCmdSn = pdu.cmdSn + 10
        return peer.login(pdu)
      }
      if (pdu.opcode === Opcode.nopOut && !isImmediate(pdu)) {
        plugs.push(pdu)
        peer.expCmdSn++
      }
      if (peer.courtesy(pdu)) return
      if (refused === 0) {
        refused = pdu.cmdSn
        return reject(peer, RejectReason.protocolError, pdu)
      }
      peer.expCmdSn++
      peer.respond(pdu)
    })
    await using session = await openSession(target.options)
    await assert.rejects(session.execute({ lun: 0, cdb: READY }), { code: 'TRANSPORT_REJECTED' })
    assert.equal((await session.execute({ lun: 0, cdb: READY })).status, 0)
    assert.deepEqual(
      plugs.map(({ cmdSn }) => cmdSn),
      [refused],
    )
  })

  // Requirement: RFC 7143, 11.18/3 and 11.18/4.
  test('a ping is answered at once, with its tag and LUN, without data and without a number', async () => {
    let held: Pdu | null = null
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      if (pdu.opcode === Opcode.nopOut) return peer.respond(held!)
      held = pdu
      const fields = {
        opcode: Opcode.nopIn,
        final: 1,
        itt: RESERVED_TAG,
        ttt: 0x55,
        lun: Buffer.from([0, 3]),
      }
      peer.send(NOP_IN, fields)
    })
    await using session = await openSession(target.options)
    await session.execute({ lun: 0, cdb: READY })
    const [answer] = of(target, Opcode.nopOut)
    const { itt, ttt, lun, immediate } = NOP_OUT.read(answer!.header)
    assert.deepEqual([itt, ttt, lun[1], immediate, answer!.data.length], [RESERVED_TAG, 0x55, 3, 1, 0])
  })

  // Requirement: RFC 7143, 11.9/3.
  test('a request to log out is followed by a logout', async () => {
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      peer.respond(pdu)
      const fields = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, parameter3: 5 }
      if (peer.number === 1 && of(target, Opcode.scsiCommand).length === 1) {
        peer.sendStatus(ASYNC_MESSAGE, { ...fields, asyncEvent: AsyncEvent.logoutRequested })
      }
    })
    await using session = await openSession(target.options)
    await session.execute({ lun: 0, cdb: READY })
    while (of(target, Opcode.logoutRequest).length === 0) await new Promise(resolve => setImmediate(resolve))
  })

  // Requirement: RFC 7143, 11.5/6.
  test('an ABORT TASK names the tag and the number of its task', async () => {
    const stop = new AbortController()
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      if (pdu.opcode === Opcode.scsiCommand) return stop.abort(new Error('enough'))
      const fields = { opcode: Opcode.taskManagementResponse, final: 1, itt: pdu.itt, response: 0 }
      peer.sendStatus(TASK_MANAGEMENT_RESPONSE, fields)
    })
    await using session = await openSession(target.options)
    await assert.rejects(session.execute({ lun: 0, cdb: READY, signal: stop.signal }))
    const [command] = of(target, Opcode.scsiCommand)
    const request = TASK_MANAGEMENT_REQUEST.read(of(target, Opcode.taskManagementRequest)[0]!.header)
    assert.deepEqual([request.referencedTaskTag, request.refCmdSn], [command!.itt, command!.cmdSn])
  })
})

describe('texts', () => {
  // Requirement: RFC 7143, 11.10/3 and 6.2/16 and 4.6.3.1/1.
  test('an answer in pieces is fetched by requests with one task tag and one I bit', async () => {
    let piece = 0
    await using target = await ScriptedTarget.logsIn(({ itt }, peer) => {
      const last = ++piece === 3
      const fields = { opcode: Opcode.textResponse, itt, final: last ? 1 : 0, continue: last ? 0 : 1 }
      const data = Buffer.from(
        ['TargetName=iqn.2026-11.test.', 'lunkit:far\0TargetAddress=', '10.0.0.1:3260,1\0'][piece - 1]!,
      )
      peer.sendStatus(TEXT_RESPONSE, { ...fields, ttt: last ? RESERVED_TAG : 9 }, data)
    })
    const found = await discover(target.portal)
    assert.deepEqual(
      found.map(({ name }) => name),
      ['iqn.2026-11.test.lunkit:far'],
    )
    const requests = of(target, Opcode.textRequest)
    assert.equal(requests.length, 3)
    assert.equal(new Set(requests.map(({ itt }) => itt)).size, 1)
    for (const { data } of requests.slice(1)) assert.equal(data.length, 0)
    assert.equal(new Set(requests.map(isImmediate)).size, 1)
    assert.deepEqual(
      requests.map(({ header }) => TEXT_REQUEST.field.ttt.get(header, 0)),
      [RESERVED_TAG, 9, 9],
    )
  })
})

describe('login', () => {
  // Requirement: RFC 7143, 6.3/10.
  test('another PDU than a Login Response ends the login and the connection', async () => {
    await using target = await ScriptedTarget.start((pdu, peer) => peer.respond(pdu))
    await assert.rejects(openSession(target.options), { code: 'LOGIN_PROTOCOL' })
    const { socket } = target.peers[0]!
    while (!socket.readableEnded && !socket.destroyed) await new Promise(resolve => setImmediate(resolve))
  })

  // Requirement: RFC 7143, 6.3/11.
  test('a target that answers a key twice is left', async () => {
    await using target = await ScriptedTarget.start(({ itt }, peer) => {
      const twice = encodeText([
        { key: 'TargetAlias', value: 'a' },
        { key: 'TargetAlias', value: 'b' },
      ])
      const fields = { opcode: Opcode.loginResponse, itt, transit: 1, nsg: 1 }
      peer.sendStatus(LOGIN_RESPONSE, fields, twice)
    })
    await assert.rejects(openSession(target.options), { code: 'LOGIN_PROTOCOL' })
  })
})
