// SPDX-License-Identifier: Apache-2.0
// What a disc says of itself: tables of contents, disc and track information, structures, as golden bytes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BD, CD, DVD, openDrive } from '../drive.test-kit.ts'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')

// Requirement: MMC-6, READ TOC/PMA/ATIP command: a formatted TOC has a descriptor for each track and for the lead-out.
test('READ TOC, format 0: the track and the lead-out, by LBA and by MSF', async () => {
  const { run } = await openDrive(CD)
  const lba = await run([0x43, 0, 0, 0, 0, 0, 0, 0, 100, 0])
  assert.deepEqual(lba.data, bytes('0012 01 01  0014 01 00 00000000  0014 aa 00 00000200'))
  // Sector 512 is 6 s and 62 frames behind sector 0, which is at 00:02:00.
  const msf = await run([0x43, 2, 0, 0, 0, 0, 1, 0, 100, 0])
  assert.deepEqual(msf.data, bytes('0012 01 01  0014 01 00 00000200  0014 aa 00 0000083e'))
  const leadOut = await run([0x43, 0, 0, 0, 0, 0, 0xaa, 0, 100, 0])
  assert.deepEqual(leadOut.data, bytes('000a 01 01  0014 aa 00 00000200'))
  const cut = await run([0x43, 0, 0, 0, 0, 0, 0, 0, 4, 0])
  assert.deepEqual(cut.data, bytes('0012 01 01'))
})

test('READ TOC: a track that is not there, and formats that a pressed disc does not have', async () => {
  const { run } = await openDrive(CD)
  const track = await run([0x43, 0, 0, 0, 0, 0, 2, 0, 100, 0])
  assert.deepEqual([track.sense?.asc, track.field], [0x24, { byte: 6, bit: 7, inCdb: true }])
  for (const format of [3, 4, 5, 15]) {
    const { sense, field } = await run([0x43, 0, format, 0, 0, 0, 0, 0, 100, 0])
    assert.deepEqual([sense?.asc, field], [0x24, { byte: 2, bit: 3, inCdb: true }])
  }
})

// Requirement: MMC-6, READ TOC/PMA/ATIP command: multi-session information has the first track of the last session.
test('READ TOC, format 1, and the same with the format in CONTROL, as Linux asks', async () => {
  const { run } = await openDrive(CD)
  const wanted = bytes('000a 01 01  0014 01 00 00000000')
  assert.deepEqual((await run([0x43, 0, 1, 0, 0, 0, 0, 0, 12, 0])).data, wanted)
  assert.deepEqual((await run([0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0x40])).data, wanted)
})

test('READ TOC, format 2: the lead-in of a CD, which other discs do not have', async () => {
  const { run } = await openDrive(CD)
  const { data } = await run([0x43, 0, 2, 0, 0, 0, 0, 0, 100, 0])
  const entries = ['a0 000000 00 010000', 'a1 000000 00 010000', 'a2 000000 00 00083e', '01 000000 00 000200']
  assert.deepEqual(data, bytes(`002e 01 01 ${entries.map(entry => `01 14 00 ${entry}`).join(' ')}`))
  const dvd = await openDrive(DVD)
  assert.equal(await dvd.ended([0x43, 0, 2, 0, 0, 0, 0, 0, 100, 0]), '5/24/00')
})

// Requirement: MMC-6, READ DISC INFORMATION command: a disc that cannot be written is finalized, and its last session complete.
test('READ DISC INFORMATION: finalized, one session, one track', async () => {
  const { run, ended } = await openDrive(CD)
  const { data } = await run([0x51, 0, 0, 0, 0, 0, 0, 0, 100, 0])
  const head = '0020 0e 01 01 01 01 20 00 000000 00000000 ffffffff ffffffff'
  assert.deepEqual(data, Buffer.concat([bytes(head), Buffer.alloc(10)]))
  assert.equal(await ended([0x51, 1, 0, 0, 0, 0, 0, 0, 100, 0]), '5/24/00')
})

test('READ TRACK INFORMATION: the track by LBA, by number and by session', async () => {
  const { run, ended } = await openDrive(CD)
  const { data } = await run([0x52, 1, 0, 0, 0, 1, 0, 0, 100, 0])
  assert.equal(data.length, 48)
  const wanted = Buffer.alloc(48)
  bytes('002e 01 01 00 04 01 02').copy(wanted)
  wanted.writeUInt32BE(CD, 24)
  wanted.writeUInt32BE(CD - 1, 28)
  assert.deepEqual(data, wanted)
  assert.deepEqual((await run([0x52, 0, 0, 0, 1, 0xff, 0, 0, 100, 0])).data, wanted)
  assert.deepEqual((await run([0x52, 2, 0, 0, 0, 1, 0, 0, 100, 0])).data, wanted)
  assert.equal(await ended([0x52, 0, 0, 0, 2, 0, 0, 0, 100, 0]), '5/21/00')
  for (const track of [0, 2, 0xff])
    assert.equal(await ended([0x52, 1, 0, 0, 0, track, 0, 0, 100, 0]), '5/24/00')
  assert.equal(await ended([0x52, 3, 0, 0, 0, 1, 0, 0, 100, 0]), '5/24/00')
})

const structure = (format: number, media = 0, layer = 0) => [
  0xad,
  media,
  0,
  0,
  0,
  0,
  layer,
  format,
  0x08,
  0x10,
  0,
  0,
]

// Requirement: MMC-6, READ DISC STRUCTURE command: a medium that has no such structures is one of an incompatible format.
test('READ DISC STRUCTURE of a CD is refused for its medium', async () => {
  const { ended } = await openDrive(CD)
  assert.equal(await ended(structure(0)), '5/30/02')
  assert.equal(await ended(structure(0xff)), '5/30/02')
})

test('READ DISC STRUCTURE of a DVD: the layer, no protection, and the list of what there is', async () => {
  const { run, ended } = await openDrive(DVD)
  const physical = await run(structure(0))
  assert.equal(physical.data.length, 4 + 2048)
  const last = (0x3_0000 + DVD - 1).toString(16).padStart(6, '0')
  assert.deepEqual(
    physical.data.subarray(0, 21),
    bytes(`0802 0000 01 0f 01 00 00 030000 00 ${last} 00 000000 00`),
  )
  assert.deepEqual((await run(structure(1))).data, bytes('0006 0000 00000000'))
  assert.deepEqual((await run(structure(0xff))).data, bytes('000e 0000 00 40 0804 01 40 0008 04 40 0804'))
  assert.equal(await ended(structure(2)), '5/24/00')
  assert.equal(await ended(structure(0, 0, 1)), '5/24/00')
  assert.equal(await ended(structure(0, 1)), '5/30/02')
})

test('READ DISC STRUCTURE of a DVD with two layers: the second goes from the outside in', async () => {
  const { run } = await openDrive(4_000_000)
  const { data } = await run(structure(0, 0, 1))
  const at = (place: number): number => data.readUIntBE(4 + place, 3)
  const [first, last, lastOfFirst] = [at(5), at(9), at(13)]
  assert.equal(data[4 + 2], 0x31)
  const onFirst = lastOfFirst - first + 1
  assert.equal(onFirst % 16, 0)
  assert.equal(onFirst + (last - (0xff_ffff - lastOfFirst) + 1), 4_000_000)
})

test('READ DISC STRUCTURE of a BD: an empty list', async () => {
  const { run, ended } = await openDrive(BD)
  assert.deepEqual((await run(structure(0xff, 1))).data, bytes('0002 0000'))
  assert.equal(await ended(structure(0, 1)), '5/24/00')
})
