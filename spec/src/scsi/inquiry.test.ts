// SPDX-License-Identifier: Apache-2.0
// Standard INQUIRY data against bytes typed by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  DeviceType,
  InquiryVersion,
  Qualifier,
  STANDARD_INQUIRY,
  Tpgs,
  VersionDescriptor,
} from './inquiry.ts'

test('golden INQUIRY data of a disk', () => {
  const made = STANDARD_INQUIRY.write({
    deviceType: DeviceType.disk,
    version: InquiryVersion.spc4,
    normalAca: 1,
    hierarchical: 1,
    responseFormat: 2,
    additionalLength: 91,
    tpgs: Tpgs.implicit,
    thirdPartyCopy: 1,
    protect: 1,
    multiPort: 1,
    commandQueue: 1,
    vendor: 'LUNKIT',
    product: 'DISK',
    revision: '0.1',
    versionDescriptor1: VersionDescriptor.sam5,
    versionDescriptor2: VersionDescriptor.iscsi,
  })
  const text = (value: string) => Buffer.from(value).toString('hex')
  const head = '000006325b191002'
  const names = text('LUNKIT  ') + text('DISK            ') + text('0.1 ')
  assert.equal(Buffer.from(made.subarray(0, 62)).toString('hex'), `${head}${names}${'00'.repeat(22)}00a00960`)
  assert.equal(STANDARD_INQUIRY.read(made).product, 'DISK')
})

test('golden first bytes of other answers', () => {
  const first = (values: Parameters<typeof STANDARD_INQUIRY.write>[0]) =>
    Buffer.from(STANDARD_INQUIRY.write(values).subarray(0, 2)).toString('hex')
  assert.equal(first({ qualifier: Qualifier.impossible, deviceType: DeviceType.unknown }), '7f00')
  assert.equal(first({ deviceType: DeviceType.cdrom, rmb: 1 }), '0580')
  assert.equal(first({ deviceType: DeviceType.tape, rmb: 1 }), '0180')
  assert.equal(first({ deviceType: DeviceType.changer, rmb: 1 }), '0880')
})
