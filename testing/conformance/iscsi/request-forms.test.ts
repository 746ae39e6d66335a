// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 11: requests with headers and data that their kind does not have, and what the target makes of them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_OUT,
  LOGOUT_REQUEST,
  NOP_OUT,
  Opcode,
  RESERVED_TAG,
  RejectReason,
  SCSI_COMMAND,
  SNACK,
  Status,
  TASK_MANAGEMENT_REQUEST,
  TEXT_REQUEST,
} from '@lunkit/spec'
import { BLOCK, testUnitReady, withBench, write10 } from '../../kit/iscsi-bench.ts'
import type { RawPeer } from '../../kit/raw-peer.ts'
import { logoutRound, ping, r2t, rejected, response, textRound, write } from '../../kit/raw-requests.ts'

const SOLICITED = { InitialR2T: 'Yes', ImmediateData: 'No' }
/** A segment of a kind that nobody knows. */
const UNKNOWN = Uint8Array.of(0, 5, 0x3f, 0, 1, 2, 3, 4)
const FOUR = Buffer.alloc(4)
const NOTHING = Buffer.alloc(0)

const head = (peer: RawPeer) => ({ immediate: 1, final: 1, itt: 0x99, cmdSn: peer.cmdSn }) as const
const FUNCTION = {
  opcode: Opcode.taskManagementRequest,
  function: 3,
  referencedTaskTag: RESERVED_TAG,
} as const
const LOGOUT = { opcode: Opcode.logoutRequest, cid: 1 } as const

describe('additional headers', () => {
  // Requirement: RFC 7143, 11.2/19 and 11.5.2/2 and 11.14.2/2.
  test('requests of every kind but commands are rejected with one, and the session goes on', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: SOLICITED })
      const tags = { ttt: RESERVED_TAG }
      peer.sendPdu(NOP_OUT, { ...head(peer), ...tags, opcode: Opcode.nopOut }, NOTHING, UNKNOWN)
      await rejected(peer, RejectReason.protocolError)
      peer.sendPdu(TEXT_REQUEST, { ...head(peer), ...tags, opcode: Opcode.textRequest }, NOTHING, UNKNOWN)
      await rejected(peer, RejectReason.protocolError)
      peer.sendPdu(TASK_MANAGEMENT_REQUEST, { ...head(peer), ...FUNCTION }, NOTHING, UNKNOWN)
      await rejected(peer, RejectReason.protocolError)
      peer.sendPdu(LOGOUT_REQUEST, { ...head(peer), ...LOGOUT }, NOTHING, UNKNOWN)
      await rejected(peer, RejectReason.protocolError)
      const itt = write(peer, 0, 1)
      const { ttt } = await r2t(peer)
      const data = Buffer.alloc(BLOCK, 6)
      peer.sendPdu(DATA_OUT, { opcode: Opcode.dataOut, final: 1, itt, ttt }, data, UNKNOWN)
      await rejected(peer, RejectReason.protocolError)
      peer.sendPdu(DATA_OUT, { opcode: Opcode.dataOut, final: 1, itt, ttt }, data)
      assert.equal((await response(peer)).status, Status.good)
      await ping(peer)
    }))

  // Requirement: RFC 7143, 11.2/17.
  test('a segment for a CDB that fits without is refused, one for 17 bytes is not', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const send = (ahs: number[]): void =>
        peer.sendPdu(
          SCSI_COMMAND,
          { ...head(peer), opcode: Opcode.scsiCommand, cdb: testUnitReady() },
          NOTHING,
          Uint8Array.from(ahs),
        )
      send([0, 1, 1, 0])
      await rejected(peer, RejectReason.invalidPduField)
      send([0, 2, 1, 0, 0, 0, 0, 0])
      assert.equal((await response(peer)).status, Status.good)
    }))

  // Requirement: RFC 7143, 11.3/11.
  test('a command in both directions without a read length is refused', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const fields = { immediate: 1, read: 1, write: 1, expectedDataTransferLength: BLOCK }
      peer.command(write10(0, 1), fields, Buffer.alloc(BLOCK))
      await rejected(peer, RejectReason.invalidPduField)
      await ping(peer)
    }))
})

describe('data', () => {
  // Requirement: RFC 7143, 11.5.2/2 and 11.14.2/2.
  test('functions, logouts and SNACKs are rejected with data, and nothing is done', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      peer.sendPdu(TASK_MANAGEMENT_REQUEST, { ...head(peer), ...FUNCTION }, FOUR)
      await rejected(peer, RejectReason.protocolError)
      peer.sendPdu(LOGOUT_REQUEST, { ...head(peer), ...LOGOUT }, FOUR)
      await rejected(peer, RejectReason.protocolError)
      peer.sendPdu(SNACK, { opcode: Opcode.snack, final: 1, itt: RESERVED_TAG, ttt: RESERVED_TAG }, FOUR)
      await rejected(peer, RejectReason.protocolError)
      assert.equal((await logoutRound(peer)).response, 0)
    }))
})

describe('text', () => {
  // Requirement: RFC 7143, 11.11/6.
  test('an exchange goes on with the LUN and the tag that the response had', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const { ttt, lun, final } = await textRound(peer, { InitiatorAlias: 'one' }, { final: 0 })
      assert.equal(final, 0)
      assert.deepEqual(Buffer.from(lun), Buffer.alloc(8))
      assert.equal((await textRound(peer, {}, { ttt, lun })).final, 1)
    }))
})
