// SPDX-License-Identifier: Apache-2.0
// Messages that an operator sends, drains and drops, as raw peers see them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  ASYNC_MESSAGE,
  AsyncEvent,
  CAPACITY_DATA_HAS_CHANGED,
  LOGIN_RESPONSE,
  LOGOUT_REQUEST,
  LoginStage,
  LoginStatus,
  Opcode,
  RESERVED_TAG,
  TEXT_REQUEST,
} from '@lunkit/spec'
import { OperatorError } from '@lunkit/target-api'
import { type IscsiBench, read10, TARGET, testUnitReady, withBench } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, INITIATOR, type RawPdu, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'

const OTHER = 'iqn.2026-11.test.lunkit:other-peer'
const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET }
const LAST = { transit: 1, csg: LoginStage.operational, nsg: LoginStage.fullFeature } as const

const message = async (peer: RawPeer) => {
  const pdu = await peer.receive(Opcode.asyncMessage)
  return { ...fieldsOf(ASYNC_MESSAGE, pdu), data: pdu.data }
}

const logOut = async (peer: RawPeer): Promise<void> => {
  peer.sendPdu(LOGOUT_REQUEST, { opcode: Opcode.logoutRequest, final: 1, itt: 9, cmdSn: peer.cmdSn })
  await peer.receive(Opcode.logoutResponse)
  await peer.end()
}

const statusOf = (pdu: RawPdu): number => {
  const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
  return (statusClass << 8) | statusDetail
}

/** A session with two connections. */
async function twoConnections(bench: IscsiBench, keys = {}): Promise<[RawPeer, RawPeer]> {
  const first = await bench.connect()
  const pdu = await first.loginRound(LAST, { ...NAMES, MaxConnections: '4', ...keys })
  const { tsih } = fieldsOf(LOGIN_RESPONSE, pdu)
  const second = await bench.connect()
  await second.loginRound({ ...LAST, tsih, cid: 2 }, NAMES)
  return [first, second]
}

describe('messages', () => {
  test('of every kind carry what they are to, and use up a StatSN each', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' } })
      const { control } = bench.port
      assert.equal(control.askNegotiation(30), 1)
      const asked = await message(peer)
      assert.deepEqual(
        [asked.asyncEvent, asked.parameter3, asked.itt, asked.data.length],
        [AsyncEvent.negotiationRequested, 30, RESERVED_TAG, 0],
      )
      const sense = Buffer.from('70000600000000180000000000000000000000', 'hex')
      assert.equal(control.tellSense(5, sense), 1)
      const event = await message(peer)
      assert.deepEqual(
        [event.asyncEvent, Buffer.from(event.lun).toString('hex'), event.data.toString('hex')],
        [AsyncEvent.scsiEvent, '0005000000000000', `0013${sense.toString('hex')}`],
      )
      assert.equal(event.statSn, asked.statSn + 1)
      const data = new Uint8Array(510).fill(7)
      assert.equal(control.tellVendorEvent({ code: 77, data }), 1)
      const vendor = await message(peer)
      assert.deepEqual(
        [
          vendor.asyncEvent,
          vendor.asyncVCode,
          vendor.data.length,
          vendor.data.readUInt16BE(0),
          vendor.data[2],
        ],
        [AsyncEvent.vendorSpecific, 77, 512, 0, 7],
      )
      assert.equal(control.tellVendorEvent({ event: 248, code: 1 }), 1)
      const plain = await message(peer)
      assert.deepEqual([plain.asyncEvent, plain.asyncVCode, plain.data.length], [248, 1, 0])
      peer.command(testUnitReady())
      await peer.receive(Opcode.scsiResponse)
    }))

  test('go to the sessions that are meant', () =>
    withBench({}, async bench => {
      const one = await bench.peer()
      const two = await bench.peer({ initiator: OTHER, isid: Uint8Array.of(0x80, 0, 0, 0, 0, 2) })
      const { control } = bench.port
      assert.equal(control.askNegotiation(1, { initiator: '*other*' }), 1)
      assert.equal((await message(two)).asyncEvent, AsyncEvent.negotiationRequested)
      assert.equal(control.askNegotiation(1, { isid: '800000000001', target: TARGET }), 1)
      assert.equal((await message(one)).asyncEvent, AsyncEvent.negotiationRequested)
      assert.equal(control.askNegotiation(1, { target: 'iqn.2026-11.test.lunkit:none' }), 0)
      assert.equal(control.askNegotiation(1, { initiator: OTHER, tsih: 1 }), 0)
      assert.deepEqual([one.waiting, two.waiting], [0, 0])
    }))

  test('an asked initiator may answer with an empty text request', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      bench.port.control.askNegotiation(3)
      await message(peer)
      const empty = { opcode: Opcode.textRequest, final: 1, itt: 5, ttt: RESERVED_TAG, cmdSn: peer.cmdSn++ }
      peer.sendPdu(TEXT_REQUEST, empty)
      await peer.receive(Opcode.textResponse)
    }))

  test('discovery sessions hear of no LUN', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      await peer.login()
      bench.port.control.tellSense(0, new Uint8Array(18))
      bench.port.control.askLogout(4)
      const { asyncEvent, parameter3 } = await message(peer)
      assert.deepEqual([asyncEvent, parameter3], [AsyncEvent.logoutRequested, 4])
    }))

  // Requirement: RFC 7143, 11.9.1: a SCSI event carries the LUN and sense data of its condition.
  // Requirement: RFC 7143, 11.9/8.
  test('a changed list of LUNs and a changed capacity are told at once, each once, where that is asked for', () =>
    withBench({ asyncEvents: true }, async bench => {
      const peer = await bench.peer()
      const { target } = bench
      const unit = target.unitAt(0)!
      target.map(3, unit)
      const list = await message(peer)
      assert.deepEqual(
        [list.asyncEvent, Buffer.from(list.lun).toString('hex'), list.data.subarray(14, 16).toString('hex')],
        [AsyncEvent.scsiEvent, '0000000000000000', '3f0e'],
      )
      assert.deepEqual([list.data.readUInt16BE(0), list.data[2], list.data[4]], [18, 0x70, 6])
      unit.attention(CAPACITY_DATA_HAS_CHANGED, null)
      const seen = [await message(peer), await message(peer)]
      assert.deepEqual(
        seen.map(({ lun, data }) => [lun[1], data.subarray(14, 16).toString('hex')]),
        [
          [0, '2a09'],
          [3, '2a09'],
        ],
      )
      // They are pending now: that they come again is no news.
      unit.attention(CAPACITY_DATA_HAS_CHANGED, null)
      target.unmap(3)
      peer.command(testUnitReady())
      assert.equal((await peer.receive()).opcode, Opcode.scsiResponse)
    }))

  test('nothing is told of it otherwise', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      const { target } = bench
      target.map(3, target.unitAt(0)!)
      peer.command(testUnitReady())
      assert.equal((await peer.receive()).opcode, Opcode.scsiResponse)
    }))

  test('values out of range are refused', () =>
    withBench({}, async ({ port: { control } }) => {
      assert.throws(() => control.askLogout(65_536), OperatorError)
      assert.throws(() => control.askLogout(0.5), OperatorError)
      assert.throws(() => control.askNegotiation(-1), OperatorError)
      assert.throws(() => control.tellVendorEvent({ event: 4, code: 0 }), OperatorError)
      assert.throws(() => control.tellVendorEvent({ code: 256 }), OperatorError)
      assert.throws(() => control.tellVendorEvent({ code: 0, data: new Uint8Array(511) }), OperatorError)
      assert.throws(() => control.tellSense(16_384, new Uint8Array(18)), OperatorError)
      assert.throws(() => control.tellSense(0, new Uint8Array(253)), OperatorError)
      assert.throws(() => control.drop({}, 65_536), OperatorError)
      await assert.rejects(control.drain(Number.NaN), OperatorError)
    }))
})

describe('drop', () => {
  // Requirement: RFC 7143, 11.9.1: a message says that the connections of a session will be dropped, before they are.
  // Requirement: RFC 7143, 11.9/4.
  test('a session is told, and ends with all its connections', () =>
    withBench({}, async bench => {
      const [first, second] = await twoConnections(bench)
      assert.equal(bench.port.control.drop({ initiator: INITIATOR }, 12), 1)
      const { asyncEvent, parameter1, parameter2, parameter3 } = await message(first)
      assert.deepEqual(
        [asyncEvent, parameter1, parameter2, parameter3],
        [AsyncEvent.sessionDropped, 0, 12, 0],
      )
      await first.end()
      assert.equal((await second.end()).length, 0)
      assert.equal(bench.of('session-closed')[0]!.cause, 'stopped')
      assert.equal(bench.port.control.drop(), 0)
    }))

  test('a connection is named by its CID', () =>
    withBench({}, async bench => {
      const [first, second] = await twoConnections(bench)
      assert.equal(bench.port.control.dropConnection(3), 0)
      assert.equal(bench.port.control.dropConnection(2), 1)
      const { asyncEvent, parameter1, parameter2, parameter3 } = await message(second)
      assert.deepEqual(
        [asyncEvent, parameter1, parameter2, parameter3],
        [AsyncEvent.connectionDropped, 2, 2, 0],
      )
      await second.end()
      // Its commands cannot be had again: the session is lost with it (RFC 7143, 7.1.4.4).
      await first.end()
    }))
})

test('at error recovery level 2 the session goes on without the dropped connection, and says for how long', () =>
  withBench({ limits: { time2RetainSeconds: 7 } }, async bench => {
    const keys = { ErrorRecoveryLevel: '2', DefaultTime2Wait: '3', DefaultTime2Retain: '20' }
    const [first, second] = await twoConnections(bench, keys)
    assert.equal(bench.port.control.dropConnection(2), 1)
    const { asyncEvent, parameter1, parameter2, parameter3 } = await message(second)
    assert.deepEqual(
      [asyncEvent, parameter1, parameter2, parameter3],
      [AsyncEvent.connectionDropped, 2, 3, 7],
    )
    await second.end()
    first.command(testUnitReady())
    await first.receive(Opcode.scsiResponse)
    assert.equal(bench.of('session-closed').length, 0)
    // A session that is drained loses what it kept for the lost connection, too.
    assert.deepEqual(await bench.port.control.drain(0), { sessions: 1, dropped: 1 })
    assert.equal((await message(first)).asyncEvent, AsyncEvent.sessionDropped)
    await first.end()
  }))

describe('drain', () => {
  test('initiators that log out end it; commands run until then, and newcomers are told to come later', () =>
    withBench({}, async bench => {
      const { control } = bench.port
      const peer = await bench.peer()
      bench.store.held = true
      peer.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
      await bench.until(() => bench.store.underWay === 1)
      const drained = control.drain(600)
      const { asyncEvent, parameter3 } = await message(peer)
      assert.deepEqual([asyncEvent, parameter3], [AsyncEvent.logoutRequested, 600])
      const late = await bench.connect()
      assert.equal(statusOf(await late.loginRound(LAST, NAMES)), LoginStatus.serviceUnavailable)
      const discovery = await bench.connect()
      const keys = { InitiatorName: INITIATOR, SessionType: 'Discovery' }
      assert.equal(statusOf(await discovery.loginRound(LAST, keys)), LoginStatus.serviceUnavailable)
      bench.store.release()
      assert.equal((await peer.receive()).opcode, Opcode.dataIn)
      peer.command(testUnitReady())
      await peer.receive(Opcode.scsiResponse)
      await logOut(peer)
      assert.deepEqual(await drained, { sessions: 1, dropped: 0 })
      assert.equal(bench.of('session-closed')[0]!.cause, 'logout')
      control.readmit()
      await bench.peer()
    }))

  test('those that stay are told that they are dropped', () =>
    withBench({}, async bench => {
      const stays = await bench.peer()
      const drained = await bench.port.control.drain(0.02)
      assert.deepEqual(drained, { sessions: 1, dropped: 1 })
      assert.equal((await message(stays)).asyncEvent, AsyncEvent.logoutRequested)
      assert.equal((await message(stays)).asyncEvent, AsyncEvent.sessionDropped)
      await stays.end()
      assert.equal(bench.of('session-closed')[0]!.cause, 'stopped')
    }))

  test('of one target keeps initiators from it alone', () =>
    withBench({}, async bench => {
      await bench.port.control.drain(0, { target: TARGET })
      const refused = await bench.connect()
      assert.equal(statusOf(await refused.loginRound(LAST, NAMES)), LoginStatus.serviceUnavailable)
      const discovery = await bench.connect()
      await discovery.login()
      bench.port.control.readmit(TARGET)
      await bench.peer()
    }))

  test('of one initiator ends its sessions, and it may come back', () =>
    withBench({}, async bench => {
      const gone = await bench.peer()
      const other = await bench.peer({ initiator: OTHER, isid: Uint8Array.of(0x80, 0, 0, 0, 0, 2) })
      const drained = bench.port.control.drain(600, { initiator: INITIATOR })
      await message(gone)
      await logOut(gone)
      assert.deepEqual(await drained, { sessions: 1, dropped: 0 })
      assert.equal(other.waiting, 0)
      await bench.peer()
    }))

  test('a login that is under way when it begins is refused at its end', () =>
    withBench({}, async bench => {
      const peer = await bench.connect()
      await peer.loginRound({ csg: LoginStage.operational }, NAMES)
      await bench.port.control.drain(0)
      assert.equal(statusOf(await peer.loginRound(LAST, {})), LoginStatus.serviceUnavailable)
    }))
})
