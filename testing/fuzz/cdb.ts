// SPDX-License-Identifier: Apache-2.0
// CDBs that fuzz peers send: right ones, and any bytes at all.

import { device } from '@lunkit/target-devices/disk'
import { BLOCKS } from './lun.ts'
import type { Random } from './random.ts'

const ten = (opcode: number, lba: number, blocks: number): Buffer => {
  const cdb = Buffer.alloc(16)
  cdb[0] = opcode
  cdb.writeUInt32BE(lba, 2)
  cdb.writeUInt16BE(blocks, 7)
  return cdb
}

export const read10 = (lba: number, blocks: number): Buffer => ten(0x28, lba, blocks)
export const write10 = (lba: number, blocks: number): Buffer => ten(0x2a, lba, blocks)

/** A place for `blocks` blocks. */
export const somewhere = (random: Random, blocks: number): number => random.range(0, BLOCKS - blocks)

export function inquiry(length: number): Buffer {
  const cdb = Buffer.alloc(16)
  cdb[0] = 0x12
  cdb.writeUInt16BE(length, 3)
  return cdb
}

/**
 * Left out, as they change for everybody what the others' checks rest on: FORMAT UNIT, START STOP UNIT, SEND DIAGNOSTIC, UNMAP,
 * SANITIZE, WRITE SAME, ORWRITE, the copies, the reservations, SET ... (maintenance out), MODE SELECT, LOG SELECT and WRITE BUFFER
 * (these tell everybody by unit attentions).
 */
const HANDS_OFF: ReadonlySet<number> = new Set([
  0x04, 0x15, 0x16, 0x1b, 0x1d, 0x3b, 0x41, 0x42, 0x48, 0x4c, 0x55, 0x56, 0x5f, 0x83, 0x8b, 0x93, 0xa4,
])

/** What a disk knows, but for those. */
const KNOWN = device.bindings.map(({ command }) => command).filter(({ opcode }) => !HANDS_OFF.has(opcode))

/** An ACA condition would bar the good sessions as well. */
const NACA = 0x04
const CONTROL_BY_GROUP = [5, 9, 9, 1, 15, 11, 15, 15] as const
/** Place of the CONTROL byte (SPC-4, CONTROL byte), by the group code. */
const controlAt = (opcode: number): number => CONTROL_BY_GROUP[opcode >> 5]!

/** Any bytes with any opcode, the known ones often; about half with a small address, so that some get far. */
export function anyCdb(random: Random): Buffer {
  const cdb = random.bytes(16)
  const known = random.chance(0.7) ? random.pick(KNOWN) : null
  do cdb[0] = known?.opcode ?? random.range(0, 255)
  while (HANDS_OFF.has(cdb[0]))
  if (random.chance(0.5)) cdb.fill(0, 2, random.pick([4, 8, 9, 13]))
  if (random.chance(0.5)) cdb[1] = 0
  if (random.chance(0.5)) cdb.fill(0, 14)
  const action = known?.cdb.field['serviceAction']
  if (action !== undefined && random.chance(0.8)) action.set(cdb, 0, known!.serviceAction)
  cdb[controlAt(cdb[0]!)]! &= ~NACA
  return cdb
}
