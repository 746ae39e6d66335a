// SPDX-License-Identifier: Apache-2.0
// READ CD and READ CD MSF: sectors of the data track, which is in Mode 1, or parts of them.
import {
  CANNOT_READ_MEDIUM_INCOMPATIBLE_FORMAT,
  ILLEGAL_MODE_FOR_THIS_TRACK,
  INVALID_FIELD_IN_CDB,
  LBA_OUT_OF_RANGE,
  Profile,
  READ_CD,
  READ_CD_MSF,
} from '@lunkit/spec'
import {
  type Binding,
  empty,
  type FieldPlace,
  fail,
  failStore,
  reply,
  StoreError,
  succeed,
  type Task,
} from '@lunkit/target-api'
import { MAX_TRANSFER, readBlocks } from '../../primary/read-blocks.ts'
import { type Disc, SECTOR } from '../disc.ts'
import { lbaOf } from '../msf.ts'
import { onDisc } from '../on-disc.ts'
import { completeSector, type Parts, partsOf, RAW_SECTOR } from '../raw-sector.ts'

/** EXPECTED SECTOR TYPE: any, CD-DA, Mode 1, Mode 2 without and with forms. */
const ANY = 0
const MODE_1 = 2
const LAST_TYPE = 5

/** Sectors of one command whose other parts are made up: some milliseconds of the process. */
const MOST_RAW = 512

type Fields = typeof READ_CD.cdb.field | typeof READ_CD_MSF.cdb.field

/** Mode 1 has no subheader. */
const HEADER = 1

const selected = (cdb: Uint8Array, fields: Fields): Parts | null =>
  partsOf({
    sync: fields.sync.get(cdb, 0) === 1,
    header: (fields.headerCodes.get(cdb, 0) & HEADER) !== 0,
    userData: fields.userData.get(cdb, 0) === 1,
    edcEcc: fields.edcEcc.get(cdb, 0) === 1,
  })

const isUserData = ({ from, to }: Parts): boolean => from === 16 && to - from === SECTOR

/** `size`: what says how many sectors there are. */
function readSectors(task: Task, { profile, store }: Disc, fields: Fields, size: FieldPlace) {
  const { cdb } = task
  if (profile !== Profile.cdRom) return fail(task, CANNOT_READ_MEDIUM_INCOMPATIBLE_FORMAT)
  const type = fields.sectorType.get(cdb, 0)
  if (type > LAST_TYPE) return fail(task, INVALID_FIELD_IN_CDB, fields.sectorType)
  const parts = selected(cdb, fields)
  if (parts === null) return fail(task, INVALID_FIELD_IN_CDB, fields.sync)
  if (task.blocks === 0) return succeed(task)
  if (type !== ANY && type !== MODE_1) return fail(task, ILLEGAL_MODE_FOR_THIS_TRACK)
  if (isUserData(parts)) return readBlocks(task, store, SECTOR)
  if (parts.from === parts.to) return succeed(task)
  if (task.blocks > MOST_RAW) return fail(task, INVALID_FIELD_IN_CDB, size)
  const { io } = task
  const bytes = Buffer.allocUnsafe(task.blocks * SECTOR)
  task.deviceData = { bytes, parts }
  empty(io.segments)
  io.segments.push(bytes)
  io.offset = task.lba * SECTOR
  io.length = bytes.length
  io.forceUnitAccess = false
  io.onFinish = afterRead
  store.read(io)
}

function afterRead(task: Task) {
  if (task.io.error !== StoreError.none) return failStore(task, SECTOR, false)
  const { bytes, parts } = task.deviceData as { readonly bytes: Buffer; readonly parts: Parts }
  const length = parts.to - parts.from
  const answer = Buffer.allocUnsafe(task.blocks * length)
  const sector = Buffer.alloc(RAW_SECTOR)
  for (let index = 0; index < task.blocks; index++) {
    bytes.copy(sector, 16, index * SECTOR, (index + 1) * SECTOR)
    completeSector(sector, task.lba + index)
    sector.copy(answer, index * length, parts.from, parts.to)
  }
  reply(task, answer)
}

/** An image has neither sub-channels nor errors that are known by their place. */
const refuses = ['dap', 'c2', 'subchannel'] as const

const cd = READ_CD.cdb.field
const readCd = onDisc(READ_CD, (task, disc) => readSectors(task, disc, cd, cd.blocks), { refuses })

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
    readSectors(task, disc, msf, msf.end)
  },
  { refuses },
)

/** For `sectors`: of whole sectors, what is read and what is made of it; at the most what a command may ask for. */
function memoryOf(task: Task, sectors: number, fields: Fields): number {
  const parts = selected(task.cdb, fields)
  if (!(sectors > 0) || parts === null) return 0
  if (!isUserData(parts)) return Math.min(sectors, MOST_RAW) * (SECTOR + parts.to - parts.from)
  return Math.min(sectors, Math.ceil(task.expectedIn / SECTOR), MAX_TRANSFER / SECTOR) * SECTOR
}

export const cdReads: readonly Binding[] = [
  { ...readCd, memoryIn: task => memoryOf(task, task.blocks, cd) },
  // The row has no number of blocks.
  {
    ...readCdMsf,
    memoryIn: task =>
      memoryOf(task, lbaOf(msf.end.get(task.cdb, 0)) - lbaOf(msf.start.get(task.cdb, 0)), msf),
  },
]
