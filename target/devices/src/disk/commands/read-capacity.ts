// SPDX-License-Identifier: Apache-2.0
// READ CAPACITY (10) and (16): how many blocks, of what size, and how they lie on physical blocks.
import { CAPACITY_10, CAPACITY_16, READ_CAPACITY_10, READ_CAPACITY_16 } from '@lunkit/spec'
import { type Binding, on, reply, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'

/** What the ten-byte answer says where the last LBA does not fit: ask READ CAPACITY (16). */
const BEYOND = 0xffff_ffff

const readCapacity10 = on(READ_CAPACITY_10, (task: Task, disk: Disk) => {
  reply(task, CAPACITY_10.write({ lastLba: Math.min(disk.blocks - 1, BEYOND), blockLength: disk.blockSize }))
})

const { allocation } = READ_CAPACITY_16.cdb.field

const readCapacity16 = on(READ_CAPACITY_16, (task: Task, disk: Disk) => {
  const answer = CAPACITY_16.write({
    lastLba: disk.blocks - 1,
    blockLength: disk.blockSize,
    // P_TYPE counts from type 1; P_I_EXPONENT is zero: eight bytes a block.
    ...(disk.protection?.formatted && {
      protectionEnabled: 1,
      protectionType: disk.protection.type - 1,
    }),
    physicalExponent: Math.log2(disk.physicalBlock / disk.blockSize),
    lbpme: disk.thin ? 1 : 0,
    lbprz: disk.unmappedReadsZero ? 1 : 0,
  })
  reply(task, answer, allocation.get(task.cdb, 0))
})

export const capacities: readonly Binding[] = [readCapacity10, readCapacity16]
