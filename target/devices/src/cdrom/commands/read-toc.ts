// SPDX-License-Identifier: Apache-2.0
// READ TOC/PMA/ATIP: one session with one data track, in each form of it.
import {
  DATA_TRACK,
  INVALID_FIELD_IN_CDB,
  Profile,
  READ_TOC_PMA_ATIP,
  TOC_FULL_ENTRY,
  TOC_HEADER,
  TOC_TRACK,
  TocFormat,
} from '@lunkit/spec'
import { fail, reply } from '@lunkit/target-api'
import type { Disc } from '../disc.ts'
import { msfOf } from '../msf.ts'
import { onDisc } from '../on-disc.ts'

const { time, format, track, allocation, oldFormat } = READ_TOC_PMA_ATIP.cdb.field

const LEAD_OUT = 0xaa

export const readToc = onDisc(READ_TOC_PMA_ATIP, (task, disc) => {
  const { cdb } = task
  const wanted = format.get(cdb, 0) || oldFormat.get(cdb, 0)
  const first = track.get(cdb, 0)
  const place = format.get(cdb, 0) === 0 && wanted !== 0 ? oldFormat : format
  const inTime = time.get(cdb, 0) === 1
  const room = allocation.get(cdb, 0)
  if (wanted === TocFormat.toc) {
    if (first > 1 && first !== LEAD_OUT) return fail(task, INVALID_FIELD_IN_CDB, track)
    return reply(task, withHeader(tracks(disc, first, inTime)), room)
  }
  if (wanted === TocFormat.sessions) return reply(task, withHeader([trackAt(1, 0, inTime)]), room)
  // A lead-in with such a table is on a CD alone.
  if (wanted !== TocFormat.full || disc.profile !== Profile.cdRom) {
    return fail(task, INVALID_FIELD_IN_CDB, place)
  }
  // Here the field is the first session to be told of.
  if (first > 1) return fail(task, INVALID_FIELD_IN_CDB, track)
  reply(task, withHeader(leadIn(disc)), room)
})

/** TOC DATA LENGTH counts from behind itself; first and last track, or session, are the only one. */
function withHeader(entries: readonly Uint8Array[]): Uint8Array {
  const list = Buffer.concat(entries)
  return Buffer.concat([
    TOC_HEADER.write({ length: TOC_HEADER.length - 2 + list.length, first: 1, last: 1 }),
    list,
  ])
}

const addressOf = (lba: number, inTime: boolean): number => (inTime ? msfOf(lba) : lba)

const trackAt = (number: number, lba: number, inTime: boolean): Uint8Array =>
  TOC_TRACK.write({ ...DATA_TRACK, track: number, address: addressOf(lba, inTime) })

function tracks({ sectors }: Disc, first: number, inTime: boolean): Uint8Array[] {
  const leadOut = trackAt(LEAD_OUT, sectors, inTime)
  return first === LEAD_OUT ? [leadOut] : [trackAt(1, 0, inTime), leadOut]
}

/** POINTs of the lead-in: first track, last track, start of the lead-out, the track. */
function leadIn({ sectors }: Disc): Uint8Array[] {
  const entry = (point: number, msf: number): Uint8Array =>
    TOC_FULL_ENTRY.write({
      ...DATA_TRACK,
      session: 1,
      point,
      pMinute: msf >> 16,
      pSecond: (msf >> 8) & 0xff,
      pFrame: msf & 0xff,
    })
  return [entry(0xa0, 0x01_00_00), entry(0xa1, 0x01_00_00), entry(0xa2, msfOf(sectors)), entry(1, msfOf(0))]
}
