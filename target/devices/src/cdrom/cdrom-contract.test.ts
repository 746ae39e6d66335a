// SPDX-License-Identifier: Apache-2.0
// The CD drive holds to the contract of a device type, with a disc and with none.
import { describe } from 'node:test'
import { deviceSuite } from '../../../../testing/kit/device-suite.ts'
import { SECTOR } from './disc.ts'
import { device } from './index.ts'

describe('CD', () => deviceSuite(device, { size: 64 * SECTOR }))
describe('empty', () => deviceSuite(device, { size: null }))
