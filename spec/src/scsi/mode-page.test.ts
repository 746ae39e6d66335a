// SPDX-License-Identifier: Apache-2.0
// Mode headers, block descriptors and pages against bytes typed by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as mode from './mode-page.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('golden headers and block descriptors', () => {
  const { MODE_HEADER_6, MODE_HEADER_10, SHORT_BLOCK_DESCRIPTOR, LONG_BLOCK_DESCRIPTOR } = mode
  assert.equal(
    hex(MODE_HEADER_6.write({ dataLength: 0x2b, writeProtect: 1, dpofua: 1, blockDescriptorLength: 8 })),
    '2b009008',
  )
  assert.equal(
    hex(MODE_HEADER_10.write({ dataLength: 0x12a, dpofua: 1, longlba: 1, blockDescriptorLength: 16 })),
    '012a001001000010',
  )
  assert.equal(hex(mode.TAPE_MODE_HEADER_6.write({ bufferedMode: 1, blockDescriptorLength: 8 })), '00001008')
  assert.equal(hex(mode.TAPE_MODE_HEADER_10.write({ writeProtect: 1, bufferedMode: 1 })), '0000009000000000')
  assert.equal(hex(SHORT_BLOCK_DESCRIPTOR.write({ blocks: 0x200000, blockLength: 512 })), '0020000000000200')
  assert.equal(
    hex(LONG_BLOCK_DESCRIPTOR.write({ blocks: 2 ** 33, blockLength: 4096 })),
    '00000002000000000000000000001000',
  )
  assert.equal(
    hex(mode.GENERAL_BLOCK_DESCRIPTOR.write({ densityCode: 0x5a, blockLength: 0x10000 })),
    '5a00000000010000',
  )
})

test('golden Caching page', () => {
  const made = mode.CACHING.write({
    ps: 1,
    pageCode: 8,
    length: 0x12,
    wce: 1,
    rcd: 1,
    disablePrefetch: 0xffff,
    dra: 1,
  })
  assert.equal(hex(made), '8812' + '0500' + 'ffff000000000000' + '2000' + '000000000000')
})

test('golden Control page', () => {
  const made = mode.CONTROL.write({
    pageCode: 0x0a,
    length: 0x0a,
    tst: 1,
    dSense: 1,
    gltsd: 1,
    queueAlgorithm: 1,
    qerr: 3,
    uaInterlock: 2,
    swp: 1,
    tas: 1,
    busyTimeout: 0xffff,
    selfTestTime: 30,
  })
  assert.equal(hex(made), '0a0a' + '2616' + '2840' + '0000' + 'ffff' + '001e')
})

test('golden subpages', () => {
  const extension = mode.CONTROL_EXTENSION.write({
    spf: 1,
    pageCode: 0x0a,
    subpage: 1,
    length: 0x1c,
    scsip: 1,
    initialPriority: 4,
    maxSenseLength: 48,
  })
  assert.equal(hex(extension.subarray(0, 8)), '4a01001c' + '02043000')
  const thresholds = mode.PROVISIONING_THRESHOLDS.write({
    spf: 1,
    pageCode: 0x1c,
    subpage: 2,
    length: 12,
    situa: 1,
  })
  assert.equal(hex(thresholds.subarray(0, 8)), '5c02000c' + '01000000')
  const threshold = mode.PROVISIONING_THRESHOLD.write({ enabled: 1, arming: 2, resource: 1, count: 1000 })
  assert.equal(hex(threshold), '82010000000003e8')
  const scan = mode.BACKGROUND_CONTROL_PAGE.write({
    spf: 1,
    pageCode: 0x1c,
    subpage: 1,
    length: 12,
    enableMediumScan: 1,
  })
  assert.equal(hex(scan.subarray(0, 6)), '5c01000c0100')
})

test('golden pages of disks', () => {
  const recovery = mode.ERROR_RECOVERY.write({
    pageCode: 1,
    length: 10,
    awre: 1,
    arre: 1,
    readRetries: 8,
    writeRetries: 9,
  })
  assert.equal(hex(recovery), '010ac0080000000009000000')
  const exceptions = mode.EXCEPTIONS.write({
    pageCode: 0x1c,
    length: 10,
    perf: 1,
    dexcpt: 1,
    mrie: 6,
    reportCount: 1,
  })
  assert.equal(hex(exceptions), '1c0a88060000000000000001')
  const power = mode.POWER_CONDITION.write({
    pageCode: 0x1a,
    length: 0x26,
    standbyZ: 1,
    idleA: 1,
    standbyZTimer: 600,
  })
  assert.equal(hex(power.subarray(0, 12)), '1a260003' + '00000000' + '00000258')
  const reconnect = mode.DISCONNECT_RECONNECT.write({
    pageCode: 2,
    length: 14,
    maxBurst: 512,
    emdp: 1,
    firstBurst: 128,
  })
  assert.equal(hex(reconnect), '020e0000' + '0000000000000200' + '80000080')
  const geometry = mode.RIGID_GEOMETRY.write({
    pageCode: 4,
    length: 0x16,
    cylinders: 0x1000,
    heads: 255,
    rotationRate: 5400,
  })
  assert.equal(hex(geometry), `0416001000ff${'0'.repeat(28)}15180000`)
  const format = mode.FORMAT_DEVICE.write({
    pageCode: 3,
    length: 0x16,
    sectorsPerTrack: 63,
    bytesPerSector: 512,
    hardSector: 1,
  })
  assert.equal(hex(format), '0316' + '0000000000000000' + '003f0200' + '000000000000' + '40000000')
  const verify = mode.VERIFY_ERROR_RECOVERY.write({ pageCode: 7, length: 10, per: 1, verifyRetries: 1 })
  assert.equal(hex(verify), '070a04010000000000000000')
  assert.equal(
    hex(mode.PROTOCOL_SPECIFIC.write({ pageCode: 0x19, length: 6, protocol: 5 })),
    '1906050000000000',
  )
})
