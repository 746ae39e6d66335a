// SPDX-License-Identifier: Apache-2.0
// READ CAPACITY, GET LBA STATUS and UNMAP data against bytes typed by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as capacity from './capacity.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('golden READ CAPACITY data', () => {
  assert.equal(
    hex(capacity.CAPACITY_10.write({ lastLba: 0xffff_ffff, blockLength: 512 })),
    'ffffffff00000200',
  )
  const made = capacity.CAPACITY_16.write({
    lastLba: 0x1_0000_0000,
    blockLength: 512,
    protectionType: 2,
    protectionEnabled: 1,
    intervalExponent: 1,
    physicalExponent: 3,
    lbpme: 1,
    lbprz: 1,
    lowestAligned: 0x123,
  })
  assert.equal(hex(made), `00000001000000000000020005${'13'}c123${'00'.repeat(16)}`)
})

test('golden GET LBA STATUS data', () => {
  const { LBA_STATUS_HEADER, LBA_STATUS_DESCRIPTOR, ProvisioningStatus } = capacity
  assert.equal(hex(LBA_STATUS_HEADER.write({ length: 20, rtp: 1 })), '0000001400000001')
  const made = LBA_STATUS_DESCRIPTOR.write({
    lba: 16,
    blocks: 8,
    provisioning: ProvisioningStatus.deallocated,
  })
  assert.equal(hex(made), '00000000000000100000000801000000')
})

test('golden UNMAP parameter list', () => {
  const list = capacity.UNMAP_HEADER.write({ dataLength: 22, descriptorLength: 16 }, new Uint8Array(24))
  capacity.UNMAP_DESCRIPTOR.write({ lba: 256, blocks: 64 }, list, 8)
  assert.equal(hex(list), '0016001000000000' + '00000000000001000000004000000000')
})
