// SPDX-License-Identifier: Apache-2.0
// What a benchmark has measured so far, and its file: kept after every case, so that a run that is cut off can go on.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { SlowRow, StartRow } from './aside.ts'
import type { Run } from './measure.ts'
import type { Share } from './profile-parts.ts'

export interface Setting {
  readonly generator: string
  readonly processor: string
  readonly cores: number
  readonly versions: string
  /** File systems of the images of cached cases, and of cold ones and those on a disk. */
  readonly folder: string
  readonly diskFolder: string
  /** Length of all images of one target together. */
  readonly imageBytes: number
  readonly runs: number
  readonly seconds: number
}

/** Medians of one case, by contestant's name. */
export interface Result {
  readonly case: string
  readonly medians: Readonly<Record<string, Run>>
  /** Runs that other processes disturbed to the last try. */
  readonly disturbed: number
}

/** Resident memory of a target in MiB: as it was ready, at the end of its cases, and the most between. */
export interface Memory {
  readonly name: string
  readonly serving: string
  readonly idle: number
  readonly now: number
  readonly most: number
}

/** A figure of lunkit's against how much it has to do. */
export interface Curve {
  readonly name: string
  readonly points: readonly { readonly x: number; readonly figures: Readonly<Record<string, number>> }[]
}

export interface Report {
  readonly setting: Setting
  readonly results: Result[]
  readonly memory: Memory[]
  readonly curves: Curve[]
  starts: readonly StartRow[]
  slow: readonly SlowRow[]
  profile: { readonly case: string; readonly shares: readonly Share[] } | null
  /** One line each: what failed, and why. */
  readonly failures: string[]
}

export const emptyReport = (setting: Setting): Report => ({
  setting,
  results: [],
  memory: [],
  curves: [],
  starts: [],
  slow: [],
  profile: null,
  failures: [],
})

/** The file's report; an Error says what differs if it was measured in another setting. */
export function readReport(path: string, setting: Setting): Report {
  if (!existsSync(path)) throw new Error(`${path} does not exist: there is nothing to go on with`)
  const report = JSON.parse(readFileSync(path, 'utf8')) as Report
  for (const key of ['generator', 'processor', 'imageBytes', 'seconds', 'runs'] as const)
    if (report.setting[key] !== setting[key])
      throw new Error(`${path} was measured with ${key} ${report.setting[key]}, not ${setting[key]}`)
  report.failures.length = 0
  return report
}

/** Whole or not at all. */
export function writeReport(path: string, report: Report): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.new`, `${JSON.stringify(report, null, 1)}\n`)
  renameSync(`${path}.new`, path)
}
