// SPDX-License-Identifier: Apache-2.0
// Sectors by minute, second and frame, and back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lbaOf, msfOf } from './msf.ts'

test('LBA to MSF and back, at both ends and around each carry', () => {
  assert.equal(msfOf(0), 0x00_02_00)
  assert.equal(msfOf(74), 0x00_02_4a)
  assert.equal(msfOf(75), 0x00_03_00)
  assert.equal(msfOf(58 * 75), 0x01_00_00)
  for (const lba of [0, 1, 74, 75, 4349, 4350, 359_999, 1_151_849]) assert.equal(lbaOf(msfOf(lba)), lba)
})

// Requirement: MMC-6, MSF addresses: a sector behind the last that MSF can name is told as that one.
test('what is too far for MSF is told as the end of it', () => {
  assert.equal(msfOf(255 * 60 * 75 + 59 * 75 + 74 - 150), 0xff_3b_4a)
  assert.equal(msfOf(4_000_000), 0xff_3b_4a)
})

test('seconds and frames that there are not name nothing; the lead-in is below zero', () => {
  assert.ok(Number.isNaN(lbaOf(0x00_3c_00)))
  assert.ok(Number.isNaN(lbaOf(0x00_00_4b)))
  assert.equal(lbaOf(0), -150)
})
