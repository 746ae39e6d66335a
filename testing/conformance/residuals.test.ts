// SPDX-License-Identifier: Apache-2.0
// Residuals over iSCSI: what the command moves against what the initiator expects, both ways, and what is written then.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { INQUIRY, READ_10, Status, TEST_UNIT_READY, WRITE_10 } from '@lunkit/spec'
import { openSession, type Session } from 'lunkit/initiator'
import { createTarget, memory, type RunningTarget } from 'lunkit/target'
import { cdbOf } from '../kit/device-bench.ts'

const BLOCK = 512
const OLD = 0x0d
const NEW = 0x4e

interface Case {
  readonly name: string
  readonly cdb: Uint8Array
  /** Bytes that the initiator takes, or offers. */
  readonly room?: number
  readonly offer?: number
  /** Bytes that arrive at the initiator, and the residual: below zero for an overflow. */
  readonly moved?: number
  readonly residual: number
  /** Blocks from 0 on that hold what was offered afterwards. */
  readonly written?: number
  readonly status?: number
}

const read = (blocks: number, lba = 0): Uint8Array => cdbOf(READ_10, { lba, blocks })
const write = (blocks: number, lba = 0): Uint8Array => cdbOf(WRITE_10, { lba, blocks })
const inquiry = (allocation: number): Uint8Array => cdbOf(INQUIRY, { allocation })
const CHECK = Status.checkCondition

const CASES: readonly Case[] = [
  { name: 'READ, all of it', cdb: read(4), room: 2048, moved: 2048, residual: 0 },
  // Requirement: RFC 7143, Residual Count: an overflow counts what did not fit.
  { name: 'READ into less: overflow', cdb: read(4), room: 1000, moved: 1000, residual: -1048 },
  // Requirement: RFC 7143, Residual Count: an underflow counts what was not used.
  { name: 'READ into more: underflow', cdb: read(4), room: 4096, moved: 2048, residual: 2048 },
  { name: 'READ of no blocks', cdb: read(0), room: 512, moved: 0, residual: 512 },
  { name: 'READ of no blocks into nothing', cdb: read(0), moved: 0, residual: 0 },
  { name: 'READ that expects nothing: overflow', cdb: read(4), moved: 0, residual: -2048 },
  // Requirement: RFC 7143, Residual Count: a command that failed moved nothing.
  { name: 'READ that fails', cdb: read(1, 0xffff_ff00), room: 512, moved: 0, residual: 512, status: CHECK },
  {
    name: 'INQUIRY, allocation length below the room',
    cdb: inquiry(36),
    room: 255,
    moved: 36,
    residual: 219,
  },
  { name: 'INQUIRY, room below the allocation length', cdb: inquiry(64), room: 36, moved: 36, residual: -28 },
  { name: 'INQUIRY, allocation length 0', cdb: inquiry(0), room: 36, moved: 0, residual: 36 },
  { name: 'no data, and room', cdb: cdbOf(TEST_UNIT_READY), room: 512, moved: 0, residual: 512 },
  { name: 'no data, and an offer', cdb: cdbOf(TEST_UNIT_READY), offer: 512, residual: 512, written: 0 },
  { name: 'WRITE, all of it', cdb: write(4), offer: 2048, residual: 0, written: 4 },
  // Requirement: RFC 7143, Residual Count: an overflow counts what the initiator did not offer.
  { name: 'WRITE of less: overflow', cdb: write(4), offer: 1024, residual: -1024, written: 2 },
  // Requirement: RFC 7143, Residual Count: an underflow counts what the target did not take.
  { name: 'WRITE of more: underflow', cdb: write(4), offer: 4096, residual: 2048, written: 4 },
  { name: 'WRITE of no blocks', cdb: write(0), offer: 512, residual: 512, written: 0 },
  { name: 'WRITE of no blocks and nothing', cdb: write(0), residual: 0, written: 0 },
  { name: 'WRITE that offers nothing: overflow', cdb: write(4), residual: -2048, written: 0 },
  {
    name: 'WRITE that fails',
    cdb: write(1, 0xffff_ff00),
    offer: 512,
    residual: 512,
    written: 0,
    status: CHECK,
  },
]

const LOGINS = {
  'immediate data': {},
  'data on demand': { immediateData: false, initialR2T: true },
  'a short first burst, and digests': {
    firstBurstLength: 512,
    headerDigest: 'require',
    dataDigest: 'require',
  },
} as const

for (const [login, options] of Object.entries(LOGINS)) {
  describe(login, () => {
    let target: RunningTarget
    let session: Session
    const execute = (cdb: Uint8Array, more: object = {}) => session.execute({ lun: 0, cdb, ...more })
    before(async () => {
      target = await createTarget({ luns: [memory('1M')] })
      session = await openSession(target.url, options as Parameters<typeof openSession>[1])
      // The unit attention of the new nexus
      await execute(cdbOf(TEST_UNIT_READY))
    })
    after(async () => {
      await session.close()
      await target.close()
    })
    for (const { name, cdb, room, offer, moved, residual, written, status = Status.good } of CASES) {
      test(name, async () => {
        if (written !== undefined) await execute(write(8), { dataOut: Buffer.alloc(8 * BLOCK, OLD) })
        const result = await execute(cdb, {
          ...(room !== undefined && { expectedIn: room }),
          ...(offer !== undefined && { dataOut: Buffer.alloc(offer, NEW) }),
        })
        assert.equal(result.status, status)
        assert.equal(result.underflow - result.overflow, residual)
        assert.ok(result.underflow === 0 || result.overflow === 0)
        if (moved !== undefined) assert.equal(result.dataIn.length, moved)
        if (written === undefined) return
        const { dataIn } = await execute(read(8), { expectedIn: 8 * BLOCK })
        const wanted = Buffer.alloc(8 * BLOCK, OLD).fill(NEW, 0, written * BLOCK)
        assert.deepEqual(Buffer.from(dataIn), wanted)
      })
    }
  })
}
