// SPDX-License-Identifier: Apache-2.0
// A CD drive with a stand-in store in it, or with none, for the tests of its commands.
import type { ParameterValues } from '@lunkit/target-api'
import { Bench } from '../../../../testing/kit/device-bench.ts'
import { type StandInOptions, StandInStore } from '../../../../testing/kit/stand-in-store.ts'
import { SECTOR } from './disc.ts'
import type { Drive } from './drive.ts'
import { device } from './index.ts'

/** Sectors of discs of each kind. */
export const CD = 512
export const DVD = 400_000
export const BD = 5_000_000

/** Sectors that are there to be read: a large disc only says that it has them all. */
const READABLE = 1024

export function disc(sectors: number, options: Partial<StandInOptions> = {}): StandInStore {
  const store = new StandInStore({ size: Math.min(sectors, READABLE) * SECTOR, canWrite: false, ...options })
  return Object.assign(store, { size: sectors * SECTOR })
}

export async function openDrive(sectors: number | null = CD, options: Partial<StandInOptions> = {}) {
  const store = sectors === null ? null : disc(sectors, options)
  const values: ParameterValues = {}
  const bench = await Bench.open(device, store, values)
  const drive = bench.device as Drive
  /** Commands as bytes. */
  const run = (cdb: readonly number[], nexus: 0 | 1 = 0) => bench.run(cdb, { nexus })
  /** `key/asc/ascq` of a command, or `good`. */
  const ended = async (cdb: readonly number[], nexus: 0 | 1 = 0): Promise<string> => {
    const { sense } = await run(cdb, nexus)
    return sense === null ? 'good' : `${sense.key}/${hex(sense.asc)}/${hex(sense.ascq)}`
  }
  return { store, bench, drive, run, ended }
}

const hex = (value: number): string => value.toString(16).padStart(2, '0')
