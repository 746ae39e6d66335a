// SPDX-License-Identifier: Apache-2.0
// A log page as a row: its code, its parameters, and what LOG SELECT may set.
import { type FieldRows, type Layout, LOG_PARAMETER_HEADER, LogFormat, type Values } from '@lunkit/spec'
import type { Device, Task } from '@lunkit/target-api'
import type { PrimaryDevice } from './primary-device.ts'

/** One parameter, whole, with its header. */
export type LogParameter = Uint8Array

export interface LogPage {
  readonly code: number
  readonly subpage: number
  readonly present: (device: Device) => boolean
  /** Ascending by parameter code. `initial`: in the values that the page began with. */
  readonly parameters: (
    device: Device,
    task: Task,
    initial: boolean,
  ) => readonly LogParameter[] | Promise<readonly LogParameter[]>
  /** Counters: they have default values, and LOG SELECT can set them. */
  readonly counters: readonly LogCounter[]
}

/** One counter of a page. What it counts goes on for ever: LOG SELECT moves the number that it is told against. */
export interface LogCounter {
  /** Parameter code, or -1 for a part of a parameter that can be set back with all of it only. */
  readonly code: number
  readonly get: (device: Device) => number
}

/** What LOG SELECT has set: the number at which each counter would be zero. */
export type LogBases = Map<LogCounter, number>

export const counterValue = (device: PrimaryDevice, one: LogCounter): number =>
  one.get(device) - (device.logBases.get(one) ?? 0)

export function setCounter(device: PrimaryDevice, one: LogCounter, value: number): void {
  device.logBases.set(one, one.get(device) - value)
}

/** A counter as a parameter: eight bytes where they are not said to be fewer. */
const COUNTER_BYTES = 8

const always = (): boolean => true

/** TSD: the target saves nothing by itself. */
export function logParameter(code: number, format: number, value: Uint8Array): LogParameter {
  const bytes = new Uint8Array(LOG_PARAMETER_HEADER.length + value.length)
  LOG_PARAMETER_HEADER.write({ code, tsd: 1, format, length: value.length }, bytes)
  bytes.set(value, LOG_PARAMETER_HEADER.length)
  return bytes
}

/** A parameter that has a layout of its own. */
export function laidOut<const R extends FieldRows>(
  layout: Layout<R>,
  code: number,
  values: Partial<Values<R>>,
): LogParameter {
  const length = layout.length - LOG_PARAMETER_HEADER.length
  const bytes = layout.write(values)
  return LOG_PARAMETER_HEADER.write({ code, tsd: 1, format: LogFormat.binary, length }, bytes)
}

/** A row of a counter page: parameter code, and how it is read. */
export function counter<D extends Device>(code: number, get: (device: D) => number): LogCounter {
  return Object.freeze({ code, get: get as LogCounter['get'] })
}

/** A page of counters alone, each of `width` bytes. */
export function counterPage<D extends Device>(
  code: number,
  counters: readonly LogCounter[],
  { width = COUNTER_BYTES, present = always as (device: D) => boolean } = {},
): LogPage {
  return Object.freeze({
    code,
    subpage: 0,
    present: present as LogPage['present'],
    counters,
    parameters: (device: Device, _task: Task, initial: boolean) =>
      counters.map(one => {
        const value = initial ? 0 : counterValue(device as PrimaryDevice, one)
        return logParameter(one.code, LogFormat.bounded, numberOf(value, width))
      }),
  })
}

/** A page of anything else. */
export function listPage<D extends Device>(
  code: number,
  parameters: (
    device: D,
    task: Task,
    initial: boolean,
  ) => readonly LogParameter[] | Promise<readonly LogParameter[]>,
  { present = always as (device: D) => boolean, counters = [] as readonly LogCounter[] } = {},
): LogPage {
  return Object.freeze({
    code,
    subpage: 0,
    present: present as LogPage['present'],
    counters,
    parameters: parameters as LogPage['parameters'],
  })
}

/** Big-endian; a number that does not fit stands at the highest value. */
function numberOf(value: number, width: number): Uint8Array {
  const bytes = new Uint8Array(width)
  let left = Math.min(Math.floor(value), 2 ** (8 * width) - 1)
  for (let at = width - 1; at >= 0; at--) {
    bytes[at] = left % 256
    left = Math.floor(left / 256)
  }
  return bytes
}
