// SPDX-License-Identifier: Apache-2.0
// The disk's mode pages byte by byte, what each changeable field may be and does, and lists that are cut off.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CACHING,
  CONTROL,
  type FieldRows,
  FORMAT_DEVICE,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  type Layout,
  MODE_SELECT_6,
  MODE_SELECT_10,
  MODE_SENSE_6,
  MODE_SENSE_10,
  PARAMETER_LIST_LENGTH_ERROR,
  PageControl,
  RIGID_GEOMETRY,
  Status,
} from '@lunkit/spec'
import { type Bench, cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from './disk.test-kit.ts'
import { geometryOf } from './geometry.ts'

async function page(bench: Bench, pageCode: number, pageControl: number = PageControl.current, subpage = 0) {
  const values = { dbd: 1, pageCode, pageControl, subpage, allocation: 0xffff }
  return (await bench.run(cdbOf(MODE_SENSE_10, values))).data.subarray(8)
}

/** MODE SELECT of one field. */
async function set<R extends FieldRows>(
  bench: Bench,
  layout: Layout<R>,
  code: number,
  field: keyof R & string,
  value: number,
) {
  const bytes = Buffer.from(await page(bench, code))
  const { set: write } = layout.field[field]
  write(bytes, 0, value as never)
  const out = Buffer.concat([Buffer.alloc(4), bytes])
  return bench.run(cdbOf(MODE_SELECT_6, { pf: 1, parameterLength: out.length }), { out })
}

/** A disk of 2 MiB in blocks of 512. Page and subpage, default values, bits that can be changed. */
const GOLDEN: readonly (readonly [number, number, string, string])[] = [
  [0x01, 0, '010ac0000000000000000000', '010a00000000000000000000'],
  [0x02, 0, `020e${'00'.repeat(14)}`, `020e${'00'.repeat(14)}`],
  [0x03, 0, `03160001000000000000003f02000001000000004000${'00'.repeat(2)}`, `0316${'00'.repeat(22)}`],
  [0x04, 0, `04160000014100000100000100000000${'00'.repeat(8)}`, `0416${'00'.repeat(22)}`],
  [0x07, 0, `070a${'00'.repeat(10)}`, `070a${'00'.repeat(10)}`],
  [0x08, 0, `081204${'00'.repeat(17)}`, `081204${'00'.repeat(17)}`],
  [0x0a, 0, '0a0a02100040000000000002', '0a0af4f63840000000000000'],
  [0x0a, 1, `4a01001c060030${'00'.repeat(25)}`, `4a01001c${'00'.repeat(28)}`],
  [0x1a, 0, `1a26${'00'.repeat(37)}54`, `1a26010f${'ff'.repeat(20)}${'00'.repeat(16)}`],
  [0x1c, 0, '1c0a00060000000000000000', '1c0a1c0fffffffffffffffff'],
]

for (const [code, subpage, initial, changeable] of GOLDEN) {
  // Requirement: SPC-4 and SBC-4, mode pages: default values and changeable bits of each page.
  test(`page ${code.toString(16)}h/${subpage}: default values and changeable bits`, async () => {
    const { bench } = await openDisk()
    for (const control of [PageControl.current, PageControl.defaults]) {
      assert.equal((await page(bench, code, control, subpage)).toString('hex'), initial)
    }
    assert.equal((await page(bench, code, PageControl.changeable, subpage)).toString('hex'), changeable)
  })
}

// Requirement: SPC-4, Control mode page: fields that the device server obeys.
test('each field of the control page becomes a policy, and reserved values are refused', async () => {
  const cases = [
    ['tst', 'tst', [0, 1], [2, 7]],
    ['qerr', 'qerr', [0, 1, 3], [2]],
    ['queueAlgorithm', 'queueAlgorithm', [0, 1], [2, 15]],
    ['uaInterlock', 'uaIntlckCtrl', [0, 2, 3], [1]],
    ['tas', 'tas', [0, 1], []],
    ['tmfOnly', 'tmfOnly', [0, 1], []],
    ['dSense', 'dSense', [0, 1], []],
  ] as const
  for (const [field, policy, good, bad] of cases) {
    const { bench } = await openDisk()
    for (const value of good) {
      assert.equal((await set(bench, CONTROL, 0x0a, field, value)).status, Status.good)
      assert.equal(Number(bench.device.policies[policy]), value, field)
    }
    const last = Number(bench.device.policies[policy])
    for (const value of bad) {
      const answer = await set(bench, CONTROL, 0x0a, field, value)
      const { byte, bit } = CONTROL.field[field]
      assert.deepEqual(
        [answer.sense, answer.field],
        [INVALID_FIELD_IN_PARAMETER_LIST, { byte: 4 + byte, bit, inCdb: false }],
      )
      assert.equal(Number(bench.device.policies[policy]), last)
    }
  }
})

test('disks that are alike do not change each other', async () => {
  const all = async (bench: Bench, pageControl: number): Promise<string> =>
    (await page(bench, 0x3f, pageControl, 0xff)).toString('hex')
  const [one, other] = [await openDisk(), await openDisk()]
  const [before, defaults] = [await all(other.bench, 0), await all(other.bench, PageControl.defaults)]
  assert.equal((await set(one.bench, CONTROL, 0x0a, 'swp', 1)).status, Status.good)
  assert.notEqual(await all(one.bench, 0), before)
  assert.equal(one.disk.resized(3 * 1024 * 1024), true)
  assert.notEqual(await all(one.bench, PageControl.defaults), defaults)
  assert.equal(CONTROL.read(await page(one.bench, 0x0a)).swp, 1, 'a change of size leaves what was selected')
  assert.deepEqual(
    [await all(other.bench, 0), await all(other.bench, PageControl.defaults)],
    [before, defaults],
  )
  one.disk.reset()
  assert.equal(await all(one.bench, 0), await all(one.bench, PageControl.defaults))
})

test('what cannot be changed is refused, bit by bit', async () => {
  const { bench } = await openDisk()
  const current = Buffer.from(await page(bench, 8))
  const mask = await page(bench, 8, PageControl.changeable)
  for (let bit = 16; bit < current.length * 8; bit++) {
    const [byte, index] = [bit >> 3, 7 - (bit & 7)]
    const bytes = Buffer.from(current)
    bytes[byte]! ^= 1 << index
    const out = Buffer.concat([Buffer.alloc(4), bytes])
    const answer = await bench.run(cdbOf(MODE_SELECT_6, { pf: 1, parameterLength: out.length }), { out })
    if ((mask[byte]! & (1 << index)) !== 0) assert.equal(answer.status, Status.good)
    else assert.deepEqual(answer.field, { byte: 4 + byte, bit: index, inCdb: false })
  }
  assert.equal(CACHING.read(await page(bench, 8)).wce, 0)
})

// Requirement: SPC-4, MODE SELECT command: a parameter list that is cut off changes nothing.
test('a list of all pages cut at each byte: PARAMETER LIST LENGTH ERROR but between pages, and nothing changes', async () => {
  const { bench } = await openDisk()
  const values = { dbd: 1, pageCode: 0x3f, subpage: 0xff, allocation: 0xffff }
  const list = (await bench.run(cdbOf(MODE_SENSE_10, values))).data
  list.fill(0, 0, 8)
  const before = list.toString('hex')
  const borders = new Set([0, 8])
  for (let at = 8; at < list.length; borders.add(at)) {
    at += (list[at]! & 0x40) !== 0 ? 4 + list.readUInt16BE(at + 2) : 2 + list[at + 1]!
  }
  for (let length = 0; length < list.length; length++) {
    // Whole, or cut by the transport although the CDB promised more.
    for (const promised of [length, list.length]) {
      const out = list.subarray(0, length)
      const { sense } = await bench.run(cdbOf(MODE_SELECT_10, { pf: 1, parameterLength: promised }), { out })
      const whole = promised === length && borders.has(length)
      assert.equal(sense, whole ? null : PARAMETER_LIST_LENGTH_ERROR, `${length} of ${promised}`)
    }
  }
  const after = (await bench.run(cdbOf(MODE_SENSE_10, values))).data
  assert.equal(after.fill(0, 0, 8).toString('hex'), before)
  assert.deepEqual(bench.nexusUnits[1]!.attentions, [])
})

test('geometry fits the capacity, of blocks from one to more than cylinders can count', async () => {
  for (const blocks of [1, 62, 63, 64, 16_064, 16_065, 100_000, 2 ** 32, 2 ** 44]) {
    const { cylinders, heads, sectors } = geometryOf(blocks)
    assert.ok(cylinders * heads * sectors <= blocks, `${blocks}`)
    assert.ok(cylinders >= 1 && heads >= 1 && sectors >= 1)
    assert.ok(cylinders <= 0xff_ffff && heads <= 255 && sectors <= 63)
  }
  const { bench } = await openDisk({ rotation: 7200, removable: true }, { size: 255 * 63 * 512 * 10 })
  const { cylinders, heads, rotationRate } = RIGID_GEOMETRY.read(await page(bench, 4))
  const { sectorsPerTrack, bytesPerSector, removable } = FORMAT_DEVICE.read(await page(bench, 3))
  assert.deepEqual([cylinders, heads, sectorsPerTrack, bytesPerSector], [10, 255, 63, 512])
  assert.deepEqual([rotationRate, removable], [7200, 1])
})

test('without a volatile cache no field of page 08h can be changed', async () => {
  const { bench } = await openDisk({}, { volatileCache: false })
  assert.equal((await page(bench, 8, PageControl.changeable)).toString('hex'), `0812${'00'.repeat(18)}`)
})

// Requirement: SPC-4, MODE SENSE (6) command: more data than MODE DATA LENGTH can count.
test('MODE SENSE (6) refuses what its length cannot tell', async () => {
  const { bench, disk } = await openDisk()
  const all = cdbOf(MODE_SENSE_6, { pageCode: 0x3f, subpage: 0xff, allocation: 255 })
  assert.equal((await bench.run(all)).status, Status.good)
  const again = [...disk.modePages.all, ...disk.modePages.all]
  Object.defineProperty(disk.modePages, 'all', { value: again })
  const { sense, field } = await bench.run(all)
  assert.deepEqual([sense, field], [INVALID_FIELD_IN_CDB, { byte: 2, bit: 5, inCdb: true }])
})
