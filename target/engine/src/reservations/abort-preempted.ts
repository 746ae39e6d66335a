// SPDX-License-Identifier: Apache-2.0
// PREEMPT AND ABORT: ends what the preempted nexuses have at the unit.
import type { Nexus } from '@lunkit/target-api'
import type { Core } from '../core.ts'
import type { Unit } from '../logical-unit.ts'
import { walkAfter } from '../road.ts'
import { abortMatching, whenDrained } from '../task-management.ts'

/** A store that never answers must not keep the unit from who has taken it over. */
const LIMIT_MS = 10_000

/** `over` is called once, when their tasks have ended, or when that takes too long. */
export function abortPreempted(core: Core, unit: Unit, nexuses: ReadonlySet<Nexus>, over: () => void): void {
  let ended = false
  const end = (): void => {
    if (ended) return
    ended = true
    clearTimeout(timer)
    over()
  }
  const timer = setTimeout(() => {
    core.report({
      type: 'warning',
      reason: `Tasks that were preempted have not ended after ${LIMIT_MS / 1000} s; who preempted them goes on`,
    })
    end()
  }, LIMIT_MS)
  walkAfter(core, () =>
    whenDrained(
      core,
      abortMatching(core, [unit], task => nexuses.has(task.nexus)),
      end,
    ),
  )
}
