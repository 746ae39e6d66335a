// SPDX-License-Identifier: Apache-2.0
// READ (10) and (12), and READ CAPACITY (10).
import { CAPACITY_10, MMC_READ_10, MMC_READ_12, READ_CAPACITY_10 } from '@lunkit/spec'
import { type Binding, reply, type Task } from '@lunkit/target-api'
import { readBlocks } from '../../primary/read-blocks.ts'
import { type Disc, SECTOR } from '../disc.ts'
import { onDisc } from '../on-disc.ts'

/** FUA asks for nothing: what was never written is nowhere newer than on the disc. */
const read = (task: Task, { store }: Disc): void => readBlocks(task, store, SECTOR)

const readCapacity = onDisc(READ_CAPACITY_10, (task, { sectors }) => {
  reply(task, CAPACITY_10.write({ lastLba: sectors - 1, blockLength: SECTOR }))
})

export const reads: readonly Binding[] = [onDisc(MMC_READ_10, read), onDisc(MMC_READ_12, read), readCapacity]
