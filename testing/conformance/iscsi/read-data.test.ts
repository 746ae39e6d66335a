// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 11.7: Data-In as the target sends it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DATA_IN, Opcode, RESERVED_TAG, Status } from '@lunkit/spec'
import { BLOCK, type IscsiBench, read10, withBench } from '../../kit/iscsi-bench.ts'
import { fieldsOf, type RawPeer } from '../../kit/raw-peer.ts'
import { read, response } from '../../kit/raw-requests.ts'

type Piece = ReturnType<typeof DATA_IN.read> & { data: Buffer }

/** All Data-In PDUs of one read, up to the one that has the status or is followed by a response. */
async function pieces(peer: RawPeer, total: number): Promise<Piece[]> {
  const all: Piece[] = []
  for (let got = 0; got < total; ) {
    const pdu = await peer.receive(Opcode.dataIn)
    all.push({ ...fieldsOf(DATA_IN, pdu), data: pdu.data })
    got += pdu.data.length
  }
  return all
}

const small = (bench: IscsiBench): Promise<RawPeer> =>
  bench.peer({ keys: { MaxRecvDataSegmentLength: '1024', MaxBurstLength: '2560' } })

describe('Data-In', () => {
  // Requirement: RFC 7143, 11.7/1 and 13.13/2.
  test('F ends each sequence, and no sequence is longer than MaxBurstLength', () =>
    withBench({}, async bench => {
      const peer = await small(bench)
      read(peer, 0, 12)
      let length = 0
      for (const piece of await pieces(peer, 12 * BLOCK)) {
        length += piece.data.length
        assert.ok(length <= 2560)
        assert.equal(
          piece.final === 1,
          length === 2560 || piece.bufferOffset + piece.data.length === 12 * BLOCK,
        )
        if (piece.final === 1) length = 0
      }
    }))

  // Requirement: RFC 7143, 11.7/2 and 11.7/4.
  test('no PDU asks for an acknowledgement at level 0, and none has a transfer tag', () =>
    withBench({}, async bench => {
      const peer = await small(bench)
      read(peer, 0, 12)
      for (const { acknowledge, ttt } of await pieces(peer, 12 * BLOCK)) {
        assert.deepEqual([acknowledge, ttt], [0, RESERVED_TAG])
      }
    }))

  // Requirement: RFC 7143, 11.7/3 and 11.7/7 and 11.4/1.
  test('GOOD comes with the last data, and other PDUs have no status, number or residual', () =>
    withBench({}, async bench => {
      const peer = await small(bench)
      peer.command(read10(0, 4), { read: 1, expectedDataTransferLength: 6 * BLOCK })
      const all = await pieces(peer, 4 * BLOCK)
      const last = all.pop()!
      assert.deepEqual([last.statusPresent, last.final, last.status], [1, 1, Status.good])
      assert.deepEqual([last.underflow, last.overflow, last.residualCount], [1, 0, 2 * BLOCK])
      for (const piece of all) {
        assert.deepEqual(
          [piece.statusPresent, piece.status, piece.statSn, piece.residualCount, piece.underflow],
          [0, 0, 0, 0, 0],
        )
      }
    }))

  // Requirement: RFC 7143, 11.7/3.
  test('CHECK CONDITION never comes with data', () =>
    withBench({}, async bench => {
      const peer = await small(bench)
      peer.command(read10(0xffff_ff00, 1), { read: 1, expectedDataTransferLength: BLOCK })
      const { status, pdu } = await response(peer)
      assert.equal(status, Status.checkCondition)
      assert.equal(pdu.opcode, Opcode.scsiResponse)
    }))

  // Requirement: RFC 7143, 11.7/12.
  test('a PDU that asks for an acknowledgement says for what: by tag and LUN', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({
        keys: { ErrorRecoveryLevel: '1', MaxRecvDataSegmentLength: '512', MaxBurstLength: '1024' },
      })
      const lun = Uint8Array.of(0x40, 0, 0, 0, 0, 0, 0, 0)
      read(peer, 0, 6, { lun })
      const asking = (await pieces(peer, 6 * BLOCK)).filter(({ acknowledge }) => acknowledge === 1)
      assert.ok(asking.length > 0)
      for (const piece of asking) {
        assert.notEqual(piece.ttt, RESERVED_TAG)
        assert.deepEqual(Buffer.from(piece.lun), Buffer.from(lun))
      }
    }))

  // Requirement: RFC 7143, 11.4/8.
  test('INQUIRY data that is cut at the allocation length is no overflow, at the expected length it is one', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      for (const [allocation, expected, overflow, underflow, residual] of [
        [36, 36, 0, 0, 0],
        [36, 255, 0, 1, 219],
        [36, 8, 1, 0, 28],
      ] as const) {
        const fields = { read: 1, expectedDataTransferLength: expected }
        peer.command(Uint8Array.of(0x12, 0, 0, 0, allocation, 0), fields)
        const [piece] = await pieces(peer, Math.min(allocation, expected))
        assert.deepEqual(
          [piece!.overflow, piece!.underflow, piece!.residualCount],
          [overflow, underflow, residual],
        )
      }
    }))

  // Requirement: RFC 7143, 11.7/5 and 13.18/2 and 13.19/2.
  test('offsets follow each other, and the bytes are those of the disk', () =>
    withBench({}, async bench => {
      const peer = await small(bench)
      read(peer, 5, 12)
      const all = await pieces(peer, 12 * BLOCK)
      let offset = 0
      for (const piece of all) {
        assert.equal(piece.bufferOffset, offset)
        offset += piece.data.length
      }
      const bytes = Buffer.concat(all.map(({ data }) => data))
      assert.ok(bytes.equals(bench.store.bytes.subarray(5 * BLOCK, 17 * BLOCK)))
    }))

  // Requirement: RFC 7143, 11.7/6 and 13.12/2.
  test('no PDU is longer than the initiator takes, and without a word that is 8192', () =>
    withBench({}, async bench => {
      for (const [keys, most] of [
        [{ MaxRecvDataSegmentLength: '512' }, 512],
        [{}, 8192],
      ] as const) {
        const peer = await bench.peer({ keys })
        read(peer, 0, 40)
        for (const { data } of await pieces(peer, 40 * BLOCK)) assert.ok(data.length <= most)
        await peer.close()
      }
    }))

  // Requirement: RFC 7143, 11.7/9.
  test('with a length that is no multiple of 4 only the end of a sequence is padded', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { MaxRecvDataSegmentLength: '515', MaxBurstLength: '2051' } })
      peer.command(read10(0, 8), { read: 1, expectedDataTransferLength: 4094 })
      for (const { data, final } of await pieces(peer, 4094)) {
        if (final === 0) assert.equal(data.length % 4, 0)
      }
    }))
})
