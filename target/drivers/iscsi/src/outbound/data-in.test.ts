// SPDX-License-Identifier: Apache-2.0
// Reads over a real socket: how data is cut into PDUs, sequences and residuals.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DATA_IN, Opcode, SCSI_RESPONSE, Status } from '@lunkit/spec'
import { BLOCK, read10, withBench } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'

type DataIn = ReturnType<typeof DATA_IN.read>
type Response = ReturnType<typeof SCSI_RESPONSE.read>

interface Got {
  readonly pieces: DataIn[]
  readonly lengths: number[]
  readonly data: Buffer
  readonly response: Response | null
}

async function readAll(peer: RawPeer): Promise<Got> {
  const pieces: DataIn[] = []
  const parts: Buffer[] = []
  for (;;) {
    const pdu = await peer.receive()
    if (pdu.opcode === Opcode.scsiResponse) {
      return {
        pieces,
        lengths: parts.map(part => part.length),
        data: Buffer.concat(parts),
        response: fieldsOf(SCSI_RESPONSE, pdu),
      }
    }
    assert.equal(pdu.opcode, Opcode.dataIn)
    const piece = fieldsOf(DATA_IN, pdu)
    assert.equal(piece.dataSn, pieces.length)
    assert.equal(
      piece.bufferOffset,
      parts.reduce((sum, part) => sum + part.length, 0),
    )
    pieces.push(piece)
    parts.push(pdu.data)
    if (piece.statusPresent === 1) {
      assert.equal(piece.final, 1)
      return { pieces, lengths: parts.map(part => part.length), data: Buffer.concat(parts), response: null }
    }
  }
}

const read = (peer: RawPeer, blocks: number, expected: number): number =>
  peer.command(read10(0, blocks), { read: 1, expectedDataTransferLength: expected })

describe('read data', () => {
  test('one PDU carries data and status', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { MaxRecvDataSegmentLength: '65536' } })
      read(peer, 8, 4096)
      const { pieces, data, response } = await readAll(peer)
      assert.equal(pieces.length, 1)
      assert.equal(response, null)
      assert.equal(pieces[0]!.status, Status.good)
      assert.equal(pieces[0]!.ttt, 0xffff_ffff)
      assert.ok(data.equals(bench.store.bytes.subarray(0, 4096)))
    }))

  test('data is cut by what the initiator takes, and into bursts', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { MaxRecvDataSegmentLength: '1536', MaxBurstLength: '4096' } })
      read(peer, 20, 20 * BLOCK)
      const { pieces, lengths, data } = await readAll(peer)
      assert.deepEqual(lengths, [1536, 1536, 1024, 1536, 1536, 1024, 1536, 512])
      assert.deepEqual(
        pieces.map(piece => piece.final),
        [0, 0, 1, 0, 0, 1, 0, 1],
      )
      assert.deepEqual(
        pieces.map(piece => piece.statSn !== 0),
        [false, false, false, false, false, false, false, true],
      )
      assert.ok(data.equals(bench.store.bytes.subarray(0, data.length)))
    }))

  for (const digests of [{}, { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' }, { DataDigest: 'CRC32C' }]) {
    test(`every length is cut and padded right: ${JSON.stringify(digests)}`, () =>
      withBench({}, async bench => {
        const peer = await bench.peer({
          keys: { MaxRecvDataSegmentLength: '2050', MaxBurstLength: '3001', ...digests },
        })
        for (const expected of [
          1, 2, 3, 511, 512, 513, 1022, 1025, 2047, 2048, 2049, 3001, 4094, 8191, 8192,
        ]) {
          read(peer, 16, expected)
          const { data, pieces } = await readAll(peer)
          assert.equal(data.length, expected)
          assert.ok(data.equals(bench.store.bytes.subarray(0, expected)))
          const last = pieces.at(-1)!
          assert.deepEqual([last.overflow, last.residualCount], [expected < 8192 ? 1 : 0, 8192 - expected])
        }
      }))
  }

  test('residuals of too little data', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      read(peer, 2, 8192)
      const { data, pieces } = await readAll(peer)
      assert.equal(data.length, 1024)
      assert.deepEqual([pieces[0]!.underflow, pieces[0]!.residualCount], [1, 7168])
      peer.command(read10(0, 1))
      const { response } = await readAll(peer)
      assert.deepEqual([response!.overflow, response!.residualCount], [1, 512])
    }))

  test('small data is sent with its header, sense has its length in front', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      peer.command(Uint8Array.of(0x12, 0, 0, 0, 36, 0), { read: 1, expectedDataTransferLength: 36 })
      const inquiry = await readAll(peer)
      assert.equal(inquiry.data.length, 36)
      assert.equal(inquiry.data.subarray(8, 14).toString(), 'LUNKIT')
      peer.command(read10(0xffff_ff00, 1), { read: 1, expectedDataTransferLength: 512 })
      const pdu = await peer.receive(Opcode.scsiResponse)
      const { status, underflow, residualCount } = fieldsOf(SCSI_RESPONSE, pdu)
      assert.deepEqual([status, underflow, residualCount], [Status.checkCondition, 1, 512])
      assert.equal(pdu.data.readUInt16BE(0), pdu.data.length - 2)
      assert.equal(pdu.data[2], 0x70)
    }))

  test('many reads at once come in one stream, each with its own data', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { MaxRecvDataSegmentLength: '65536' } })
      const tags = new Map<number, number>()
      for (let i = 0; i < 64; i++) {
        const itt = peer.command(read10(i * 8, 8), { read: 1, expectedDataTransferLength: 4096 })
        tags.set(itt, i)
      }
      for (let i = 0; i < 64; i++) {
        const pdu = await peer.receive(Opcode.dataIn)
        const at = tags.get(fieldsOf(DATA_IN, pdu).itt)! * 4096
        assert.ok(pdu.data.equals(bench.store.bytes.subarray(at, at + 4096)))
      }
    }))
})
