// SPDX-License-Identifier: Apache-2.0
// The fifth stage: memory for the command's data, then the data itself.
import { LARGEST, type Task, TaskState } from '@lunkit/target-api'
import type { Core } from './core.ts'
import type { Route } from './dispatch.ts'
import { type Unit, unitOf } from './logical-unit.ts'

/** True if the memory is there; else the task waits and comes back in state `fetch`. */
export function charge(core: Core, task: Task): boolean {
  const bytes = bytesNeeded(task, unitOf(task))
  if (bytes === 0 || core.memory.charge(task, bytes)) return true
  task.state = TaskState.waitMemory
  return false
}

/** Buffers for data that the initiator gives and takes; what it does not, is never held. */
function bytesNeeded(task: Task, unit: Unit): number {
  const route = task.binding as Route
  // An inner task brings its data, and whoever sends it has been charged for that.
  const out = task.inner === null ? wanted(task) : 0
  if (route.memoryIn !== null) return out + route.memoryIn(task, unit.device)
  if (route.blocks === null) return out
  const { blockSize } = unit.device
  const blocks = task.blocks * blockSize
  if (route.movesIn) return out + Math.min(blocks, Math.ceil(task.expectedIn / blockSize) * blockSize)
  // VERIFY reads the medium for itself, WRITE SAME writes more than it was sent: a piece at a time.
  const works = route.readsMedium || (route.writesMedium && blocks > task.outLength)
  return works ? out + Math.min(blocks, LARGEST) : out
}

const wanted = (task: Task): number => Math.min(task.outLength, task.expectedOut)

/** True if all data is there; else the driver was asked for the rest and the task comes back in state `run`. */
export function fetch(task: Task): boolean {
  if (task.received >= wanted(task)) return true
  task.state = TaskState.waitData
  unitOf(task).enabled.push(task)
  task.nexus.port.fetchData(task)
  return false
}
