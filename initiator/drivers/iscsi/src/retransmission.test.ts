// SPDX-License-Identifier: Apache-2.0
// ErrorRecoveryLevel 1 with a scripted target: damaged and missing PDUs are asked for again, and nothing wrong is delivered.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { buildCdb } from '@lunkit/initiator-core'
import {
  ASYNC_MESSAGE,
  DATA_IN,
  DATA_OUT,
  NOP_IN,
  Opcode,
  R2T,
  READ_10,
  REJECT,
  RESERVED_TAG,
  SCSI_RESPONSE,
  SNACK,
  TASK_MANAGEMENT_RESPONSE,
  TEST_UNIT_READY,
  TEXT_RESPONSE,
  WRITE_10,
} from '@lunkit/spec'
import { openSession } from './connect.ts'
import { type Pdu, type Peer, pairsOf, type Script, ScriptedTarget } from './scripted-target.test-kit.ts'

const READ = buildCdb(READ_10, { lba: 0, blocks: 8 })
const WRITE = buildCdb(WRITE_10, { lba: 0, blocks: 8 })
const READY = buildCdb(TEST_UNIT_READY, {})
const BYTES = 4096
const PIECE = 512
const DATA = Buffer.from(Array.from({ length: BYTES }, (_, i) => (i * 7) % 253))
const KEYS = { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C', ErrorRecoveryLevel: '1' }
const snack = (pdu: Pdu) => SNACK.read(pdu.header)
const snacks = (target: ScriptedTarget) =>
  target.heard.filter(({ opcode }) => opcode === Opcode.snack).map(snack)

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await wait(1)
}

/** Serves by a script at level 1, both digests on. */
const serve = (script: Script, keys: Record<string, string> = {}) =>
  ScriptedTarget.logsIn(script, { ...KEYS, ...keys })
const options = (target: ScriptedTarget) =>
  ({ ...target.options, errorRecoveryLevel: 1, headerDigest: 'require', dataDigest: 'require' }) as const

/** The header fields and data of read data number `sn`. */
function piece(pdu: Pdu, sn: number, more: Record<string, unknown> = {}) {
  const at = sn * PIECE
  const fields = {
    opcode: Opcode.dataIn,
    itt: pdu.itt,
    ttt: RESERVED_TAG,
    dataSn: sn,
    bufferOffset: at,
    ...more,
  }
  return [DATA_IN, fields, DATA.subarray(at, at + PIECE)] as const
}

const good = (pdu: Pdu, more: Record<string, unknown> = {}) => ({
  opcode: Opcode.scsiResponse,
  final: 1,
  itt: pdu.itt,
  expDataSn: BYTES / PIECE,
  ...more,
})

/** A target that sends eight pieces in its own way, and pieces again that are asked for. */
function reads(
  first: (pdu: Pdu, peer: Peer) => void,
  again: (sn: number, pdu: Pdu, peer: Peer) => void,
): Script {
  let command: Pdu | null = null
  return (pdu, peer) => {
    if (pdu.opcode === Opcode.scsiCommand) {
      command = pdu
      first(pdu, peer)
    } else if (pdu.opcode === Opcode.snack && snack(pdu).type === 0) {
      const { begRun, runLength } = snack(pdu)
      for (let sn = begRun; sn < begRun + runLength; sn++) again(sn, command!, peer)
    }
  }
}

const LOSSES: Readonly<Record<string, readonly [Script, runs: readonly (readonly [number, number])[]]>> = {
  'a damaged PDU in the middle': [
    reads(
      (pdu, peer) => {
        for (let sn = 0; sn < 8; sn++) {
          if (sn === 3) peer.sendDamaged(...piece(pdu, sn))
          else peer.send(...piece(pdu, sn))
        }
        peer.sendStatus(SCSI_RESPONSE, good(pdu))
      },
      (sn, pdu, peer) => peer.send(...piece(pdu, sn)),
    ),
    [[3, 1]],
  ],
  'a damaged last PDU with the status': [
    reads(
      (pdu, peer) => {
        for (let sn = 0; sn < 7; sn++) peer.send(...piece(pdu, sn))
        peer.sendDamaged(...piece(pdu, 7, { final: 1, statusPresent: 1 }))
        peer.statSn++
      },
      (sn, pdu, peer) =>
        peer.send(...piece(pdu, sn, { final: 1, statusPresent: 1, statSn: peer.statSn - 1 })),
    ),
    [[7, 1]],
  ],
  'a gap in DataSN': [
    reads(
      (pdu, peer) => {
        for (const sn of [0, 1, 4, 5, 7]) peer.send(...piece(pdu, sn))
        peer.sendStatus(SCSI_RESPONSE, good(pdu))
      },
      (sn, pdu, peer) => peer.send(...piece(pdu, sn)),
    ),
    [
      [2, 2],
      [6, 1],
    ],
  ],
  'a missing tail, told by ExpDataSN': [
    reads(
      (pdu, peer) => {
        for (let sn = 0; sn < 5; sn++) peer.send(...piece(pdu, sn))
        peer.sendStatus(SCSI_RESPONSE, good(pdu))
      },
      (sn, pdu, peer) => peer.send(...piece(pdu, sn)),
    ),
    [[5, 3]],
  ],
  'everything missing': [
    reads(
      (pdu, peer) => peer.sendStatus(SCSI_RESPONSE, good(pdu)),
      (sn, pdu, peer) => peer.send(...piece(pdu, sn)),
    ),
    [[0, 8]],
  ],
  'a PDU that is damaged again when it comes again': [
    (() => {
      let times = 0
      return reads(
        (pdu, peer) => {
          peer.sendDamaged(...piece(pdu, 0))
          for (let sn = 1; sn < 8; sn++) peer.send(...piece(pdu, sn))
          peer.sendStatus(SCSI_RESPONSE, good(pdu))
        },
        (sn, pdu, peer) => (++times < 3 ? peer.sendDamaged(...piece(pdu, sn)) : peer.send(...piece(pdu, sn))),
      )
    })(),
    [
      [0, 1],
      [0, 1],
      [0, 1],
    ],
  ],
  // Requirement: RFC 7143, 7.9/3.
  'PDUs that come again in another order, and twice': [
    reads(
      (pdu, peer) => {
        for (const sn of [0, 6, 7]) peer.send(...piece(pdu, sn))
        peer.sendStatus(SCSI_RESPONSE, good(pdu))
      },
      (sn, pdu, peer) => {
        if (sn === 1) for (const one of [3, 5, 3, 1, 7, 4, 2]) peer.send(...piece(pdu, one))
      },
    ),
    [[1, 5]],
  ],
}

// Requirement: RFC 7143, Data Recovery within Command: missing read data are asked for by SNACK, in runs of their DataSN.
for (const [name, [script, runs]] of Object.entries(LOSSES)) {
  test(`a read meets ${name}, and is right`, async () => {
    await using target = await serve(script)
    await using session = await openSession(options(target))
    assert.equal(session.settings.errorRecoveryLevel, 1)
    const dataIn = Buffer.alloc(BYTES)
    const result = await session.execute({ lun: 3, cdb: READ, dataIn })
    assert.ok(Buffer.from(result.dataIn).equals(DATA))
    const asked = snacks(target)
    assert.deepEqual(
      asked.map(({ begRun, runLength }) => [begRun, runLength]),
      runs,
    )
    const { itt } = target.heard.find(({ opcode }) => opcode === Opcode.scsiCommand)!
    for (const one of asked) {
      assert.deepEqual([one.type, one.final, one.itt, one.ttt, one.lun[1]], [0, 1, itt, RESERVED_TAG, 3])
    }
    assert.equal(target.peers.length, 1)
  })
}

// Requirement: RFC 7143, Type: data are asked for before the status of their command is acknowledged.
// Requirement: RFC 7143, 7.9/4.
test('a status is not acknowledged while its data are missing', async () => {
  let command: Pdu | null = null
  const acknowledged: number[] = []
  await using target = await serve((pdu, peer) => {
    if (pdu.opcode === Opcode.scsiCommand && command === null) {
      command = pdu
      for (const sn of [0, 1, 2, 3, 4, 5, 7]) peer.send(...piece(pdu, sn))
      peer.sendStatus(SCSI_RESPONSE, good(pdu))
      peer.send(NOP_IN, { opcode: Opcode.nopIn, final: 1, itt: RESERVED_TAG, ttt: 9 })
    } else if (pdu.opcode === Opcode.scsiCommand) peer.respond(pdu)
    else if (pdu.opcode === Opcode.nopOut) {
      acknowledged.push(SNACK.field.expStatSn.get(pdu.header, 0) - peer.statSn)
      if (acknowledged.length === 1) {
        peer.send(...piece(command!, 6))
        peer.send(NOP_IN, { opcode: Opcode.nopIn, final: 1, itt: RESERVED_TAG, ttt: 10 })
      }
    }
  })
  await using session = await openSession(options(target))
  await session.execute({ lun: 0, cdb: READ, dataIn: Buffer.alloc(BYTES) })
  await until(() => acknowledged.length === 2)
  assert.deepEqual(acknowledged, [-1, 0])
})

// Requirement: RFC 7143, 7.8/6.
test('bytes with a wrong digest are not delivered with what a target sends in their place', async () => {
  await using target = await serve(
    reads(
      (pdu, peer) => {
        peer.sendDamaged(...piece(pdu, 0, { final: 1 }))
        peer.sendStatus(SCSI_RESPONSE, good(pdu, { status: 8, expDataSn: 1 }))
      },
      (sn, pdu, peer) =>
        peer.sendStatus(
          REJECT,
          { opcode: Opcode.reject, final: 1, reason: 3, itt: RESERVED_TAG },
          refused(pdu, sn),
        ),
    ),
  )
  await using session = await openSession(options(target))
  const read = session.execute({ lun: 0, cdb: READ, dataIn: Buffer.alloc(BYTES) })
  await assert.rejects(read, { code: 'TRANSPORT_DATA_MISSING', message: /SNACK rejected/ })
})

function refused(pdu: Pdu, begRun: number): Buffer {
  const header = Buffer.alloc(48)
  SNACK.write({ opcode: Opcode.snack, type: 0, itt: pdu.itt, begRun }, header)
  return header
}

// Requirement: RFC 7143, Data Acknowledgment: a Data-In with the A bit is acknowledged by DataACK once none before it is missing.
// Requirement: RFC 7143, 11.16/8.
test('data are acknowledged where the target wants it, but not before the gaps are filled', async () => {
  const lun = Buffer.from([0, 3, 0, 0, 0, 0, 0, 0])
  await using target = await serve(
    reads(
      (pdu, peer) => {
        for (let sn = 0; sn < 4; sn++) {
          if (sn !== 1)
            peer.send(...piece(pdu, sn, sn === 3 ? { acknowledge: 1, final: 1, ttt: 77, lun } : {}))
        }
      },
      (sn, pdu, peer) => {
        peer.send(...piece(pdu, sn))
        for (let next = 4; next < 8; next++)
          peer.send(...piece(pdu, next, next === 7 ? { acknowledge: 1, ttt: 78, lun } : {}))
        peer.sendStatus(SCSI_RESPONSE, good(pdu))
      },
    ),
  )
  await using session = await openSession(options(target))
  const { dataIn } = await session.execute({ lun: 3, cdb: READ, dataIn: Buffer.alloc(BYTES) })
  assert.ok(Buffer.from(dataIn).equals(DATA))
  await session.ping()
  assert.deepEqual(
    snacks(target).map(({ type, itt, ttt, lun: at, begRun, runLength }) => [
      type,
      itt === RESERVED_TAG,
      ttt,
      at[1],
      begRun,
      runLength,
    ]),
    [
      [0, false, RESERVED_TAG, 3, 1, 1],
      [2, true, 77, 3, 4, 0],
      [2, true, 78, 3, 8, 0],
    ],
  )
})

// Requirement: RFC 7143, Status Recovery: gaps in StatSN are asked for by status SNACK, and a response counts once.
test('responses that are missing or damaged are asked for by StatSN', async () => {
  const held: Pdu[] = []
  const kept = new Map<number, Pdu>()
  await using target = await serve((pdu, peer) => {
    if (pdu.opcode === Opcode.snack) {
      const { type, begRun, runLength } = snack(pdu)
      assert.equal(type, 1)
      for (let sn = begRun; sn < begRun + runLength; sn++)
        peer.send(SCSI_RESPONSE, good(kept.get(sn)!, { expDataSn: 0, statSn: sn, status: 2 }), SENSE)
      return
    }
    held.push(pdu)
    if (held.length < 6) return
    held.forEach((one, i) => {
      kept.set(peer.statSn, one)
      const fields = good(one, { expDataSn: 0, status: 2 })
      // The first and the second are missing, the fourth is damaged, the last one is missing.
      if (i === 3) peer.sendDamaged(SCSI_RESPONSE, fields, SENSE)
      else if (i === 2 || i === 4) peer.send(SCSI_RESPONSE, fields, SENSE)
      peer.statSn++
    })
    // Its number tells that one more was sent.
    peer.send(NOP_IN, { opcode: Opcode.nopIn, final: 1, itt: RESERVED_TAG, ttt: RESERVED_TAG })
  })
  await using session = await openSession(options(target))
  const commands = Array.from({ length: 6 }, () => session.execute({ lun: 0, cdb: READY }))
  for (const { status, sense } of await Promise.all(commands)) {
    assert.equal(status, 2)
    assert.deepEqual(Buffer.from(sense), SENSE.subarray(2))
  }
  const first = target.peers[0]!.statSn - 6
  assert.deepEqual(
    snacks(target).map(({ begRun, runLength, itt }) => [begRun - first, runLength, itt]),
    [
      [0, 2, RESERVED_TAG],
      [3, 1, RESERVED_TAG],
      [5, 1, RESERVED_TAG],
    ],
  )
})
const SENSE = Buffer.from('0012700005000000000a00000000240000000000', 'hex')

test('an answer to a function that comes before a missing response waits for it', async () => {
  let held: Pdu | null = null
  const sent: [
    layout: typeof SCSI_RESPONSE | typeof TASK_MANAGEMENT_RESPONSE,
    fields: Record<string, unknown>,
  ][] = []
  let base = 0
  await using target = await serve((pdu, peer) => {
    if (pdu.opcode === Opcode.scsiCommand) held = pdu
    else if (pdu.opcode === Opcode.taskManagementRequest) {
      base = peer.statSn
      const answer = { opcode: Opcode.taskManagementResponse, final: 1, itt: pdu.itt, response: 0 }
      sent.push([SCSI_RESPONSE, good(held!, { expDataSn: 0, statSn: base })])
      sent.push([TASK_MANAGEMENT_RESPONSE, { ...answer, statSn: base + 1 }])
      peer.send(...sent[1]!)
      peer.statSn += 2
    } else if (pdu.opcode === Opcode.snack) {
      const { begRun, runLength } = snack(pdu)
      for (let sn = begRun; sn < begRun + runLength; sn++) peer.send(...sent[sn - base]!)
    }
  })
  await using session = await openSession(options(target))
  const command = session.execute({ lun: 0, cdb: READY })
  await until(() => held !== null)
  assert.equal(await session.manage('logical-unit-reset', 0), 'complete')
  // It ended before the reset, as the order of the numbers says.
  assert.equal((await command).status, 0)
})

// Requirement: RFC 7143, Usage of Retry: a command that was not taken in is sent again under its CmdSN and task tag.
// Requirement: RFC 7143, 7.2.1/2.
test('a command whose data were damaged on their way is sent again as it was', async () => {
  await using target = await serve((pdu, peer) => {
    if (
      peer.expCmdSn === 1 &&
      target.heard.filter(({ opcode }) => opcode === Opcode.scsiCommand).length === 1
    ) {
      const fields = { opcode: Opcode.reject, final: 1, reason: 2, itt: RESERVED_TAG }
      return peer.sendStatus(REJECT, fields, pdu.header.subarray(0, 48))
    }
    peer.expCmdSn = pdu.cmdSn + 1
    peer.respond(pdu)
  })
  await using session = await openSession(options(target))
  await session.execute({ lun: 0, cdb: WRITE, dataOut: DATA })
  const [one, two] = target.heard.filter(({ opcode }) => opcode === Opcode.scsiCommand)
  assert.ok(
    one!.header.equals(
      Buffer.concat([two!.header.subarray(0, 28), one!.header.subarray(28, 32), two!.header.subarray(32)]),
    ),
  )
  assert.ok(one!.data.equals(two!.data))
})

test('a command that the target has lost is sent again when a ping has shown it', async () => {
  await using target = await serve((pdu, peer) => {
    if (target.heard.filter(({ opcode }) => opcode === Opcode.scsiCommand).length === 1) return
    peer.expCmdSn = pdu.cmdSn + 1
    peer.respond(pdu)
  })
  await using session = await openSession({ ...options(target), nopIntervalMs: 80 })
  assert.equal((await session.execute({ lun: 0, cdb: READY })).status, 0)
  const commands = target.heard.filter(({ opcode }) => opcode === Opcode.scsiCommand)
  assert.deepEqual(
    commands.map(({ cmdSn, itt }) => [cmdSn, itt]),
    new Array(2).fill([commands[0]!.cmdSn, commands[0]!.itt]),
  )
})

// Requirement: RFC 7143, Ready To Transfer (R2T): a recovery R2T asks for data again, from any offset, under the next R2TSN.
test('data are sent again from any offset, and a missing R2T is asked for', async () => {
  const got = Buffer.alloc(BYTES)
  let command: Pdu | null = null
  const ask = (peer: Peer, r2tSn: number, bufferOffset: number, desiredLength: number): void => {
    const fields = { opcode: Opcode.r2t, final: 1, itt: command!.itt, ttt: 5 + r2tSn }
    peer.send(R2T, { ...fields, r2tSn, bufferOffset, desiredLength })
  }
  const sequences: (readonly [ttt: number, offset: number, length: number])[] = []
  await using target = await serve(
    (pdu, peer) => {
      if (pdu.opcode === Opcode.scsiCommand) {
        command = pdu
        ask(peer, 0, 0, 1024)
      } else if (pdu.opcode === Opcode.dataOut) {
        const { ttt, bufferOffset } = DATA_OUT.read(pdu.header)
        sequences.push([ttt, bufferOffset, pdu.data.length])
        pdu.data.copy(got, bufferOffset)
        if (ttt === 5) ask(peer, 1, 512, 512)
        // R2T 2 is lost; the one after it shows that.
        else if (ttt === 6) ask(peer, 3, 2048, 2048)
        else if (ttt === 8) {
          peer.expCmdSn = 2
          peer.respond(command!, { expDataSn: 4 })
        }
      } else if (pdu.opcode === Opcode.snack) {
        assert.deepEqual([snack(pdu).begRun, snack(pdu).runLength], [2, 2])
        ask(peer, 2, 1024, 1024)
        ask(peer, 3, 2048, 2048)
      }
    },
    { InitialR2T: 'Yes', ImmediateData: 'No' },
  )
  await using session = await openSession(options(target))
  await session.execute({ lun: 0, cdb: WRITE, dataOut: DATA })
  assert.ok(got.equals(DATA))
  assert.deepEqual(sequences, [
    [5, 0, 1024],
    [6, 512, 512],
    [7, 1024, 1024],
    [8, 2048, 2048],
  ])
})

// Requirement: RFC 7143, Digest Errors: a header digest error ends the connection.
// Requirement: RFC 7143, 7.8/5.
test('a damaged header ends the connection', async () => {
  await using target = await serve((pdu, peer) => {
    peer.sendDamaged(DATA_IN, { opcode: Opcode.dataIn, itt: pdu.itt, dataSn: 0 }, DATA.subarray(0, PIECE), 20)
  })
  await using session = await openSession(options(target))
  const read = session.execute({ lun: 0, cdb: READ, dataIn: Buffer.alloc(BYTES) })
  await assert.rejects(read, { code: 'TRANSPORT_DIGEST' })
})

// Requirement: RFC 7143, Resegmentation: after a change of its MaxRecvDataSegmentLength the initiator uses R-Data SNACK.
// Requirement: RFC 7143, 11.16/9.
// Requirement: RFC 7143, 11.4.4/1.
test('data of before another segment length are asked for cut anew, and the response must say so', async () => {
  let command: Pdu | null = null
  await using target = await serve((pdu, peer) => {
    if (pdu.opcode === Opcode.textRequest) {
      assert.equal(pairsOf(pdu).get('MaxRecvDataSegmentLength'), '1024')
      const data = Buffer.from('MaxRecvDataSegmentLength=2048\0')
      peer.sendStatus(
        TEXT_RESPONSE,
        { opcode: Opcode.textResponse, final: 1, itt: pdu.itt, ttt: RESERVED_TAG },
        data,
      )
      // What was sent before, damaged in part, with the status and more of it on the way.
      peer.sendDamaged(...piece(command!, 0))
      for (let sn = 1; sn < 8; sn++) peer.send(...piece(command!, sn))
      peer.send(SCSI_RESPONSE, good(command!))
    } else if (pdu.opcode === Opcode.scsiCommand) command = pdu
    else if (pdu.opcode === Opcode.snack) {
      const { type, begRun, runLength, ttt } = snack(pdu)
      assert.deepEqual([type, begRun, runLength], [3, 0, 0])
      for (let sn = 0; sn < 4; sn++) {
        const at = sn * 1024
        const fields = {
          opcode: Opcode.dataIn,
          itt: command!.itt,
          ttt: RESERVED_TAG,
          dataSn: sn,
          bufferOffset: at,
        }
        peer.send(DATA_IN, fields, DATA.subarray(at, at + 1024))
      }
      peer.sendStatus(SCSI_RESPONSE, good(command!, { expDataSn: 4, snackTag: ttt }))
    }
  })
  await using session = await openSession(options(target))
  const read = session.execute({ lun: 0, cdb: READ, dataIn: Buffer.alloc(BYTES) })
  await until(() => command !== null)
  await session.renegotiate(1024)
  const { dataIn } = await read
  assert.ok(Buffer.from(dataIn).equals(DATA))
  assert.equal(session.connections[0]!.settings.maxSendDataLength, 2048)
})

test('a target that asks for negotiation gets a text request on the same connection', async () => {
  await using target = await serve((pdu, peer) => {
    if (pdu.opcode !== Opcode.textRequest) return peer.respond(pdu)
    const fields = { opcode: Opcode.textResponse, final: 1, itt: pdu.itt, ttt: RESERVED_TAG }
    peer.sendStatus(TEXT_RESPONSE, fields, Buffer.from('MaxRecvDataSegmentLength=777\0'))
  })
  await using session = await openSession(options(target))
  const fields = { opcode: Opcode.asyncMessage, final: 1, itt: RESERVED_TAG, asyncEvent: 4, parameter3: 3 }
  target.peers[0]!.sendStatus(ASYNC_MESSAGE, fields)
  await until(() => session.connections[0]?.settings.maxSendDataLength === 777)
  assert.equal((await session.execute({ lun: 0, cdb: READY })).status, 0)
  assert.equal(target.peers.length, 1)
})

test('a command that is given up while its data are missing does not keep later responses unacknowledged', async () => {
  const stop = new AbortController()
  let acknowledged = 0
  await using target = await serve((pdu, peer) => {
    if (pdu.opcode === Opcode.scsiCommand && pdu.cmdSn === 1) {
      for (const sn of [0, 1, 3, 4, 5, 6, 7]) peer.send(...piece(pdu, sn))
      peer.sendStatus(SCSI_RESPONSE, good(pdu))
    } else if (pdu.opcode === Opcode.snack) stop.abort(new Error('not needed'))
    else if (pdu.opcode === Opcode.taskManagementRequest) {
      const fields = { opcode: Opcode.taskManagementResponse, final: 1, itt: pdu.itt, response: 1 }
      peer.sendStatus(TASK_MANAGEMENT_RESPONSE, fields)
    } else if (pdu.opcode === Opcode.scsiCommand) {
      acknowledged = SNACK.field.expStatSn.get(pdu.header, 0) - peer.statSn
      peer.respond(pdu)
    }
  })
  await using session = await openSession(options(target))
  const read = session.execute({ lun: 0, cdb: READ, dataIn: Buffer.alloc(BYTES), signal: stop.signal })
  await assert.rejects(read, { message: 'not needed' })
  acknowledged = -99
  await session.execute({ lun: 0, cdb: READY })
  assert.equal(acknowledged, 0)
})
