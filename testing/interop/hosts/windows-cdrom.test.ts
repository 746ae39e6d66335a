// SPDX-License-Identifier: Apache-2.0
// A CD drive as the class driver of Windows takes it in use: what it is, what is in it, whether that has changed, and an eject.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cdrom, createTarget } from 'lunkit/target'
import { scratch } from '../../kit/scratch.ts'
import { play, type Step } from './script.ts'

const SECTORS = 5000
const host = 'windows'

/** Features of a GET CONFIGURATION answer, by number: whether each is current. */
function featuresOf(data: Buffer): Map<number, boolean> {
  const features = new Map<number, boolean>()
  for (let at = 8; at < data.readUInt32BE(0) + 4; at += 4 + data[at + 3]!)
    features.set(data.readUInt16BE(at), (data[at + 2]! & 1) === 1)
  return features
}

const poll = (what: string, why: string, event: number, status: number): Step => ({
  host,
  what,
  why,
  cdb: '4a 01 00 00 10 00 00 00 08 00',
  room: 8,
  check: data => assert.deepEqual([data.readUInt16BE(0), data[2], data[4], data[5]], [6, 4, event, status]),
})

const STEPS: readonly Step[] = [
  {
    host,
    what: 'standard INQUIRY',
    why: 'a CD drive (type 5) whose medium can be taken out',
    cdb: '12 00 00 00 30 00',
    room: 48,
    check: data => assert.deepEqual([data[0], data[1]], [5, 0x80]),
  },
  {
    host,
    what: 'TEST UNIT READY, first time',
    why: 'the unit attention of a new nexus',
    cdb: '00 00 00 00 00 00',
    sense: '6 29 ..',
  },
  {
    host,
    what: 'GET CONFIGURATION, the header alone',
    why: 'how long the list is, and that the drive is one of MMC at all',
    cdb: '46 00 00 00 00 00 00 00 08 00',
    room: 8,
    check: data => assert.ok(data.readUInt32BE(0) > 8),
  },
  {
    host,
    what: 'GET CONFIGURATION, all features',
    why: 'profiles, events and reading are asked for by feature; a drive that lists no way to write is never written to',
    cdb: '46 00 00 00 00 00 00 04 00 00',
    room: 1024,
    check(data) {
      const features = featuresOf(data)
      for (const one of [0, 1, 2, 3, 0x10, 0x1e]) assert.equal(features.get(one), true, one.toString(16))
      for (const writing of [0x20, 0x21, 0x2d, 0x2f]) assert.equal(features.has(writing), false)
      assert.equal(data.readUInt16BE(6), 8)
    },
  },
  {
    host,
    what: 'GET CONFIGURATION, the feature of CSS alone',
    why: 'a drive without it is asked for no region',
    cdb: '46 02 01 06 00 00 00 00 20 00',
    room: 32,
    check: data => assert.equal(data.readUInt32BE(0), 4),
  },
  {
    host,
    what: 'MODE SENSE (10), page 2Ah',
    why: 'loading mechanism, lock and speeds',
    cdb: '5a 08 2a 00 00 00 00 00 c0 00',
    room: 192,
    check: data => assert.deepEqual([data.readUInt16BE(6), data[8]! & 0x3f, data[8 + 6]! >> 5], [0, 0x2a, 1]),
  },
  {
    host,
    what: 'GET EVENT STATUS NOTIFICATION, all classes',
    why: 'which classes there are; without that of media it would ask for readiness each second',
    cdb: '4a 01 00 00 7e 00 00 00 08 00',
    room: 8,
    check: data => assert.equal(data[3]! & 0x10, 0x10),
  },
  {
    host,
    what: 'READ CAPACITY (10)',
    why: 'size, and sectors of 2048 bytes',
    cdb: '25 00 00 00 00 00 00 00 00 00',
    room: 8,
    check: data => assert.deepEqual([data.readUInt32BE(0), data.readUInt32BE(4)], [SECTORS - 1, 2048]),
  },
  {
    host,
    what: 'READ TOC, MSF',
    why: 'a data track, so a file system is looked for',
    cdb: '43 02 00 00 00 00 00 03 24 00',
    room: 804,
    check: data => assert.deepEqual([data[2], data[3], data[5]! & 4, data[14]], [1, 1, 4, 0xaa]),
  },
  {
    host,
    what: 'READ TOC, sessions',
    why: 'where the last session begins: there is its volume descriptor',
    cdb: '43 00 01 00 00 00 00 00 0c 00',
    room: 12,
    check: data => assert.equal(data.readUInt32BE(8), 0),
  },
  {
    host,
    what: 'READ DISC INFORMATION',
    why: 'a finalized disc is not offered for burning',
    cdb: '51 00 00 00 00 00 00 00 22 00',
    room: 34,
    check: data => assert.equal(data[2]! & 3, 2),
  },
  {
    host,
    what: 'READ (10) of sector 16',
    why: 'the volume descriptor',
    cdb: '28 00 00 00 00 10 00 00 01 00',
    room: 2048,
    check: data => assert.equal(data.toString('latin1', 0, 4), 's 16'),
  },
  poll('poll', 'nothing has changed, a disc is there', 0, 2),
  {
    host,
    what: 'PREVENT ALLOW MEDIUM REMOVAL',
    why: 'locked while a program is installed from it',
    cdb: '1e 00 00 00 01 00',
  },
  {
    host,
    what: 'START STOP UNIT, eject',
    why: 'locked',
    cdb: '1b 00 00 00 02 00',
    sense: '5 53 02',
  },
  { host, what: 'PREVENT ALLOW MEDIUM REMOVAL, allow', why: 'free again', cdb: '1e 00 00 00 00 00' },
  { host, what: 'START STOP UNIT, eject', why: 'the menu of the drive', cdb: '1b 00 00 00 02 00' },
  poll('poll after the eject', 'the disc is gone, the tray is open', 3, 1),
  {
    host,
    what: 'TEST UNIT READY of the open drive',
    why: 'no medium, so the drive has no volume',
    cdb: '00 00 00 00 00 00',
    sense: '2 3a 02',
  },
  { host, what: 'START STOP UNIT, load', why: 'the tray closes', cdb: '1b 00 00 00 03 00' },
  poll('poll after the load', 'a new medium, so the volume is looked for anew', 2, 2),
]

test('Windows takes a CD drive in use', async t => {
  const image = Buffer.alloc(SECTORS * 2048)
  for (let lba = 0; lba < SECTORS; lba++) image.write(`s ${lba}`, lba * 2048)
  const path = join(await scratch(t), 'disc.iso')
  writeFileSync(path, image)
  await using target = await createTarget({ luns: [cdrom(path)] })
  await play(t, target.url, { names: { [host]: 'iqn.1991-05.com.microsoft:host' } }, STEPS)
})
