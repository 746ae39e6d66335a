// SPDX-License-Identifier: Apache-2.0
// Task management functions (SAM-5): what each does to which tasks, and its answer when the last of them has drained.
import {
  BUS_DEVICE_RESET_FUNCTION_OCCURRED,
  I_T_NEXUS_LOSS_OCCURRED,
  POWER_ON_OCCURRED,
  type SenseCode,
} from '@lunkit/spec'
import { type Management, ManagementFunction, ManagementResponse, type Task } from '@lunkit/target-api'
import { abortMatching, findTasks } from './abort.ts'
import type { Core } from './core.ts'
import { whenDrained } from './drain.ts'
import type { Unit } from './logical-unit.ts'
import type { ItlNexus, ItNexus } from './nexus.ts'
import { Kind, kindOf } from './task-set.ts'

/** Carries out a request and sees to its answer. */
export function manage(core: Core, request: Management): void {
  const { tasks, response, before } = perform(core, request)
  request.response = response
  request.waiting = tasks.length
  whenDrained(core, tasks, () => {
    request.waiting = 0
    before?.()
    core.answers.push(request)
  })
}

interface Outcome {
  readonly tasks: readonly Task[]
  readonly response: number
  /** What else is to be done before the answer. */
  readonly before?: () => void
}

const { complete, succeeded, lunDoesNotExist, notSupported, taskDoesNotExist } = ManagementResponse

const only = (response: number): Outcome => ({ tasks: [], response })
const after = (tasks: readonly Task[]): Outcome => ({ tasks, response: complete })
const answerOf = (isThere: boolean): Outcome => only(isThere ? succeeded : complete)

function perform(core: Core, request: Management): Outcome {
  const nexus = request.nexus as ItNexus
  const fn = ManagementFunction
  switch (request.fn) {
    case fn.targetWarmReset:
    case fn.targetColdReset:
      return resetTarget(core, request, request.fn === fn.targetColdReset)
    case fn.nexusReset:
      return resetNexus(core, nexus)
    default: {
      const itl = nexus.at(request.lun)
      return itl === nexus.absent ? unknownLun(request.fn) : performAt(core, request, itl)
    }
  }
}

function performAt(core: Core, request: Management, itl: ItlNexus): Outcome {
  const fn = ManagementFunction
  const { nexus, unit } = itl
  const isMine = (task: Task): boolean => task.nexus === nexus && isCovered(request, task)
  const isMeant = (task: Task): boolean => task.nexus === nexus && task.tag === request.tag
  switch (request.fn) {
    case fn.abortTask: {
      const tasks = abortMatching(core, [unit], isMeant)
      return tasks.length > 0 ? after(tasks) : only(taskDoesNotExist)
    }
    case fn.abortTaskSet:
      return after(abortMatching(core, [unit], isMine))
    case fn.clearAca:
      return clearAca(core, itl)
    case fn.clearTaskSet:
      // With a task set for each nexus it is the same as ABORT TASK SET.
      return after(
        abortMatching(
          core,
          [unit],
          unit.device.policies.tst === 0 ? task => isCovered(request, task) : isMine,
          nexus,
        ),
      )
    case fn.logicalUnitReset:
      return resetUnits(core, request, [unit], BUS_DEVICE_RESET_FUNCTION_OCCURRED)
    case fn.queryTask:
      return answerOf(findTasks(core, [unit], task => isMeant(task) && !task.aborted).length > 0)
    case fn.queryTaskSet:
      return answerOf(findTasks(core, [unit], task => isMine(task) && !task.aborted).length > 0)
    case fn.queryAsynchronousEvent:
      request.information = asynchronousEvent(itl)
      return answerOf(itl.attentions.length > 0)
    default:
      return only(notSupported)
  }
}

/** SAM-5, CLEAR ACA: of the faulted nexus; for others there is nothing to do. */
function clearAca(core: Core, itl: ItlNexus): Outcome {
  const { aca } = itl.unit
  if (!itl.faulted) return only(complete)
  const tasks = abortMatching(core, [itl.unit], task => task.nexus === itl.nexus && kindOf(task) === Kind.aca)
  return { tasks, response: complete, before: () => aca.clear(itl) }
}

/** Tasks of others are met by what meets others at all. */
const isCovered = ({ nexus, covers }: Management, task: Task): boolean =>
  covers === null || task.nexus !== nexus || covers(task)

const KNOWN: ReadonlySet<number> = new Set(Object.values(ManagementFunction))

const unknownLun = (fn: number): Outcome => only(KNOWN.has(fn) ? lunDoesNotExist : notSupported)

/** SAM-5, QUERY ASYNCHRONOUS EVENT: UADE DEPTH (one or more than one) and sense key, ASC, ASCQ of the next condition. */
function asynchronousEvent({ attentions }: ItlNexus): number {
  const next = attentions.next
  if (next === null) return 0
  return (((attentions.length > 1 ? 0x20 : 0x10) | next.key) << 16) | (next.asc << 8) | next.ascq
}

function resetTarget(core: Core, request: Management, cold: boolean): Outcome {
  const nexus = request.nexus as ItNexus
  const units = [...nexus.target.units()]
  if (cold) nexus.target.forgetAll()
  return resetUnits(core, request, units, cold ? POWER_ON_OCCURRED : BUS_DEVICE_RESET_FUNCTION_OCCURRED)
}

/** SAM-5, logical unit reset: abort all tasks, reset the device, tell every nexus, the resetting one too. */
function resetUnits(core: Core, request: Management, units: readonly Unit[], code: SenseCode): Outcome {
  const by = request.nexus as ItNexus
  const tasks = abortMatching(core, units, task => isCovered(request, task), by, null)
  for (const unit of units) {
    for (const itl of unit.nexuses) {
      itl.preventsRemoval = false
      unit.aca.clear(itl)
    }
    unit.reservations.reset()
    core.guardDevice('reset', unit.device, () => unit.device.reset())
    unit.attention(code, null)
  }
  return after(tasks)
}

/** SAM-5, I_T nexus reset: as if the nexus had been lost and had come back. */
function resetNexus(core: Core, nexus: ItNexus): Outcome {
  const itls = nexus.units()
  const units = itls.map(({ unit }) => unit)
  const tasks = abortMatching(core, units, task => task.nexus === nexus)
  for (const itl of itls) {
    const { device } = itl.unit
    itl.preventsRemoval = false
    itl.unit.aca.clear(itl)
    itl.unit.reservations.left(itl)
    core.guardDevice('nexusLost', device, () => device.nexusLost(nexus))
    itl.attentions.add(I_T_NEXUS_LOSS_OCCURRED)
  }
  return after(tasks)
}
