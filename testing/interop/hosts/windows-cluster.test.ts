// SPDX-License-Identifier: Apache-2.0
// A disk of a Windows failover cluster: attach, the storage tests of cluster validation, arbitration, trim and ODX.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Status } from '@lunkit/spec'
import { createTarget, memory } from 'lunkit/target'
import { findDisk } from './attach.ts'
import { play, type Step } from './script.ts'

/** Reservation keys as the cluster makes them: 8 bytes, one for each node. */
const KEYS: Readonly<Record<string, string>> = { node1: '00000000c0ffee01', node2: '00000000c0ffee02' }
const NONE = '0000000000000000'
const PATTERN = Buffer.alloc(512, 0x57)
const CONFLICT = Status.reservationConflict

/** A parameter list of PERSISTENT RESERVE OUT: own key, service action key. */
const keys = (own: string, other: string): Buffer =>
  Buffer.concat([Buffer.from(own + other, 'hex'), Buffer.alloc(8)])

const out = (
  host: string,
  what: string,
  why: string,
  action: number,
  own: string,
  other: string,
  more: Partial<Step> = {},
): Step => ({
  host,
  what,
  why,
  cdb: `5f ${action.toString(16).padStart(2, '0')} 05 00 00 00 00 00 18 00`,
  out: keys(own, other),
  ...more,
})

const write = (host: string, why: string, more: Partial<Step> = {}): Step => ({
  host,
  what: more.status === CONFLICT ? 'WRITE (10) is a conflict' : 'WRITE (10)',
  why,
  cdb: '2a 00 00 00 00 08 00 00 01 00',
  out: PATTERN,
  ...more,
})

const readKeys = (host: string, why: string, wanted: readonly string[]): Step => ({
  host,
  what: `READ KEYS: ${wanted.length} of them`,
  why,
  cdb: '5e 00 00 00 00 00 00 20 00 00',
  room: 8192,
  check: data => {
    const list = Array.from({ length: data.readUInt32BE(4) / 8 }, (_, index) =>
      data.toString('hex', 8 + index * 8, 16 + index * 8),
    )
    assert.deepEqual(list.sort(), [...wanted].sort())
  },
})

const readReservation = (host: string, why: string, holder: string | null): Step => ({
  host,
  what: `READ RESERVATION: ${holder === null ? 'none' : 'held'}`,
  why,
  cdb: '5e 01 00 00 00 00 00 20 00 00',
  room: 8192,
  check: data => {
    assert.equal(data.readUInt32BE(4), holder === null ? 0 : 16)
    if (holder === null) return
    assert.equal(data.toString('hex', 8, 16), holder)
    // The whole unit; write exclusive, registrants only.
    assert.equal(data[21], 0x05)
  },
})

const attention = (host: string, what: string, sense: string): Step[] => [
  { host, what, why: 'the loser is told', cdb: '00 00 00 00 00 00', sense },
  { host, what: `${what}, once`, why: 'and only once', cdb: '00 00 00 00 00 00' },
]

const { node1, node2 } = KEYS as { node1: string; node2: string }

const VALIDATION: readonly Step[] = [
  readKeys('node1', 'validation begins with a disk that nobody has registered with', []),
  readReservation('node1', 'nor reserved', null),
  out(
    'stranger',
    'RESERVE without a registration is a conflict',
    'a node outside the cluster gets nothing',
    1,
    node2,
    NONE,
    { status: CONFLICT },
  ),
  out('node1', 'REGISTER AND IGNORE EXISTING KEY', 'also when a former run left a key', 6, NONE, node1),
  out('node1', 'REGISTER AND IGNORE EXISTING KEY again', 'a second time is no error', 6, NONE, node1),
  out('node1', 'RESERVE, write exclusive, registrants only', 'the type of cluster disks', 1, node1, NONE),
  out('node1', 'RESERVE again', 'the holder may say it again', 1, node1, NONE),
  readReservation('node2', 'every node can read who holds it', node1),
  write('node1', 'the holder writes'),
  write('node2', 'a node without a registration does not', { status: CONFLICT }),
  { host: 'node2', what: 'READ (10)', why: 'but it reads', cdb: '28 00 00 00 00 08 00 00 01 00', room: 512 },
  {
    host: 'node2',
    what: 'MODE SENSE (6)',
    why: 'and may look at the disk',
    cdb: '1a 08 08 00 ff 00',
    room: 255,
  },
  out('node2', 'RELEASE without a registration is a conflict', 'nobody else frees it', 2, node2, NONE, {
    status: CONFLICT,
  }),
  out('node2', 'REGISTER AND IGNORE EXISTING KEY', 'the second node joins', 6, NONE, node2),
  readKeys('node1', 'both are there', [node1, node2]),
  write('node2', 'a registered node writes (cluster shared volumes)'),
  out('node2', 'RESERVE is a conflict', 'but does not hold the disk', 1, node2, NONE, { status: CONFLICT }),
  out('node2', 'RELEASE by one who does not hold it', 'is GOOD and does nothing', 2, node2, NONE),
  readReservation('node1', 'still held', node1),
  {
    ...out('node1', 'a list that is too short', 'is refused, and changes nothing', 1, node1, NONE),
    cdb: '5f 01 05 00 00 00 00 00 17 00',
    out: keys(node1, NONE).subarray(0, 23),
    sense: '5 1a 00',
  },
]

/** The defender finds a stranger's key every three seconds and strikes it out; the challenger comes back and wins. */
const ARBITRATION: readonly Step[] = [
  readKeys('node1', 'the defender looks who is there', [node1, node2]),
  out('node1', 'PREEMPT the challenger', "the defender strikes out the challenger's key", 4, node1, node2),
  ...attention('node2', 'REGISTRATIONS PREEMPTED', '6 2a 05'),
  write('node2', 'the challenger is out', { status: CONFLICT }),
  out('node2', 'REGISTER with the lost key is a conflict', 'it learns that it has lost', 0, node2, NONE, {
    status: CONFLICT,
  }),
  out('node2', 'REGISTER AND IGNORE EXISTING KEY', 'the next challenge', 6, NONE, node2),
  readKeys('node2', 'seven seconds later its key is still there: the defender is dead', [node1, node2]),
  out('node2', 'PREEMPT the defender', 'the challenger takes the disk', 4, node2, node1),
  readReservation('node2', 'in one step with the same type', node2),
  readKeys('node2', 'and the defender is out', [node2]),
  ...attention('node1', 'REGISTRATIONS PREEMPTED', '6 2a 05'),
  write('node1', 'late writes of the old owner do not reach the disk', { status: CONFLICT }),
  write('node2', 'the new owner writes'),
  out('node1', 'REGISTER', 'the old owner joins again', 0, NONE, node1),
  out('node2', 'RELEASE', 'a planned move begins', 2, node2, NONE),
  ...attention('node1', 'RESERVATIONS RELEASED', '6 2a 04'),
  out('node1', 'RESERVE', 'and ends', 1, node1, NONE),
  out('node2', 'CLEAR', 'the disk leaves the cluster', 3, node2, NONE),
  ...attention('node1', 'RESERVATIONS PREEMPTED', '6 2a 03'),
  readKeys('node1', 'nothing is left', []),
  readReservation('node1', 'of the cluster', null),
  write('stranger', 'and everybody may write'),
]

const u16 = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff)
const range = (lba: number, blocks: number): Buffer => {
  const bytes = Buffer.alloc(16)
  bytes.writeBigUInt64BE(BigInt(lba), 0)
  bytes.writeUInt32BE(blocks, 8)
  return bytes
}

const OFFLOADS: readonly Step[] = [
  {
    host: 'node1',
    what: 'UNMAP',
    why: 'trim when a file is removed',
    cdb: '42 00 00 00 00 00 00 00 18 00',
    out: Buffer.concat([u16(22), u16(16), Buffer.alloc(4), range(8, 8)]),
  },
  {
    host: 'node1',
    what: 'READ (10) of unmapped blocks',
    why: 'zeros, as B2h says',
    cdb: '28 00 00 00 00 08 00 00 01 00',
    room: 512,
    check: data => assert.deepEqual(data, Buffer.alloc(512)),
  },
  { ...write('node1', 'something to copy'), cdb: '2a 00 00 00 00 40 00 00 01 00' },
  {
    host: 'node1',
    what: 'VPD page 8Fh',
    why: 'the block device ROD token limits descriptor (type 0) says that there is ODX',
    cdb: '12 01 8f 04 00 00',
    room: 1024,
    check: data => assert.ok(data.readUInt16BE(2) >= 4 && data.readUInt16BE(4) === 0),
  },
  {
    host: 'node1',
    what: 'POPULATE TOKEN',
    why: 'a token for what is to be copied',
    cdb: '83 10 00 00 00 00 00 00 00 01 00 00 00 20 00 00',
    out: Buffer.concat([u16(30), Buffer.alloc(12), u16(16), range(64, 8)]),
  },
  {
    host: 'node1',
    what: 'RECEIVE ROD TOKEN INFORMATION',
    why: 'the token, and how many blocks it stands for',
    cdb: '84 07 00 00 00 01 00 00 00 00 00 00 04 00 00 00',
    room: 1024,
    keep: 'token',
    check: data => {
      assert.equal(data[5]! & 0x7f, 1)
      assert.equal(data.readBigUInt64BE(16), 8n)
      const at = 32 + data[13]!
      assert.equal(data.readUInt32BE(at), 514)
    },
  },
  {
    host: 'node2',
    what: 'WRITE USING TOKEN on another node',
    why: 'a token is good for every path to the disk',
    cdb: '83 11 00 00 00 00 00 00 00 02 00 00 02 28 00 00',
    out: ({ token }) => {
      const at = 32 + token![13]! + 6
      return Buffer.concat([
        u16(550),
        Buffer.alloc(14),
        token!.subarray(at, at + 512),
        Buffer.alloc(6),
        u16(16),
        range(128, 8),
      ])
    },
  },
  {
    host: 'node2',
    what: 'RECEIVE ROD TOKEN INFORMATION',
    why: 'all blocks were written',
    cdb: '84 07 00 00 00 02 00 00 00 00 00 00 04 00 00 00',
    room: 1024,
    check: data => {
      assert.equal(data[5]! & 0x7f, 1)
      assert.equal(data.readBigUInt64BE(16), 8n)
    },
  },
  {
    host: 'node2',
    what: 'READ (10) of the copy',
    why: 'it is the same',
    cdb: '28 00 00 00 00 80 00 00 01 00',
    room: 512,
    check: data => assert.deepEqual(data, PATTERN),
  },
  {
    host: 'node1',
    what: 'SYNCHRONIZE CACHE (10)',
    why: 'before the disk goes offline',
    cdb: '35 00 00 00 00 00 00 00 00 00',
  },
]

// Requirement: SPC-4, PERSISTENT RESERVE OUT command: a reservation changes hands by PREEMPT in one step, and the loser is told once.
test('a Windows failover cluster validates a disk, fights for it, trims it and copies on it', async t => {
  await using target = await createTarget({ luns: [memory('16M')] })
  const names = {
    node1: 'iqn.1991-05.com.microsoft:node1.example.org',
    node2: 'iqn.1991-05.com.microsoft:node2.example.org',
    stranger: 'iqn.1991-05.com.microsoft:stranger.example.org',
  }
  const found = Object.keys(names).flatMap(host => findDisk(host, [0x80, 0x83, 0x8f, 0xb0, 0xb1, 0xb2]))
  await play(t, target.url, { names }, [...found, ...VALIDATION, ...ARBITRATION, ...OFFLOADS])
})
