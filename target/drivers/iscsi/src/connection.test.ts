// SPDX-License-Identifier: Apache-2.0
// One connection over a real socket: digests, peers that do not read, and every step of its life.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_IN,
  DATA_OUT,
  LOGOUT_REQUEST,
  NOP_OUT,
  Opcode,
  R2T,
  REJECT,
  RESERVED_TAG,
  RejectReason,
  SCSI_RESPONSE,
  Status,
} from '@lunkit/spec'
import {
  IscsiBench,
  read10,
  senseOf,
  TARGET,
  testUnitReady,
  withBench,
  write10,
} from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf } from '@lunkit/testing/kit/raw-peer.ts'
import { CONNECTION_EVENTS, CONNECTION_ROWS, CONNECTION_STATES, nextState } from './connection-states.ts'
import type { IscsiTargetPort } from './port.ts'

const DIGESTS = { HeaderDigest: 'CRC32C,None', DataDigest: 'CRC32C,None' }

describe('digests', () => {
  for (const keys of [DIGESTS, { HeaderDigest: 'CRC32C' }, { DataDigest: 'CRC32C' }]) {
    test(`writes and reads with ${JSON.stringify(keys)}`, () =>
      withBench({}, async bench => {
        const peer = await bench.peer({
          keys: { ...keys, InitialR2T: 'Yes', MaxRecvDataSegmentLength: '65536' },
        })
        assert.equal(peer.headerDigest, 'HeaderDigest' in keys)
        assert.equal(peer.dataDigest, 'DataDigest' in keys)
        const data = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 3) & 0xff))
        const itt = peer.command(
          write10(0, 8),
          { write: 1, expectedDataTransferLength: 4096 },
          data.subarray(0, 510),
        )
        const { ttt, bufferOffset } = fieldsOf(R2T, await peer.receive(Opcode.r2t))
        assert.equal(bufferOffset, 510)
        peer.sendPdu(
          DATA_OUT,
          { opcode: Opcode.dataOut, itt, ttt, bufferOffset: 510 },
          data.subarray(510, 1021),
        )
        peer.sendPdu(
          DATA_OUT,
          { opcode: Opcode.dataOut, final: 1, itt, ttt, dataSn: 1, bufferOffset: 1021 },
          data.subarray(1021),
        )
        assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive()).status, Status.good)
        for (const length of [4096, 700, 3]) {
          peer.command(read10(0, 8), { read: 1, expectedDataTransferLength: length })
          assert.ok((await peer.receive(Opcode.dataIn)).data.equals(data.subarray(0, length)))
        }
      }))
  }

  // Requirement: RFC 7143, Digest Errors: a wrong header digest ends the connection.
  test('a wrong header digest closes the connection', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: DIGESTS })
      const bytes = peer.build(NOP_OUT, { opcode: Opcode.nopOut, immediate: 1, itt: 1 })
      bytes[50]! ^= 1
      peer.send(bytes)
      assert.deepEqual(await peer.end(), [])
      assert.match(bench.of('peer-fault')[0]!.fault, /Header digest/)
    }))

  // Requirement: RFC 7143, Digest Errors: a wrong data digest is rejected, and the command ends with CHECK CONDITION.
  test('wrong data digests: Reject, and the command fails when all its data is through', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { ...DIGESTS, InitialR2T: 'Yes', ImmediateData: 'No' } })
      bench.store.takeCalls()
      const itt = peer.command(write10(0, 2), { write: 1, expectedDataTransferLength: 1024 })
      const { ttt } = fieldsOf(R2T, await peer.receive(Opcode.r2t))
      const wrong = peer.build(DATA_OUT, { opcode: Opcode.dataOut, itt, ttt }, Buffer.alloc(512, 7))
      wrong[60]! ^= 1
      peer.send(wrong)
      const reject = await peer.receive(Opcode.reject)
      assert.equal(fieldsOf(REJECT, reject).reason, RejectReason.dataDigestError)
      assert.ok(reject.data.equals(wrong.subarray(0, 48)))
      peer.sendPdu(
        DATA_OUT,
        { opcode: Opcode.dataOut, final: 1, itt, ttt, dataSn: 1, bufferOffset: 512 },
        Buffer.alloc(512, 7),
      )
      const response = await peer.receive(Opcode.scsiResponse)
      assert.equal(senseOf(response), '0b4705')
      assert.deepEqual(bench.store.takeCalls(), [])
    }))

  test('a command or a ping with a wrong data digest is rejected, and its number stays free', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: DIGESTS })
      bench.store.takeCalls()
      const send = peer.send.bind(peer)
      peer.send = bytes => {
        bytes[bytes.length - 1]! ^= 1
        send(bytes)
      }
      const { cmdSn } = peer
      peer.command(write10(0, 1), { write: 1, expectedDataTransferLength: 512 }, Buffer.alloc(512))
      assert.equal(fieldsOf(REJECT, await peer.receive()).reason, RejectReason.dataDigestError)
      peer.cmdSn = cmdSn
      const ping = { opcode: Opcode.nopOut, final: 1, itt: 1, ttt: RESERVED_TAG }
      peer.sendPdu(NOP_OUT, { ...ping, cmdSn }, Buffer.alloc(8))
      assert.equal(fieldsOf(REJECT, await peer.receive()).reason, RejectReason.dataDigestError)
      peer.send = send
      peer.command(testUnitReady())
      assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive()).status, Status.good)
      assert.deepEqual(bench.store.takeCalls(), [])
    }))
})

describe('a peer that does not read', () => {
  test('stops its own session only, and gets everything when it reads again', () =>
    withBench({ limits: { sendQueueBytes: 65_536 } }, async bench => {
      const slow = await bench.peer({
        keys: { MaxRecvDataSegmentLength: '262144', MaxBurstLength: '262144' },
      })
      const good = await bench.peer({ isid: Uint8Array.of(0x80, 0, 0, 0, 0, 2) })
      slow.socket.pause()
      const count = 400
      for (let i = 0; i < count; i++) {
        // Within the window that it knows: it has not read of any other.
        if (i === 100) break
        slow.command(read10((i % 16) * 512, 512), { read: 1, expectedDataTransferLength: 262_144 })
      }
      for (let i = 0; i < 50; i++) {
        good.command(read10(i, 8), { read: 1, expectedDataTransferLength: 4096 })
        await good.receive(Opcode.dataIn)
      }
      slow.socket.resume()
      for (let i = 0; i < 100; i++) {
        const pdu = await slow.receive(Opcode.dataIn)
        const at = (i % 16) * 262_144
        assert.ok(pdu.data.equals(bench.store.bytes.subarray(at, at + 262_144)), `read ${i}`)
        assert.equal(fieldsOf(DATA_IN, pdu).statusPresent, 1)
      }
    }))

  test('and never does, is cut off by the keep-alive', () =>
    withBench({ limits: { sendQueueBytes: 65_536 }, nop: { intervalMs: 60, timeoutMs: 60 } }, async bench => {
      const slow = await bench.peer({
        keys: { MaxRecvDataSegmentLength: '262144', MaxBurstLength: '262144' },
      })
      slow.socket.pause()
      for (let i = 0; i < 100; i++) {
        slow.command(read10(0, 512), { read: 1, expectedDataTransferLength: 262_144 })
      }
      await bench.until(() => bench.of('session-closed').length === 1)
      assert.equal(bench.of('session-closed')[0]!.cause, 'lost')
    }))
})

describe('states', () => {
  test('every row is taken in the life of real connections', async () => {
    const bench = await IscsiBench.open()
    const taken = new Set<string>()
    ;(bench.port as IscsiTargetPort).onStep = (from, on) => void taken.add(`${from} ${on}`)
    await (await bench.connect()).close()
    await bench.until(() => taken.has('transportUp lost'))
    const half = await bench.connect()
    await half.loginRound({ csg: 0 }, { InitiatorName: 'iqn.2026-11.test.lunkit:a', TargetName: TARGET })
    await half.close()
    const wrong = await bench.connect()
    await wrong.loginRound({ csg: 0 }, {})
    await wrong.end()
    await (await bench.peer()).close()
    await bench.until(() => taken.has('loggedIn lost'))
    const logout = { opcode: Opcode.logoutRequest, immediate: 1, final: 1, itt: 9 }
    const polite = await bench.peer()
    polite.sendPdu(LOGOUT_REQUEST, logout)
    await polite.receive(Opcode.logoutResponse)
    await polite.end()
    const hasty = await bench.peer()
    bench.store.held = true
    hasty.command(read10(0, 1), { read: 1, expectedDataTransferLength: 512 })
    hasty.sendPdu(LOGOUT_REQUEST, logout)
    await bench.until(() => bench.watched.nexuses.size === 0)
    hasty.socket.destroy()
    await bench.until(() => taken.has('inLogout lost'))
    bench.store.release()
    const obedient = await bench.peer({ isid: Uint8Array.of(1, 0, 0, 0, 0, 1) })
    await bench.peer({ isid: Uint8Array.of(1, 0, 0, 0, 0, 2) })
    const stopped = bench.port.stop(200)
    await obedient.receive(Opcode.asyncMessage)
    obedient.sendPdu(LOGOUT_REQUEST, logout)
    await stopped
    await bench.close()
    const missing = CONNECTION_ROWS.map(row => `${row.from} ${row.on}`).filter(row => !taken.has(row))
    assert.deepEqual(missing, [])
  })

  test('what is no row is no step', () => {
    let rows = 0
    for (const from of CONNECTION_STATES) {
      for (const on of CONNECTION_EVENTS) if (nextState(from, on) !== undefined) rows++
    }
    assert.equal(rows, CONNECTION_ROWS.length)
    assert.equal(nextState('free', 'loginDone'), undefined)
  })
})
