// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 11.2, 11.9 and 11.16 to 11.19: headers, reserved bits, events, Reject and NOP.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  ASYNC_MESSAGE,
  AsyncEvent,
  DATA_OUT,
  type FieldRows,
  type Layout,
  LOGIN_REQUEST,
  LOGOUT_REQUEST,
  NOP_IN,
  NOP_OUT,
  Opcode,
  PDU_BY_OPCODE,
  RESERVED_TAG,
  RejectReason,
  SCSI_COMMAND,
  SNACK,
  Status,
  TASK_MANAGEMENT_REQUEST,
  TEXT_REQUEST,
} from '@lunkit/spec'
import { BLOCK, IscsiBench, read10, TARGET, testUnitReady, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, ISID, type RawPdu, type RawPeer, text } from '../../kit/raw-peer.ts'
import {
  functionResponse,
  logoutRound,
  ping,
  r2t,
  read,
  rejected,
  response,
  sendFunction,
  sendPing,
  textRound,
  write,
} from '../../kit/raw-requests.ts'

/** A request's bytes with every bit set that the standard reserves in its header. */
function withReserved<R extends FieldRows>(
  peer: RawPeer,
  layout: Layout<R>,
  fields: object,
  data: Uint8Array = new Uint8Array(0),
): Buffer {
  const bytes = peer.build(layout, fields as never, data)
  for (let at = 0; at < 48; at++) bytes[at]! |= ~layout.usage[at]! & 0xff
  return bytes
}

describe('reserved bits', () => {
  // Requirement: RFC 7143, 11.2/1.
  test('a request of every kind works with all reserved bits set', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      const { cmdSn } = peer
      const login = {
        opcode: Opcode.loginRequest,
        immediate: 1,
        transit: 1,
        csg: 1,
        nsg: 3,
        isid: ISID,
        cid: 1,
        cmdSn,
      }
      peer.send(
        withReserved(
          peer,
          LOGIN_REQUEST,
          login,
          text({ InitiatorName: INITIATOR, TargetName: TARGET, InitialR2T: 'Yes' }),
        ),
      )
      await peer.receive(Opcode.loginResponse)
      const head = { final: 1, cmdSn }
      const tag = { ...head, immediate: 1, itt: 5, ttt: RESERVED_TAG }
      peer.send(withReserved(peer, NOP_OUT, { ...tag, opcode: Opcode.nopOut }))
      await peer.receive(Opcode.nopIn)
      const command = { ...head, opcode: Opcode.scsiCommand, attribute: 1, cdb: testUnitReady() }
      peer.send(withReserved(peer, SCSI_COMMAND, { ...command, itt: 1 }))
      await response(peer)
      const writes = {
        write: 1,
        expectedDataTransferLength: BLOCK,
        cdb: Uint8Array.of(0x2a, 0, 0, 0, 0, 0, 0, 0, 1),
      }
      peer.send(withReserved(peer, SCSI_COMMAND, { ...command, ...writes, itt: 2, cmdSn: cmdSn + 1 }))
      const { ttt } = await r2t(peer)
      const data = { opcode: Opcode.dataOut, final: 1, itt: 2, ttt }
      peer.send(withReserved(peer, DATA_OUT, data, Buffer.alloc(BLOCK)))
      assert.equal((await response(peer)).status, Status.good)
      const request = { ...head, immediate: 1, itt: 5, opcode: Opcode.taskManagementRequest, function: 3 }
      peer.send(withReserved(peer, TASK_MANAGEMENT_REQUEST, request))
      assert.equal(await functionResponse(peer), 0)
      peer.send(
        withReserved(peer, TEXT_REQUEST, { ...tag, opcode: Opcode.textRequest }, text({ SendTargets: '' })),
      )
      await peer.receive(Opcode.textResponse)
      const logout = { ...head, immediate: 1, itt: 5, opcode: Opcode.logoutRequest, cid: 1 }
      peer.send(withReserved(peer, LOGOUT_REQUEST, logout))
      await peer.receive(Opcode.logoutResponse)
      assert.equal(bench.of('peer-fault').length, 0)
    }))

  // Requirement: RFC 7143, 11.2/2.
  test('answers of every kind have no reserved bit', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { InitialR2T: 'Yes', ImmediateData: 'No' } })
      const all: RawPdu[] = []
      const take = async (): Promise<void> => void all.push(await peer.receive())
      read(peer, 0, 1)
      await take()
      peer.command(read10(0xffff_ff00, 1), { read: 1, expectedDataTransferLength: BLOCK })
      await take()
      write(peer, 0, 1)
      await take()
      sendFunction(peer, { function: 3 })
      await take()
      sendPing(peer)
      await take()
      peer.sendPdu(NOP_OUT, { opcode: 0x1b })
      await take()
      const plain = { immediate: 1, final: 1, itt: 4, ttt: RESERVED_TAG, cmdSn: peer.cmdSn }
      peer.sendPdu(TEXT_REQUEST, { ...plain, opcode: Opcode.textRequest }, text({ SendTargets: '' }))
      await take()
      peer.sendPdu(LOGOUT_REQUEST, { opcode: Opcode.logoutRequest, immediate: 1, final: 1, itt: 4, cid: 1 })
      await take()
      assert.equal(new Set(all.map(({ opcode }) => opcode)).size, 8)
      for (const { opcode, header } of all) {
        assert.equal(PDU_BY_OPCODE[opcode]!.reserved(header), null, PDU_BY_OPCODE[opcode]!.name)
        assert.equal(header[4], 0, 'no additional header')
      }
    }))

  // Requirement: RFC 7143, 11.2/3.
  test('a reserved task attribute and a reserved reason for logout are protocol errors', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      peer.command(testUnitReady(), { attribute: 6, immediate: 1 })
      await rejected(peer, RejectReason.protocolError)
      peer.sendPdu(LOGOUT_REQUEST, {
        opcode: Opcode.logoutRequest,
        immediate: 1,
        final: 1,
        itt: 4,
        reason: 3,
      })
      await rejected(peer, RejectReason.protocolError)
    }))
})

describe('headers', () => {
  // Requirement: RFC 7143, 11.2/4 and 11.2/7 and 11.17/1 and 11.17/2.
  test('opcodes that are not for a target are rejected with their header', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { HeaderDigest: 'CRC32C' } })
      for (const opcode of [0x07, 0x1b, 0x1f, Opcode.nopIn, Opcode.r2t, Opcode.reject]) {
        const bytes = peer.build(NOP_OUT, { opcode, final: 1, itt: 0x1234 })
        peer.send(bytes)
        const { itt, data } = await rejected(peer, RejectReason.commandNotSupported)
        assert.equal(itt, RESERVED_TAG)
        assert.ok(data.equals(bytes.subarray(0, 48)))
      }
    }))

  // Requirement: RFC 7143, 11.2/5 and 11.19/1.
  test('data of any length comes back as it was, padded to words both ways', () =>
    withBench({}, async bench => {
      for (const digest of ['None', 'CRC32C']) {
        const peer = await bench.peer({ keys: { HeaderDigest: digest, DataDigest: digest } })
        for (let length = 0; length < 9; length++) {
          const data = Buffer.from('abcdefghi').subarray(0, length)
          assert.ok((await ping(peer, {}, data)).data.equals(data))
        }
        await peer.close()
      }
    }))

  // Requirement: RFC 7143, 11.2/6 and 11.3/2.
  test('an unknown segment is passed over, and an Extended CDB behind it is read', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      // READ (32): opcode 7Fh, additional length 24, service action 9; LBA 5, one block.
      const cdb = Buffer.alloc(32)
      cdb.set([0x7f], 0)
      cdb.set([24, 0, 9], 7)
      cdb.writeUInt32BE(5, 16)
      cdb.writeUInt32BE(5, 20)
      cdb.writeUInt32BE(1, 28)
      const unknown = [0, 5, 0x3f, 0, 1, 2, 3, 4]
      const ahs = Uint8Array.from([...unknown, 0, 17, 1, 0, ...cdb.subarray(16)])
      const fields = {
        opcode: Opcode.scsiCommand,
        final: 1,
        read: 1,
        attribute: 1,
        expectedDataTransferLength: BLOCK,
      }
      peer.sendPdu(
        SCSI_COMMAND,
        { ...fields, cdb: cdb.subarray(0, 16), itt: peer.itt++, cmdSn: peer.cmdSn++ },
        new Uint8Array(0),
        ahs,
      )
      const fifth = bench.store.bytes.subarray(5 * BLOCK, 6 * BLOCK)
      assert.ok((await peer.receive(Opcode.dataIn)).data.equals(fifth))
      peer.sendPdu(
        SCSI_COMMAND,
        { ...fields, cdb: read10(5, 1), itt: peer.itt++, cmdSn: peer.cmdSn++ },
        new Uint8Array(0),
        Uint8Array.from(unknown),
      )
      assert.ok((await peer.receive(Opcode.dataIn)).data.equals(fifth))
    }))

  // Requirement: RFC 7143, 11.16/1.
  test('SNACK at level 0 is rejected', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      peer.sendPdu(SNACK, { opcode: Opcode.snack, final: 1, type: 1, itt: RESERVED_TAG, ttt: RESERVED_TAG })
      await rejected(peer, RejectReason.snackReject)
      await ping(peer)
    }))

  // Requirement: RFC 7143, 11.17/4.
  test('a tag in use is a task in progress', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      bench.store.held = true
      const itt = read(peer, 0, 1)
      peer.command(testUnitReady(), { itt, immediate: 1 })
      await rejected(peer, RejectReason.taskInProgress)
      bench.store.release()
      await peer.receive(Opcode.dataIn)
    }))
})

describe('NOP', () => {
  // Requirement: RFC 7143, 11.18/1 and 11.19/2.
  test('a ping, immediate or numbered, is echoed with its tag', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      assert.equal((await ping(peer)).ttt, RESERVED_TAG)
      const { ttt, expCmdSn } = await ping(peer, { immediate: 0, itt: 0, cmdSn: peer.cmdSn })
      assert.deepEqual([ttt, expCmdSn], [RESERVED_TAG, peer.cmdSn + 1])
    }))

  // Requirement: RFC 7143, 11.18/2.
  test('one without a tag is not answered', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      sendPing(peer, { itt: RESERVED_TAG })
      await ping(peer)
    }))

  // Requirement: RFC 7143, 11.19/1.
  test('the echo is cut to what the initiator takes', () =>
    withBench({}, async bench => {
      const data = Buffer.alloc(600, 'x')
      for (const most of [512, 515]) {
        const peer = await bench.peer({ keys: { MaxRecvDataSegmentLength: String(most) } })
        assert.ok((await ping(peer, {}, data)).data.equals(data.subarray(0, most)))
        await peer.close()
      }
    }))

  // Requirement: RFC 7143, 11.19/3 and 11.19/4 and 11.19/6 and 11.19/7.
  test('the ping of the target, and its answer, which is not answered', () =>
    withBench({ nop: { intervalMs: 30, timeoutMs: 60_000 } }, async bench => {
      const peer = await bench.peer()
      const pdu = await peer.receive(Opcode.nopIn)
      const { itt, ttt, lun } = fieldsOf(NOP_IN, pdu)
      assert.equal(itt, RESERVED_TAG)
      assert.notEqual(ttt, RESERVED_TAG)
      assert.equal(pdu.data.length, 0)
      // Every target has LUN 0.
      assert.ok(Buffer.from(lun).equals(Buffer.alloc(8)))
      sendPing(peer, { itt: RESERVED_TAG, ttt, lun })
      await ping(peer)
    }))
})

describe('events', () => {
  // Requirement: RFC 7143, 11.9/1 and 11.9/2.
  test('a target that stops asks for a logout, by a numbered message without a task', async () => {
    const bench = await IscsiBench.open()
    const peer = await bench.peer()
    const { statSn } = await ping(peer)
    const stopped = bench.port.stop(7000)
    const event = fieldsOf(ASYNC_MESSAGE, await peer.receive(Opcode.asyncMessage))
    assert.deepEqual(
      [event.asyncEvent, event.parameter3, event.itt, event.statSn],
      [AsyncEvent.logoutRequested, 7, RESERVED_TAG, statSn + 1],
    )
    assert.deepEqual(
      [event.parameter1, event.parameter2, Buffer.from(event.lun).equals(Buffer.alloc(8))],
      [0, 0, true],
    )
    assert.equal((await logoutRound(peer)).statSn, statSn + 2)
    await stopped
    await bench.close()
  })

  // Requirement: RFC 7143, 11.18/1.
  test('while it waits for the logout, requests are still answered', async () => {
    const bench = await IscsiBench.open()
    const peer = await bench.peer()
    const stopped = bench.port.stop(7000)
    await peer.receive(Opcode.asyncMessage)
    await ping(peer)
    assert.deepEqual((await textRound(peer, { SendTargets: '' })).keys['TargetName'], TARGET)
    await logoutRound(peer)
    await stopped
    await bench.close()
  })
})
