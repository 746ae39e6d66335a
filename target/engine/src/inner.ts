// SPDX-License-Identifier: Apache-2.0
// Inner commands: tasks that a device starts on behalf of a nexus, and whose answer goes back to that device.
import { type InnerCall, type InnerCommands, type NexusUnit, type Task, TaskState } from '@lunkit/target-api'
import { abortMatching } from './abort.ts'
import type { Core } from './core.ts'
import { returned } from './finish.ts'
import type { Unit } from './logical-unit.ts'
import type { ItNexus } from './nexus.ts'
import { receive } from './receive.ts'
import { walk, walkAfter } from './road.ts'

/** No initiator's tag is negative: ABORT TASK does not find inner tasks. */
const NO_TAG = -1
/** Behind it is no unit. */
const NO_LUN = -1

export class EngineInnerCommands implements InnerCommands {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  take({ nexus, unit, lun }: NexusUnit): Task {
    const itNexus = nexus as ItNexus
    const task = this.#core.takeTask(itNexus)
    task.cdb.fill(0)
    // Another unit may be behind the LUN by now: it is not the one that is meant.
    task.lun = itNexus.at(lun).unit === unit ? lun : NO_LUN
    task.tag = NO_TAG
    return task
  }

  start(task: Task, call: InnerCall): void {
    task.inner = call
    receive(this.#core, task)
    walk(this.#core)
  }

  release(task: Task): void {
    if (task.state !== TaskState.respond) {
      this.#core.reportMisuse('release()', task)
      return
    }
    returned(this.#core, task)
    walk(this.#core)
  }

  abort(task: Task): void {
    const { unit } = task.nexusUnit
    walkAfter(this.#core, () => abortMatching(this.#core, [unit as Unit], one => one === task))
  }
}
