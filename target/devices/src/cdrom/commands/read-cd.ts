// SPDX-License-Identifier: Apache-2.0
// READ CD and READ CD MSF: user data of the data track, which is in Mode 1.
import {
  CANNOT_READ_MEDIUM_INCOMPATIBLE_FORMAT,
  ILLEGAL_MODE_FOR_THIS_TRACK,
  INVALID_FIELD_IN_CDB,
  LBA_OUT_OF_RANGE,
  Profile,
  READ_CD,
  READ_CD_MSF,
} from '@lunkit/spec'
import { type Binding, fail, succeed, type Task } from '@lunkit/target-api'
import { MAX_TRANSFER, readBlocks } from '../../primary/read-blocks.ts'
import { type Disc, SECTOR } from '../disc.ts'
import { lbaOf } from '../msf.ts'
import { onDisc } from '../on-disc.ts'

/** EXPECTED SECTOR TYPE: any, CD-DA, Mode 1, Mode 2 without and with forms. */
const ANY = 0
const MODE_1 = 2
const LAST_TYPE = 5

type Fields = typeof READ_CD.cdb.field | typeof READ_CD_MSF.cdb.field

/** What READ does, for a disc and a sector that can have it. */
function readSectors(task: Task, { profile, store }: Disc, fields: Fields) {
  const { cdb } = task
  if (profile !== Profile.cdRom) return fail(task, CANNOT_READ_MEDIUM_INCOMPATIBLE_FORMAT)
  const type = fields.sectorType.get(cdb, 0)
  if (type > LAST_TYPE) return fail(task, INVALID_FIELD_IN_CDB, fields.sectorType)
  if (type !== ANY && type !== MODE_1 && task.blocks > 0) return fail(task, ILLEGAL_MODE_FOR_THIS_TRACK)
  if (fields.userData.get(cdb, 0) === 1) readBlocks(task, store, SECTOR)
  else succeed(task)
}

/** An image has no more than user data: neither the other parts of a sector nor sub-channels. */
const refuses = ['dap', 'sync', 'headerCodes', 'edcEcc', 'c2', 'subchannel'] as const

const readCd = onDisc(READ_CD, (task, disc) => readSectors(task, disc, READ_CD.cdb.field), { refuses })

const msf = READ_CD_MSF.cdb.field

const readCdMsf = onDisc(
  READ_CD_MSF,
  (task, disc) => {
    const { cdb } = task
    const start = lbaOf(msf.start.get(cdb, 0))
    const end = lbaOf(msf.end.get(cdb, 0))
    if (Number.isNaN(start)) return fail(task, INVALID_FIELD_IN_CDB, msf.start)
    // It is the sector behind the last one.
    if (Number.isNaN(end) || end < start) return fail(task, INVALID_FIELD_IN_CDB, msf.end)
    if (start < 0 || end > disc.sectors) return fail(task, LBA_OUT_OF_RANGE)
    if ((end - start) * SECTOR > MAX_TRANSFER) return fail(task, INVALID_FIELD_IN_CDB, msf.end)
    task.lba = start
    task.blocks = end - start
    readSectors(task, disc, msf)
  },
  { refuses },
)

/** The row has no number of blocks from which the engine could see how much memory this takes. */
function memoryIn(task: Task): number {
  const blocks = lbaOf(msf.end.get(task.cdb, 0)) - lbaOf(msf.start.get(task.cdb, 0))
  return blocks > 0
    ? Math.min(blocks * SECTOR, MAX_TRANSFER, Math.ceil(task.expectedIn / SECTOR) * SECTOR)
    : 0
}

export const cdReads: readonly Binding[] = [readCd, { ...readCdMsf, memoryIn }]
