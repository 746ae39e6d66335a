// SPDX-License-Identifier: Apache-2.0
// How much one command may ask of a disk: what page B0h says, and what the commands hold to.

/** Longest transfer of one command with protection information, in bytes: the guards of so much are computed in one turn, at some 5 ms a MiB. */
export const MAX_PROTECTED_TRANSFER = 4 * 1024 * 1024
/** Longest WRITE SAME, in bytes: a few hundred milliseconds where the store has to write every block. */
export const MAX_WRITE_SAME = 256 * 1024 * 1024
/** COMPARE AND WRITE: as many blocks as its CDB can name. */
export const MAX_COMPARE_AND_WRITE = 255
/** One UNMAP: blocks in all, and block descriptors. */
export const MAX_UNMAP_BLOCKS = 1024 * 1024
export const MAX_UNMAP_DESCRIPTORS = 256
/** One GET LBA STATUS: descriptors in its answer, and runs that the store is asked for. */
export const MAX_LBA_STATUS_DESCRIPTORS = 1024
export const MAX_LBA_STATUS_RUNS = 2048

/** Bytes that an extended self-test reads in a second at the least, for the times that are told beforehand. */
const SELF_TEST_RATE = 100 * 1024 * 1024
/** Seconds that an extended self-test of so many bytes may take. */
export const selfTestSeconds = (bytes: number): number => Math.ceil(bytes / SELF_TEST_RATE) + 1
/** Resources of a thin disk are counted and limited in sets of 2 to this power blocks: 1 MiB of 512-byte blocks. */
export const THRESHOLD_EXPONENT = 11
