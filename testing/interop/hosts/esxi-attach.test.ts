// SPDX-License-Identifier: Apache-2.0
// A disk that ESXi finds, formats as a datastore and uses with its four offloads, shared by two hosts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Status } from '@lunkit/spec'
import { createTarget, memory } from 'lunkit/target'
import { findDisk, unitDesignators } from './attach.ts'
import { play, type Step } from './script.ts'

const CONFLICT = Status.reservationConflict
const block = (fill: number, count = 1): Buffer => Buffer.alloc(512 * count, fill)

/** 34 blocks: more than the 8 KiB of immediate data, and no round number. */
const HEARTBEAT_REGION = Buffer.from(Array.from({ length: 34 * 512 }, (_, at) => at % 251))

const ATTACH: readonly Step[] = [
  {
    host: 'esx1',
    what: 'VPD page 86h',
    why: 'asked for at every scan; a refusal is logged as a missing extended inquiry page',
    cdb: '12 01 86 00 ff 00',
    room: 255,
    check: data => assert.equal(data[1], 0x86),
  },
  {
    host: 'esx1',
    what: 'VPD page B0h',
    why: 'MAXIMUM COMPARE AND WRITE LENGTH is what makes ATS supported; UNMAP limits make Delete',
    cdb: '12 01 b0 00 ff 00',
    room: 255,
    check: data => {
      assert.ok(data[5]! >= 1)
      assert.ok(data.readUInt32BE(20) > 0 && data.readUInt32BE(24) > 0)
    },
  },
  {
    host: 'esx1',
    what: 'VPD page B1h',
    why: 'whether it is flash',
    cdb: '12 01 b1 00 ff 00',
    room: 255,
    check: data => assert.equal(data.readUInt16BE(4), 1),
  },
  {
    host: 'esx1',
    what: 'VPD page B2h',
    why: 'UNMAP, and a thin disk',
    cdb: '12 01 b2 00 ff 00',
    room: 255,
    check: data => {
      assert.equal(data[5]! >> 7, 1)
      assert.equal(data[6]! & 7, 2)
    },
  },
  {
    host: 'esx1',
    what: 'MODE SENSE (6), control page',
    why: 'what the disk does with sense data and aborts',
    cdb: '1a 00 0a 00 ff 00',
    room: 255,
    check: data => assert.equal(data[12]! & 0x3f, 0x0a),
  },
  {
    host: 'esx1',
    what: 'MODE SENSE (6), informational exceptions page',
    why: 'for the health of the disk',
    cdb: '1a 00 1c 00 ff 00',
    room: 255,
    check: data => assert.equal(data[12]! & 0x3f, 0x1c),
  },
]

const RESERVATION: readonly Step[] = [
  {
    host: 'esx1',
    what: 'RESERVE (6)',
    why: 'a datastore is made under it; refused, formatting fails',
    cdb: '16 00 00 00 00 00',
  },
  {
    host: 'esx2',
    what: 'WRITE (16) is a conflict',
    why: 'the other host waits',
    cdb: '8a 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00',
    out: block(1),
    status: CONFLICT,
  },
  {
    host: 'esx2',
    what: 'RESERVE (6) is a conflict',
    why: 'the other host tries again later',
    cdb: '16 00 00 00 00 00',
    status: CONFLICT,
  },
  {
    host: 'esx2',
    what: 'RELEASE (6) by the other',
    why: 'is GOOD and frees nothing',
    cdb: '17 00 00 00 00 00',
  },
  {
    host: 'esx1',
    what: 'WRITE (16)',
    why: 'the file system is written',
    cdb: '8a 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00',
    out: block(1),
  },
  { host: 'esx1', what: 'RELEASE (6)', why: 'the datastore is there', cdb: '17 00 00 00 00 00' },
  {
    host: 'esx2',
    what: 'READ (16)',
    why: 'for the other host, too',
    cdb: '88 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00',
    room: 512,
    check: data => assert.deepEqual(data, block(1)),
  },
]

const ATS = '89 00 00 00 00 00 00 00 01 00 00 00 00 01 00 00' // LBA 256, one block
const LOCKING: readonly Step[] = [
  {
    host: 'esx1',
    what: 'WRITE (10) of 34 blocks',
    why: 'immediate data, then Data-Out, and nothing may be left over',
    cdb: '2a 00 00 00 02 00 00 00 22 00',
    out: HEARTBEAT_REGION,
  },
  {
    host: 'esx2',
    what: 'READ (10) of 34 blocks',
    why: 'all of it arrived',
    cdb: '28 00 00 00 02 00 00 00 22 00',
    room: HEARTBEAT_REGION.length,
    check: data => assert.deepEqual(data, HEARTBEAT_REGION),
  },
  {
    host: 'esx1',
    what: 'COMPARE AND WRITE',
    why: 'the lock is free: taken',
    cdb: ATS,
    out: Buffer.concat([block(0), block(0x11)]),
  },
  {
    host: 'esx2',
    what: 'COMPARE AND WRITE that comes too late',
    why: 'MISCOMPARE means that somebody else has the lock; anything else would take the datastore offline',
    cdb: ATS,
    out: Buffer.concat([block(0), block(0x22)]),
    sense: 'e 1d 00',
    information: 0,
  },
  {
    host: 'esx1',
    what: 'COMPARE AND WRITE, heartbeat',
    why: 'the owner renews its lock',
    cdb: ATS,
    out: Buffer.concat([block(0x11), block(0x12)]),
  },
  {
    host: 'esx1',
    what: 'COMPARE AND WRITE of the same again',
    why: 'a retry of what was done must miscompare, with the offset of the difference',
    cdb: ATS,
    out: Buffer.concat([
      Buffer.concat([block(0x12).subarray(0, 100), block(0x11).subarray(100)]),
      block(0x13),
    ]),
    sense: 'e 1d 00',
    information: 100,
  },
  {
    host: 'esx2',
    what: 'READ (16) of the lock',
    why: 'the owner is alive',
    cdb: '88 00 00 00 00 00 00 00 01 00 00 00 00 01 00 00',
    room: 512,
    check: data => assert.deepEqual(data, block(0x12)),
  },
]

/** An EXTENDED COPY (LID1) list: the disk as source and destination, one segment. */
function copyList(designators: Buffer, from: number, to: number, blocks: number): Buffer {
  const naa = unitDesignators(designators).find(({ type }) => type === 3)!
  const cscd = Buffer.alloc(32)
  cscd[0] = 0xe4
  naa.whole.copy(cscd, 4)
  cscd.writeUIntBE(512, 29, 3)
  const segment = Buffer.alloc(28)
  segment[0] = 0x02
  segment[1] = 0x02
  segment.writeUInt16BE(24, 2)
  segment.writeUInt16BE(0, 4)
  segment.writeUInt16BE(1, 6)
  segment.writeUInt16BE(blocks, 10)
  segment.writeBigUInt64BE(BigInt(from), 12)
  segment.writeBigUInt64BE(BigInt(to), 20)
  const head = Buffer.alloc(16)
  head[0] = 1
  head.writeUInt16BE(64, 2)
  head.writeUInt32BE(28, 8)
  return Buffer.concat([head, cscd, cscd, segment])
}

const OFFLOADS: readonly Step[] = [
  {
    host: 'esx1',
    what: 'WRITE SAME (16) of zeros, 1 MiB',
    why: 'Zero: a thick disk is cleared',
    cdb: '93 00 00 00 00 00 00 00 08 00 00 00 08 00 00 00',
    out: block(0),
  },
  {
    host: 'esx1',
    what: 'READ (10)',
    why: 'zeros',
    cdb: '28 00 00 00 0f ff 00 00 01 00',
    room: 512,
    check: data => assert.deepEqual(data, block(0)),
  },
  {
    host: 'esx1',
    what: 'RECEIVE COPY OPERATING PARAMETERS',
    why: 'Clone: how much one command may copy',
    cdb: '84 03 00 00 00 00 00 00 00 00 00 00 02 00 00 00',
    room: 512,
    check: data => {
      assert.ok(data.readUInt16BE(8) >= 2 && data.readUInt16BE(10) >= 1)
      assert.ok(data.readUInt32BE(16) >= 4 * 1024 * 1024)
    },
  },
  {
    host: 'esx1',
    what: 'EXTENDED COPY',
    why: 'Clone: blocks move without the wire',
    cdb: '83 00 00 00 00 00 00 00 00 00 00 00 00 6c 00 00',
    out: ({ designators }) => copyList(designators!, 512, 8192, 34),
  },
  {
    host: 'esx2',
    what: 'READ (10) of the clone',
    why: 'it is the same',
    cdb: '28 00 00 00 20 00 00 00 22 00',
    room: HEARTBEAT_REGION.length,
    check: data => assert.deepEqual(data, HEARTBEAT_REGION),
  },
  {
    host: 'esx1',
    what: 'UNMAP of the clone',
    why: 'Delete: the space of a removed disk comes back',
    cdb: '42 00 00 00 00 00 00 00 18 00',
    out: Buffer.from('0016 0010 00000000 0000000000002000 00000028 00000000'.replaceAll(' ', ''), 'hex'),
  },
  {
    host: 'esx2',
    what: 'READ (10)',
    why: 'zeros',
    cdb: '28 00 00 00 20 00 00 00 22 00',
    room: HEARTBEAT_REGION.length,
    check: data => assert.deepEqual(data, Buffer.alloc(HEARTBEAT_REGION.length)),
  },
  {
    host: 'esx1',
    what: 'SYNCHRONIZE CACHE (10)',
    why: 'before the datastore is unmounted',
    cdb: '35 00 00 00 00 00 00 00 00 00',
  },
]

test('ESXi finds a disk, makes a datastore, locks it between two hosts and uses the four offloads', async t => {
  await using target = await createTarget({ luns: [memory('16M')] })
  const names = {
    esx1: 'iqn.1998-01.com.vmware:esx1-0001',
    esx2: 'iqn.1998-01.com.vmware:esx2-0002',
  }
  // 8 KiB go with the command, the rest is asked for.
  const login = { immediateData: true, initialR2T: true, firstBurstLength: 8192 }
  const found = Object.keys(names).flatMap(host => findDisk(host, [0x80, 0x83, 0x86, 0x8f, 0xb0, 0xb1, 0xb2]))
  const steps = [...found, ...ATTACH, ...RESERVATION, ...LOCKING, ...OFFLOADS]
  await play(t, target.url, { names, login }, steps)
})
