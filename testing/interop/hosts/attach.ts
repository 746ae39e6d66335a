// SPDX-License-Identifier: Apache-2.0
// Steps that more than one kind of host takes when it finds a disk.
import assert from 'node:assert/strict'
import type { Step } from './script.ts'

/** Pages of a supported pages VPD page. */
const pagesOf = (data: Buffer): number[] => [...data.subarray(4, 4 + data.readUInt16BE(2))]

/** Designators of a device identification VPD page that name the logical unit: type and bytes. */
export function unitDesignators(data: Buffer): { type: number; bytes: Buffer; whole: Buffer }[] {
  const found = []
  for (let at = 4; at < 4 + data.readUInt16BE(2); at += 4 + data[at + 3]!) {
    const whole = data.subarray(at, at + 4 + data[at + 3]!)
    if (((whole[1]! >> 4) & 3) === 0) found.push({ type: whole[1]! & 15, bytes: whole.subarray(4), whole })
  }
  return found
}

/** Finding a disk: what it is, that it is LUN 0, who it is, that it is ready. `pages` are VPD pages that the host wants. */
export const findDisk = (host: string, pages: readonly number[]): Step[] => [
  {
    host,
    what: 'standard INQUIRY, 36 bytes',
    why: 'a disk (type 0), connected, of SPC-3 or later',
    cdb: '12 00 00 00 24 00',
    room: 36,
    check: data => {
      assert.equal(data.length, 36)
      assert.equal(data[0], 0)
      assert.ok(data[2]! >= 5 && data[4]! >= 31)
    },
  },
  {
    host,
    what: 'REPORT LUNS',
    why: 'data starts at LUN 0',
    cdb: 'a0 00 00 00 00 00 00 00 10 00 00 00',
    room: 4096,
    check: data => {
      assert.ok(data.readUInt32BE(0) >= 8)
      assert.deepEqual(data.subarray(8, 16), Buffer.alloc(8))
    },
  },
  {
    host,
    what: 'VPD pages',
    why: 'pages that are not listed are not asked for, so what they allow is not used',
    cdb: '12 01 00 00 ff 00',
    room: 255,
    check: data => {
      const listed = pagesOf(data)
      assert.deepEqual(
        pages.filter(page => !listed.includes(page)),
        [],
      )
    },
  },
  {
    host,
    what: 'VPD page 80h',
    why: 'the serial number names the disk where nothing else does',
    cdb: '12 01 80 00 ff 00',
    room: 255,
    keep: 'serial',
    check: (data, kept) => {
      assert.ok(data.readUInt16BE(2) > 0)
      if (kept['serial'] !== undefined) assert.deepEqual(data, kept['serial'])
    },
  },
  {
    host,
    what: 'VPD page 83h',
    why: 'an NAA designator of the logical unit, the same for every host: without it no cluster disk and no datastore',
    cdb: '12 01 83 00 ff 00',
    room: 255,
    keep: 'designators',
    check: (data, kept) => {
      const naa = unitDesignators(data).find(({ type }) => type === 3)
      assert.ok(naa !== undefined && (naa.bytes.length === 8 || naa.bytes.length === 16))
      if (kept['designators'] !== undefined)
        assert.deepEqual(
          naa.bytes,
          unitDesignators(kept['designators']).find(({ type }) => type === 3)!.bytes,
        )
    },
  },
  {
    host,
    what: 'TEST UNIT READY, first time',
    why: 'the unit attention of a new nexus is taken for a reset and the command sent again',
    cdb: '00 00 00 00 00 00',
    sense: '6 29 ..',
  },
  {
    host,
    what: 'TEST UNIT READY, second time',
    why: 'a second unit attention would count as a reset storm',
    cdb: '00 00 00 00 00 00',
  },
  {
    host,
    what: 'READ CAPACITY (10)',
    why: 'size and block length',
    cdb: '25 00 00 00 00 00 00 00 00 00',
    room: 8,
    keep: 'capacity',
    check: data => assert.equal(data.readUInt32BE(4), 512),
  },
  {
    host,
    what: 'READ CAPACITY (16)',
    why: 'the same, and whether the disk is thin (LBPME)',
    cdb: '9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00',
    room: 32,
    check: (data, kept) => {
      assert.equal(data.readBigUInt64BE(0), BigInt(kept['capacity']!.readUInt32BE(0)))
      assert.equal(data[14]! >> 7, 1)
    },
  },
  {
    host,
    what: 'MODE SENSE (6), all pages',
    why: 'write protection stands in the header; a refusal makes the disk read-only for some',
    cdb: '1a 00 3f 00 ff 00',
    room: 255,
    check: data => assert.equal(data[2]! & 0x80, 0),
  },
  {
    host,
    what: 'MODE SENSE (6), caching page',
    why: 'whether there is a write cache, and so whether to flush',
    cdb: '1a 08 08 00 ff 00',
    room: 255,
    check: data => assert.equal(data[4]! & 0x3f, 8),
  },
]
