// SPDX-License-Identifier: Apache-2.0
// What a drive says of itself: features, mode pages, performance, mechanism.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FEATURE_DESCRIPTOR, Feature, Profile } from '@lunkit/spec'
import { BD, CD, DVD, openDrive } from '../drive.test-kit.ts'

type Run = Awaited<ReturnType<typeof openDrive>>['run']

async function configuration(run: Run, type: number, from = 0) {
  const { data } = await run([0x46, type, from >> 8, from & 0xff, 0, 0, 0, 0xff, 0xff, 0])
  assert.equal(data.readUInt32BE(0), data.length - 4)
  const features: { feature: number; current: number; persistent: number; data: Buffer }[] = []
  for (let at = 8; at < data.length; ) {
    const head = FEATURE_DESCRIPTOR.read(data, at)
    const end = at + 4 + head.additionalLength
    features.push({ ...head, data: data.subarray(at + 4, end) })
    at = end
  }
  return { profile: data.readUInt16BE(6), features }
}

const codes = (features: readonly { feature: number }[]): number[] => features.map(({ feature }) => feature)
const ALL = [0, 1, 2, 3, 0x10, 0x1d, 0x1e, 0x1f, 0x40, 0x100, 0x105, 0x107, 0x108]

// Requirement: MMC-6, GET CONFIGURATION command: RT zero is for all features from the starting one on, one for the current of them.
test('GET CONFIGURATION: all features, and those that are current with each kind of disc', async () => {
  const current = async (sectors: number | null): Promise<[number, number[]]> => {
    const { run } = await openDrive(sectors)
    assert.deepEqual(codes((await configuration(run, 0)).features), ALL)
    const { profile, features } = await configuration(run, 1)
    assert.ok(features.every(one => one.current === 1))
    return [profile, codes(features)]
  }
  const always = [0, 1, 2, 3]
  const last = [0x100, 0x105]
  assert.deepEqual(await current(null), [Profile.none, [...always, ...last, 0x108]])
  assert.deepEqual(await current(CD), [Profile.cdRom, [...always, 0x10, 0x1d, 0x1e, ...last, 0x107, 0x108]])
  assert.deepEqual(await current(DVD), [Profile.dvdRom, [...always, 0x10, 0x1f, ...last, 0x107, 0x108]])
  assert.deepEqual(await current(BD), [Profile.bdRom, [...always, 0x10, 0x40, ...last, 0x107, 0x108]])
})

test('GET CONFIGURATION: from a feature on, one alone, one that is not there', async () => {
  const { run, ended } = await openDrive(CD)
  assert.deepEqual(codes((await configuration(run, 0, 0x1e)).features), ALL.slice(6))
  assert.deepEqual(codes((await configuration(run, 2, 3)).features), [3])
  assert.deepEqual(codes((await configuration(run, 2, 4)).features), [])
  assert.equal(await ended([0x46, 3, 0, 0, 0, 0, 0, 0, 8, 0]), '5/24/00')
})

test('GET CONFIGURATION: the profiles, of which the disc has one, and a tray that can be locked', async () => {
  const { run } = await openDrive(CD)
  const { features } = await configuration(run, 0)
  const data = (feature: number): string =>
    features.find(one => one.feature === feature)!.data.toString('hex')
  assert.equal(data(Feature.profileList), '004000000010000000080100')
  assert.equal(data(Feature.core), '0000000101000000')
  assert.equal(data(Feature.removableMedium), '39000000')
  assert.equal(data(Feature.randomReadable), '0000080000010100')
  assert.equal(data(Feature.serialNumber), Buffer.from('serial-0001 ').toString('hex'))
})

test('the largest CD and the largest DVD', async () => {
  const profile = async (sectors: number) => (await configuration((await openDrive(sectors)).run, 1)).profile
  assert.equal(await profile(360_000), Profile.cdRom)
  assert.equal(await profile(360_001), Profile.dvdRom)
  assert.equal(await profile(4_173_824), Profile.dvdRom)
  assert.equal(await profile(4_173_825), Profile.bdRom)
})

// Requirement: MMC-6, MODE SENSE (10) command: there are no block descriptors, and the device-specific parameter is zero.
test('MODE SENSE: page 2Ah, which tells whether the medium is locked in', async () => {
  const { run } = await openDrive(CD)
  const page = async () => {
    const { data } = await run([0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128, 0])
    assert.deepEqual(data.subarray(0, 8), Buffer.from([0, 38, 0, 0, 0, 0, 0, 0]))
    return data.subarray(8)
  }
  const free = await page()
  assert.deepEqual(free.subarray(0, 10), Buffer.from([0x2a, 30, 0x0b, 0, 0, 0, 0x29, 0, 0xff, 0xff]))
  await run([0x1e, 0, 0, 0, 1, 0])
  assert.equal((await page())[6], 0x2b)
  await run([0x1e, 0, 0, 0, 0, 0])
  assert.deepEqual(await page(), free)
})

test('MODE SENSE (6) of all pages; MODE SELECT changes the task policies and nothing else', async () => {
  const { bench, drive, run } = await openDrive(CD)
  const { data } = await run([0x1a, 0, 0x3f, 0, 255, 0])
  const pages: number[] = []
  for (let at = 4; at < data.length; at += data[at + 1]! + 2) pages.push(data[at]! & 0x3f)
  assert.deepEqual(pages, [1, 8, 0xa, 0x1a, 0x1c, 0x1d, 0x2a])
  const control = await run([0x1a, 0, 0x0a, 0, 255, 0])
  const list = Buffer.from(control.data)
  list[0] = 0
  list[4 + 2]! |= 4 // D_SENSE
  const select = await bench.run([0x15, 0x10, 0, 0, list.length, 0], { out: list })
  assert.equal(select.sense, null)
  assert.equal(drive.policies.dSense, true)
  list[4 + 4]! |= 8 // SWP: there is nothing to protect.
  assert.equal((await bench.run([0x15, 0x10, 0, 0, list.length, 0], { out: list })).sense?.asc, 0x26)
})

test('GET PERFORMANCE: one rate for the whole disc, none for writing', async () => {
  const { run, ended } = await openDrive(CD)
  const { data } = await run([0xac, 0, 0, 0, 0, 0x10, 0, 0, 0, 1, 0, 0])
  assert.equal(data.toString('hex'), '0000001400000000000000100000ffff000001ff0000ffff')
  assert.equal((await run([0xac, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0])).data.toString('hex'), '0000000402000000')
  assert.equal((await run([0xac, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 0])).data.toString('hex'), '0000000400000000')
  assert.equal(await ended([0xac, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0]), '5/24/00')
})

test('MECHANISM STATUS, SET CD SPEED, SET STREAMING and SEEK', async () => {
  const { bench, run, ended } = await openDrive(CD)
  const door = async () => (await run([0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0])).data.toString('hex')
  assert.equal(await door(), '0000000000010000')
  assert.equal(await ended([0xbb, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]), 'good')
  assert.equal(await ended([0xbb, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), '5/24/00')
  const stream = [0xb6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 28, 0]
  assert.equal((await bench.run(stream, { out: Buffer.alloc(28) })).sense, null)
  assert.equal((await bench.run(stream, { out: Buffer.alloc(20) })).sense?.asc, 0x1a)
  assert.equal(await ended([0x2b, 0, 0, 0, 1, 0xff, 0, 0, 0, 0]), 'good')
  assert.equal(await ended([0x2b, 0, 0, 0, 2, 0, 0, 0, 0, 0]), '5/21/00')
  await run([0x1b, 0, 0, 0, 2, 0])
  assert.equal(await door(), '0010000000010000')
})
