// SPDX-License-Identifier: Apache-2.0
// The device type of docs/how-to/add-a-device.md keeps the contract that the page sends its reader to.
import { deviceSuite } from '@lunkit/testing'
import { toaster } from './own-device.ts'

deviceSuite(toaster, { size: null })
