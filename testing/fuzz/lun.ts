// SPDX-License-Identifier: Apache-2.0
// The LUNs of the fuzzed target.
import type { Random } from './random.ts'

/** LUNs by what fuzz peers may do with them. */
export const Lun = Object.freeze({
  /** A file; every byte that a fuzz peer writes there is from the alphabet. */
  file: 0,
  /** The same in memory. */
  memory: 1,
  /** In memory; anything may be written there, also what was meant as a header. */
  scribble: 2,
  /** Those of the good sessions. */
  goodMemory: 3,
  goodFile: 4,
  goodSpread: 5,
} as const)

/** Blocks of 512 bytes of each LUN. */
export const BLOCKS = 8192

/** A LUN whose content is checked. */
export const strictLun = (random: Random): number => random.pick([Lun.file, Lun.memory])
