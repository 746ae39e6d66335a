// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 4.2.5.2, 11.3, 11.4, 11.7 and 11.8: the data of writes, R2T, and the answers to wrong data.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DATA_OUT, Opcode, RESERVED_TAG, RejectReason, SCSI_RESPONSE, Status } from '@lunkit/spec'
import { BLOCK, read10, testUnitReady, withBench, write10 } from '../../kit/iscsi-bench.ts'
import { fieldsOf } from '../../kit/raw-peer.ts'
import { dataOut, ping, r2t, rejected, response, write } from '../../kit/raw-requests.ts'

/** Sense codes of 11.4.7.2: key, ASC, ASCQ. */
const UNEXPECTED_DATA = '0b0c0c'
const INCORRECT_AMOUNT = '0b0c0d'

const UNSOLICITED = {
  InitialR2T: 'No',
  ImmediateData: 'Yes',
  FirstBurstLength: '1024',
  MaxBurstLength: '2048',
}
const SOLICITED = { InitialR2T: 'Yes', ImmediateData: 'No', MaxBurstLength: '1024', FirstBurstLength: '1024' }
const blocks = (count: number, fill = 0x5a): Buffer => Buffer.alloc(count * BLOCK, fill)

describe('data that nobody asked for', () => {
  // Requirement: RFC 7143, 4.2.5.2/1 and 13.11/2 and 11.4/6.
  test('immediate data where ImmediateData is No fails the command', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: SOLICITED })
      write(peer, 0, 1, blocks(1))
      const { status, sense } = await response(peer)
      assert.deepEqual([status, sense], [Status.checkCondition, UNEXPECTED_DATA])
      assert.ok(!bench.store.bytes.subarray(0, BLOCK).equals(blocks(1)))
    }))

  // Requirement: RFC 7143, 4.2.5.2/1 and 13.10/2.
  test('a Data-Out without R2T where InitialR2T is Yes fails the command', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: SOLICITED })
      const itt = write(peer, 0, 1, undefined, { final: 0 })
      dataOut(peer, { itt }, blocks(1))
      assert.equal((await response(peer)).sense, UNEXPECTED_DATA)
    }))

  // Requirement: RFC 7143, 4.2.5.2/2.
  test('more than FirstBurstLength, with the command or behind it, fails the command', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: UNSOLICITED })
      write(peer, 0, 4, blocks(3))
      assert.equal((await response(peer)).sense, UNEXPECTED_DATA)
      const itt = write(peer, 0, 4, blocks(1), { final: 0 })
      dataOut(peer, { itt, bufferOffset: BLOCK }, blocks(2))
      await rejected(peer, RejectReason.protocolError)
      assert.equal((await response(peer)).sense, INCORRECT_AMOUNT)
    }))

  // Requirement: RFC 7143, 11.3/3 and 11.7/8 and 4.2.2.4/4.
  test('immediate data and the unsolicited data behind it are one write', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: UNSOLICITED })
      const itt = write(peer, 3, 2, blocks(1, 1), { final: 0 })
      dataOut(peer, { itt, dataSn: 0, bufferOffset: BLOCK, final: 0 }, Buffer.alloc(256, 2))
      dataOut(peer, { itt, dataSn: 1, bufferOffset: BLOCK + 256 }, Buffer.alloc(256, 3))
      assert.equal((await response(peer)).status, Status.good)
      const wanted = Buffer.concat([blocks(1, 1), Buffer.alloc(256, 2), Buffer.alloc(256, 3)])
      assert.ok(bench.store.bytes.subarray(3 * BLOCK, 5 * BLOCK).equals(wanted))
    }))

  // Requirement: RFC 7143, 11.7/11.
  test('Data-Out PDUs without data count, and do no harm', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: SOLICITED })
      const itt = write(peer, 0, 1)
      const { ttt } = await r2t(peer)
      dataOut(peer, { itt, ttt, dataSn: 0, final: 0 }, blocks(0))
      dataOut(peer, { itt, ttt, dataSn: 1, final: 0 }, blocks(0))
      dataOut(peer, { itt, ttt, dataSn: 2 }, blocks(1, 4))
      assert.equal((await response(peer)).status, Status.good)
      assert.ok(bench.store.bytes.subarray(0, BLOCK).equals(blocks(1, 4)))
    }))

  // Requirement: RFC 7143, 11.3/1.
  test('a command without W that brings data, or announces some, is refused', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      peer.command(testUnitReady(), { immediate: 1 }, blocks(1))
      await rejected(peer, RejectReason.protocolError)
      peer.command(read10(0, 1), { immediate: 1, read: 1, final: 0, expectedDataTransferLength: BLOCK })
      await rejected(peer, RejectReason.protocolError)
      await ping(peer)
    }))
})

describe('Ready To Transfer', () => {
  // Requirement: RFC 7143, 11.8/2 and 11.8/5 and 13.13/2.
  test('R2Ts ask for MaxBurstLength at most, one range behind the other, and for no more than there is', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: SOLICITED })
      const itt = write(peer, 0, 5)
      const lengths: number[] = []
      for (let offset = 0; offset < 5 * BLOCK; ) {
        const { ttt, bufferOffset, desiredLength } = await r2t(peer)
        assert.equal(bufferOffset, offset)
        lengths.push(desiredLength)
        dataOut(peer, { itt, ttt, bufferOffset }, Buffer.alloc(desiredLength))
        offset += desiredLength
      }
      assert.deepEqual(lengths, [1024, 1024, 512])
      assert.equal((await response(peer)).status, Status.good)
    }))

  // Requirement: RFC 7143, 11.8/1 and 11.8/3 and 13.17/2.
  test('as many R2Ts as were agreed on are outstanding, each with a tag of its own', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { ...SOLICITED, MaxOutstandingR2T: '3' } })
      const itt = write(peer, 0, 10)
      const first = [await r2t(peer), await r2t(peer), await r2t(peer)]
      await ping(peer)
      const tags = new Set(first.map(({ ttt }) => ttt))
      assert.equal(tags.size, 3)
      assert.ok(!tags.has(RESERVED_TAG))
      dataOut(peer, { itt, ttt: first[0]!.ttt }, blocks(2))
      const fourth = await r2t(peer)
      assert.ok(![first[1]!.ttt, first[2]!.ttt].includes(fourth.ttt))
      await ping(peer)
      for (const { ttt, bufferOffset } of [...first.slice(1), fourth]) {
        dataOut(peer, { itt, ttt, bufferOffset }, blocks(2))
      }
      const { ttt, bufferOffset } = await r2t(peer)
      dataOut(peer, { itt, ttt, bufferOffset }, blocks(2))
      assert.equal((await response(peer)).status, Status.good)
    }))

  // Requirement: RFC 7143, 11.8/3.
  test('without a word about it there is one R2T at a time', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: SOLICITED })
      const itt = write(peer, 0, 4)
      const { ttt } = await r2t(peer)
      await ping(peer)
      dataOut(peer, { itt, ttt }, blocks(2))
      assert.equal((await r2t(peer)).bufferOffset, 2 * BLOCK)
    }))

  // Requirement: RFC 7143, 11.8/4.
  test('an R2T names the LUN of its command', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: SOLICITED })
      // Flat space addressing: LUN 0 in another form, which shows that the field is copied.
      const lun = Uint8Array.of(0x40, 0, 0, 0, 0, 0, 0, 0)
      write(peer, 0, 1, undefined, { lun })
      assert.deepEqual(Buffer.from((await r2t(peer)).lun), Buffer.from(lun))
    }))
})

describe('wrong data', () => {
  const cases: readonly [string, { dataSn: number; bufferOffset: number; data: Buffer }[]][] = [
    ['a gap in DataSN', [{ dataSn: 1, bufferOffset: 0, data: blocks(2) }]],
    ['a gap in the offsets', [{ dataSn: 0, bufferOffset: BLOCK, data: blocks(1) }]],
    ['too little', [{ dataSn: 0, bufferOffset: 0, data: blocks(1) }]],
    ['too much', [{ dataSn: 0, bufferOffset: 0, data: blocks(3) }]],
  ]
  for (const [what, pieces] of cases) {
    // Requirement: RFC 7143, 11.4/6 and 7.9/1 and 11.7/8 and 11.17/3.
    test(`solicited data with ${what} ends the command with a sense code, and nothing is written`, () =>
      withBench({}, async bench => {
        const peer = await bench.peer({ keys: SOLICITED })
        const itt = write(peer, 0, 2)
        const { ttt } = await r2t(peer)
        bench.store.takeCalls()
        for (const { data, ...fields } of pieces) dataOut(peer, { itt, ttt, ...fields }, data)
        let pdu = await peer.receive()
        if (pdu.opcode === Opcode.reject) pdu = await peer.receive()
        assert.equal(fieldsOf(SCSI_RESPONSE, pdu).status, Status.checkCondition)
        assert.equal(pdu.data.subarray(2)[2]! & 0xf, 0xb)
        assert.deepEqual(bench.store.takeCalls(), [])
        await ping(peer)
      }))
  }

  // Requirement: RFC 7143, 11.4/2.
  test('a command that fails at once is answered behind its unsolicited data', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: UNSOLICITED })
      const itt = write(peer, 0xffff_fff0, 2, undefined, { final: 0 })
      await ping(peer)
      dataOut(peer, { itt, final: 0 }, blocks(1))
      await ping(peer)
      dataOut(peer, { itt, dataSn: 1, bufferOffset: BLOCK }, blocks(1))
      assert.equal((await response(peer)).status, Status.checkCondition)
    }))

  // Requirement: RFC 7143, 7.3/1.
  test('a Data-Out that is rejected does not end its task without a response', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: SOLICITED })
      const itt = write(peer, 0, 2)
      const { ttt } = await r2t(peer)
      dataOut(peer, { itt, ttt: ttt ^ 1 }, blocks(2))
      await rejected(peer, RejectReason.invalidPduField)
      dataOut(peer, { itt, ttt }, blocks(2))
      assert.equal((await response(peer)).status, Status.good)
    }))
})

describe('what the response tells', () => {
  // Requirement: RFC 7143, 11.3/4 and 11.4/1.
  test('residuals of writes: too much expected, too little, just right', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { ImmediateData: 'Yes' } })
      for (const [told, overflow, underflow, residual] of [
        [3 * BLOCK, 0, 1, BLOCK],
        [2 * BLOCK, 0, 0, 0],
        [BLOCK, 1, 0, BLOCK],
      ] as const) {
        const fields = { write: 1, expectedDataTransferLength: told }
        peer.command(write10(0, 2), fields, Buffer.alloc(Math.min(told, 3 * BLOCK)))
        const answer = await response(peer)
        assert.deepEqual(
          [answer.overflow, answer.underflow, answer.residualCount],
          [overflow, underflow, residual],
        )
      }
    }))

  // Requirement: RFC 7143, 11.4/4 and 11.4/5.
  test('ExpDataSN counts no R2Ts, and the SNACK Tag is zero', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: SOLICITED })
      const itt = write(peer, 0, 5)
      for (let number = 0; number < 3; number++) {
        const { ttt, bufferOffset, desiredLength } = await r2t(peer)
        dataOut(peer, { itt, ttt, bufferOffset }, Buffer.alloc(desiredLength))
      }
      const { expDataSn, snackTag } = await response(peer)
      assert.deepEqual([expDataSn, snackTag], [0, 0])
    }))

  // Requirement: RFC 7143, 11.4/3.
  test('sense data comes behind its length', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      peer.command(read10(0xffff_ff00, 1), { read: 1, expectedDataTransferLength: BLOCK })
      const { status, pdu } = await response(peer)
      assert.equal(status, Status.checkCondition)
      assert.equal(pdu.data.readUInt16BE(0), pdu.data.length - 2)
      assert.ok(pdu.data.length >= 2 + 18)
    }))

  // Requirement: RFC 7143, 11.4/4.
  test('Data-Out for a task that has ended changes nothing', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: SOLICITED })
      const itt = write(peer, 0, 1)
      const { ttt } = await r2t(peer)
      dataOut(peer, { itt, ttt }, blocks(1, 7))
      assert.equal((await response(peer)).expDataSn, 0)
      peer.sendPdu(DATA_OUT, { opcode: Opcode.dataOut, final: 1, itt, ttt }, blocks(1, 9))
      await rejected(peer, RejectReason.invalidPduField)
      assert.ok(bench.store.bytes.subarray(0, BLOCK).equals(blocks(1, 7)))
    }))
})
