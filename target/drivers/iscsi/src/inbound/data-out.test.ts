// SPDX-License-Identifier: Apache-2.0
// Writes over a real socket: immediate, unsolicited and solicited data, and every way to break their order.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  BIDIRECTIONAL_READ_AHS,
  DATA_OUT,
  Opcode,
  R2T,
  REJECT,
  RESERVED_TAG,
  RejectReason,
  SCSI_COMMAND,
  SCSI_RESPONSE,
  Status,
} from '@lunkit/spec'
import { BLOCK, type IscsiBench, senseOf, withBench, write10 } from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, type RawPdu, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import type { IscsiTargetPort } from '../port.ts'

const KEYS = {
  InitialR2T: 'No',
  ImmediateData: 'Yes',
  FirstBurstLength: '2048',
  MaxBurstLength: '4096',
  MaxOutstandingR2T: '2',
  MaxRecvDataSegmentLength: '8192',
}
const pattern = (length: number, seed = 1): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8) + seed) & 0xff))

interface Piece {
  readonly itt: number
  readonly ttt?: number
  readonly dataSn: number
  readonly offset: number
  readonly final?: boolean
}

function dataOut(
  peer: RawPeer,
  { itt, ttt = RESERVED_TAG, dataSn, offset, final = false }: Piece,
  data: Buffer,
): void {
  const fields = { opcode: Opcode.dataOut, final: final ? 1 : 0, itt, ttt, dataSn, bufferOffset: offset }
  peer.sendPdu(DATA_OUT, fields, data)
}

/** A WRITE (10) of whole blocks at LBA 0. */
function write(peer: RawPeer, length: number, immediate: Buffer | undefined, unfinished: boolean): number {
  const fields = { write: 1, final: unfinished ? 0 : 1, expectedDataTransferLength: length }
  return peer.command(write10(0, length / BLOCK), fields, immediate)
}

async function response(peer: RawPeer): Promise<{ status: number; sense: string; pdu: RawPdu }> {
  const pdu = await peer.receive(Opcode.scsiResponse)
  const { status } = fieldsOf(SCSI_RESPONSE, pdu)
  return { status, sense: status === Status.good ? '' : senseOf(pdu), pdu }
}

async function r2t(
  peer: RawPeer,
): Promise<{ ttt: number; bufferOffset: number; desiredLength: number; r2tSn: number }> {
  return fieldsOf(R2T, await peer.receive(Opcode.r2t))
}

const untouched = (bench: IscsiBench): boolean =>
  bench.store.takeCalls().every(call => !call.startsWith('write'))

describe('write data', () => {
  test('immediate, unsolicited and solicited data make one write', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: KEYS })
      const data = pattern(16_384)
      const itt = write(peer, data.length, data.subarray(0, 1024), true)
      dataOut(peer, { itt, dataSn: 0, offset: 1024 }, data.subarray(1024, 1536))
      dataOut(peer, { itt, dataSn: 1, offset: 1536, final: true }, data.subarray(1536, 2048))
      const first = await r2t(peer)
      const second = await r2t(peer)
      assert.deepEqual([first.bufferOffset, first.desiredLength, first.r2tSn], [2048, 4096, 0])
      assert.deepEqual([second.bufferOffset, second.desiredLength, second.r2tSn], [6144, 4096, 1])
      assert.notEqual(first.ttt, second.ttt)
      assert.equal(peer.waiting, 0, 'no more than MaxOutstandingR2T')
      let offset = 2048
      for (let one of [first, second]) {
        for (;;) {
          const half = one.desiredLength / 2
          dataOut(peer, { itt, ttt: one.ttt, dataSn: 0, offset }, data.subarray(offset, offset + half))
          offset += half
          dataOut(
            peer,
            { itt, ttt: one.ttt, dataSn: 1, offset, final: true },
            data.subarray(offset, offset + half),
          )
          offset += half
          if (one.r2tSn !== 0 || offset >= data.length) break
          one = second
        }
        if (offset >= 10_240) break
      }
      while (offset < data.length) {
        const one = await r2t(peer)
        assert.equal(one.bufferOffset, offset)
        const end = offset + one.desiredLength
        dataOut(peer, { itt, ttt: one.ttt, dataSn: 0, offset, final: true }, data.subarray(offset, end))
        offset = end
      }
      const { status, pdu } = await response(peer)
      assert.equal(status, Status.good)
      const { expDataSn, residualCount } = fieldsOf(SCSI_RESPONSE, pdu)
      assert.deepEqual([expDataSn, residualCount], [0, 0])
      assert.ok(bench.store.bytes.subarray(0, data.length).equals(data))
    }))

  test('data that the command does not need never reaches the store', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: KEYS })
      bench.store.takeCalls()
      const data = pattern(2048, 9)
      const itt = peer.command(
        write10(0, 1),
        { write: 1, final: 0, expectedDataTransferLength: 2048 },
        data.subarray(0, 1024),
      )
      dataOut(peer, { itt, dataSn: 0, offset: 1024, final: true }, data.subarray(1024))
      const { status, pdu } = await response(peer)
      assert.equal(status, Status.good)
      const { underflow, overflow, residualCount } = fieldsOf(SCSI_RESPONSE, pdu)
      assert.deepEqual([underflow, overflow, residualCount], [1, 0, 1536])
      assert.deepEqual(bench.store.takeCalls(), ['write 0+512'])
    }))

  test('a command that fails early is answered only behind its unsolicited data', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: KEYS })
      const itt = peer.command(write10(0xffff_fff0, 4), {
        write: 1,
        final: 0,
        expectedDataTransferLength: 2048,
      })
      const other = peer.command(new Uint8Array(6))
      const answer = await response(peer)
      assert.equal(fieldsOf(SCSI_RESPONSE, answer.pdu).itt, other, 'others go on')
      dataOut(peer, { itt, dataSn: 0, offset: 0 }, pattern(1024))
      dataOut(peer, { itt, dataSn: 1, offset: 1024, final: true }, pattern(1024))
      const { status, sense } = await response(peer)
      assert.deepEqual([status, sense], [Status.checkCondition, '052100'])
    }))

  // Each breaks the order of 4096 bytes that an R2T asked for, or of unsolicited data.
  const faults: [what: string, pieces: (Omit<Piece, 'itt'> & { length: number })[]][] = [
    ['a gap', [{ dataSn: 0, offset: 512, final: true, length: 512 }]],
    [
      'an overlap',
      [
        { dataSn: 0, offset: 0, length: 1024 },
        { dataSn: 1, offset: 512, final: true, length: 512 },
      ],
    ],
    ['an overrun', [{ dataSn: 0, offset: 0, final: true, length: 4608 }]],
    ['an offset beyond all', [{ dataSn: 0, offset: 0xffff_fe00, final: true, length: 512 }]],
    ['a wrong DataSN', [{ dataSn: 1, offset: 0, final: true, length: 4096 }]],
    [
      'a DataSN twice',
      [
        { dataSn: 0, offset: 0, length: 512 },
        { dataSn: 0, offset: 512, final: true, length: 512 },
      ],
    ],
    ['an end too early', [{ dataSn: 0, offset: 0, final: true, length: 512 }]],
    [
      'no end',
      [
        { dataSn: 0, offset: 0, length: 4096 },
        { dataSn: 1, offset: 4096, final: true, length: 0 },
      ],
    ],
    ['no data at all', [{ dataSn: 0, offset: 0, final: true, length: 0 }]],
  ]
  for (const [what, pieces] of faults) {
    test(`solicited data with ${what} fails the command, and nothing is written`, () =>
      withBench({}, async bench => {
        const peer = await bench.peer({ keys: { ...KEYS, InitialR2T: 'Yes' } })
        bench.store.takeCalls()
        const itt = write(peer, 4096, undefined, false)
        const { ttt } = await r2t(peer)
        for (const { length, ...piece } of pieces) dataOut(peer, { itt, ttt, ...piece }, pattern(length))
        let pdu = await peer.receive()
        if (pdu.opcode === Opcode.reject) {
          assert.equal(fieldsOf(REJECT, pdu).reason, RejectReason.protocolError)
          assert.equal(bench.of('peer-fault').length, 1)
          pdu = await peer.receive()
        }
        assert.equal(pdu.opcode, Opcode.scsiResponse)
        assert.equal(fieldsOf(SCSI_RESPONSE, pdu).status, Status.checkCondition)
        // A gap in DataSN means that something was lost (RFC 7143, 7.9).
        assert.equal(senseOf(pdu), what.includes('DataSN') ? '0b4705' : '0b0c0d')
        assert.ok(untouched(bench))
        peer.command(new Uint8Array(6))
        assert.equal((await response(peer)).status, Status.good, 'the session lives')
      }))
  }

  test('unsolicited data beyond the first burst, or where none was agreed on, fails the command', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: KEYS })
      bench.store.takeCalls()
      const first = write(peer, 4096, undefined, true)
      dataOut(peer, { itt: first, dataSn: 0, offset: 0, final: true }, pattern(4096))
      await peer.receive(Opcode.reject)
      assert.equal((await response(peer)).sense, '0b0c0d')
      write(peer, 4096, pattern(4096), false)
      assert.equal((await response(peer)).sense, '0b0c0c')
      const strict = await bench.peer({
        keys: { ...KEYS, InitialR2T: 'Yes', ImmediateData: 'No' },
        isid: Uint8Array.of(0x80, 0, 0, 0, 0, 2),
      })
      write(strict, 512, pattern(512), false)
      assert.equal((await response(strict)).sense, '0b0c0c')
      const late = write(strict, 1024, undefined, true)
      dataOut(strict, { itt: late, dataSn: 0, offset: 0, final: true }, pattern(1024))
      assert.equal((await response(strict)).sense, '0b0c0c')
      assert.ok(untouched(bench))
    }))

  test('more immediate data than is expected fails the command', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: KEYS })
      bench.store.takeCalls()
      write(peer, 512, pattern(1024), false)
      assert.equal((await response(peer)).sense, '0b0c0d')
      assert.ok(untouched(bench))
      const [told] = bench.of('peer-fault')
      assert.equal(told?.outcome, 'sense')
      assert.match(told!.pdu, /^SCSI Command/)
    }))

  test('Data-Out that nobody waits for is rejected', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { ...KEYS, InitialR2T: 'Yes' } })
      const tries: Piece[] = [
        { itt: 999, dataSn: 0, offset: 0 },
        { itt: 999, ttt: 5, dataSn: 0, offset: 0 },
        { itt: 999, ttt: 0xffff_fffe, dataSn: 0, offset: 0 },
      ]
      for (const piece of tries) {
        dataOut(peer, piece, pattern(512))
        assert.equal(fieldsOf(REJECT, await peer.receive(Opcode.reject)).reason, RejectReason.invalidPduField)
      }
      const itt = write(peer, 512, undefined, false)
      const { ttt } = await r2t(peer)
      dataOut(peer, { itt, dataSn: 0, offset: 0, final: true }, pattern(512))
      await peer.receive(Opcode.reject)
      dataOut(peer, { itt, ttt: ttt + 1, dataSn: 0, offset: 0, final: true }, pattern(512))
      await peer.receive(Opcode.reject)
      dataOut(peer, { itt: itt + 1, ttt, dataSn: 0, offset: 0, final: true }, pattern(512))
      await peer.receive(Opcode.reject)
      dataOut(peer, { itt, ttt, dataSn: 0, offset: 0, final: true }, pattern(512))
      assert.equal((await response(peer)).status, Status.good)
      assert.equal(bench.of('peer-fault').length, 6)
      assert.match(bench.of('peer-fault')[0]!.pdu, /Data-Out/)
    }))

  test('a write that comes byte by byte reaches the store in few pieces', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: KEYS })
      const { store } = bench
      const pieces: number[] = []
      const take = store.write.bind(store)
      store.write = io => {
        pieces.push(io.segments.length)
        take(io)
      }
      const data = pattern(3072)
      const itt = write(peer, data.length, data.subarray(0, 1), true)
      for (let at = 1; at < 2048; at++)
        dataOut(peer, { itt, dataSn: at - 1, offset: at, final: at === 2047 }, data.subarray(at, at + 1))
      const { ttt } = await r2t(peer)
      for (let at = 2048; at < 3072; at++) {
        const piece = { itt, ttt, dataSn: at - 2048, offset: at, final: at === 3071 }
        dataOut(peer, piece, data.subarray(at, at + 1))
      }
      assert.equal((await response(peer)).status, Status.good)
      assert.ok(pieces[0]! <= 4, `${pieces[0]} pieces`)
      assert.deepEqual(store.bytes.subarray(0, 3072), data)
    }))

  test('an initiator that owes data loses its session, and those behind its write go on', () =>
    withBench({ limits: { dataTimeoutMs: 100 } }, async bench => {
      const owing = await bench.peer({ keys: KEYS })
      const other = await bench.peer({ isid: Uint8Array.of(0x80, 0, 0, 0, 0, 2) })
      const itt = owing.command(write10(0, 1), { write: 1, attribute: 2, expectedDataTransferLength: 512 })
      const { ttt } = await r2t(owing)
      const waiting = other.command(
        write10(1, 1),
        { write: 1, expectedDataTransferLength: 512 },
        pattern(512),
      )
      for (let i = 0; i < 4; i++) dataOut(owing, { itt, ttt, dataSn: i, offset: 0 }, pattern(0))
      await owing.end()
      const pdu = await other.receive(Opcode.scsiResponse)
      assert.equal(fieldsOf(SCSI_RESPONSE, pdu).itt, waiting)
      assert.match(bench.of('peer-fault').at(-1)!.fault, /did not come in time/)
    }))

  // Requirement: RFC 7143, 11.4/9.
  test('commands that wait may bring so much data and no more', () =>
    withBench({ limits: { earlyDataBytes: 4096, firstBurst: 262_144 } }, async bench => {
      const KIB = 1024
      const keys = {
        ...KEYS,
        FirstBurstLength: String(256 * KIB),
        MaxRecvDataSegmentLength: String(256 * KIB),
      }
      const peer = await bench.peer({ keys: { ...keys, MaxBurstLength: String(256 * KIB) } })
      const owed = peer.command(write10(0, 1), { write: 1, attribute: 2, expectedDataTransferLength: 512 })
      const { ttt } = await r2t(peer)
      const data = pattern(256 * KIB)
      for (let i = 0; i < 2; i++) write(peer, data.length, data, false)
      const refused = write(peer, data.length, data, false)
      const first = await response(peer)
      assert.deepEqual([first.status, fieldsOf(SCSI_RESPONSE, first.pdu).itt], [Status.taskSetFull, refused])
      // One with data in both directions has moved none in either.
      const both = { opcode: Opcode.scsiCommand, final: 1, read: 1, write: 1, attribute: 1 } as const
      const tag = { itt: 0x600, cmdSn: peer.cmdSn++, expectedDataTransferLength: data.length }
      const ahs = BIDIRECTIONAL_READ_AHS.write({ ahsLength: 5, ahsType: 2, expectedReadLength: 100 })
      peer.sendPdu(SCSI_COMMAND, { ...both, ...tag, cdb: write10(0, 1) } as never, data, ahs)
      const full = fieldsOf(SCSI_RESPONSE, (await response(peer)).pdu)
      assert.deepEqual([full.status, full.underflow, full.bidiUnderflow], [Status.taskSetFull, 1, 1])
      assert.deepEqual([full.residualCount, full.bidiResidualCount], [data.length, 100])
      const unasked = write(peer, data.length, undefined, true)
      assert.equal(fieldsOf(SCSI_RESPONSE, (await response(peer)).pdu).itt, unasked)
      dataOut(peer, { itt: unasked, dataSn: 0, offset: 0, final: true }, data)
      dataOut(peer, { itt: owed, ttt, dataSn: 0, offset: 0, final: true }, pattern(512))
      for (let i = 0; i < 3; i++) assert.equal((await response(peer)).status, Status.good)
      for (let i = 0; i < 3; i++) {
        write(peer, data.length, data, false)
        assert.equal((await response(peer)).status, Status.good)
      }
      assert.equal(bench.of('peer-fault').length, 0)
    }))

  test('in small pieces is copied, and holds nothing of what the socket is read into', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { ...KEYS, InitialR2T: 'Yes' } })
      const data = pattern(4096)
      const itt = write(peer, data.length, undefined, false)
      const { ttt } = await r2t(peer)
      const [session] = (bench.port as IscsiTargetPort).sessions.values()
      const one = session!.tasks.get(itt)!
      const piece = (dataSn: number): void => {
        const offset = dataSn * 64
        dataOut(peer, { itt, ttt, dataSn, offset, final: dataSn === 63 }, data.subarray(offset, offset + 64))
      }
      for (let i = 0; i < 63; i++) {
        piece(i)
        // One read each: the first ones bring the memory that could be lent.
        await bench.until(() => one.got === (i + 1) * 64)
      }
      assert.equal(one.task!.leases.length, 0)
      piece(63)
      assert.equal((await response(peer)).status, Status.good)
      assert.deepEqual(bench.store.bytes.subarray(0, data.length), data)
    }))

  test('data without an end closes the connection', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: { ...KEYS, InitialR2T: 'Yes' } })
      const itt = write(peer, 4096, undefined, false)
      const { ttt } = await r2t(peer)
      for (let i = 0; i < 10; i++) dataOut(peer, { itt, ttt, dataSn: 7, offset: 0 }, pattern(4096))
      const last = await peer.end()
      assert.ok(last.every(pdu => pdu.opcode === Opcode.reject))
      await bench.until(() => bench.of('session-closed').length === 1)
      assert.equal(bench.of('session-closed')[0]!.cause, 'fault')
    }))

  test('a write in the middle of its data ends with the connection', () =>
    withBench({}, async bench => {
      const peer = await bench.peer({ keys: KEYS })
      bench.store.takeCalls()
      const itt = write(peer, 16_384, pattern(1024), true)
      dataOut(peer, { itt, dataSn: 0, offset: 1024, final: true }, pattern(1024))
      const { ttt } = await r2t(peer)
      dataOut(peer, { itt, ttt, dataSn: 0, offset: 2048 }, pattern(512))
      await peer.close()
      await bench.until(() => bench.of('session-closed').length === 1)
      assert.ok(untouched(bench))
    }))
})
