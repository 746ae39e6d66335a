// SPDX-License-Identifier: Apache-2.0
// READ (10) and (12), and READ CAPACITY (10).
import { CAPACITY_10, MMC_READ_10, MMC_READ_12, READ_CAPACITY_10 } from '@lunkit/spec'
import { type Binding, on, reply, type Task } from '@lunkit/target-api'
import { readBlocks } from '../../primary/read-blocks.ts'
import { SECTOR } from '../disc.ts'
import type { Drive } from '../drive.ts'

/** FUA asks for nothing: what was never written is nowhere newer than on the disc. */
const read = (task: Task, { disc }: Drive): void => readBlocks(task, disc!.store, SECTOR)

const readCapacity = on(READ_CAPACITY_10, (task: Task, { blocks }: Drive) => {
  reply(task, CAPACITY_10.write({ lastLba: blocks - 1, blockLength: SECTOR }))
})

export const reads: readonly Binding[] = [on(MMC_READ_10, read), on(MMC_READ_12, read), readCapacity]
