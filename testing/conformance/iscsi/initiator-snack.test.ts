// SPDX-License-Identifier: Apache-2.0
// Rules of RFC 7143 on asking again that bind an initiator: the fields of each SNACK, what a refused one means, and retries.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openSession } from '@lunkit/initiator-driver-iscsi'
import {
  ASYNC_MESSAGE,
  AsyncEvent,
  BHS,
  NOP_IN,
  Opcode,
  RESERVED_TAG,
  RejectReason,
  SCSI_RESPONSE,
  SNACK,
  SnackType,
} from '@lunkit/spec'
import {
  type Pdu,
  type Peer,
  type Script,
  ScriptedTarget,
} from '../../../initiator/drivers/iscsi/src/scripted-target.test-kit.ts'
import {
  answerText,
  ask,
  BYTES,
  DATA,
  isClosed,
  of,
  piece,
  READ,
  READY,
  refuse,
  serve,
  tell,
  until,
  WRITE,
} from './scripted-answers.ts'

const LEVEL_1 = { ErrorRecoveryLevel: '1', HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' }
const options = (target: ScriptedTarget) =>
  ({ ...target.options, errorRecoveryLevel: 1, headerDigest: 'require', dataDigest: 'require' }) as const
const read = () => ({ lun: 3, cdb: READ, dataIn: Buffer.alloc(BYTES) })
const snack = ({ header }: Pdu) => SNACK.read(header)
const lunOf = ({ header }: Pdu) => BHS.field.lun.get(header, 0)

/** Read data of eight pieces; `without` are left out, and sent when they are asked for. */
function reads(without: readonly number[], ends: (pdu: Pdu, peer: Peer) => void): Script {
  let command: Pdu | null = null
  return (pdu, peer) => {
    if (pdu.opcode === Opcode.scsiCommand) {
      command = pdu
      for (let sn = 0; sn < 8; sn++) if (!without.includes(sn)) peer.send(...piece(pdu, sn))
      ends(pdu, peer)
    } else if (pdu.opcode === Opcode.snack && snack(pdu).type === SnackType.dataOrR2t) {
      const { begRun, runLength } = snack(pdu)
      for (let sn = begRun; sn < begRun + runLength; sn++) peer.send(...piece(command!, sn))
    } else peer.courtesy(pdu)
  }
}

describe('fields', () => {
  // Requirement: RFC 7143, 11.16.4/1 and 11.16.5/3 and 4.2.5.1/4 and 11.16.1/1.
  test('a SNACK for data names its command, on its connection, before its status is acknowledged', async () => {
    const sent = new Map<number, Peer>()
    const end = (pdu: Pdu, peer: Peer): void => {
      sent.set(pdu.itt, peer)
      peer.respond(pdu, { expDataSn: 8 })
    }
    const scripts = new Map<Peer, Script>()
    await using target = await serve((pdu, peer) => {
      if (pdu.opcode === Opcode.snack) {
        const { type, itt, ttt, begRun, runLength, lun, expStatSn } = snack(pdu)
        assert.equal(sent.get(itt)?.number, peer.number)
        assert.deepEqual([type, ttt, begRun, runLength, lun[1]], [0, RESERVED_TAG, 2, 3, 3])
        assert.ok(expStatSn < peer.statSn)
      }
      if (!scripts.has(peer)) scripts.set(peer, reads([2, 3, 4], end))
      scripts.get(peer)!(pdu, peer)
    }, LEVEL_1)
    await using session = await openSession({ ...options(target), connections: 2 })
    for (const { dataIn } of await Promise.all([session.execute(read()), session.execute(read())]))
      assert.ok(Buffer.from(dataIn).equals(DATA))
    assert.equal(of(target, Opcode.snack).length, 2)
    assert.equal(new Set([...sent.values()]).size, 2)
  })

  // Requirement: RFC 7143, 11.16.4/1 and 11.16.5/3.
  test('a SNACK for R2Ts names its command and the first that is missing', async () => {
    let command: Pdu | null = null
    await using target = await serve(
      (pdu, peer) => {
        if (pdu.opcode === Opcode.scsiCommand) {
          command = pdu
          ask(pdu, peer, { ttt: 2, r2tSn: 1, bufferOffset: 2048, desiredLength: 2048 })
        } else if (pdu.opcode === Opcode.snack) {
          const { type, itt, ttt, begRun, runLength, lun } = snack(pdu)
          assert.deepEqual([type, itt, ttt, begRun, lun[1]], [0, command!.itt, RESERVED_TAG, 0, 3])
          for (let sn = begRun; sn < begRun + runLength; sn++)
            ask(command!, peer, { ttt: sn + 1, r2tSn: sn, bufferOffset: sn * 2048, desiredLength: 2048 })
        } else if (pdu.opcode !== Opcode.dataOut) peer.courtesy(pdu)
        else if (pdu.header.readUInt32BE(40) === 2048) peer.respond(command!)
      },
      { ...LEVEL_1, InitialR2T: 'Yes', ImmediateData: 'No' },
    )
    await using session = await openSession(options(target))
    assert.equal((await session.execute({ lun: 3, cdb: WRITE, dataOut: DATA })).status, 0)
    assert.equal(of(target, Opcode.snack).length, 1)
  })

  // Requirement: RFC 7143, 11.16.4/2 and 11.16.5/3 and 7.8/11.
  test('a SNACK for statuses has reserved tags and no LUN', async () => {
    let lost: Pdu | null = null
    await using target = await serve((pdu, peer) => {
      if (pdu.opcode === Opcode.scsiCommand) {
        lost = pdu
        peer.statSn++
        peer.send(NOP_IN, { opcode: Opcode.nopIn, final: 1, itt: RESERVED_TAG, ttt: RESERVED_TAG })
      } else if (pdu.opcode === Opcode.snack) {
        const { type, itt, ttt, begRun, runLength, lun } = snack(pdu)
        assert.deepEqual([type, itt, ttt, lun[1]], [SnackType.status, RESERVED_TAG, RESERVED_TAG, 0])
        assert.deepEqual([begRun, runLength], [peer.statSn - 1, 1])
        peer.send(SCSI_RESPONSE, { opcode: Opcode.scsiResponse, final: 1, itt: lost!.itt, statSn: begRun })
      } else peer.courtesy(pdu)
    }, LEVEL_1)
    await using session = await openSession(options(target))
    assert.equal((await session.execute({ lun: 3, cdb: READY })).status, 0)
    assert.equal(of(target, Opcode.snack).length, 1)
  })

  // Requirement: RFC 7143, 11.16.4/2 and 11.16.5/2 and 11.16.7/1 and 11.16.2/1.
  test('an acknowledgement of data copies tag and LUN, and what it covers is not asked for again', async () => {
    let command: Pdu | null = null
    await using target = await serve((pdu, peer) => {
      if (pdu.opcode === Opcode.scsiCommand) {
        command = pdu
        for (const sn of [0, 1, 2]) peer.send(...piece(pdu, sn))
        peer.send(...piece(pdu, 3, { acknowledge: 1, final: 1, ttt: 0x77, lun: lunOf(pdu) }))
      } else if (pdu.opcode !== Opcode.snack) peer.courtesy(pdu)
      else if (snack(pdu).type === SnackType.dataAck) {
        // Two that are acknowledged come again, damaged; the last ones do not come.
        for (const sn of [1, 3]) peer.sendDamaged(...piece(command!, sn))
        peer.respond(command!, { expDataSn: 8 })
      } else for (let sn = 4; sn < 8; sn++) peer.send(...piece(command!, sn))
    }, LEVEL_1)
    await using session = await openSession(options(target))
    assert.ok(Buffer.from((await session.execute(read())).dataIn).equals(DATA))
    const [acknowledgement, ...asked] = of(target, Opcode.snack).map(snack)
    const { type, itt, ttt, begRun, runLength, lun } = acknowledgement!
    assert.deepEqual([type, itt, ttt], [SnackType.dataAck, RESERVED_TAG, 0x77])
    assert.deepEqual([begRun, runLength, lun[1]], [4, 0, 3])
    assert.deepEqual(
      asked.map(({ begRun, runLength }) => [begRun, runLength]),
      [[4, 4]],
    )
  })

  // Requirement: RFC 7143, 11.16.4/1 and 11.16.5/1 and 11.16.6/1 and 11.16.7/1 and 11.16/14.
  test('R-Data SNACKs have a tag of their own each, and no run; a lost response with it is asked for', async () => {
    const tags = new Map<number, number[]>()
    let command: Pdu | null = null
    let statusAsked = 0
    let round = 0
    await using target = await serve((pdu, peer) => {
      if (pdu.opcode === Opcode.textRequest) {
        answerText(pdu, peer, 'MaxRecvDataSegmentLength=8192\0')
        peer.sendDamaged(...piece(command!, 0))
        // A response of before, whose number the right one will have.
        peer.send(SCSI_RESPONSE, { opcode: Opcode.scsiResponse, final: 1, itt: command!.itt, expDataSn: 8 })
      } else if (pdu.opcode === Opcode.scsiCommand) command = pdu
      else if (pdu.opcode !== Opcode.snack) peer.courtesy(pdu)
      else if (snack(pdu).type === SnackType.rData) {
        const { itt, ttt, begRun, runLength, lun } = snack(pdu)
        assert.deepEqual([itt, begRun, runLength, lun[1]], [command!.itt, 0, 0, 3])
        tags.set(itt, [...(tags.get(itt) ?? []), ttt])
        const size = 1024 >> round
        for (let sn = 0; sn < BYTES / size; sn++) {
          // The first time something is damaged again.
          if (tags.get(itt)!.length === 1 && sn === 1) peer.sendDamaged(...piece(command!, sn, {}, size))
          else peer.send(...piece(command!, sn, {}, size))
        }
      } else if (snack(pdu).type === SnackType.status) {
        // The response with the tag was lost.
        statusAsked++
        assert.deepEqual([snack(pdu).begRun, snack(pdu).runLength], [peer.statSn, 1])
        const snackTag = tags.get(command!.itt)!.at(-1)!
        peer.respond(command!, { expDataSn: BYTES / (1024 >> round), snackTag })
      } else for (let sn = 1; sn < 8; sn++) peer.send(...piece(command!, sn, {}, 1024 >> round))
    }, LEVEL_1)
    await using session = await openSession({ ...options(target), nopIntervalMs: 0 })
    for (round = 0; round < 2; round++) {
      const run = session.execute(read())
      await until(() => command !== null)
      await session.renegotiate(1024 >> round)
      assert.ok(Buffer.from((await run).dataIn).equals(DATA))
      command = null
    }
    const all = [...tags.values()].flat()
    assert.equal(new Set(all).size, all.length)
    for (const tag of all) assert.ok(tag !== 0 && tag !== RESERVED_TAG)
    assert.ok(statusAsked >= 2 && all.length >= 2)
  })
})

describe('data cut anew', () => {
  /** Data in pieces of 1024 from this one on, and the response with the tag. */
  function cutAnew(command: Pdu, request: Pdu, peer: Peer, statSn: number, first = 0): void {
    for (let sn = first; sn < 4; sn++) peer.send(...piece(command, sn, {}, 1024))
    const fields = { final: 1, itt: command.itt, expDataSn: 4, snackTag: snack(request).ttt, statSn }
    peer.send(SCSI_RESPONSE, { opcode: Opcode.scsiResponse, ...fields })
  }

  // Requirement: RFC 7143, 11.16/9 and 11.4.4/1.
  test('a PDU of before that was asked for as well is not taken for the first of the new ones', async () => {
    let command: Pdu | null = null
    await using target = await serve((pdu, peer) => {
      if (pdu.opcode === Opcode.scsiCommand) {
        command = pdu
        peer.sendDamaged(...piece(pdu, 0))
      } else if (pdu.opcode === Opcode.textRequest) {
        // Sent before it came: one more that is damaged, and the one that was asked for.
        peer.sendDamaged(...piece(command!, 1))
        for (let sn = 2; sn < 8; sn++) peer.send(...piece(command!, sn))
        peer.respond(command!, { expDataSn: 8 })
        peer.send(...piece(command!, 0))
        answerText(pdu, peer, 'MaxRecvDataSegmentLength=8192\0')
      } else if (pdu.opcode !== Opcode.snack) peer.courtesy(pdu)
      else if (snack(pdu).type === SnackType.rData) cutAnew(command!, pdu, peer, peer.statSn - 2)
    }, LEVEL_1)
    await using session = await openSession({ ...options(target), nopIntervalMs: 0 })
    const run = session.execute(read())
    await until(() => of(target, Opcode.snack).length === 1)
    await session.renegotiate(1024)
    assert.ok(Buffer.from((await run).dataIn).equals(DATA))
    const asked = of(target, Opcode.snack).map(pdu => snack(pdu).type)
    assert.deepEqual(asked, [SnackType.dataOrR2t, SnackType.rData, SnackType.rData])
    assert.equal(target.peers.length, 1)
  })

  test('several gaps of before are asked for at once; where the first new PDU is lost, as soon as the response tells', async () => {
    let command: Pdu | null = null
    const tags: number[] = []
    await using target = await serve((pdu, peer) => {
      if (pdu.opcode === Opcode.scsiCommand) {
        command = pdu
        for (const sn of [1, 3, 5, 7]) peer.send(...piece(pdu, sn))
      } else if (pdu.opcode === Opcode.textRequest) answerText(pdu, peer, 'MaxRecvDataSegmentLength=8192\0')
      else if (pdu.opcode !== Opcode.snack) peer.courtesy(pdu)
      else if (snack(pdu).type === SnackType.rData) {
        tags.push(snack(pdu).ttt)
        if (tags.length === 1) peer.statSn++
        cutAnew(command!, pdu, peer, peer.statSn - 1, tags.length === 2 ? 1 : 0)
      }
    }, LEVEL_1)
    await using session = await openSession({ ...options(target), nopIntervalMs: 0 })
    const run = session.execute(read())
    await until(() => of(target, Opcode.snack).length === 4)
    await session.renegotiate(1024)
    assert.ok(Buffer.from((await run).dataIn).equals(DATA))
    assert.deepEqual([tags.length, new Set(tags).size], [3, 3])
  })

  test('a target that answers without the data is not asked for ever', async () => {
    let command: Pdu | null = null
    await using target = await serve((pdu, peer) => {
      if (pdu.opcode === Opcode.scsiCommand) command = pdu
      else if (pdu.opcode === Opcode.textRequest) {
        peer.sendDamaged(...piece(command!, 0))
        answerText(pdu, peer, 'MaxRecvDataSegmentLength=8192\0')
      } else if (pdu.opcode !== Opcode.snack) peer.courtesy(pdu)
      else if (snack(pdu).type === SnackType.rData) cutAnew(command!, pdu, peer, peer.statSn, 4)
    }, LEVEL_1)
    await using session = await openSession({ ...options(target), nopIntervalMs: 0 })
    const run = session.execute(read())
    const ends = assert.rejects(run, { code: 'TRANSPORT_DATA_MISSING' })
    await until(() => command !== null)
    await session.renegotiate(1024).catch(() => {})
    await ends
  })
})

describe('what goes wrong', () => {
  // Requirement: RFC 7143, 7.8/10.
  for (const repeatable of [false, true]) {
    test(`good status is not believed where a SNACK was refused; the command is ${repeatable ? 'read anew' : 'an error'}`, async () => {
      const first = reads([3], (pdu, peer) => peer.respond(pdu, { expDataSn: 8 }))
      const whole = reads([], (pdu, peer) => peer.respond(pdu, { expDataSn: 8 }))
      await using target = await serve((pdu, peer) => {
        if (peer.number > 1) whole(pdu, peer)
        else if (pdu.opcode === Opcode.snack) refuse(peer, RejectReason.snackReject, pdu)
        else first(pdu, peer)
      }, LEVEL_1)
      const again = { reconnect: { attempts: 3, delays: [0] } }
      await using session = await openSession({ ...options(target), ...again })
      const run = session.execute({ ...read(), repeatable })
      if (repeatable) assert.ok(Buffer.from((await run).dataIn).equals(DATA))
      else await assert.rejects(run, { code: 'TRANSPORT_DATA_MISSING' })
    })
  }

  // Requirement: RFC 7143, 7.8/12.
  test('a damaged message is dropped whole and asked for like any other response', async () => {
    const lun = Buffer.from([0, 9, 0, 0, 0, 0, 0, 0])
    const sense = Buffer.concat([
      Buffer.from([0, 18]),
      Buffer.from('700006000000000a000000003f0e00000000', 'hex'),
    ])
    const message = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, lun }
    let units: number[] = []
    await using target = await serve((pdu, peer) => {
      if (pdu.opcode !== Opcode.snack) return void (peer.courtesy(pdu) || peer.respond(pdu))
      assert.deepEqual([snack(pdu).type, snack(pdu).begRun, units.length], [SnackType.status, 3, 0])
      tell(peer, AsyncEvent.scsiEvent, { lun, statSn: 3 }, sense)
      peer.statSn--
    }, LEVEL_1)
    const onEvent = (event: { type: string; lun?: Uint8Array }): void => {
      if (event.type === 'async') units = [...units, event.lun![1]!]
    }
    await using session = await openSession({ ...options(target), onEvent })
    const [peer] = target.peers
    peer!.sendDamaged(ASYNC_MESSAGE, { ...message, asyncEvent: AsyncEvent.scsiEvent }, sense)
    peer!.statSn++
    await until(() => units.length === 1)
    assert.deepEqual(units, [9])
    assert.equal((await session.execute({ lun: 0, cdb: READY })).status, 0)
  })

  // Requirement: RFC 7143, 7.2.1/3 and 7.2.1/4.
  test('a command is sent again where it has not been taken in, on its connection, and not where it has', async () => {
    for (const taken of ['by its number', 'by its data', null]) {
      const commands: [number, number, number][] = []
      let pings = 0
      await using target = await serve((pdu, peer) => {
        if (pdu.opcode === Opcode.scsiCommand) {
          commands.push([pdu.itt, pdu.cmdSn, peer.number])
          if (taken === 'by its number') peer.expCmdSn = pdu.cmdSn + 1
          else if (taken !== null) peer.send(...piece(pdu, 0, { dataSegmentLength: 0 }, 0))
          else if (commands.length === 2) peer.respond(pdu, { expCmdSn: pdu.cmdSn + 1 })
          return
        }
        // The other connection is probed as well.
        const mine = pdu.opcode === Opcode.nopOut && peer.number === commands[0]?.[2]
        if (mine) pings++
        peer.courtesy(pdu)
        if (taken !== null && mine && pings === 4) peer.respond({ ...pdu, itt: commands[0]![0] })
      }, LEVEL_1)
      await using session = await openSession({ ...options(target), connections: 2, nopIntervalMs: 30 })
      assert.equal((await session.execute({ lun: 0, cdb: READY })).status, 0)
      assert.equal(commands.length, taken === null ? 2 : 1)
      for (const command of commands) assert.deepEqual(command, commands[0])
    }
  })

  // Requirement: RFC 7143, 7.1.4/2.
  test('in login nothing is asked for again: a gap ends it', async () => {
    let second: Peer | null = null
    await using target = await ScriptedTarget.start((pdu, peer) => {
      if (pdu.opcode !== Opcode.loginRequest) return void (peer.courtesy(pdu) || peer.respond(pdu))
      if (peer.number === 2) {
        second = peer
        // The number of the second response is not the one that is due.
        if (peer.statSn === 2) peer.statSn = 9
      }
      peer.login(pdu, { ...LEVEL_1, ErrorRecoveryLevel: '2', MaxConnections: '2' })
    })
    let refused = 0
    const onEvent = ({ type }: { type: string }): void => void (type === 'connection-refused' && refused++)
    const level = { errorRecoveryLevel: 2, connections: 2, onEvent }
    await using session = await openSession({ ...options(target), ...level })
    assert.equal(refused, 1)
    await until(() => isClosed(second!))
    assert.equal(of(target, Opcode.snack).length, 0)
    assert.equal(session.connections.length, 1)
    assert.equal((await session.execute({ lun: 0, cdb: READY })).status, 0)
  })
})
