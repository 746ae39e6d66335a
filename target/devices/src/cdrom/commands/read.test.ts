// SPDX-License-Identifier: Apache-2.0
// Reading: sectors, the errors of an image, what the data track has and what it has not, and writes that there are not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError } from '@lunkit/target-api'
import { CD, DVD, openDrive } from '../drive.test-kit.ts'

const SECTOR = 2048

// Requirement: MMC-6, READ (10) command: sectors of user data, from the first to the last of the disc.
test('READ (10) and (12) give sectors; behind the last one nothing is read', async () => {
  const { store, run, ended } = await openDrive(CD)
  const two = store!.bytes.subarray(16 * SECTOR, 18 * SECTOR)
  assert.deepEqual((await run([0x28, 0, 0, 0, 0, 16, 0, 0, 2, 0])).data, two)
  assert.deepEqual((await run([0xa8, 0, 0, 0, 0, 16, 0, 0, 0, 2, 0, 0])).data, two)
  assert.equal(await ended([0x28, 0, 0, 0, 1, 0xff, 0, 0, 2, 0]), '5/21/00')
  assert.equal(await ended([0x28, 0, 0, 0, 2, 0, 0, 0, 0, 0]), 'good')
})

test('READ CAPACITY: the last sector', async () => {
  const { run, ended } = await openDrive(CD)
  assert.equal((await run([0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0])).data.toString('hex'), '000001ff00000800')
  const empty = await openDrive(null)
  assert.equal(await empty.ended([0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]), '2/3a/01')
  assert.equal(await ended([0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0]), '5/20/00')
})

// Requirement: MMC-6, READ (10) command: a sector that cannot be read is UNRECOVERED READ ERROR, and INFORMATION has its LBA.
test('an image that was cut is a medium error, with the place', async () => {
  const { store, run } = await openDrive(CD)
  store!.failNext('read', StoreError.medium, 17 * SECTOR)
  const { sense, information } = await run([0x28, 0, 0, 0, 0, 16, 0, 0, 2, 0])
  assert.deepEqual([sense?.key, sense?.asc, information], [3, 0x11, 17])
})

const readCd = (type: number, lba: number, sectors: number, parts = 0x10) => [
  0xbe,
  type << 2,
  0,
  0,
  lba >> 8,
  lba & 0xff,
  0,
  0,
  sectors,
  parts,
  0,
  0,
]

// Requirement: MMC-6, READ CD command: a sector of another type than the expected one is ILLEGAL MODE FOR THIS TRACK.
test('READ CD: user data of Mode 1 sectors, and no other type', async () => {
  const { store, run, ended } = await openDrive(CD)
  const two = store!.bytes.subarray(16 * SECTOR, 18 * SECTOR)
  for (const type of [0, 2]) assert.deepEqual((await run(readCd(type, 16, 2))).data, two)
  for (const type of [1, 3, 4, 5]) assert.equal(await ended(readCd(type, 16, 2)), '5/64/00')
  for (const type of [6, 7]) assert.equal(await ended(readCd(type, 16, 2)), '5/24/00')
  assert.equal((await run(readCd(0, 16, 2, 0))).inLength, 0)
  assert.equal(await ended(readCd(0, CD - 1, 2)), '5/21/00')
})

// Requirement: MMC-6, READ CD command: the main channel selection says which parts of each sector are transferred.
test('READ CD: whole sectors, and parts of them', async () => {
  const { store, run, ended } = await openDrive(CD)
  const whole = await run(readCd(0, 16, 2, 0xf8))
  assert.equal(whole.data.length, 2 * 2352)
  for (const index of [0, 1]) {
    const sector = whole.data.subarray(index * 2352, (index + 1) * 2352)
    assert.equal(sector.subarray(0, 16).toString('hex'), `00ffffffffffffffffffff0000021${6 + index}01`)
    const at = (16 + index) * SECTOR
    assert.deepEqual(sector.subarray(16, 16 + SECTOR), store!.bytes.subarray(at, at + SECTOR))
  }
  const header = await run(readCd(2, 16, 2, 0x20))
  assert.equal(header.data.toString('hex'), '0002160100021701')
  const edc = await run(readCd(0, 17, 1, 0x18))
  assert.deepEqual(edc.data, whole.data.subarray(2352 + 16))
  assert.equal((await run(readCd(0, 16, 2, 0x40))).inLength, 0)
  for (const torn of [0x08, 0x90, 0x88]) {
    const { sense, field } = await run(readCd(0, 16, 1, torn))
    assert.deepEqual([sense?.asc, field], [0x24, { byte: 9, bit: 7, inCdb: true }])
  }
  store!.failNext('read', StoreError.medium, 17 * SECTOR)
  const failed = await run(readCd(0, 16, 2, 0xf8))
  assert.deepEqual([failed.sense?.key, failed.information], [3, 17])
  const many = readCd(0, 0, 0, 0xf8)
  many[7] = 2
  assert.equal((await run(many)).inLength, 512 * 2352)
  const larger = await openDrive(600)
  many[8] = 1
  assert.equal(await larger.ended(many), '5/24/00')
  assert.equal(await ended(readCd(1, 16, 1, 0xf8)), '5/64/00')
})

test('READ CD: sub-channels and error flags, which an image does not have, are refused by name', async () => {
  const { run } = await openDrive(CD)
  const sub = readCd(0, 16, 1)
  sub[10] = 1
  assert.deepEqual((await run(sub)).field, { byte: 10, bit: 0, inCdb: true })
  const { sense, field } = await run(readCd(0, 16, 1, 0x12))
  assert.deepEqual([sense?.asc, field], [0x24, { byte: 9, bit: 1, inCdb: true }])
})

test('READ CD of a DVD is refused for its medium', async () => {
  const { ended } = await openDrive(DVD)
  assert.equal(await ended(readCd(0, 16, 1)), '5/30/02')
})

test('READ CD MSF: from a sector up to another', async () => {
  const { store, run, ended } = await openDrive(CD)
  const at = (minute: number, second: number, frame: number) => [minute, second, frame]
  const msf = (start: number[], end: number[]) => [0xb9, 0, 0, ...start, ...end, 0x10, 0, 0]
  const { data } = await run(msf(at(0, 2, 16), at(0, 2, 18)))
  assert.deepEqual(data, store!.bytes.subarray(16 * SECTOR, 18 * SECTOR))
  assert.equal((await run(msf(at(0, 2, 16), at(0, 2, 16)))).inLength, 0)
  assert.equal(await ended(msf(at(0, 2, 16), at(0, 2, 15))), '5/24/00')
  assert.equal(await ended(msf(at(0, 60, 0), at(1, 60, 0))), '5/24/00')
  assert.equal(await ended(msf(at(0, 1, 0), at(0, 3, 0))), '5/21/00')
  assert.equal(await ended(msf(at(0, 8, 62), at(0, 8, 63))), '5/21/00')
})

test('a drive that reads has no command that writes', async () => {
  const { store, ended } = await openDrive(CD)
  for (const opcode of [0x2a, 0x2e, 0x04, 0x35, 0x53, 0x5b, 0x5d, 0x54]) {
    assert.equal(await ended([opcode, ...Array(9).fill(0)]), '5/20/00', opcode.toString(16))
  }
  for (const opcode of [0xaa, 0xa1, 0xbf])
    assert.equal(await ended([opcode, ...Array(11).fill(0)]), '5/20/00')
  assert.deepEqual(store!.takeCalls(), [])
})
