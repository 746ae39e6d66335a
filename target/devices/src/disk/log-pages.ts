// SPDX-License-Identifier: Apache-2.0
// The disk's log pages, ascending; pages 00h and 00h/FFh list them by themselves.
import {
  BACKGROUND_SCAN_STATUS,
  GENERAL_STATISTICS,
  LogCode,
  LogFormat,
  PROVISIONING_RESOURCE,
} from '@lunkit/spec'
import type { Task, UnitCounters } from '@lunkit/target-api'
import {
  counter,
  counterPage,
  counterValue,
  type LogCounter,
  type LogPage,
  type LogParameter,
  laidOut,
  listPage,
  logParameter,
} from '../primary/log-page.ts'
import {
  exceptionsPage,
  nonMediumErrorPage,
  powerTransitionsPage,
  startStopPage,
  temperaturePage,
} from '../primary/log-pages.ts'
import { selfTestPage } from '../primary/self-test-log.ts'
import type { Disk } from './disk.ts'
import { THRESHOLD_EXPONENT } from './limits.ts'

/** Parameters (SPC-4, error counter log pages). The disk itself corrects and repeats nothing. */
function errorPage(
  code: number,
  blocks: (counters: UnitCounters) => number,
  errors: (counters: UnitCounters) => number,
): LogPage {
  return counterPage(code, [
    ...[0, 1, 2, 3, 4].map(none => counter(none, () => 0)),
    counter(5, ({ unit, blockSize }: Disk) => blocks(unit.counters) * blockSize),
    counter(6, ({ unit }: Disk) => errors(unit.counters)),
  ])
}

/** SCOPE of provisioning counts: the store's room may be others', too. */
const Scope = { unit: 1, shared: 2 } as const

/** Resource counts, in threshold sets. */
async function provisioning(disk: Disk): Promise<readonly LogParameter[]> {
  const usage = (await disk.store.usage?.()) ?? null
  if (usage === null) return []
  const set = 2 ** THRESHOLD_EXPONENT * disk.blockSize
  const resource = (code: number, bytes: number, scope: number): LogParameter =>
    laidOut(PROVISIONING_RESOURCE, code, { count: Math.min(Math.floor(bytes / set), 0xffff_ffff), scope })
  // What is taken up in part is taken up.
  const used = Math.ceil(usage.used / set) * set
  return [resource(1, usage.available, Scope.shared), resource(2, used, Scope.unit)]
}

/** Intervals are of a microsecond: INTEGER times ten to the power of EXPONENT seconds. */
const INTERVAL = { exponent: -6, integer: 1 } as const
const PER_MS = 1000

const part = (get: (counters: UnitCounters) => number): LogCounter =>
  counter(-1, ({ unit }: Disk) => get(unit.counters))

const STATISTICS = {
  reads: part(({ reads }) => reads),
  writes: part(({ writes }) => writes),
  blocksReceived: part(({ blocksWritten }) => blocksWritten),
  blocksSent: part(({ blocksRead }) => blocksRead),
  readIntervals: part(({ readTime }) => readTime * PER_MS),
  writeIntervals: part(({ writeTime }) => writeTime * PER_MS),
  weightedCommands: part(({ weighted }) => weighted),
  weightedIntervals: part(({ readTime, writeTime }) => (readTime + writeTime) * PER_MS),
} as const

/** Time without a command of the medium. */
const IDLE = counter(-1, (disk: Disk) => (disk.age() - disk.unit.counters.busyTime) * PER_MS)

function statistics(disk: Disk, _task: Task, initial: boolean): readonly LogParameter[] {
  const values: Partial<Record<keyof typeof STATISTICS, number>> = {}
  for (const name of Object.keys(STATISTICS) as (keyof typeof STATISTICS)[]) {
    values[name] = initial ? 0 : Math.floor(counterValue(disk, STATISTICS[name]))
  }
  const idle = Buffer.alloc(8)
  idle.writeBigUInt64BE(BigInt(initial ? 0 : Math.max(Math.floor(counterValue(disk, IDLE)), 0)))
  const interval = Buffer.alloc(8)
  interval.writeInt32BE(INTERVAL.exponent, 0)
  interval.writeUInt32BE(INTERVAL.integer, 4)
  return [
    laidOut(GENERAL_STATISTICS, 1, values),
    logParameter(2, LogFormat.bounded, idle),
    logParameter(3, LogFormat.binary, interval),
  ]
}

/** Minutes since the disk was opened; no scan of the medium runs, and none did. */
const scanStatus = (disk: Disk): readonly LogParameter[] => [
  laidOut(BACKGROUND_SCAN_STATUS, 0, { minutes: disk.minutesOn() }),
]

export const diskLogPages: readonly LogPage[] = [
  errorPage(
    LogCode.writeErrors,
    one => one.blocksWritten,
    one => one.writeErrors,
  ),
  errorPage(
    LogCode.readErrors,
    one => one.blocksRead,
    one => one.readErrors,
  ),
  errorPage(
    LogCode.verifyErrors,
    one => one.blocksVerified,
    one => one.verifyErrors,
  ),
  nonMediumErrorPage,
  listPage(LogCode.logicalBlockProvisioning, provisioning, {
    present: (disk: Disk) => disk.thin && disk.store.usage !== undefined,
  }),
  temperaturePage,
  startStopPage,
  selfTestPage,
  listPage(LogCode.backgroundScan, scanStatus),
  listPage(LogCode.generalStatistics, statistics, { counters: [...Object.values(STATISTICS), IDLE] }),
  powerTransitionsPage,
  exceptionsPage,
]
