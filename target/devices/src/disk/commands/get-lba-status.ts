// SPDX-License-Identifier: Apache-2.0
// GET LBA STATUS (16): one descriptor, for no store tells which of its blocks it holds.
import { GET_LBA_STATUS_16, LBA_STATUS_DESCRIPTOR, LBA_STATUS_HEADER, ProvisioningStatus } from '@lunkit/spec'
import { on, reply, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'

const { allocation } = GET_LBA_STATUS_16.cdb.field
const MOST = 0xffff_ffff

export const getLbaStatus16 = on(
  GET_LBA_STATUS_16,
  (task: Task, disk: Disk) => {
    const head = LBA_STATUS_HEADER.length
    const answer = new Uint8Array(head + LBA_STATUS_DESCRIPTOR.length)
    LBA_STATUS_HEADER.write({ length: answer.length - 4 }, answer)
    LBA_STATUS_DESCRIPTOR.write(
      {
        lba: task.lba,
        blocks: Math.min(disk.blocks - task.lba, MOST),
        // Mapped, or not known (SBC-4).
        provisioning: ProvisioningStatus.mapped,
      },
      answer,
      head,
    )
    reply(task, answer, allocation.get(task.cdb, 0))
  },
  { refuses: ['reportType'] },
)
