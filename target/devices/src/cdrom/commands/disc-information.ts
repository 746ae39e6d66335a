// SPDX-License-Identifier: Apache-2.0
// READ DISC INFORMATION and READ TRACK INFORMATION: a finalized disc, its one session and its one track.
import {
  DATA_TRACK,
  DISC_INFORMATION,
  INVALID_FIELD_IN_CDB,
  LBA_OUT_OF_RANGE,
  READ_DISC_INFORMATION,
  READ_TRACK_INFORMATION,
  TRACK_INFORMATION,
  TrackAddress,
} from '@lunkit/spec'
import { type Binding, fail, reply } from '@lunkit/target-api'
import { onDisc } from '../on-disc.ts'

const COMPLETE = 3
const FINALIZED = 2
/** No such address on a disc that is not written. */
const NONE = 0xffff_ffff

const disc = READ_DISC_INFORMATION.cdb.field

const readDiscInformation = onDisc(READ_DISC_INFORMATION, task => {
  // Other types are for what is written.
  if (disc.dataType.get(task.cdb, 0) !== 0) return fail(task, INVALID_FIELD_IN_CDB, disc.dataType)
  const answer = DISC_INFORMATION.write({
    length: DISC_INFORMATION.length - 2,
    lastSessionState: COMPLETE,
    status: FINALIZED,
    firstTrack: 1,
    sessions: 1,
    firstTrackInLast: 1,
    lastTrackInLast: 1,
    unrestricted: 1,
    lastLeadIn: NONE,
    lastPossibleLeadOut: NONE,
  })
  reply(task, answer, disc.allocation.get(task.cdb, 0))
})

const track = READ_TRACK_INFORMATION.cdb.field
/** DATA MODE of the sectors: Mode 1, 2048 bytes of user data. */
const MODE_1 = 1

const readTrackInformation = onDisc(READ_TRACK_INFORMATION, (task, { sectors }) => {
  const { cdb } = task
  const type = track.addressType.get(cdb, 0)
  const address = track.address.get(cdb, 0)
  if (type > TrackAddress.session) return fail(task, INVALID_FIELD_IN_CDB, track.addressType)
  if (track.open.get(cdb, 0) === 1) return fail(task, INVALID_FIELD_IN_CDB, track.open)
  if (type === TrackAddress.lba && address >= sectors) return fail(task, LBA_OUT_OF_RANGE, track.address)
  if (type !== TrackAddress.lba && address !== 1) return fail(task, INVALID_FIELD_IN_CDB, track.address)
  const answer = TRACK_INFORMATION.write({
    length: TRACK_INFORMATION.length - 2,
    track: 1,
    session: 1,
    trackMode: DATA_TRACK.control,
    dataMode: MODE_1,
    lraValid: 1,
    size: sectors,
    lastRecorded: sectors - 1,
  })
  reply(task, answer, track.allocation.get(cdb, 0))
})

export const informations: readonly Binding[] = [readDiscInformation, readTrackInformation]
