// SPDX-License-Identifier: Apache-2.0
// The log pages of SPC that every device type can have, with what its unit counts.
import { EXCEPTIONS_LOG, LogCode, LogFormat, TEMPERATURE } from '@lunkit/spec'
import { counter, counterPage, type LogPage, laidOut, listPage, logParameter } from './log-page.ts'
import { Condition } from './power-conditions.ts'
import type { PrimaryDevice } from './primary-device.ts'

/** What a storage without a thermometer says (SPC-4 Temperature log page). */
const NOT_KNOWN = 0xff

export const nonMediumErrorPage: LogPage = counterPage(LogCode.nonMediumErrors, [
  counter(0, ({ unit }: PrimaryDevice) => unit.counters.otherErrors),
])

export const temperaturePage: LogPage = listPage(LogCode.temperature, () => [
  laidOut(TEMPERATURE, 0, { celsius: NOT_KNOWN }),
])

/** Cycles since the unit was made: those before, and how many there may be, nobody knows. */
export const startStopPage: LogPage = listPage(LogCode.startStopCycles, ({ cycles }: PrimaryDevice) => {
  const count = Buffer.alloc(4)
  count.writeUInt32BE(Math.min(cycles, 0xffff_ffff))
  return [logParameter(4, LogFormat.binary, count)]
})

export const exceptionsPage: LogPage = listPage(
  LogCode.informationalExceptions,
  ({ exceptions }: PrimaryDevice) => [
    laidOut(EXCEPTIONS_LOG, 0, {
      asc: exceptions.current?.asc ?? 0,
      ascq: exceptions.current?.ascq ?? 0,
      celsius: NOT_KNOWN,
      trip: NOT_KNOWN,
    }),
  ],
)

/** Parameter codes (SPC-4 Power Condition Transitions log page). */
const TRANSITIONS = [
  [1, Condition.active],
  [2, Condition.idleA],
  [3, Condition.idleB],
  [4, Condition.idleC],
  [8, Condition.standbyZ],
  [9, Condition.standbyY],
] as const

export const powerTransitionsPage: LogPage = counterPage(
  LogCode.powerTransitions,
  TRANSITIONS.map(([code, condition]) =>
    counter(code, ({ power }: PrimaryDevice) => power?.countOf(condition) ?? 0),
  ),
  { width: 4, present: ({ power }: PrimaryDevice) => power !== null },
)
