// SPDX-License-Identifier: Apache-2.0
// PREEMPT AND ABORT: ends what the preempted nexuses have at the unit.
import type { Nexus } from '@lunkit/target-api'
import { abortMatching } from '../abort.ts'
import type { Core } from '../core.ts'
import { whenDrained } from '../drain.ts'
import type { Unit } from '../logical-unit.ts'
import { walkAfter } from '../road.ts'

/** `over` is called once, when their tasks have ended, or when the time for task management is over. */
export function abortPreempted(core: Core, unit: Unit, nexuses: ReadonlySet<Nexus>, over: () => void): void {
  walkAfter(core, () => {
    const tasks = abortMatching(core, [unit], task => nexuses.has(task.nexus), 'another', null)
    // SPC-4: what the preempted ones have blocked by an auto contingent allegiance goes on, too.
    for (const itl of unit.nexuses) if (nexuses.has(itl.nexus)) unit.aca.clear(itl)
    whenDrained(core, tasks, over)
  })
}
