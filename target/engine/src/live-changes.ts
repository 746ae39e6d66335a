// SPDX-License-Identifier: Apache-2.0
// What an operator changes of a unit while it is used: its size, and its end.
import { NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED } from '@lunkit/spec'
import { type ControlAnswer, type Controls, OperatorError, type Task, TaskState } from '@lunkit/target-api'
import { abortMatching, findTasks } from './abort.ts'
import type { Core, Wait } from './core.ts'
import { whenDrained } from './drain.ts'
import { type Unit, unitOf } from './logical-unit.ts'
import { walkAfter } from './road.ts'

export interface ResizeOptions {
  /** Blocks behind the new end may be lost. */
  readonly shrink?: boolean
  /** How long commands under way may take to end before a shrink is given up: 10 s if not given. */
  readonly limitMs?: number
}

export interface RemoveOptions {
  /** How long commands under way may take to end by themselves: 1 s if not given. Then they are aborted. */
  readonly graceMs?: number
}

const GRACE_MS = 1000
export const LIMIT_MS = 10_000

/**
 * Makes the unit's medium `bytes` long. It grows when its store has grown; before the store shrinks, commands beyond the
 * new end are refused, and those under way end. Rejects with OperatorError, and then the size is what it was.
 */
export async function resizeUnit(
  core: Core,
  unit: Unit,
  bytes: number,
  options: ResizeOptions,
): Promise<void> {
  const { device } = unit
  const { store } = device
  if (store?.resize === undefined || device.resized === undefined) {
    throw new OperatorError('RESIZE', `${nameOf(unit)} cannot be resized`, {
      hint: 'change its storage by other means, then let it look again (rescan)',
    })
  }
  checkSize(unit, bytes)
  refuseOccupied(unit)
  const before = device.blocks * device.blockSize
  if (bytes >= before) {
    await store.resize(bytes)
    device.resized(store.size)
    return
  }
  if (options.shrink !== true) {
    throw new OperatorError('SHRINK', `${nameOf(unit)} would lose ${before - bytes} bytes at its end`, {
      hint: "make the file system on it smaller first, then ask again with 'shrink'",
    })
  }
  device.resized(bytes)
  try {
    await quiesce(core, unit, options.limitMs ?? LIMIT_MS)
    await store.resize(bytes)
  } catch (error) {
    device.resized(before)
    throw error
  }
}

/** Looks how long the unit's storage is now and takes that as its size; true if it is another one. */
export async function rescanUnit(unit: Unit): Promise<boolean> {
  const { device } = unit
  if (device.store?.rescan === undefined || device.resized === undefined) return false
  refuseOccupied(unit)
  await device.store.rescan()
  return device.resized(device.store.size)
}

/** What the unit's device and its store can be told to do. */
export const controlsOf = ({ device }: Unit): Controls => ({ ...device.store?.controls, ...device.controls })

/**
 * Has the unit's device or store do what it says it can (`Controls`). When the medium becomes another one, tokens that
 * stand for its blocks end, and every nexus is told NOT READY TO READY CHANGE, MEDIUM MAY HAVE CHANGED. Rejects with OperatorError.
 */
export async function controlUnit(
  unit: Unit,
  name: string,
  words: readonly string[],
): Promise<ControlAnswer> {
  const { device } = unit
  const controls = controlsOf(unit)
  const control = Object.hasOwn(controls, name) ? controls[name] : undefined
  if (control === undefined) {
    const known = Object.keys(controls).join(', ')
    throw new OperatorError('CONTROL_UNKNOWN', `The storage of ${nameOf(unit)} has no '${name}'`, {
      hint: `it has ${known === '' ? 'none' : known}; every LUN has resize and rescan, a drive insert and eject`,
    })
  }
  if (control.changes === 'medium') refuseOccupied(unit)
  return control.run(words, () => {
    unit.onChange?.(0, Number.POSITIVE_INFINITY)
    if (device.store !== undefined) device.resized?.(device.store.size)
    unit.attention(NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED, null)
  })
}

/**
 * Ends the commands under way at a unit that nobody sees any more, and closes its device: after the grace they are
 * aborted, and end with TASK ABORTED, for no unit attention can tell of it. Rejects with OperatorError if its storage
 * does not answer in the time of task management; then it is closed when it does. `gone` is called before the close.
 */
export async function retireUnit(
  core: Core,
  unit: Unit,
  options: RemoveOptions,
  gone: () => void,
): Promise<void> {
  const close = (): Promise<void> => {
    gone()
    return unit.close()
  }
  const all = [...findTasks(core, [unit], () => true), ...lostAt(core, unit)]
  if (await drained(core, all, options.graceMs ?? GRACE_MS)) return close()
  await abortAll(core, unit)
  // What devices sent themselves is never given up.
  const late = [...findTasks(core, [unit], () => true), ...lostAt(core, unit)]
  if (late.length === 0) return close()
  const end = (): void =>
    void close().catch((error: unknown) => unit.warn(`${nameOf(unit)} could not be closed: ${String(error)}`))
  whenDrained(core, late, end, true)
  throw new OperatorError('UNIT_BUSY', `${nameOf(unit)} has commands that its storage does not end`, {
    hint: 'its storage is let go when they have ended',
  })
}

function abortAll(core: Core, unit: Unit): Promise<void> {
  return new Promise(resolve => {
    walkAfter(core, () => {
      const all = (): boolean => true
      for (const task of findTasks(core, [unit], all)) task.told ||= task.inner === null && !task.aborted
      whenDrained(core, abortMatching(core, [unit], all), resolve)
    })
  })
}

/** Tasks that ended for their initiators, but not for the store. */
const lostAt = (core: Core, unit: Unit): Task[] => [...core.lost].filter(task => unitOf(task) === unit)

/** Resolves when every command that was admitted before this call has ended; else rejects with OperatorError. */
export async function quiesce(core: Core, unit: Unit, limitMs: number): Promise<void> {
  if (await drained(core, underWay(core, unit), limitMs)) return
  throw new OperatorError('UNIT_BUSY', `${nameOf(unit)} has commands under way that do not end`, {
    hint: 'try again when its storage answers',
  })
}

/** Whether all these tasks have ended within the time. */
function drained(core: Core, tasks: readonly Task[], limitMs: number): Promise<boolean> {
  if (tasks.length === 0) return Promise.resolve(true)
  return new Promise(resolve => {
    const end = (result: boolean): void => {
      clearTimeout(timer)
      core.waits.delete(wait)
      resolve(result)
    }
    const timer = setTimeout(() => end(false), limitMs)
    const wait: Wait = { tasks: new Set(tasks), over: () => end(true), timer: null }
    core.waits.add(wait)
  })
}

/** All of the unit's tasks but those that have not been admitted: they will see what there is then. */
const underWay = (core: Core, unit: Unit): Task[] => [
  ...findTasks(core, [unit], task => task.state !== TaskState.waitOrder),
  ...lostAt(core, unit),
]

function checkSize(unit: Unit, bytes: number): void {
  const { blockSize } = unit.device
  if (Number.isSafeInteger(bytes) && bytes > 0 && bytes % blockSize === 0) return
  throw new OperatorError('SIZE', `${nameOf(unit)} cannot be ${bytes} bytes long`, {
    hint: `give a multiple of its block of ${blockSize}`,
  })
}

function refuseOccupied({ device, identity }: Unit): void {
  if (device.occupied === null) return
  throw new OperatorError('UNIT_BUSY', `Unit ${identity.serial} is occupied: ${device.occupied.code.text}`, {
    hint: 'try again when that has ended',
  })
}

export const nameOf = ({ identity }: Unit): string => `Unit ${identity.serial}`
