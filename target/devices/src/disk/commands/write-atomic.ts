// SPDX-License-Identifier: Apache-2.0
// WRITE ATOMIC (16) and (32): one write of a store that does it whole or not at all, whatever fails.
import { type Field, INVALID_FIELD_IN_CDB, WRITE_ATOMIC_16, WRITE_ATOMIC_32 } from '@lunkit/spec'
import { type Binding, fail, on, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'
import { write } from './write.ts'

interface Fields {
  readonly blocks: Field<number>
  readonly fua: Field<number>
}

function writeAtomic(task: Task, disk: Disk, { blocks, fua }: Fields) {
  if (task.blocks > disk.maxAtomic) return fail(task, INVALID_FIELD_IN_CDB, blocks)
  // Less data than blocks would be another write than the one that was to be whole.
  write(task, disk, fua.get(task.cdb, 0) === 1, true)
}

// Page B0h has MAXIMUM ATOMIC BOUNDARY SIZE zero: each command is one atomic write.
const refuses = ['protect', 'boundary'] as const

export const atomicWrites: readonly Binding[] = [
  on(WRITE_ATOMIC_16, (task: Task, disk: Disk) => writeAtomic(task, disk, WRITE_ATOMIC_16.cdb.field), {
    refuses,
  }),
  on(WRITE_ATOMIC_32, (task: Task, disk: Disk) => writeAtomic(task, disk, WRITE_ATOMIC_32.cdb.field), {
    refuses,
  }),
]
