// SPDX-License-Identifier: Apache-2.0
// The disk holds to the contract of a device type, with each block size.
import { describe } from 'node:test'
import { deviceSuite } from '../../../../testing/kit/device-suite.ts'
import { device } from './index.ts'

const SIZE = 64 * 1024

describe('512n', () => deviceSuite(device, { size: SIZE, values: { block: 512, physical: 512 } }))
describe('512e', () => deviceSuite(device, { size: SIZE, values: { block: 512, physical: 4096 } }))
describe('4Kn', () => deviceSuite(device, { size: SIZE, values: { block: 4096, physical: 4096 } }))
describe('removable', () => deviceSuite(device, { size: SIZE, values: { removable: true } }))
describe('thin', () => deviceSuite(device, { size: SIZE, thin: true }))

for (const protection of [0, 1, 2, 3]) {
  describe(`protection ${protection}`, () =>
    deviceSuite(device, { size: SIZE, values: { protection }, thin: true }))
}
