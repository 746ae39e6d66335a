// SPDX-License-Identifier: Apache-2.0
// A disk on a stand-in store, for the tests of its commands.
import type { ParameterValues, UnitRecords } from '@lunkit/target-api'
import { Bench } from '../../../../testing/kit/device-bench.ts'
import { type StandInOptions, StandInStore } from '../../../../testing/kit/stand-in-store.ts'
import type { Disk } from './disk.ts'
import { device } from './index.ts'

export async function openDisk(
  values: ParameterValues = {},
  options: Partial<StandInOptions> = {},
  records: UnitRecords | null = null,
) {
  const store = new StandInStore({ size: 2 * 1024 * 1024, ...options })
  const bench = await Bench.open(device, store, values, records)
  return { store, bench, disk: bench.device as Disk }
}
