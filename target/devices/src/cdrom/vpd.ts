// SPDX-License-Identifier: Apache-2.0
// The drive's vital product data pages: names and mode page policy; what blocks are like, GET CONFIGURATION tells.
import { namingPages } from '../primary/identification.ts'
import { modePagePolicy } from '../primary/mode-page-policy.ts'
import type { VpdPage } from '../primary/vpd-page.ts'

export const driveVpdPages: readonly VpdPage[] = [...namingPages, modePagePolicy]
