// SPDX-License-Identifier: Apache-2.0
// Error recovery level 1: what got lost within a connection is sent again, by the target and by the initiator.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  DATA_IN,
  LOGIN_RESPONSE,
  NOP_IN,
  NOP_OUT,
  Opcode,
  R2T,
  RESERVED_TAG,
  RejectReason,
  SCSI_RESPONSE,
  SNACK,
  SnackType,
  Status,
  TEXT_REQUEST,
} from '@lunkit/spec'
import {
  BLOCK,
  type IscsiBench,
  read10,
  testUnitReady,
  withBench,
  write10,
} from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, keysOf, type RawPeer, text } from '@lunkit/testing/kit/raw-peer.ts'
import { RawSession } from '@lunkit/testing/kit/raw-session.ts'
import {
  dataOut,
  KEYS,
  pieceOf,
  read,
  readAnswer,
  rejectReason,
  snack,
  spoiltDataOut,
  write,
} from './recovery.test-kit.ts'

const LEVEL_1 = { ErrorRecoveryLevel: '1', ...KEYS }

async function level1(
  run: (session: RawSession, peer: RawPeer, bench: IscsiBench) => Promise<void>,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  await withBench({}, async bench => {
    const { session, first } = await RawSession.open(bench, { ...LEVEL_1, ...more })
    await run(session, first, bench)
  })
}

describe('login', () => {
  // Requirement: RFC 7143, MaxOutstandingR2T: it is 1 above error recovery level 0 with data sequences in order.
  // Requirement: RFC 7143, 13.17/3.
  test('a level above 0 settles what depends on it', () =>
    withBench({ limits: { time2RetainSeconds: 7 } }, async bench => {
      for (const [level, r2t, retain] of [
        ['0', '16', '0'],
        ['1', '1', '0'],
        ['2', '1', '7'],
        ['2', '1', '7'],
      ]) {
        const peer = await bench.connect()
        const agreed = await peer.login({
          target: 'iqn.2026-11.test.lunkit:disk',
          isid: Uint8Array.of(0x80, 0, 0, 0, 0, Number(level) + 9),
          keys: { MaxOutstandingR2T: '16', DefaultTime2Retain: '30', ErrorRecoveryLevel: level! },
        })
        assert.equal(agreed['ErrorRecoveryLevel'], level)
        assert.equal(agreed['MaxOutstandingR2T'], r2t)
        assert.equal(agreed['DefaultTime2Retain'], retain)
      }
    }))
})

describe('SNACK of data', () => {
  // Requirement: RFC 7143, SNACK Request: Data-In PDUs that are asked for again are exact replicas.
  // Requirement: RFC 7143, 11.16/2.
  test('brings the pieces asked for, and no others', () =>
    level1(async (session, peer) => {
      const itt = read(session, peer, 0, 5)
      const whole = Buffer.alloc(5 * BLOCK)
      const { pieces, response } = await readAnswer(session, peer, whole)
      assert.deepEqual(
        pieces.map(one => one.sn),
        [0, 1, 2, 3, 4],
      )
      assert.equal(response.expDataSn, 5)
      for (const [begRun, runLength, numbers] of [
        [2, 1, [2]],
        [1, 3, [1, 2, 3]],
        [3, 0, [3, 4]],
        [0, 0, [0, 1, 2, 3, 4]],
      ] as const) {
        // The answer has not been acknowledged: the session has sent nothing since.
        snack(peer, { type: SnackType.dataOrR2t, itt, begRun, runLength, expStatSn: response.statSn })
        for (const number of numbers) {
          const again = Buffer.alloc(5 * BLOCK)
          const piece = pieceOf(await peer.receive(), again)
          assert.deepEqual(piece, pieces[number])
          const end = piece.offset + piece.length
          assert.deepEqual(again.subarray(piece.offset, end), whole.subarray(piece.offset, end))
        }
      }
      assert.equal(peer.waiting, 0)
    }))

  // Requirement: RFC 7143, SNACK Request: what was not sent, or was acknowledged, is rejected with Protocol Error.
  // Requirement: RFC 7143, 11.16/6.
  test('is rejected for what was not sent, or is acknowledged', () =>
    level1(async (session, peer) => {
      const itt = read(session, peer, 0, 3)
      const { response } = await readAnswer(session, peer)
      const { statSn } = response
      for (const [fields, reason] of [
        [{ type: SnackType.dataOrR2t, itt, begRun: 3, runLength: 1 }, RejectReason.protocolError],
        [{ type: SnackType.dataOrR2t, itt, begRun: 0, runLength: 4 }, RejectReason.protocolError],
        // Runs that go once around all numbers, and end within what was sent.
        [{ type: SnackType.dataOrR2t, itt, begRun: 2, runLength: 0xffff_ffff }, RejectReason.protocolError],
        [{ type: SnackType.dataOrR2t, itt, begRun: 1, runLength: 0x8000_0000 }, RejectReason.protocolError],
        [{ type: SnackType.dataOrR2t, itt, begRun: 0, runLength: 0xffff_ffff }, RejectReason.protocolError],
        [{ type: SnackType.status, begRun: statSn, runLength: 0xffff_ffff }, RejectReason.protocolError],
        [{ type: SnackType.status, begRun: statSn, runLength: 0x8000_0001 }, RejectReason.protocolError],
        [{ type: SnackType.dataOrR2t, itt: itt + 7, begRun: 0, runLength: 0 }, RejectReason.protocolError],
        [{ type: SnackType.status, begRun: statSn - 1, runLength: 1 }, RejectReason.protocolError],
        [{ type: SnackType.status, begRun: statSn + 9, runLength: 1 }, RejectReason.protocolError],
        [{ type: SnackType.dataAck, ttt: 12_345, begRun: 1 }, RejectReason.invalidDataAck],
        [{ type: SnackType.rData, itt, ttt: 0, begRun: 0 }, RejectReason.protocolError],
        [{ type: 9, itt, begRun: 0 }, RejectReason.protocolError],
      ] as const) {
        snack(peer, { expStatSn: statSn, ...fields })
        assert.equal(rejectReason(await peer.receive(Opcode.reject)), reason, JSON.stringify(fields))
      }
      // Acknowledged, it is forgotten.
      snack(peer, { type: SnackType.dataOrR2t, itt, begRun: 0, runLength: 0, expStatSn: statSn + 1 })
      assert.equal(rejectReason(await peer.receive(Opcode.reject)), RejectReason.protocolError)
    }))

  // Requirement: RFC 7143, A (Acknowledge) bit: not more often than once a burst, and not with the last data.
  // Requirement: RFC 7143, 11.16/4 and 11.7/10.
  test('data is acknowledged burst by burst, and then no more to be had', () =>
    level1(async (session, peer) => {
      const itt = read(session, peer, 0, 6)
      const { pieces, response } = await readAnswer(session, peer)
      assert.deepEqual(
        pieces.map(one => one.asks),
        [0, 1, 0, 1, 0, 0],
      )
      snack(peer, { type: SnackType.dataAck, ttt: pieces[1]!.tag, begRun: 2, expStatSn: response.statSn })
      snack(peer, { type: SnackType.dataOrR2t, itt, begRun: 0, runLength: 0, expStatSn: response.statSn })
      for (const number of [2, 3, 4, 5]) assert.equal(pieceOf(await peer.receive()).sn, number)
      snack(peer, { type: SnackType.dataOrR2t, itt, begRun: 1, runLength: 1, expStatSn: response.statSn })
      assert.equal(rejectReason(await peer.receive(Opcode.reject)), RejectReason.protocolError)
    }))

  // Requirement: RFC 7143, Resegmentation: after a change of MaxRecvDataSegmentLength an R-Data SNACK brings data cut anew and a response with its tag.
  // Requirement: RFC 7143, 11.16/7.
  test('R-Data cuts anew what is not acknowledged, and the response keeps its StatSN', () =>
    level1(async (session, peer) => {
      const itt = read(session, peer, 0, 6)
      const whole = Buffer.alloc(6 * BLOCK)
      const { pieces, response } = await readAnswer(session, peer, whole)
      const { statSn } = response
      snack(peer, { type: SnackType.dataAck, ttt: pieces[1]!.tag, begRun: 2, expStatSn: statSn })
      peer.sendPdu(
        TEXT_REQUEST,
        {
          opcode: Opcode.textRequest,
          immediate: 1,
          final: 1,
          itt: 77,
          ttt: RESERVED_TAG,
          cmdSn: session.cmdSn,
          expStatSn: statSn,
        } as never,
        text({ MaxRecvDataSegmentLength: '1024' }),
      )
      assert.deepEqual(keysOf(await peer.receive(Opcode.textResponse)), {})
      snack(peer, { type: SnackType.rData, itt, ttt: 99, begRun: 2, expStatSn: statSn })
      const again = Buffer.alloc(6 * BLOCK)
      const recut = await readAnswer(session, peer, again)
      assert.deepEqual(
        recut.pieces.map(({ sn, offset, length }) => [sn, offset, length]),
        [
          [2, 1024, 1024],
          [3, 2048, 1024],
        ],
      )
      assert.deepEqual(again.subarray(1024), whole.subarray(1024))
      assert.equal(recut.response.snackTag, 99)
      assert.equal(recut.response.statSn, statSn)
      assert.equal(recut.response.expDataSn, 4)
    }))
})

describe('SNACK of status', () => {
  // Requirement: RFC 7143, 11.16/5.
  test('brings numbered responses of every kind again', () =>
    level1(async (session, peer) => {
      const { expStatSn: first } = peer
      session.next(peer).command(testUnitReady())
      const response = await peer.receive(Opcode.scsiResponse)
      peer.sendPdu(
        NOP_OUT,
        {
          opcode: Opcode.nopOut,
          immediate: 1,
          final: 1,
          itt: 88,
          ttt: RESERVED_TAG,
          cmdSn: session.cmdSn,
          expStatSn: first,
        } as never,
        Buffer.from('echo'),
      )
      const echo = await peer.receive(Opcode.nopIn)
      snack(peer, { type: SnackType.dataOrR2t, itt: 1234, begRun: 0, runLength: 0, expStatSn: first })
      const reject = await peer.receive(Opcode.reject)
      for (const [begRun, runLength, expected] of [
        [0, 0, [response, echo, reject]],
        [first + 1, 1, [echo]],
        [first + 1, 0, [echo, reject]],
      ] as const) {
        snack(peer, { type: SnackType.status, begRun, runLength, expStatSn: first })
        for (const pdu of expected) {
          const again = await peer.receive(pdu.opcode)
          assert.deepEqual(again.header, pdu.header)
          assert.deepEqual(again.data, pdu.data)
        }
      }
      assert.equal(peer.waiting, 0)
    }))

  /** A ping whose echo is kept until it is acknowledged. */
  const ping = (session: RawSession, peer: RawPeer, itt: number, bytes: number): void =>
    peer.sendPdu(
      NOP_OUT,
      {
        opcode: Opcode.nopOut,
        immediate: 1,
        final: 1,
        itt,
        ttt: RESERVED_TAG,
        cmdSn: session.cmdSn,
        expStatSn: peer.expStatSn,
      } as never,
      Buffer.alloc(bytes),
    )

  test('answers that are never acknowledged end the connection at last, and an event tells why', () =>
    level1(
      async (session, peer, bench) => {
        for (let i = 0; i < 600; i++) ping(session, peer, i, 8192)
        await peer.end()
        await bench.until(() => bench.port.connections.sessions === 0)
        assert.deepEqual(
          bench.of('peer-fault').map(({ fault, outcome }) => [fault, outcome]),
          [['Answers are never acknowledged', 'close']],
        )
      },
      { MaxRecvDataSegmentLength: '65536' },
    ))

  test('many answers that are acknowledged late are no fault', () =>
    level1(
      async (session, peer, bench) => {
        const count = 64
        for (let i = 0; i < count; i++) ping(session, peer, i, 65_536)
        for (let i = 0; i < count; i++) await peer.receive(Opcode.nopIn)
        peer.expStatSn = (peer.expStatSn + count) >>> 0
        ping(session, peer, 999, 4)
        await peer.receive(Opcode.nopIn)
        assert.deepEqual(bench.of('peer-fault'), [])
      },
      { MaxRecvDataSegmentLength: '65536' },
    ))
})

describe('data of writes', () => {
  const digests = { DataDigest: 'CRC32C', InitialR2T: 'Yes', ImmediateData: 'Yes' }
  const data = Buffer.alloc(4 * BLOCK, 'recovered')

  // Requirement: RFC 7143, Recovery Within-command: data that a digest error spoilt is asked for again by a recovery R2T.
  // Requirement: RFC 7143, 7.8/7 and 7.3/6.
  // Requirement: RFC 7143, 11.8/7.
  test('a spoilt piece and what follows it in the sequence are asked for again', () =>
    level1(async (session, peer, bench) => {
      const itt = write(session, peer, 0, 4)
      const first = fieldsOf(R2T, await peer.receive(Opcode.r2t))
      assert.deepEqual([first.bufferOffset, first.desiredLength], [0, 1024])
      spoiltDataOut(peer, itt, first.ttt, 0, 0, data.subarray(0, 512))
      dataOut(peer, itt, first.ttt, 1, 512, data.subarray(512, 1024), 1)
      assert.equal(rejectReason(await peer.receive(Opcode.reject)), RejectReason.dataDigestError)
      const again = fieldsOf(R2T, await peer.receive(Opcode.r2t))
      assert.deepEqual([again.r2tSn, again.bufferOffset, again.desiredLength], [1, 0, 1024])
      dataOut(peer, itt, again.ttt, 0, 0, data.subarray(0, 1024), 1)
      const next = fieldsOf(R2T, await peer.receive(Opcode.r2t))
      assert.deepEqual([next.r2tSn, next.bufferOffset, next.desiredLength], [2, 1024, 1024])
      dataOut(peer, itt, next.ttt, 0, 1024, data.subarray(1024, 1536))
      spoiltDataOut(peer, itt, next.ttt, 1, 1536, data.subarray(1536), 1)
      await peer.receive(Opcode.reject)
      const last = fieldsOf(R2T, await peer.receive(Opcode.r2t))
      assert.deepEqual([last.r2tSn, last.bufferOffset, last.desiredLength], [3, 1536, 512])
      dataOut(peer, itt, last.ttt, 0, 1536, data.subarray(1536), 1)
      const response = fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse))
      assert.deepEqual([response.status, response.expDataSn], [Status.good, 0])
      assert.deepEqual(bench.store.bytes.subarray(0, data.length), data)
    }, digests))

  // Requirement: RFC 7143, Digest Errors: a command with damaged immediate data is discarded, and sent again it runs.
  // Requirement: RFC 7143, 7.8/4.
  test('a command with spoilt immediate data is not received, and its retry is', () =>
    level1(async (session, peer, bench) => {
      const fields = { write: 1, expectedDataTransferLength: BLOCK }
      const { cmdSn } = session.next(peer)
      const { SCSI_COMMAND } = await import('@lunkit/spec')
      const command = {
        opcode: Opcode.scsiCommand,
        final: 1,
        attribute: 1,
        cdb: write10(0, 1),
        itt: 5,
        cmdSn,
        ...fields,
      }
      const pdu = peer.build(SCSI_COMMAND, command as never, data.subarray(0, BLOCK))
      pdu[60]! ^= 1
      peer.send(pdu)
      assert.equal(rejectReason(await peer.receive(Opcode.reject)), RejectReason.dataDigestError)
      pdu[60]! ^= 1
      peer.send(pdu)
      assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status, Status.good)
      assert.deepEqual(bench.store.bytes.subarray(0, BLOCK), data.subarray(0, BLOCK))
    }, digests))

  // Requirement: RFC 7143, SNACK Request: an R2T that is asked for again is an exact replica.
  // Requirement: RFC 7143, 11.16/3.
  test('an R2T that got lost comes again', () =>
    level1(
      async (session, peer) => {
        const itt = write(session, peer, 0, 2)
        const r2t = await peer.receive(Opcode.r2t)
        for (const [begRun, runLength] of [
          [0, 0],
          [0, 1],
        ] as const) {
          snack(peer, { type: SnackType.dataOrR2t, itt, begRun, runLength })
          const again = await peer.receive(Opcode.r2t)
          assert.deepEqual(again.header, r2t.header)
        }
        snack(peer, { type: SnackType.dataOrR2t, itt, begRun: 1, runLength: 1 })
        assert.equal(rejectReason(await peer.receive(Opcode.reject)), RejectReason.protocolError)
        dataOut(peer, itt, fieldsOf(R2T, r2t).ttt, 0, 0, data.subarray(0, 1024), 1)
        assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status, Status.good)
      },
      { InitialR2T: 'Yes' },
    ))

  test('a peer that spoils every sequence is given up', () =>
    level1(async (session, peer) => {
      const itt = write(session, peer, 0, 1)
      let r2ts = 0
      for (;;) {
        const pdu = await peer.receive()
        if (pdu.opcode === Opcode.reject) continue
        if (pdu.opcode === Opcode.scsiResponse) {
          assert.equal(fieldsOf(SCSI_RESPONSE, pdu).status, Status.checkCondition)
          break
        }
        r2ts++
        spoiltDataOut(peer, itt, fieldsOf(R2T, pdu).ttt, 0, 0, data.subarray(0, BLOCK), 1)
      }
      assert.ok(r2ts > 10 && r2ts < 100, `${r2ts} R2Ts`)
    }, digests))

  // Requirement: RFC 7143, Digest Errors: a PDU with a wrong data digest that is not data is discarded and its CmdSN stays free.
  // Requirement: RFC 7143, 7.8/2.
  test('a spoilt ping is not counted, and its retry is', () =>
    level1(async (session, peer) => {
      const { cmdSn, expStatSn } = session.next(peer)
      const fields = {
        opcode: Opcode.nopOut,
        final: 1,
        itt: 88,
        ttt: RESERVED_TAG,
        cmdSn,
        expStatSn,
      } as never
      const pdu = peer.build(NOP_OUT, fields, Buffer.from('ping'))
      pdu[49]! ^= 1
      peer.send(pdu)
      assert.equal(rejectReason(await peer.receive(Opcode.reject)), RejectReason.dataDigestError)
      peer.sendPdu(NOP_OUT, fields, Buffer.from('ping'))
      assert.equal(String((await peer.receive(Opcode.nopIn)).data), 'ping')
    }, digests))
})

describe('what one peer can make it keep', () => {
  test('answers wait when too much is kept, and come when it is acknowledged', () =>
    level1(
      async (session, peer, bench) => {
        // 6 times 4 MiB, and no acknowledgement of the first until all were asked for.
        const { expStatSn } = peer
        const reads = 6
        let pings = 0
        for (let i = 0; i < reads; i++) {
          session.next(peer)
          const fields = { read: 1, expectedDataTransferLength: 8192 * BLOCK, expStatSn }
          peer.command(read10(0, 8192), fields)
        }
        for (let answers = 0; answers < reads; ) {
          const pdu = await peer.receive()
          if (pdu.opcode === Opcode.scsiResponse) {
            answers++
            peer.expStatSn = (fieldsOf(SCSI_RESPONSE, pdu).statSn + 1) >>> 0
          } else if (pdu.opcode === Opcode.nopIn) {
            // Asked for a sign of life: only now the target learns what has come.
            pings++
            const { ttt } = fieldsOf(NOP_IN, pdu)
            const fields = { opcode: Opcode.nopOut, immediate: 1, final: 1, itt: RESERVED_TAG, ttt }
            const numbers = { cmdSn: session.cmdSn, expStatSn: peer.expStatSn }
            if (ttt !== RESERVED_TAG) peer.sendPdu(NOP_OUT, { ...fields, ...numbers } as never)
          }
        }
        assert.ok(pings > 0, 'nothing had to wait')
        assert.equal(bench.of('warning').length, 0)
      },
      { MaxRecvDataSegmentLength: '262144', MaxBurstLength: '1048576' },
    ))

  test('thousands of requests for much data in one chunk are served as fast as the peer reads', () =>
    level1(
      async (session, peer) => {
        const itt = read(session, peer, 0, 8192)
        const { response } = await readAnswer(session, peer)
        const { statSn } = response
        const one = peer.build(SNACK, {
          opcode: Opcode.snack,
          final: 1,
          type: SnackType.dataOrR2t,
          itt,
          ttt: RESERVED_TAG,
          expStatSn: statSn,
        } as never)
        const before = process.memoryUsage().rss
        peer.socket.pause()
        peer.send(Buffer.concat(new Array(4000).fill(one)))
        await new Promise(resolve => setTimeout(resolve, 200))
        const grown = process.memoryUsage().rss - before
        assert.ok(grown < 128 * 1024 * 1024, `${grown} bytes more`)
        await peer.close()
      },
      { MaxRecvDataSegmentLength: '512', MaxBurstLength: '1048576' },
    ))
})

test('at level 1 status never comes with data, and a lost connection ends the session', () =>
  level1(async (session, peer, bench) => {
    read(session, peer, 0, 1)
    assert.equal(fieldsOf(DATA_IN, await peer.receive(Opcode.dataIn)).statusPresent, 0)
    await peer.receive(Opcode.scsiResponse)
    await peer.close()
    await bench.until(() => bench.port.connections.sessions === 0)
    const { pdu } = await session.login(1)
    assert.equal(fieldsOf(LOGIN_RESPONSE, pdu).statusClass, 2)
  }))
