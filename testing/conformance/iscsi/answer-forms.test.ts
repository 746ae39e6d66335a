// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 11: what this initiator makes of reserved bits, reserved codes and impossible PDUs of a target.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { buildCdb } from '@lunkit/initiator-core'
import { discover, openSession, type SessionEvent } from '@lunkit/initiator-driver-iscsi'
import {
  ASYNC_MESSAGE,
  DATA_IN,
  DATA_OUT,
  encodeText,
  type Layout,
  LOGOUT_RESPONSE,
  NOP_IN,
  Opcode,
  R2T,
  READ_10,
  RESERVED_TAG,
  SCSI_COMMAND,
  SCSI_RESPONSE,
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
const DATA = Buffer.from(Array.from({ length: 2048 }, (_, at) => at % 251))
const FOUR = Buffer.alloc(4)
const PROTOCOL = { code: 'TRANSPORT_PROTOCOL' }

const of = (target: ScriptedTarget, opcode: number): Pdu[] =>
  target.heard.filter(pdu => pdu.opcode === opcode)

/** Sets, in all that a peer sends, every bit that the standard reserves. */
function setReserved(peer: Peer): void {
  const send = peer.send.bind(peer)
  peer.send = (layout, values, data) => {
    const { usage } = layout as Layout
    const write = (fields: never, into: Uint8Array): Uint8Array => {
      layout.write(fields, into)
      for (let at = 0; at < 48; at++) into[at]! |= ~usage[at]! & 0xff
      return into
    }
    send({ write } as never, values, data)
  }
}

describe('reserved bits and codes', () => {
  // Requirement: RFC 7143, 11/3.
  test('reserved bits of answers of every kind are ignored', async () => {
    const isSet = new Set<Peer>()
    let text = 0
    let command: Pdu | null = null
    await using target = await ScriptedTarget.start((pdu, peer) => {
      if (!isSet.has(peer)) setReserved(peer)
      isSet.add(peer)
      const { itt } = pdu
      if (pdu.opcode === Opcode.loginRequest)
        return peer.login(pdu, { InitialR2T: 'Yes', ImmediateData: 'No' })
      if (peer.courtesy(pdu)) return
      if (pdu.opcode === Opcode.taskManagementRequest)
        return peer.sendStatus(TASK_MANAGEMENT_RESPONSE, {
          opcode: Opcode.taskManagementResponse,
          final: 1,
          itt,
        })
      if (pdu.opcode === Opcode.textRequest) {
        const last = ++text === 2
        const fields = { opcode: Opcode.textResponse, final: last ? 1 : 0, itt, ttt: last ? RESERVED_TAG : 5 }
        return peer.sendStatus(TEXT_RESPONSE, fields)
      }
      if (pdu.opcode === Opcode.dataOut) return peer.respond(command!)
      if (pdu.opcode !== Opcode.scsiCommand) return
      command = pdu
      const { read, write } = SCSI_COMMAND.read(pdu.header)
      if (write === 1) peer.send(R2T, { opcode: Opcode.r2t, final: 1, itt, ttt: 9, desiredLength: 2048 })
      else if (read === 1) {
        peer.send(NOP_IN, { opcode: Opcode.nopIn, final: 1, itt: RESERVED_TAG, ttt: 3 })
        peer.send(DATA_IN, { opcode: Opcode.dataIn, final: 1, itt, ttt: RESERVED_TAG }, Buffer.alloc(512, 7))
        peer.respond(pdu)
      } else {
        const fields = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, asyncEvent: 255 }
        peer.sendStatus(ASYNC_MESSAGE, fields)
        peer.respond(pdu)
      }
    })
    const events: SessionEvent[] = []
    {
      await using session = await openSession({
        ...target.options,
        onEvent: event => void events.push(event),
      })
      await session.execute({ lun: 0, cdb: READY })
      await session.execute({ lun: 0, cdb: WRITE, dataOut: DATA })
      const { dataIn } = await session.execute({ lun: 0, cdb: READ, expectedIn: 512 })
      assert.ok(Buffer.from(dataIn).equals(Buffer.alloc(512, 7)))
      assert.equal(await session.manage('clear-aca', 0), 'complete')
      await session.renegotiate()
      await session.ping()
    }
    assert.deepEqual(
      events.map(({ type }) => type),
      ['connected', 'async', 'closed'],
    )
  })

  // Requirement: RFC 7143, 11/4.
  test('a reserved code in an answer to a command, a function or in a message ends the connection', async () => {
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      const { itt } = pdu
      if (pdu.opcode === Opcode.taskManagementRequest) {
        const fields = { opcode: Opcode.taskManagementResponse, final: 1, itt, response: 9 }
        return peer.sendStatus(TASK_MANAGEMENT_RESPONSE, fields)
      }
      if (peer.number === 1) return peer.respond(pdu, { response: 2 })
      const fields = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, asyncEvent: 6 }
      peer.sendStatus(ASYNC_MESSAGE, fields)
    })
    {
      await using session = await openSession(target.options)
      await assert.rejects(session.execute({ lun: 0, cdb: READY }), /reserved code 2/)
    }
    {
      await using session = await openSession(target.options)
      await assert.rejects(session.execute({ lun: 0, cdb: READY }), /reserved event 6/)
    }
    {
      await using session = await openSession(target.options)
      await assert.rejects(session.manage('clear-aca', 0), PROTOCOL)
    }
  })
})

describe('answers that cannot be', () => {
  // Requirement: RFC 7143, 11.2/18.
  test('an additional header', async () => {
    await using target = await ScriptedTarget.logsIn(({ itt }, peer) => {
      peer.send(SCSI_RESPONSE, { opcode: Opcode.scsiResponse, final: 1, itt, totalAhsLength: 1 })
      peer.socket.write(FOUR)
    })
    await using session = await openSession(target.options)
    await assert.rejects(session.execute({ lun: 0, cdb: READY }), /additional header/)
  })

  // Requirement: RFC 7143, 11.8.1/2.
  test('an R2T with data', async () => {
    await using target = await ScriptedTarget.logsIn(
      ({ itt }, peer) =>
        peer.send(R2T, { opcode: Opcode.r2t, final: 1, itt, ttt: 9, desiredLength: 2048 }, FOUR),
      { InitialR2T: 'Yes', ImmediateData: 'No' },
    )
    await using session = await openSession(target.options)
    await assert.rejects(session.execute({ lun: 0, cdb: WRITE, dataOut: DATA }), /opcode 0x31 with data/)
    assert.equal(of(target, Opcode.dataOut).length, 0)
  })

  // Requirement: RFC 7143, 11.6.2/2.
  test('a function response with data', async () => {
    await using target = await ScriptedTarget.logsIn(({ itt }, peer) =>
      peer.sendStatus(
        TASK_MANAGEMENT_RESPONSE,
        { opcode: Opcode.taskManagementResponse, final: 1, itt },
        FOUR,
      ),
    )
    await using session = await openSession(target.options)
    await assert.rejects(session.manage('clear-aca', 0), /opcode 0x22 with data/)
  })

  // Requirement: RFC 7143, 11.15.2/2.
  test('a logout response with data', async () => {
    await using target = await ScriptedTarget.start((pdu, peer) => {
      if (pdu.opcode === Opcode.loginRequest) return peer.login(pdu)
      const fields = { opcode: Opcode.logoutResponse, final: 1, itt: pdu.itt }
      peer.sendStatus(LOGOUT_RESPONSE, fields, FOUR)
    })
    const lost: string[] = []
    const onEvent = (event: SessionEvent): void => {
      if (event.type === 'lost') lost.push(event.error.message)
    }
    const session = await openSession({ ...target.options, onEvent })
    await session.close()
    assert.match(lost.join(), /opcode 0x26 with data/)
  })

  // Requirement: RFC 7143, 11.4.1/1.
  test('too much and too little at once, in a response or with data', async () => {
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      const both = { overflow: 1, underflow: 1, residualCount: 1 }
      if (peer.number === 1) return peer.respond(pdu, both)
      const fields = { opcode: Opcode.dataIn, final: 1, statusPresent: 1, itt: pdu.itt, ttt: RESERVED_TAG }
      peer.sendStatus(DATA_IN, { ...fields, ...both }, Buffer.alloc(511))
    })
    for (let round = 0; round < 2; round++) {
      await using session = await openSession(target.options)
      await assert.rejects(session.execute({ lun: 0, cdb: READ, expectedIn: 512 }), /at once/)
    }
  })
})

describe('what means nothing', () => {
  // Requirement: RFC 7143, 11.4.5/1.
  test('a residual count without O or U', async () => {
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      if (SCSI_COMMAND.field.read.get(pdu.header, 0) === 0) return peer.respond(pdu, { residualCount: 77 })
      const fields = { opcode: Opcode.dataIn, final: 1, statusPresent: 1, itt: pdu.itt, ttt: RESERVED_TAG }
      peer.sendStatus(DATA_IN, { ...fields, residualCount: 300 }, Buffer.alloc(512, 7))
    })
    await using session = await openSession(target.options)
    const { underflow, overflow } = await session.execute({ lun: 0, cdb: READY })
    assert.deepEqual([underflow, overflow], [0, 0])
    const read = await session.execute({ lun: 0, cdb: READ, expectedIn: 512 })
    assert.deepEqual([read.underflow, read.overflow, read.dataIn.length], [0, 0, 512])
  })

  // Requirement: RFC 7143, 11.7/22.
  test('the A bit at level 0: nothing is acknowledged', async () => {
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      const fields = { opcode: Opcode.dataIn, final: 1, acknowledge: 1, itt: pdu.itt, ttt: 5 }
      peer.send(DATA_IN, fields, Buffer.alloc(512, 7))
      peer.respond(pdu)
    })
    await using session = await openSession(target.options)
    await session.execute({ lun: 0, cdb: READ, expectedIn: 512 })
    await session.ping()
    assert.equal(of(target, Opcode.snack).length, 0)
  })

  // Requirement: RFC 7143, 11.10/7.
  test('the transfer tag of a text response with F=1', async () => {
    const names = encodeText([{ key: 'TargetName', value: 'iqn.2026-11.test.lunkit:far' }])
    await using target = await ScriptedTarget.logsIn(({ itt }, peer) =>
      peer.sendStatus(TEXT_RESPONSE, { opcode: Opcode.textResponse, final: 1, itt, ttt: 77 }, names),
    )
    assert.equal((await discover(target.portal)).length, 1)
    assert.equal(of(target, Opcode.textRequest).length, 1)
  })
})

describe('text exchanges', () => {
  const keys = encodeText(Array.from({ length: 40 }, (_, at) => ({ key: `X-org.example.${at}`, value: '1' })))
  /** Renegotiates with a target that asks for so much that the answer needs several requests. */
  async function withLongText(
    answer: (pdu: Pdu, peer: Peer, request: ReturnType<typeof TEXT_REQUEST.read>) => void,
  ): Promise<void> {
    let texts = 0
    await using target = await ScriptedTarget.logsIn(
      (pdu, peer) => {
        if (++texts > 1) return answer(pdu, peer, TEXT_REQUEST.read(pdu.header))
        peer.sendStatus(TEXT_RESPONSE, { opcode: Opcode.textResponse, itt: pdu.itt, ttt: 1 }, keys)
      },
      { MaxRecvDataSegmentLength: '512' },
    )
    await using session = await openSession(target.options)
    await session.renegotiate()
  }

  // Requirement: RFC 7143, 11.11/8.
  test('F=1 that answers F=0 is refused', async () => {
    const ends = { opcode: Opcode.textResponse, final: 1, ttt: RESERVED_TAG }
    const answer = withLongText(({ itt }, peer, { final }) => {
      assert.equal(final, 0)
      peer.sendStatus(TEXT_RESPONSE, { ...ends, itt })
    })
    await assert.rejects(answer, /not at its end/)
  })

  // Requirement: RFC 7143, 11.11/8.
  test('C=1 with F=1 is refused', async () => {
    await using target = await ScriptedTarget.logsIn(({ itt }, peer) =>
      peer.sendStatus(TEXT_RESPONSE, { opcode: Opcode.textResponse, final: 1, continue: 1, itt }),
    )
    await assert.rejects(discover(target.portal), /both F and C/)
  })

  // Requirement: RFC 7143, 11.11/9.
  test('F=0 without a transfer tag is refused', async () => {
    await using target = await ScriptedTarget.logsIn(({ itt }, peer) =>
      peer.sendStatus(TEXT_RESPONSE, { opcode: Opcode.textResponse, itt, ttt: RESERVED_TAG }),
    )
    await assert.rejects(discover(target.portal), /without a transfer tag/)
  })

  // Requirement: RFC 7143, 11.10/10.
  test('a lost connection ends the exchange on it, and those that waited behind it', async () => {
    await using target = await ScriptedTarget.logsIn((_, peer) => peer.socket.destroy())
    await using session = await openSession(target.options)
    const both = await Promise.allSettled([session.renegotiate(), session.renegotiate()])
    assert.deepEqual(
      both.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    assert.equal(of(target, Opcode.textRequest).length, 1)
  })
})

describe('data', () => {
  // Requirement: RFC 7143, 11.3/10.
  test('commands in both directions are not sent', async () => {
    await using target = await ScriptedTarget.logsIn((pdu, peer) => peer.respond(pdu))
    await using session = await openSession(target.options)
    const both = session.execute({ lun: 0, cdb: WRITE, dataOut: DATA, expectedIn: 512 })
    await assert.rejects(both, { code: 'UNSUPPORTED' })
    assert.equal(of(target, Opcode.scsiCommand).length, 0)
  })

  // Requirement: RFC 7143, 13.14/5.
  test('a FirstBurstLength above MaxBurstLength counts as that', async () => {
    let unasked = 0
    const keys = { InitialR2T: 'No', FirstBurstLength: '2048', MaxBurstLength: '1024' }
    let command: Pdu | null = null
    await using target = await ScriptedTarget.logsIn((pdu, peer) => {
      command ??= pdu
      if (pdu.opcode === Opcode.dataOut && DATA_OUT.field.ttt.get(pdu.header, 0) !== RESERVED_TAG)
        return peer.respond(command)
      unasked += pdu.data.length
      if ((pdu.header[1]! & 0x80) === 0) return
      const fields = { opcode: Opcode.r2t, final: 1, itt: pdu.itt, ttt: 9, bufferOffset: unasked }
      peer.send(R2T, { ...fields, desiredLength: 2048 - unasked })
    }, keys)
    await using session = await openSession(target.options)
    await session.execute({ lun: 0, cdb: WRITE, dataOut: DATA })
    assert.equal(unasked, 1024)
  })

  // Requirement: RFC 7143, 11.7/23.
  test('a status is not acknowledged while data is missing', async () => {
    const seen: number[] = []
    let status = 0
    await using target = await ScriptedTarget.logsIn(
      (pdu, peer) => {
        const data = { opcode: Opcode.dataIn, itt: pdu.itt, ttt: RESERVED_TAG }
        const second = { ...data, final: 1, dataSn: 1, bufferOffset: 256 }
        if (pdu.opcode === Opcode.snack) {
          seen.push(SCSI_COMMAND.field.expStatSn.get(pdu.header, 0) - status)
          return peer.send(DATA_IN, data, Buffer.alloc(256, 7))
        }
        if (SCSI_COMMAND.field.read.get(pdu.header, 0) === 0) {
          seen.push(SCSI_COMMAND.field.expStatSn.get(pdu.header, 0) - status)
          return peer.respond(pdu)
        }
        status = peer.statSn
        peer.send(DATA_IN, second, Buffer.alloc(256, 7))
        peer.respond(pdu, { expDataSn: 2 })
      },
      { ErrorRecoveryLevel: '1' },
    )
    await using session = await openSession({ ...target.options, errorRecoveryLevel: 1 })
    await session.execute({ lun: 0, cdb: READ, expectedIn: 512 })
    await session.execute({ lun: 0, cdb: READY })
    assert.deepEqual(seen, [0, 1])
  })
})
