// SPDX-License-Identifier: Apache-2.0
// Everything that a fuzz peer may do.
import type { Scenario } from '../scenario.ts'
import { CHAP } from './chap.ts'
import { CONNECTIONS } from './connections.ts'
import { DATA_OUT_FAULTS } from './data-out.ts'
import { FLIPS } from './flips.ts'
import { FRAMING } from './framing.ts'
import { LOGIN } from './login.ts'
import { REASSIGNS } from './reassign.ts'
import { REQUESTS } from './requests.ts'
import { SESSIONS } from './sessions.ts'
import { SNACKS } from './snack.ts'

export const SCENARIOS: readonly Scenario[] = [
  ...FRAMING,
  ...LOGIN,
  ...REQUESTS,
  ...DATA_OUT_FAULTS,
  ...FLIPS,
  ...SESSIONS,
  ...CONNECTIONS,
  ...SNACKS,
  ...REASSIGNS,
  ...CHAP,
]
