// SPDX-License-Identifier: Apache-2.0
// REPORT REFERRALS and page B3h: the operator's segments, from the block that was asked for on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INQUIRY, INVALID_FIELD_IN_CDB, LBA_OUT_OF_RANGE, REPORT_REFERRALS } from '@lunkit/spec'
import { cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from './disk.test-kit.ts'

const ask = (lba: number, oneSegment = 0) => cdbOf(REPORT_REFERRALS, { lba, oneSegment, allocation: 4096 })
const page = (pageCode: number) => cdbOf(INQUIRY, { evpd: 1, pageCode, allocation: 255 })

const FIRST = '00000002' + '0000000000000000' + '00000000000007ff' + '00000001' + '02000002'
const SECOND = '00000001' + '0000000000000800' + '0000000000000fff' + '00000002'

// Requirement: SBC-4, REPORT REFERRALS command: segments from the given LBA on, or the one that holds it.
test('segments are told from the block on that was asked for', async () => {
  const { bench } = await openDisk()
  bench.unit.referrals = [
    {
      firstLba: 0,
      lastLba: 2047,
      groups: [
        { id: 1, state: 0 },
        { id: 2, state: 2 },
      ],
    },
    { firstLba: 2048, lastLba: 4095, groups: [{ id: 2, state: 0 }] },
  ]
  const data = async (cdb: Uint8Array) => (await bench.run(cdb)).data.toString('hex')
  assert.equal(await data(ask(0)), `00000034${FIRST}${SECOND}`)
  assert.equal(await data(ask(2047, 1)), `0000001c${FIRST}`)
  assert.equal(await data(ask(2048)), `00000018${SECOND}`)
  assert.equal((await bench.run(ask(4097))).sense, LBA_OUT_OF_RANGE)
  assert.equal(await data(page(0xb3)), '00b3000c000000000000000000000000')
  assert.equal((await bench.run(page(0x86))).data[8], 0x10)
})

test('without segments there is neither the command nor the page', async () => {
  const { bench } = await openDisk()
  assert.equal((await bench.run(ask(0))).sense, INVALID_FIELD_IN_CDB)
  assert.equal((await bench.run(page(0xb3))).sense, INVALID_FIELD_IN_CDB)
  assert.equal((await bench.run(page(0x86))).data[8], 0)
})
