// SPDX-License-Identifier: Apache-2.0
// REPORT REFERRALS and VPD page B3h: which port groups lead to which blocks, as the operator has said (SBC-4, referrals).
import {
  REFERRAL_GROUP,
  REFERRAL_SEGMENT,
  REFERRALS,
  REFERRALS_HEADER,
  REPORT_REFERRALS,
  VpdCode,
} from '@lunkit/spec'
import { on, type ReferralSegment, reply, type Task } from '@lunkit/target-api'
import { vpdPage } from '../primary/vpd-page.ts'
import type { Disk } from './disk.ts'

const { oneSegment, allocation } = REPORT_REFERRALS.cdb.field
/** What the length of the parameter data can say. */
const LONGEST = 0xffff

const offered = ({ unit }: Disk): boolean => unit.referrals.length > 0

/** Segments from the one with the CDB's LBA on, as many as fit. */
export const reportReferrals = on(
  REPORT_REFERRALS,
  (task: Task, { unit }: Disk) => {
    const { referrals } = unit
    const found = referrals.findIndex(({ lastLba }) => task.lba <= lastLba)
    // The disk may have grown beyond what the operator has said.
    const first = found < 0 ? referrals.length : found
    const wanted =
      oneSegment.get(task.cdb, 0) === 1 ? referrals.slice(first, first + 1) : referrals.slice(first)
    const described: Uint8Array[] = []
    let length = 0
    for (const segment of wanted) {
      const bytes = describe(segment)
      if (length + bytes.length > LONGEST) break
      described.push(bytes)
      length += bytes.length
    }
    const header = REFERRALS_HEADER.write({ length })
    reply(task, Buffer.concat([header, ...described]), allocation.get(task.cdb, 0))
  },
  { offered: (_task, disk: Disk) => offered(disk) },
)

function describe({ firstLba, lastLba, groups }: ReferralSegment): Uint8Array {
  const bytes = new Uint8Array(REFERRAL_SEGMENT.length + REFERRAL_GROUP.length * groups.length)
  REFERRAL_SEGMENT.write({ groupCount: groups.length, firstLba, lastLba }, bytes)
  groups.forEach(({ id, state }, index) => {
    const at = REFERRAL_SEGMENT.length + index * REFERRAL_GROUP.length
    REFERRAL_GROUP.write({ state, group: id }, bytes, at)
  })
  return bytes
}

/** Sizes stay zero: the descriptors tell where each segment is. */
export const referralsPage = vpdPage(VpdCode.referrals, REFERRALS, () => ({}), offered)
