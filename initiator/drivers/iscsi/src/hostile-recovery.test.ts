// SPDX-License-Identifier: Apache-2.0
// Targets that break the rules of recovery: no crash, no stray byte, nothing without bound, and every command ends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildCdb, TransportError } from '@lunkit/initiator-core'
import {
  ASYNC_MESSAGE,
  DATA_IN,
  IscsiTaskResponse,
  LOGIN_REQUEST,
  LOGOUT_RESPONSE,
  NOP_IN,
  Opcode,
  R2T,
  READ_10,
  REJECT,
  RESERVED_TAG,
  SCSI_RESPONSE,
  TASK_MANAGEMENT_RESPONSE,
  TEST_UNIT_READY,
  TEXT_RESPONSE,
  WRITE_10,
} from '@lunkit/spec'
import { openSession } from './connect.ts'
import { type Pdu, type Peer, pairsOf, type Script, ScriptedTarget } from './scripted-target.test-kit.ts'
import type { SessionEvent } from './session-event.ts'

const READ = buildCdb(READ_10, { lba: 0, blocks: 4 })
const WRITE = buildCdb(WRITE_10, { lba: 0, blocks: 4 })
const READY = buildCdb(TEST_UNIT_READY, {})
const BYTES = 2048
const LEVEL_1 = { ErrorRecoveryLevel: '1', HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' }
const digests = { headerDigest: 'require', dataDigest: 'require' } as const
const data = (length: number): Buffer => Buffer.alloc(length, 0xdd)

const piece = ({ itt }: Pdu, dataSn: number, bufferOffset: number) => ({
  opcode: Opcode.dataIn,
  itt,
  ttt: RESERVED_TAG,
  dataSn,
  bufferOffset,
})
const send = (pdu: Pdu, peer: Peer, sn: number, at: number, length: number): void =>
  peer.send(DATA_IN, piece(pdu, sn, at), data(length))
const damage = (pdu: Pdu, peer: Peer, sn: number, at: number, length: number): void =>
  peer.sendDamaged(DATA_IN, piece(pdu, sn, at), data(length))
const r2t = ({ itt }: Pdu, peer: Peer, r2tSn: number, bufferOffset: number, desiredLength: number): void =>
  peer.send(R2T, { opcode: Opcode.r2t, final: 1, itt, ttt: 5, r2tSn, bufferOffset, desiredLength })
const respond = (pdu: Pdu, peer: Peer, values: Record<string, unknown> = {}): void =>
  peer.sendStatus(SCSI_RESPONSE, { opcode: Opcode.scsiResponse, final: 1, itt: pdu.itt, ...values })

/** Only what follows a command; what follows a SNACK or more of the initiator's is silence. */
const once =
  (answer: (pdu: Pdu, peer: Peer) => void): Script =>
  (pdu, peer) => {
    if (pdu.opcode === Opcode.scsiCommand) answer(pdu, peer)
  }

const READS: Readonly<Record<string, Script>> = {
  'damaged data beyond the buffer': once((p, peer) => damage(p, peer, 0, 0, BYTES + 4)),
  'damaged data at an offset beyond the buffer': once((p, peer) => damage(p, peer, 0, 0xffff_fff0, 512)),
  'a gap and data beyond the buffer': once((p, peer) => send(p, peer, 5, BYTES - 4, 8)),
  'a gap that leads back': once((p, peer) => {
    send(p, peer, 0, 0, 1024)
    send(p, peer, 2, 512, 512)
  }),
  'data without a gap at an offset that has one': once((p, peer) => send(p, peer, 0, 512, 512)),
  'data again that reach over the ones behind': once((p, peer) => {
    damage(p, peer, 0, 0, 512)
    send(p, peer, 1, 512, 512)
    send(p, peer, 0, 0, 1024)
  }),
  'data again that leave a hole': once((p, peer) => {
    damage(p, peer, 0, 0, 512)
    send(p, peer, 0, 0, 256)
  }),
  'data again before the hole': once((p, peer) => {
    send(p, peer, 0, 0, 512)
    damage(p, peer, 1, 512, 512)
    send(p, peer, 1, 256, 512)
  }),
  'more data PDUs counted than there is room for': once((p, peer) => {
    send(p, peer, 0, 0, BYTES)
    respond(p, peer, { expDataSn: 9, underflow: 1, residualCount: 512 })
  }),
  'GOOD with data missing, all PDUs there': once((p, peer) => {
    send(p, peer, 0, 0, 512)
    respond(p, peer, { expDataSn: 1 })
  }),
  'a StatSN far ahead': once((p, peer) => respond(p, peer, { statSn: peer.statSn + 100_000 })),
  'a number of the next status far ahead': once((_, peer) =>
    peer.send(NOP_IN, {
      opcode: Opcode.nopIn,
      final: 1,
      itt: RESERVED_TAG,
      ttt: RESERVED_TAG,
      statSn: peer.statSn + 0x4000_0000,
    }),
  ),
  'data for no task': once((p, peer) => send({ ...p, itt: 0x1234_5678 }, peer, 0, 0, 512)),
  'a status for no task': once((p, peer) => respond({ ...p, itt: 0x1234_5678 }, peer)),
  'a refusal to send again': (p, peer) => {
    if (p.opcode === Opcode.scsiCommand) return damage(p, peer, 0, 0, 512)
    const fields = { opcode: Opcode.reject, final: 1, reason: 4, itt: RESERVED_TAG }
    peer.sendStatus(REJECT, fields, p.header.subarray(0, 48))
  },
  'a command refused for its data again and again': (p, peer) => {
    const fields = { opcode: Opcode.reject, final: 1, reason: 2, itt: RESERVED_TAG }
    peer.sendStatus(REJECT, fields, p.header.subarray(0, 48))
  },
}

for (const [name, script] of Object.entries(READS)) {
  test(`at level 1 a read meets ${name}`, async () => {
    await using target = await ScriptedTarget.logsIn(script, LEVEL_1)
    await using session = await openSession({ ...target.options, errorRecoveryLevel: 1, ...digests })
    const whole = Buffer.alloc(BYTES * 3, '.')
    const dataIn = whole.subarray(BYTES, BYTES * 2)
    await assert.rejects(session.execute({ lun: 0, cdb: READ, dataIn }), (error: TransportError) => {
      assert.ok(error instanceof TransportError, String(error))
      assert.match(error.code, /^TRANSPORT_(PROTOCOL|DATA_MISSING)$/, error.message)
      return true
    })
    const outside = Buffer.concat([whole.subarray(0, BYTES), whole.subarray(BYTES * 2)])
    assert.ok(
      outside.every(byte => byte === 0x2e),
      'bytes outside the buffer changed',
    )
  })
}

const MANY = 700
test('data left out in more places than can be remembered', async () => {
  await using target = await ScriptedTarget.logsIn(
    once((p, peer) => {
      for (let i = 1; i < MANY; i += 2) send(p, peer, i, i * 4, 4)
    }),
    LEVEL_1,
  )
  await using session = await openSession({ ...target.options, errorRecoveryLevel: 1, ...digests })
  const read = session.execute({ lun: 0, cdb: READ, dataIn: Buffer.alloc(MANY * 4) })
  await assert.rejects(read, { code: 'TRANSPORT_PROTOCOL', message: /over 256 places/ })
})

const WRITES: Readonly<Record<string, Script>> = {
  'a request beyond its data': once((p, peer) => r2t(p, peer, 0, 512, BYTES)),
  'a request ahead of what was asked for': once((p, peer) => r2t(p, peer, 0, 1024, 512)),
  'a request for nothing': once((p, peer) => r2t(p, peer, 0, 0, 0)),
  'the same request again and again': (p, peer) => {
    if (p.opcode === Opcode.scsiCommand) r2t(p, peer, 0, 0, BYTES)
    else r2t(commandOf(peer), peer, ++asked, 0, BYTES)
  },
  'read data': once((p, peer) => send(p, peer, 0, 0, 512)),
}
let asked = 0
const commandOf = ({ socket }: Peer): Pdu => commands.get(socket)!
const commands = new WeakMap<object, Pdu>()

for (const [name, script] of Object.entries(WRITES)) {
  test(`at level 1 a write meets ${name}`, async () => {
    const keys = { ...LEVEL_1, InitialR2T: 'Yes', ImmediateData: 'No' }
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      if (pdu.opcode === Opcode.scsiCommand) commands.set(peer.socket, pdu)
      script(pdu, peer)
    }, keys)
    await using session = await openSession({ ...target.options, errorRecoveryLevel: 1, ...digests })
    const write = session.execute({ lun: 0, cdb: WRITE, dataOut: data(BYTES) })
    await assert.rejects(write, { code: 'TRANSPORT_PROTOCOL' })
    assert.ok(target.heard.length < 200)
  })
}

test('a target that sends damaged data without end and never reads does not fill the memory', async () => {
  await using target = await ScriptedTarget.logsIn((pdu, peer) => {
    peer.socket.pause()
    const more = (): void => {
      for (let i = 0; i < 1000 && !peer.socket.destroyed; i++) damage(pdu, peer, 0, 0, 512)
      if (!peer.socket.destroyed) setImmediate(more)
    }
    more()
  }, LEVEL_1)
  await using session = await openSession({ ...target.options, errorRecoveryLevel: 1, ...digests })
  const read = session.execute({ lun: 0, cdb: READ, dataIn: Buffer.alloc(BYTES) })
  await assert.rejects(read, { code: 'TRANSPORT_PROTOCOL' })
})

test('a thousand wishes to negotiate make one negotiation at a time', async () => {
  let open = 0
  let most = 0
  await using target = await ScriptedTarget.logsIn((pdu, peer) => {
    if (pdu.opcode === Opcode.scsiCommand) {
      const fields = {
        opcode: Opcode.asyncMessage,
        final: 1,
        itt: RESERVED_TAG,
        asyncEvent: 4,
        parameter3: 3,
      }
      for (let i = 0; i < 1000; i++) peer.sendStatus(ASYNC_MESSAGE, fields)
      return peer.respond(pdu)
    }
    assert.equal(pdu.opcode, Opcode.textRequest)
    most = Math.max(most, ++open)
    setImmediate(() => {
      open--
      const fields = { opcode: Opcode.textResponse, final: 1, itt: pdu.itt, ttt: RESERVED_TAG }
      peer.sendStatus(TEXT_RESPONSE, fields, Buffer.from('MaxRecvDataSegmentLength=8192\0'))
    })
  })
  await using session = await openSession(target.options)
  await session.execute({ lun: 0, cdb: READY })
  await session.renegotiate()
  assert.equal(most, 1)
})

const BAD_TEXTS: Readonly<Record<string, Buffer>> = {
  'no text': data(16),
  'a key of the login': Buffer.from('HeaderDigest=CRC32C\0'),
  'a key of the session': Buffer.from('MaxConnections=4\0'),
  'no number': Buffer.from('MaxRecvDataSegmentLength=lots\0'),
}
for (const [name, text] of Object.entries(BAD_TEXTS)) {
  test(`a negotiation meets ${name}`, async () => {
    await using target = await ScriptedTarget.logsIn(({ itt }, peer) => {
      const fields = { opcode: Opcode.textResponse, final: 1, itt, ttt: RESERVED_TAG }
      peer.sendStatus(TEXT_RESPONSE, fields, text)
    })
    await using session = await openSession(target.options)
    await assert.rejects(session.renegotiate(), { code: 'TRANSPORT_PROTOCOL' })
  })
}

/** At level 2, with as many connections as are asked for. */
const level2 = (script: Script, keys: Record<string, string> = {}): Promise<ScriptedTarget> =>
  ScriptedTarget.start((pdu, peer) => {
    if (pdu.opcode !== Opcode.loginRequest) return script(pdu, peer)
    const MaxConnections = pairsOf(pdu).get('MaxConnections')
    const own = MaxConnections === undefined ? {} : { MaxConnections }
    const times = { DefaultTime2Wait: '0', DefaultTime2Retain: '5' }
    peer.login(pdu, { ErrorRecoveryLevel: '2', ...times, ...own, ...keys })
  })

test('a target that lets in and throws out at level 2 is given up', async () => {
  await using target = await level2((_, peer) => peer.socket.destroy())
  const events: string[] = []
  const onEvent = ({ type }: SessionEvent): void => void events.push(type)
  const options = {
    ...target.options,
    reconnect: { attempts: 2, delays: [0] },
    errorRecoveryLevel: 2,
    onEvent,
  }
  await using session = await openSession({ ...options, connections: 2 })
  await assert.rejects(session.execute({ lun: 0, cdb: READY, repeatable: true }), TransportError)
  assert.ok(target.peers.length < 300, `${target.peers.length} connections`)
  assert.ok(events.includes('lost'))
})

test('a target that wants a wait of hours is not waited for', async () => {
  await using target = await level2((pdu, peer) => {
    if (peer.number > 1) return peer.respond(pdu)
    const fields = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, asyncEvent: 2 }
    peer.sendStatus(ASYNC_MESSAGE, { ...fields, parameter1: 0, parameter2: 65_535, parameter3: 65_535 })
  })
  await using session = await openSession({ ...target.options, errorRecoveryLevel: 2 })
  await assert.rejects(session.execute({ lun: 0, cdb: READY }), { code: 'TRANSPORT_CONNECTION_LOST' })
})

test('a target that tells to keep tasks for hours, and hands out none, has no more time than was agreed on', async () => {
  const hours = { time2Wait: 0, time2Retain: 65_535 }
  for (const byMessage of [true, false]) {
    await using target = await level2(
      (pdu, peer) => {
        const { itt, cmdSn } = pdu
        const answer = { final: 1, itt }
        if (pdu.opcode === Opcode.scsiCommand) {
          peer.expCmdSn = cmdSn + 1
          const told = {
            opcode: Opcode.asyncMessage,
            asyncEvent: 2,
            parameter1: peer.number - 1,
            parameter3: 65_535,
          }
          if (byMessage) peer.sendStatus(ASYNC_MESSAGE, { ...told, final: 1, itt: RESERVED_TAG })
          else {
            const numbers = { opcode: Opcode.nopIn, final: 1, itt: RESERVED_TAG, ttt: RESERVED_TAG }
            peer.send(NOP_IN, numbers)
            peer.socket.end()
          }
        } else if (pdu.opcode === Opcode.logoutRequest)
          peer.sendStatus(LOGOUT_RESPONSE, { ...answer, ...hours, opcode: Opcode.logoutResponse })
        else if (pdu.opcode === Opcode.taskManagementRequest)
          peer.sendStatus(TASK_MANAGEMENT_RESPONSE, {
            ...answer,
            opcode: Opcode.taskManagementResponse,
            response: IscsiTaskResponse.taskStillAllegiant,
          })
      },
      { DefaultTime2Retain: '1' },
    )
    const options = { ...target.options, errorRecoveryLevel: 2, connections: byMessage ? 1 : 2 }
    await using session = await openSession(options)
    await assert.rejects(session.execute({ lun: 0, cdb: READY }), { code: 'TRANSPORT_CONNECTION_LOST' })
  }
})

test('news of a connection that the session does not have is none', async () => {
  await using target = await ScriptedTarget.logsIn((pdu, peer) => {
    const fields = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, asyncEvent: 2, parameter1: 77 }
    peer.sendStatus(ASYNC_MESSAGE, fields)
    peer.respond(pdu)
  })
  await using session = await openSession(target.options)
  for (let i = 0; i < 3; i++) assert.equal((await session.execute({ lun: 0, cdb: READY })).status, 0)
})

test('whatever bytes come at levels 1 and 2, every command ends and the process lives', async () => {
  let seed = 7
  const random = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return seed / 0x1_0000_0000
  }
  const opcodes = Object.values(Opcode)
  const answers = [
    Opcode.dataIn,
    Opcode.scsiResponse,
    Opcode.r2t,
    Opcode.taskManagementResponse,
    Opcode.reject,
  ]
  for (let round = 0; round < 80; round++) {
    const level = String(1 + (round % 2))
    let sent = 0
    await using target = await level2(
      (pdu, peer) => {
        for (let i = 0; i < 4; i++) {
          const header = Buffer.from(Array.from({ length: 48 }, () => Math.floor(random() * 256)))
          const from = random() < 0.6 ? answers : opcodes
          if (random() < 0.95) header[0] = from[Math.floor(random() * from.length)]!
          header[4] = 0
          header.writeUIntBE(Math.floor(random() * 600), 5, 3)
          if (random() < 0.9) header.writeUInt32BE(pdu.itt, 16)
          if (random() < 0.9) header.writeUInt32BE(peer.statSn + Math.floor(random() * 3), 24)
          if (random() < 0.7) header.writeUInt32BE(pdu.cmdSn + 1, 28)
          if (random() < 0.8) header.writeUInt32BE(Math.floor(random() * 4), 36)
          if (random() < 0.8) header.writeUInt32BE(Math.floor(random() * 5) * 512, 40)
          const length = header.readUIntBE(5, 3)
          peer.socket.write(Buffer.concat([header, data((length + 3) & ~3)]))
        }
        if (++sent > 5) peer.socket.destroy()
      },
      { ErrorRecoveryLevel: level },
    )
    await using session = await openSession({
      ...target.options,
      errorRecoveryLevel: 2,
      commandTimeoutMs: 60,
      nopIntervalMs: 40,
    })
    const dataIn = Buffer.alloc(BYTES)
    await session.execute({ lun: 0, cdb: READ, dataIn }).then(
      ({ status }) => assert.ok(status >= 0 && status <= 255),
      error => assert.ok(error instanceof TransportError, String(error)),
    )
  }
})

test('answers of a logout for recovery that cannot be end in a new session', async () => {
  for (const response of [2, 3, 200]) {
    await using target = await level2((pdu, peer) => {
      if (pdu.opcode === Opcode.logoutRequest) {
        const fields = { opcode: Opcode.logoutResponse, final: 1, itt: pdu.itt, response }
        return peer.sendStatus(LOGOUT_RESPONSE, fields)
      }
      if (peer.number === 2) peer.socket.destroy()
      else if (pdu.opcode === Opcode.taskManagementRequest)
        peer.sendStatus(TASK_MANAGEMENT_RESPONSE, { opcode: Opcode.taskManagementResponse, itt: pdu.itt })
      else peer.respond(pdu)
    })
    const again = { reconnect: { attempts: 2, delays: [0] }, errorRecoveryLevel: 2, connections: 2 }
    await using session = await openSession({ ...target.options, ...again })
    const commands = [0, 1].map(() => session.execute({ lun: 0, cdb: READY, repeatable: true }))
    for (const { status } of await Promise.all(commands)) assert.equal(status, 0)
    const last = target.heard.filter(({ opcode }) => opcode === Opcode.loginRequest)
    assert.ok(last.slice(4).some(pdu => LOGIN_REQUEST.read(pdu.header).tsih === 0))
  }
})
