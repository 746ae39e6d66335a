// SPDX-License-Identifier: Apache-2.0
// A CDB as it goes to the real unit: as long as its operation code says, and without NACA, which the engine deals with for each nexus.

/** Lengths by the operation code's group (SPC-4, operation code); 0 for 7Fh, which says it itself, and for the vendor's. */
const LENGTHS = [6, 10, 10, 0, 16, 12, 0, 0] as const
const VARIABLE = 0x7f
const NACA = 0x04

/** `whole` has room for the longest, with zeros behind the command. */
export function cdbOf(whole: Uint8Array): Uint8Array {
  const length = lengthOf(whole)
  const cdb = whole.slice(0, length)
  const group = cdb[0]! >> 5
  const control = cdb[0] === VARIABLE ? 1 : length - 1
  // What the vendor's commands mean by this bit is the vendor's.
  if (group < 6) cdb[control]! &= ~NACA
  return cdb
}

function lengthOf(whole: Uint8Array): number {
  const opcode = whole[0]!
  if (opcode === VARIABLE) return Math.min(8 + whole[7]!, whole.length)
  const length = LENGTHS[opcode >> 5]!
  if (length > 0) return length
  // A vendor's command, and 60h to 7Eh: all of it up to its last byte that says something, in one of the usual lengths.
  let end = Math.min(whole.length, 16)
  while (end > 6 && whole[end - 1] === 0) end--
  return end <= 6 ? 6 : end <= 10 ? 10 : end <= 12 ? 12 : 16
}
