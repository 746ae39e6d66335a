// SPDX-License-Identifier: Apache-2.0
// The drive's log pages, ascending: those of SPC.
import type { LogPage } from '../primary/log-page.ts'
import { exceptionsPage, nonMediumErrorPage, startStopPage, temperaturePage } from '../primary/log-pages.ts'
import { selfTestPage } from '../primary/self-test-log.ts'

export const driveLogPages: readonly LogPage[] = [
  nonMediumErrorPage,
  temperaturePage,
  startStopPage,
  selfTestPage,
  exceptionsPage,
]
