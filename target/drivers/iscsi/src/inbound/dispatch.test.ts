// SPDX-License-Identifier: Apache-2.0
// Full feature phase over a real socket: the command window, and PDUs that do not belong there.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_IN,
  DATA_OUT,
  LOGIN_REQUEST,
  LOGOUT_REQUEST,
  LOGOUT_RESPONSE,
  LogoutResponse,
  NOP_IN,
  NOP_OUT,
  Opcode,
  REJECT,
  RESERVED_TAG,
  RejectReason,
  SCSI_COMMAND,
  SCSI_RESPONSE,
  SNACK,
  Status,
} from '@lunkit/spec'
import {
  type IscsiBench,
  read10,
  testUnitReady,
  withBench,
  write10,
} from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'

/** Tag of the next answer. */
async function nextTag(peer: RawPeer): Promise<number> {
  return fieldsOf(SCSI_RESPONSE, await peer.receive()).itt
}

/** A ping's answer shows that all before it was handled. */
async function ping(peer: RawPeer): Promise<ReturnType<typeof NOP_IN.read>> {
  const itt = 0x7000_0000
  peer.sendPdu(NOP_OUT, {
    opcode: Opcode.nopOut,
    immediate: 1,
    final: 1,
    itt,
    ttt: RESERVED_TAG,
    cmdSn: peer.cmdSn,
  })
  return fieldsOf(NOP_IN, await peer.receive(Opcode.nopIn))
}

async function rejected(peer: RawPeer, bench: IscsiBench, reason: number, words: RegExp): Promise<void> {
  const pdu = await peer.receive(Opcode.reject)
  assert.equal(fieldsOf(REJECT, pdu).reason, reason)
  assert.equal(fieldsOf(REJECT, pdu).itt, RESERVED_TAG)
  // A numbered request that is refused is not received (RFC 7143, 7.3).
  peer.cmdSn = fieldsOf(REJECT, pdu).expCmdSn
  assert.equal(pdu.data.length, 48, 'the header comes back')
  const fault = bench.of('peer-fault').at(-1)!
  assert.match(fault.fault, words)
  assert.equal(fault.initiator, 'iqn.2026-11.test.lunkit:raw-peer')
}

describe('command window', () => {
  test('commands run in the order of CmdSN, whatever order they come in', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const first = peer.cmdSn
      const tags = [2, 1, 3, 0].map(offset => peer.command(testUnitReady(), { cmdSn: first + offset }))
      assert.deepEqual(
        [await nextTag(peer), await nextTag(peer), await nextTag(peer), await nextTag(peer)],
        [tags[3], tags[1], tags[0], tags[2]],
      )
      assert.equal((await ping(peer)).expCmdSn, first + 4)
    }))

  test('data of a command that waits for its turn is its own', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const first = peer.cmdSn
      const data = Buffer.alloc(512, 0x5a)
      peer.command(write10(3, 1), { write: 1, expectedDataTransferLength: 512, cmdSn: first + 1 }, data)
      peer.command(
        write10(9, 1),
        { write: 1, expectedDataTransferLength: 512, cmdSn: first },
        Buffer.alloc(512, 1),
      )
      await nextTag(peer)
      await nextTag(peer)
      assert.ok(bench.store.bytes.subarray(3 * 512, 4 * 512).equals(data))
      assert.ok(bench.store.bytes.subarray(9 * 512, 10 * 512).equals(Buffer.alloc(512, 1)))
    }))

  test('duplicates and numbers outside of the window are ignored, with their data', () =>
    withBench({ engineLimits: { tasksPerSession: 4 } }, async bench => {
      const peer = await bench.peer({ keys: { InitialR2T: 'No' } })
      const first = peer.cmdSn
      for (const cmdSn of [first - 1, first - 100, first + 4, first + 1000, first + 0x8000_0000]) {
        peer.command(testUnitReady(), { cmdSn: cmdSn >>> 0 })
      }
      const itt = peer.command(write10(0, 1), {
        write: 1,
        final: 0,
        expectedDataTransferLength: 512,
        cmdSn: first - 1,
      })
      peer.sendPdu(DATA_OUT, { opcode: Opcode.dataOut, final: 1, itt, ttt: RESERVED_TAG }, Buffer.alloc(512))
      const { expCmdSn, maxCmdSn } = await ping(peer)
      assert.deepEqual([expCmdSn, maxCmdSn], [first, first + 3])
      assert.equal(bench.of('peer-fault').length, 0)
      peer.command(testUnitReady(), { cmdSn: first })
      await nextTag(peer)
    }))

  test('the window follows the credit: it closes while tasks run and opens with their answers', () =>
    withBench({ engineLimits: { tasksPerSession: 2 } }, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      const first = peer.cmdSn
      peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      peer.command(read10(1, 1), { read: 1, expectedDataTransferLength: 512 })
      const closed = await ping(peer)
      assert.deepEqual([closed.expCmdSn, closed.maxCmdSn], [first + 2, first + 1])
      bench.store.release()
      await peer.receive(Opcode.dataIn)
      const last = fieldsOf(DATA_IN, await peer.receive(Opcode.dataIn))
      assert.deepEqual([last.expCmdSn, last.maxCmdSn], [first + 2, first + 3])
    }))

  test('numbers wrap around', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ cmdSn: 0xffff_fffe })
      for (let i = 0; i < 4; i++) {
        peer.cmdSn >>>= 0
        peer.command(testUnitReady(), { cmdSn: peer.cmdSn++ >>> 0 })
        await nextTag(peer)
      }
      assert.ok((await ping(peer)).expCmdSn < 100)
    }))

  test('too much data of pings before their turn closes the connection', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      for (let i = 1; i <= 6; i++) {
        const fields = { opcode: Opcode.nopOut, final: 1, itt: i, ttt: RESERVED_TAG, cmdSn: peer.cmdSn + i }
        peer.sendPdu(NOP_OUT, fields, Buffer.alloc(262_144))
      }
      await peer.end()
      assert.match(bench.of('peer-fault').at(-1)!.fault, /wait for one/)
    }))

  test('immediate commands overtake, and do not count', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const next = peer.cmdSn
      const itt = peer.command(testUnitReady(), { immediate: 1, cmdSn: next })
      assert.equal(await nextTag(peer), itt)
      peer.cmdSn = next
      assert.equal((await ping(peer)).expCmdSn, next)
    }))

  test('too many immediate commands are refused', () =>
    withBench({ engineLimits: { tasksPerSession: 2 } }, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      // The credit, 16 more, and the one that each connection has room for.
      for (let i = 0; i < 20; i++) {
        peer.command(read10(0, 1), { read: 1, immediate: 1, expectedDataTransferLength: 512, cmdSn: 1 })
      }
      await rejected(peer, bench, RejectReason.immediateCommandReject, /Too many/)
    }))
})

describe('PDUs that do not belong', () => {
  const cases: [what: string, reason: number, words: RegExp, send: (peer: RawPeer) => void][] = [
    [
      'an unknown opcode',
      RejectReason.commandNotSupported,
      /Opcode/,
      peer => peer.sendPdu(NOP_OUT, { opcode: 0x1c, itt: 1 }),
    ],
    [
      "a target's opcode",
      RejectReason.commandNotSupported,
      /Opcode/,
      peer => peer.sendPdu(NOP_OUT, { opcode: Opcode.r2t, itt: 1 }),
    ],
    [
      'SNACK',
      RejectReason.snackReject,
      /SNACK/,
      peer => peer.sendPdu(SNACK, { opcode: Opcode.snack, final: 1, itt: 1 }),
    ],
    [
      'a command with data both ways and no length for one of them',
      RejectReason.invalidPduField,
      /both directions/,
      peer => void peer.command(read10(0, 1), { read: 1, write: 1, expectedDataTransferLength: 512 }),
    ],
    [
      'data with a read',
      RejectReason.protocolError,
      /no write/,
      peer =>
        void peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 }, Buffer.alloc(512)),
    ],
    [
      'a reserved attribute',
      RejectReason.protocolError,
      /attribute/,
      peer => void peer.command(testUnitReady(), { attribute: 7 }),
    ],
    [
      'the reserved tag',
      RejectReason.invalidPduField,
      /reserved tag/,
      peer => void peer.command(testUnitReady(), { itt: RESERVED_TAG }),
    ],
    [
      'an answer to a ping that was not sent',
      RejectReason.protocolError,
      /not sent/,
      peer =>
        peer.sendPdu(NOP_OUT, { opcode: Opcode.nopOut, immediate: 1, final: 1, itt: RESERVED_TAG, ttt: 77 }),
    ],
  ]
  for (const [what, reason, words, send] of cases) {
    test(`${what} is rejected, and the session lives`, () =>
      withBench({}, async bench => {
        const peer = await bench.peer()
        send(peer)
        await rejected(peer, bench, reason, words)
        peer.command(testUnitReady())
        assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status, Status.good)
      }))
  }

  test('a tag in use is rejected', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      const itt = peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      peer.command(testUnitReady(), { itt })
      await rejected(peer, bench, RejectReason.taskInProgress, /in use/)
      bench.store.release()
      assert.equal(fieldsOf(DATA_IN, await peer.receive(Opcode.dataIn)).itt, itt)
    }))

  test('a login after login closes the connection', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      peer.sendPdu(LOGIN_REQUEST, { opcode: Opcode.loginRequest, immediate: 1, csg: 1 })
      await rejected(peer, bench, RejectReason.protocolError, /after login/)
      assert.deepEqual(await peer.end(), [])
    }))

  test('faults without end close the connection', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      for (let i = 0; i < 100; i++) peer.sendPdu(NOP_OUT, { opcode: 0x1c })
      const last = await peer.end()
      assert.ok(last.length > 10 && last.length < 60)
      assert.match(bench.of('peer-fault').at(-1)!.fault, /Too many/)
    }))

  test('a data segment that is too long closes the connection', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      peer.sendPdu(NOP_OUT, { opcode: Opcode.nopOut, immediate: 1, itt: 1, dataSegmentLength: 262_145 })
      await peer.end()
      assert.match(bench.of('peer-fault')[0]!.fault, /262145 bytes is longer than 262144/)
      assert.match(bench.of('peer-fault')[0]!.pdu, /NOP-Out/)
    }))

  test('additional headers: an extended CDB of 32 bytes is used, others are skipped, broken ones rejected', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const send = (cdb: Uint8Array, ahs: number[]): void =>
        peer.sendPdu(
          SCSI_COMMAND,
          { opcode: Opcode.scsiCommand, final: 1, cdb, itt: peer.itt++, cmdSn: peer.cmdSn++ },
          new Uint8Array(0),
          Uint8Array.from(ahs),
        )
      const extension = new Array<number>(16).fill(0)
      send(testUnitReady(), [0, 5, 2, 0, 0, 0, 0, 0])
      assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive()).status, Status.good, 'skipped')
      send(Uint8Array.of(0x7f), [0, 17, 1, 0, ...extension])
      assert.equal(
        fieldsOf(SCSI_RESPONSE, await peer.receive()).status,
        Status.checkCondition,
        'no such command',
      )
      send(Uint8Array.of(0x7f), [0, 21, 1, 0, ...extension, 0, 0, 0, 0])
      await rejected(peer, bench, RejectReason.commandNotSupported, /36 bytes/)
      for (const broken of [
        [0, 0, 1, 0],
        [0, 9, 1, 0],
        [255, 255, 1, 0],
        [0, 2, 1, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0],
        [0, 1, 1, 0],
      ]) {
        send(testUnitReady(), broken)
        await rejected(peer, bench, RejectReason.invalidPduField, /malformed/)
      }
    }))
})

describe('ping and logout', () => {
  test('a ping brings its data back, cut to what the initiator takes', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { MaxRecvDataSegmentLength: '512' } })
      for (const length of [0, 1, 3, 512, 600]) {
        const data = Buffer.from(Array.from({ length }, (_, i) => i & 0xff))
        const fields = { opcode: Opcode.nopOut, final: 1, itt: 5, ttt: RESERVED_TAG, cmdSn: peer.cmdSn++ }
        peer.sendPdu(NOP_OUT, fields, data)
        const pdu = await peer.receive(Opcode.nopIn)
        assert.ok(pdu.data.equals(data.subarray(0, 512)))
        assert.deepEqual([fieldsOf(NOP_IN, pdu).itt, fieldsOf(NOP_IN, pdu).ttt], [5, RESERVED_TAG])
      }
    }))

  test('StatSN counts every answer, and only answers', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const { statSn } = await ping(peer)
      assert.equal((await ping(peer)).statSn, statSn + 1)
      peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      assert.equal(fieldsOf(DATA_IN, await peer.receive(Opcode.dataIn)).statSn, statSn + 2)
      peer.sendPdu(NOP_OUT, { opcode: 0x1c })
      assert.equal(fieldsOf(REJECT, await peer.receive(Opcode.reject)).statSn, statSn + 3)
      assert.equal((await ping(peer)).statSn, statSn + 4)
    }))

  test('logout of the session waits for its tasks, answers and closes', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      peer.sendPdu(LOGOUT_REQUEST, {
        opcode: Opcode.logoutRequest,
        immediate: 1,
        final: 1,
        itt: 9,
        cmdSn: peer.cmdSn,
      })
      await bench.until(() => bench.watched.nexuses.size === 0)
      assert.equal(peer.waiting, 0)
      bench.store.release()
      const { response, itt } = fieldsOf(LOGOUT_RESPONSE, await peer.receive(Opcode.logoutResponse))
      assert.deepEqual([response, itt], [LogoutResponse.closed, 9])
      assert.deepEqual(await peer.end(), [])
      assert.equal(bench.of('session-closed')[0]!.cause, 'logout')
    }))

  test('logout of another connection, or for recovery, is answered and changes nothing', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const send = (reason: number, cid: number): void =>
        peer.sendPdu(LOGOUT_REQUEST, {
          opcode: Opcode.logoutRequest,
          final: 1,
          reason,
          cid,
          itt: 3,
          cmdSn: peer.cmdSn++,
        })
      send(1, 7)
      assert.equal(fieldsOf(LOGOUT_RESPONSE, await peer.receive()).response, LogoutResponse.cidNotFound)
      send(2, 1)
      assert.equal(
        fieldsOf(LOGOUT_RESPONSE, await peer.receive()).response,
        LogoutResponse.recoveryNotSupported,
      )
      peer.command(testUnitReady())
      await nextTag(peer)
      send(1, 1)
      assert.equal(fieldsOf(LOGOUT_RESPONSE, await peer.receive()).response, LogoutResponse.closed)
      await peer.end()
    }))

  test('an unknown reason for logout closes the connection', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      peer.sendPdu(LOGOUT_REQUEST, {
        opcode: Opcode.logoutRequest,
        final: 1,
        reason: 9,
        itt: 3,
        cmdSn: peer.cmdSn,
      })
      await rejected(peer, bench, RejectReason.protocolError, /reason/i)
      await peer.end()
    }))
})
