// SPDX-License-Identifier: Apache-2.0
// INQUIRY of a disk: standard data, every page, and what is refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Association,
  BLOCK_CHARACTERISTICS,
  BLOCK_LIMITS,
  DesignatorType,
  designatorText,
  EXTENDED_INQUIRY,
  INQUIRY,
  INVALID_FIELD_IN_CDB,
  LOGICAL_BLOCK_PROVISIONING,
  READ_16,
  readDesignators,
  STANDARD_INQUIRY,
  Status,
} from '@lunkit/spec'
import { cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk/disk.test-kit.ts'

const page = (pageCode: number) => cdbOf(INQUIRY, { evpd: 1, pageCode, allocation: 0xffff })

// Requirement: SPC-4, Standard INQUIRY data: identity, version and capabilities as the unit has them.
test('standard data', async () => {
  for (const removable of [false, true]) {
    const { bench } = await openDisk({ removable })
    const { data } = await bench.run(cdbOf(INQUIRY, { allocation: 0xffff }))
    const values = STANDARD_INQUIRY.read(data)
    assert.equal(values.rmb, removable ? 1 : 0)
    assert.deepEqual(
      [values.qualifier, values.deviceType, values.version, values.responseFormat],
      [0, 0, 6, 2],
    )
    assert.deepEqual(
      [values.commandQueue, values.protect, values.tpgs, values.additionalLength],
      [1, 0, 0, 91],
    )
    assert.deepEqual([values.vendor, values.product, values.revision], ['LUNKIT', 'BENCH DISK', '1'])
    // SAM-5, SPC-4, SBC-3, SBC-4, iSCSI.
    assert.equal(data.subarray(58, 74).toString('hex'), '00a0046004c006000960000000000000')
  }
})

// Requirement: SPC-4, ALLOCATION LENGTH field: data is cut at the allocation length without an error.
test('standard data is cut to the allocation length', async () => {
  const { bench } = await openDisk()
  const { data } = await bench.run(cdbOf(INQUIRY, { allocation: 512 }))
  for (const allocation of [0, 5, 36, 95, 96, 97]) {
    assert.deepEqual((await bench.run(cdbOf(INQUIRY, { allocation }))).data, data.subarray(0, allocation))
  }
})

// Requirement: SPC-4, INQUIRY command: a page code without EVPD, and a page that is not supported, end in INVALID FIELD
// IN CDB.
test('refused: a page without EVPD, a page that is not there, CMDDT', async () => {
  const { bench } = await openDisk()
  const plain = await bench.run(cdbOf(INQUIRY, { pageCode: 0x80, allocation: 255 }))
  assert.equal(plain.sense, INVALID_FIELD_IN_CDB)
  assert.deepEqual(plain.field, { byte: 2, bit: 7, inCdb: true })
  assert.equal((await bench.run(page(0xb6))).sense, INVALID_FIELD_IN_CDB)
  assert.equal((await bench.run([0x12, 2, 0, 0, 255, 0])).sense, INVALID_FIELD_IN_CDB)
})

// Requirement: SPC-4, INQUIRY command: INQUIRY is answered whatever state the unit is in.
test('an INQUIRY works without a medium', async () => {
  const { bench } = await openDisk({ removable: true })
  await bench.run([0x1b, 0, 0, 0, 2, 0])
  assert.equal((await bench.run([0x00, 0, 0, 0, 0, 0])).status, Status.checkCondition)
  assert.equal((await bench.run(page(0xb0))).status, Status.good)
})

// Requirement: SPC-4, Supported VPD Pages VPD page: pages are listed in ascending order, and the list is what is
// answered.
test('00h lists the pages, 80h tells the serial number', async () => {
  const { bench } = await openDisk()
  const listed = [...(await bench.run(page(0))).data.subarray(4)]
  assert.deepEqual(
    listed,
    [...listed].sort((a, b) => a - b),
  )
  for (const code of [0x00, 0x80, 0x83, 0x86, 0x88, 0xb0, 0xb1, 0xb2])
    assert.ok(listed.includes(code), `${code}`)
  for (const code of listed) assert.equal((await bench.run(page(code))).data[1], code)
  assert.equal((await bench.run(page(0x80))).data.toString('latin1', 4), 'serial-0001')
})

// Requirement: SPC-4, Device Identification VPD page: designators for the logical unit, the target port and the target
// device.
test('83h names the unit, the port and the target', async () => {
  const { bench } = await openDisk()
  const { data } = await bench.run(page(0x83))
  const named = readDesignators(data, 4).map(one => [
    one.association,
    one.type,
    one.protocol,
    designatorText(one),
  ])
  assert.deepEqual(named, [
    [Association.logicalUnit, DesignatorType.naa, -1, 'naa.3001020304050607'],
    [Association.logicalUnit, DesignatorType.t10Vendor, -1, 't10.LUNKIT  BENCH DISK      serial-0001'],
    [Association.targetPort, DesignatorType.relativePort, 5, '1'],
    [Association.targetPort, DesignatorType.scsiName, 5, 'iqn.2026-11.test:bench,t,0x0001'],
    [Association.targetDevice, DesignatorType.scsiName, 5, 'iqn.2026-11.test:bench'],
  ])
})

// Requirement: SBC-4, VPD parameters for direct access block devices: B0h, B1h and B2h say what the commands do.
test('86h, B0h, B1h and B2h tell what the disk can do', async () => {
  const { bench } = await openDisk({ block: 512, physical: 4096, rotation: 7200 })
  const extended = EXTENDED_INQUIRY.read((await bench.run(page(0x86))).data)
  assert.deepEqual([extended.simple, extended.ordered, extended.headOfQueue, extended.volatile], [1, 1, 1, 1])
  const limits = BLOCK_LIMITS.read((await bench.run(page(0xb0))).data)
  assert.deepEqual([limits.length, limits.optimalGranularity], [0x3c, 8])
  assert.deepEqual([limits.maxTransfer, limits.optimalTransfer], [65_536, 2048])
  assert.deepEqual([limits.maxUnmap, limits.maxUnmapDescriptors, limits.optimalUnmapGranularity], [0, 0, 0])
  assert.deepEqual([limits.maxCompareAndWrite, limits.wsnz, limits.maxWriteSame], [255, 0, 524_288])
  assert.equal(limits.maxAtomic, 0)
  const atomic = await openDisk({ block: 4096 }, { atomicWrite: 65_536 })
  assert.equal(BLOCK_LIMITS.read((await atomic.bench.run(page(0xb0))).data).maxAtomic, 16)
  const characteristics = BLOCK_CHARACTERISTICS.read((await bench.run(page(0xb1))).data)
  assert.deepEqual([characteristics.length, characteristics.rotationRate], [0x3c, 7200])
  const provisioning = LOGICAL_BLOCK_PROVISIONING.read((await bench.run(page(0xb2))).data)
  assert.deepEqual([provisioning.length, provisioning.lbpu, provisioning.provisioningType], [4, 0, 0])
  const thin = await openDisk({}, { thin: true })
  const some = BLOCK_LIMITS.read((await thin.bench.run(page(0xb0))).data)
  assert.deepEqual([some.maxUnmap, some.maxUnmapDescriptors, some.optimalUnmapGranularity], [1 << 20, 256, 8])
  const thinly = LOGICAL_BLOCK_PROVISIONING.read((await thin.bench.run(page(0xb2))).data)
  assert.deepEqual(
    [thinly.lbpu, thinly.lbpws, thinly.lbpws10, thinly.lbprz, thinly.provisioningType],
    [1, 1, 1, 0, 2],
  )
  const safe = await openDisk({ block: 4096 }, { volatileCache: false })
  assert.equal(EXTENDED_INQUIRY.read((await safe.bench.run(page(0x86))).data).volatile, 0)
  assert.equal(BLOCK_LIMITS.read((await safe.bench.run(page(0xb0))).data).maxTransfer, 8192)
})

// Requirement: SBC-4, Block Limits VPD page: a transfer of MAXIMUM TRANSFER LENGTH runs, one block more does not.
test('a transfer of the length in B0h runs, one block more is refused', async () => {
  const { bench } = await openDisk({}, { size: 64 * 1024 * 1024 })
  const read = (blocks: number) => bench.run(cdbOf(READ_16, { blocks }))
  assert.equal((await read(65_536)).status, Status.good)
  assert.equal((await read(65_537)).sense, INVALID_FIELD_IN_CDB)
})
