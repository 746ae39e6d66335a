// SPDX-License-Identifier: Apache-2.0
// VPD pages against bytes typed by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as vpd from './vpd.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('golden Block Limits page', () => {
  const made = vpd.BLOCK_LIMITS.write({
    pageCode: vpd.VpdCode.blockLimits,
    length: 0x3c,
    wsnz: 1,
    maxCompareAndWrite: 1,
    optimalGranularity: 8,
    maxTransfer: 0x2000,
    optimalTransfer: 0x100,
    maxUnmap: 0xffff,
    maxUnmapDescriptors: 256,
    optimalUnmapGranularity: 8,
    unmapAlignmentValid: 1,
    unmapAlignment: 3,
    maxWriteSame: 0x10000,
    maxAtomic: 16,
    maxAtomicBoundary: 2,
  })
  const words = [
    '00b0003c 01010008 00002000 00000100 00000000 0000ffff 00000100 00000008',
    '80000003 00000000 00010000 00000010 00000000 00000000 00000000 00000002',
  ]
  assert.equal(hex(made), words.join('').replaceAll(' ', ''))
})

test('golden Block Device Characteristics page', () => {
  const made = vpd.BLOCK_CHARACTERISTICS.write({
    pageCode: 0xb1,
    length: 0x3c,
    rotationRate: 1,
    wabereq: 2,
    wacereq: 1,
    nominalFormFactor: 3,
    zoned: 1,
    fuab: 1,
    vbuls: 1,
  })
  assert.equal(hex(made.subarray(0, 12)), '00b1003c' + '00010093' + '13000000')
})

test('golden Logical Block Provisioning page', () => {
  const made = vpd.LOGICAL_BLOCK_PROVISIONING.write({
    pageCode: 0xb2,
    length: 4,
    lbpu: 1,
    lbpws: 1,
    lbpws10: 1,
    lbprz: 1,
    ancSup: 1,
    provisioningType: vpd.ProvisioningType.thin,
  })
  assert.equal(hex(made), '00b20004' + '00e60200')
})

test('golden Extended INQUIRY Data page', () => {
  const made = vpd.EXTENDED_INQUIRY.write({
    pageCode: 0x86,
    length: 0x3c,
    protectionTypes: 1,
    guardCheck: 1,
    headOfQueue: 1,
    ordered: 1,
    simple: 1,
    volatile: 1,
    luiClear: 1,
    referrals: 1,
    selfTestMinutes: 2,
    descriptorSenseLength: 48,
  })
  assert.equal(hex(made.subarray(0, 16)), '0086003c' + '0c070101' + '10000002' + '00300000')
})

test('golden small pages and descriptors', () => {
  assert.equal(
    hex(vpd.VPD_HEADER.write({ qualifier: 1, deviceType: 5, pageCode: 0x80, length: 260 })),
    '25800104',
  )
  assert.equal(
    hex(vpd.MODE_PAGE_POLICY.write({ pageCode: 0x3f, subpage: 0xff, multipleLogicalUnits: 1, policy: 3 })),
    '3fff8300',
  )
  assert.equal(hex(vpd.NETWORK_SERVICE.write({ association: 1, serviceType: 2, length: 16 })), '22000010')
  assert.equal(hex(vpd.SCSI_PORT.write({ relativePort: 1, initiatorLength: 24 })), '0000000100000018')
  assert.equal(hex(vpd.SCSI_PORT_TARGET.write({ designatorsLength: 36 })), '00000024')
  assert.equal(
    hex(vpd.REFERRALS.write({ pageCode: 0xb3, length: 12, segmentSize: 1 })),
    '00b3000c000000000000000100000000',
  )
  assert.equal(
    hex(vpd.SEQUENTIAL_CAPABILITIES.write({ deviceType: 1, pageCode: 0xb0, length: 2, worm: 1 })),
    '01b000020100',
  )
  assert.equal(
    hex(vpd.TAPE_ALERT_SUPPORTED.write({ deviceType: 1, pageCode: 0xb2, length: 8, flags2: 1 })),
    '01b200080000000000000001',
  )
})

test('golden third-party copy descriptors', () => {
  const { BLOCK_DEVICE_ROD_LIMITS, COPY_PARAMETER_DATA, GENERAL_COPY_OPERATIONS } = vpd
  assert.equal(
    hex(
      BLOCK_DEVICE_ROD_LIMITS.write({
        length: 0x20,
        maxRangeDescriptors: 8,
        maxInactivity: 600,
        maxTransfer: 1,
      }),
    ),
    '0000002000000000000000080000025800000000' + '0000000000000001' + '0000000000000000',
  )
  assert.equal(
    hex(COPY_PARAMETER_DATA.write({ type: 4, length: 0x1c, maxCscdDescriptors: 2, maxInlineData: 16 })).slice(
      0,
      40,
    ),
    '0004001c00000000' + '00020000' + '00000000' + '00000010',
  )
  assert.equal(
    hex(GENERAL_COPY_OPERATIONS.write({ type: 0x8001, length: 0x20, dataGranularity: 9 })).slice(0, 36),
    '80010020' + '000000000000000000000000' + '0900',
  )
})
