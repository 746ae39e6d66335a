// SPDX-License-Identifier: Apache-2.0
// A LUN that holds a place: there could be a unit, and there is none (SCST's dummy).
import { Qualifier } from '@lunkit/spec'
import type { DeviceType } from '@lunkit/target-api'
import { withoutUnit } from '../absent/index.ts'

export const device: DeviceType = withoutUnit('dummy', Qualifier.notConnected)
