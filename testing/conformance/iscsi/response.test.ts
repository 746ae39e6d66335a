// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 11.4: what a response tells: exact residuals, sense data with every CHECK CONDITION, and nothing undefined.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DATA_IN, Opcode, R2T, SCSI_RESPONSE, Status } from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { BLOCK, read10, testUnitReady, withBench, write10 } from '../../kit/iscsi-bench.ts'
import { fieldsOf, type RawPdu, type RawPeer } from '../../kit/raw-peer.ts'
import { dataOut, ping, read, response, write } from '../../kit/raw-requests.ts'

const inquiry = (allocation: number): Uint8Array => Uint8Array.of(0x12, 0, 0, 0, allocation, 0)
const reportLuns = (allocation: number): Uint8Array =>
  Uint8Array.of(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, allocation, 0, 0)
/** Length of the list of four LUNs, in bytes. */
const LIST = 40

/** The data of a command and its residual: more than 0 for an overflow, less for an underflow. */
async function outcome(peer: RawPeer): Promise<{ length: number; residual: number; status: number }> {
  let length = 0
  for (;;) {
    const pdu = await peer.receive()
    const isData = pdu.opcode === Opcode.dataIn
    if (isData) length += pdu.data.length
    if (isData && fieldsOf(DATA_IN, pdu).statusPresent === 0) continue
    const answer = isData ? fieldsOf(DATA_IN, pdu) : fieldsOf(SCSI_RESPONSE, pdu)
    const { overflow, underflow, residualCount, status } = answer
    assert.ok(overflow + underflow <= 1)
    if (overflow + underflow === 0) assert.equal(residualCount, 0)
    return { length, residual: overflow === 1 ? residualCount : 0 - residualCount, status }
  }
}

const LEVELS = ['0', '1'] as const

describe('residuals', () => {
  // Requirement: RFC 7143, 11.4/9.
  test('of reads: the blocks that were not expected, or expected and not there', () =>
    withBench({}, async bench => {
      for (const level of LEVELS) {
        const peer = await bench.peer({ keys: { ErrorRecoveryLevel: level } })
        for (const expected of [0, 1, 511, 512, 1023, 1024, 1025, 4096, 100_000]) {
          peer.command(read10(0, 2), { read: 1, expectedDataTransferLength: expected })
          assert.deepEqual(await outcome(peer), {
            length: Math.min(expected, 1024),
            residual: 1024 - expected,
            status: Status.good,
          })
        }
        peer.command(read10(0xffff_ff00, 1), { read: 1, expectedDataTransferLength: BLOCK })
        assert.deepEqual(await outcome(peer), { length: 0, residual: -BLOCK, status: Status.checkCondition })
        await peer.close()
      }
    }))

  // Requirement: RFC 7143, 11.4/9.
  test('of writes, whether the data comes unasked or by R2T', () =>
    withBench({}, async bench => {
      for (const level of LEVELS) {
        for (const unasked of ['Yes', 'No']) {
          const keys = { ErrorRecoveryLevel: level, InitialR2T: 'Yes', ImmediateData: unasked }
          const peer = await bench.peer({ keys })
          for (const expected of [512, 1023, 1024, 1025, 4096]) {
            const data = Buffer.alloc(unasked === 'Yes' ? expected : 0, 5)
            const itt = peer.command(write10(0, 2), { write: 1, expectedDataTransferLength: expected }, data)
            if (unasked === 'No') {
              const { ttt, desiredLength } = fieldsOf(R2T, await peer.receive(Opcode.r2t))
              assert.equal(desiredLength, Math.min(expected, 1024))
              dataOut(peer, { itt, ttt }, Buffer.alloc(desiredLength, 5))
            }
            assert.equal((await outcome(peer)).residual, 1024 - expected)
          }
          await peer.close()
        }
      }
    }))

  // Requirement: RFC 7143, 11.4/9.
  test('of commands without data, where some was expected, and the other way round', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      peer.command(testUnitReady(), { read: 1, expectedDataTransferLength: 100 })
      assert.equal((await outcome(peer)).residual, -100)
      peer.command(testUnitReady())
      assert.equal((await outcome(peer)).residual, 0)
      peer.command(read10(0, 1))
      assert.deepEqual(await outcome(peer), { length: 0, residual: BLOCK, status: Status.good })
    }))

  // Requirement: RFC 7143, 11.4/10 and 11.4/8.
  test('behind an allocation length: what it cuts is no overflow, what is left of the expectation an underflow', () =>
    withBench({}, async bench => {
      for (const lun of [1, 2, 3]) bench.target.map(lun, bench.target.unitAt(0)!)
      for (const level of LEVELS) {
        const peer = await bench.peer({ keys: { ErrorRecoveryLevel: level } })
        for (const [cdb, expected, length, residual] of [
          [reportLuns(LIST), LIST, LIST, 0],
          [reportLuns(16), 16, 16, 0],
          [reportLuns(16), LIST, 16, 16 - LIST],
          [reportLuns(16), 4, 4, 12],
          [reportLuns(64), 64, LIST, LIST - 64],
          [reportLuns(64), 50, LIST, LIST - 50],
          [reportLuns(64), 32, 32, LIST - 32],
          [inquiry(36), 36, 36, 0],
          [inquiry(36), 200, 36, -164],
          [inquiry(5), 200, 5, -195],
        ] as const) {
          peer.command(cdb, { read: 1, expectedDataTransferLength: expected })
          assert.deepEqual(await outcome(peer), { length, residual, status: Status.good })
        }
        await peer.close()
      }
    }))
})

describe('failures', () => {
  const SOLICITED = { InitialR2T: 'Yes', ImmediateData: 'No' }
  const fails: readonly [string, (peer: RawPeer) => unknown][] = [
    ['an opcode that is not known', peer => peer.command(Uint8Array.of(0xc7, 0, 0, 0, 0, 0))],
    ['a field that is not allowed', peer => peer.command(Uint8Array.of(0x12, 0, 0x99, 0, 255, 0), IN)],
    ['blocks that are not there', peer => peer.command(read10(0xffff_fff0, 1), IN)],
    ['a write beyond the end', peer => write(peer, 0xffff_fff0, 1)],
    [
      'a LUN that is not there',
      peer => peer.command(testUnitReady(), { lun: Uint8Array.of(0, 9, 0, 0, 0, 0, 0, 0) }),
    ],
    ['data that nobody asked for', peer => write(peer, 0, 1, Buffer.alloc(BLOCK))],
    [
      'unasked data behind the command',
      peer => {
        const itt = write(peer, 0, 1, undefined, { final: 0 })
        dataOut(peer, { itt }, Buffer.alloc(BLOCK))
      },
    ],
  ]
  for (const [what, send] of fails) {
    // Requirement: RFC 7143, 11.4/11 and 11.4/12 and 10.2/1.
    test(`${what}: CHECK CONDITION brings its sense data, and the response is “completed”`, () =>
      withBench({}, async bench => {
        for (const level of LEVELS) {
          const peer = await bench.peer({ keys: { ...SOLICITED, ErrorRecoveryLevel: level } })
          send(peer)
          let pdu: RawPdu
          do pdu = await peer.receive()
          while (pdu.opcode === Opcode.reject)
          const { status, response: code, expDataSn } = fieldsOf(SCSI_RESPONSE, pdu)
          assert.deepEqual([pdu.opcode, status, code, expDataSn], [Opcode.scsiResponse, 2, 0, 0])
          const sense = pdu.data.subarray(2)
          assert.equal(pdu.data.readUInt16BE(0), sense.length)
          assert.ok(sense.length >= 18 && [0x70, 0x71].includes(sense[0]! & 0x7f))
          assert.notEqual(sense[2]! & 0xf, 0)
          await ping(peer)
          await peer.close()
        }
      }))
  }

  // Requirement: RFC 7143, 11.4/12 and 11.4/11.
  test('a store that fails is told by sense data, too', () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      bench.store.failures.push({ call: 'read', error: StoreError.medium, failedAt: 0 })
      read(peer, 0, 1)
      const { status, response: code, pdu, underflow, residualCount } = await response(peer)
      assert.deepEqual([status, code, underflow, residualCount], [Status.checkCondition, 0, 1, BLOCK])
      assert.ok(pdu.data.readUInt16BE(0) >= 18)
    }))
})

const IN = { read: 1, expectedDataTransferLength: 255 } as const
