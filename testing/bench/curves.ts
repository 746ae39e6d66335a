// SPDX-License-Identifier: Apache-2.0
// How lunkit grows: memory and processor time against processes, sessions, LUNs and size of the disk.
import { rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ServedTarget, serve } from '../kit/serve-process.ts'
import { capacity, type Disk, load, open } from './own-client.ts'
import { COUNTS, withProcesses } from './process-curve.ts'
import { memoryOf, processorUse } from './processor.ts'
import type { Curve } from './report.ts'

type Figures = Record<string, number>

export interface CurveRow {
  readonly name: string
  readonly xs: readonly number[]
  /** Figures that must not grow faster than x does. */
  readonly bounded: readonly string[]
  readonly measure: (x: number, seconds: number, place: Place) => Promise<Figures>
}

export interface Place {
  /** Command that pins a target to its core. */
  readonly prefix: readonly string[]
  /** For sparse files; of tmpfs, for ext4 ends at 16 TiB. */
  readonly folder: string
}

const GIB = 2 ** 30
const WORK = { pattern: 'randread', blockSize: 4096, depth: 64 } as const
/** Until what a login leaves behind is cleared away. */
const SETTLE_MS = 1500
const IDLE_SECONDS = 2
/** Limits that a thousand sessions of one initiator do not meet. */
const MANY = ['sessions', 'sessionsPerInitiator', 'sessionsPerTarget'].flatMap(name => [
  '--limit',
  `${name}=4000`,
])

export const CURVES: readonly CurveRow[] = [
  { name: 'processes', xs: COUNTS, bounded: ['memory'], measure: withProcesses },
  {
    name: 'sessions',
    xs: [1, 10, 100, 300, 1000],
    bounded: ['memory', 'idle', 'cost'],
    measure: withSessions,
  },
  { name: 'luns', xs: [1, 10, 100, 1000, 10_000], bounded: ['memory', 'cost'], measure: withLuns },
  {
    name: 'size',
    xs: [1, 16, 256, 4096, 65_536].map(gib => gib * GIB),
    bounded: ['memory', 'cost'],
    measure: withSize,
  },
]

export async function measureCurve(
  { name, xs, measure }: CurveRow,
  seconds: number,
  place: Place,
  begin: (what: string) => void,
  end: () => void,
): Promise<Curve> {
  const points: { x: number; figures: Figures }[] = []
  for (const x of xs) {
    begin(`${name} ${x}`)
    points.push({ x, figures: await measure(x, seconds, place) })
    end()
  }
  return { name, points }
}

async function withSessions(count: number, seconds: number, { prefix }: Place): Promise<Figures> {
  const served = await serve(['null:1T', ...MANY], {}, prefix)
  return within(served, async () => {
    const { url, bytes } = served.ready.luns[0]!
    const disks: Disk[] = []
    try {
      for (let index = 0; index < count; index++) disks.push({ session: await open(url), lun: 0, bytes })
      for (const { session, lun } of disks) await capacity(session, lun)
      await sleep(SETTLE_MS)
      const memory = memoryOf(served.pid).now
      const before = processorUse(served.pid)
      await sleep(IDLE_SECONDS * 1000)
      const idle = ((processorUse(served.pid).target - before.target) / IDLE_SECONDS) * 100
      return { memory, idle, cost: await costOf(served, disks, seconds) }
    } finally {
      await Promise.all(disks.map(({ session }) => session.close()))
    }
  })
}

async function withLuns(count: number, seconds: number, { prefix }: Place): Promise<Figures> {
  const served = await serve(
    Array.from({ length: count }, () => 'null:1T'),
    {},
    prefix,
  )
  return within(served, () => overAll(served, seconds))
}

async function withSize(bytes: number, seconds: number, { prefix, folder }: Place): Promise<Figures> {
  const path = join(folder, 'sparse.img')
  writeFileSync(path, '')
  truncateSync(path, bytes)
  try {
    const served = await serve([path], {}, prefix)
    return await within(served, () => overAll(served, seconds))
  } finally {
    rmSync(path)
  }
}

/** One session that reads all over all the LUNs. */
async function overAll(served: ServedTarget, seconds: number): Promise<Figures> {
  const memory = memoryOf(served.pid).now
  const session = await open(served.ready.luns[0]!.url)
  try {
    const disks = served.ready.luns.map(({ lun, bytes }) => ({ session, lun, bytes }))
    // One attention a LUN waits for each new nexus.
    for (const { lun } of disks) await capacity(session, lun)
    return { memory, cost: await costOf(served, disks, seconds) }
  } finally {
    await session.close()
  }
}

/** Microseconds of the target's processor time a command, once it is warm. */
async function costOf({ pid }: ServedTarget, disks: readonly Disk[], seconds: number): Promise<number> {
  await load(disks, WORK, seconds)
  const before = processorUse(pid)
  const { commands } = await load(disks, WORK, seconds)
  return ((processorUse(pid).target - before.target) / commands) * 1e6
}

async function within<T>(served: ServedTarget, use: () => Promise<T>): Promise<T> {
  try {
    return await use()
  } finally {
    await served.stop()
  }
}

/** What one more of x may cost at the end of a curve, as a multiple of what it costs in the middle. */
const SLACK = 1.5
/** Growth below this share of the first figure is none. */
const NOISE = 0.5

/**
 * Whether a figure grows no faster than x: from the first point to the last it has no more for each x than up to the
 * point before, noise aside. A figure that does not grow with x at all passes.
 */
export function isLinear(points: Curve['points'], figure: string): boolean {
  const value = (index: number): number => points.at(index)!.figures[figure]!
  const x = (index: number): number => points.at(index)!.x
  const whole = value(-1) - value(0)
  if (whole <= Math.max(NOISE * value(0), 1)) return true
  const before = Math.max(0, value(-2) - value(0))
  // A start-up share that the first point has not paid yet counts as noise.
  const allowed = (before * (x(-1) - x(0))) / (x(-2) - x(0))
  return whole <= SLACK * Math.max(allowed, NOISE * value(0))
}
