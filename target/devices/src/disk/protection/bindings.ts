// SPDX-License-Identifier: Apache-2.0
// The commands of a disk with protection information: each one's own function, with the tags taken off before it.
import {
  COMPARE_AND_WRITE,
  type Field,
  FORMAT_UNIT,
  ORWRITE_16,
  ORWRITE_32,
  READ_10,
  READ_12,
  READ_16,
  READ_32,
  VERIFY_10,
  VERIFY_12,
  VERIFY_16,
  VERIFY_32,
  WRITE_10,
  WRITE_12,
  WRITE_16,
  WRITE_32,
  WRITE_AND_VERIFY_10,
  WRITE_AND_VERIFY_12,
  WRITE_AND_VERIFY_16,
  WRITE_AND_VERIFY_32,
  WRITE_ATOMIC_16,
  WRITE_ATOMIC_32,
  WRITE_SAME_10,
  WRITE_SAME_16,
  WRITE_SAME_32,
} from '@lunkit/spec'
import type { Binding, Device, Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'
import { takeTags } from './data-out.ts'
import {
  checkProtect,
  commandTags,
  comparedFields,
  movesTags,
  objection,
  type ProtectFields,
  protectFields,
  usageOf,
  withField,
} from './protect-fields.ts'
import type { CommandTags, Protection } from './protection.ts'
import { readMemory, readWithTags } from './read.ts'
import { SentTags, TAG_LENGTH } from './tags.ts'

/** What the command says of its tags once its data is there, or null: it has its answer. */
type Prepare = (
  task: Task,
  protection: Protection,
  fields: ProtectFields,
  tags: CommandTags,
) => CommandTags | null

const ALL = 7
const SAME_BLOCK = 3
const ESCAPE = Buffer.alloc(TAG_LENGTH, 0xff)

/** WRITE, WRITE ATOMIC, WRITE AND VERIFY: what is sent is written, and read back the same. */
const write: Prepare = (task, protection, fields, tags) => {
  if (!movesTags(task, fields)) return tags
  const taken = takeTags(task, protection, tags, 1)
  if (taken === null) return null
  const sent = new SentTags(taken, false, protection.type)
  return { ...tags, sent, checks: 0, compared: sent, compares: ALL }
}

/** One block and its tags stand for all; without data they are zeros and the escape value. */
const writeSame: Prepare = (task, protection, fields, tags) => {
  const { type } = protection
  if (fields.ndob?.get(task.cdb, 0) === 1)
    return { ...tags, sent: new SentTags(ESCAPE, true, type), tagsZeros: true }
  if (!movesTags(task, fields)) return { ...tags, tagsZeros: true }
  const taken = takeTags(task, protection, tags, 1)
  if (taken === null) return null
  // What is unmapped has the escape value: other tags have to be written.
  if (!taken.equals(ESCAPE)) writeInstead(task, fields)
  return { ...tags, sent: new SentTags(taken, true, type), tagsZeros: true }
}

function writeInstead(task: Task, { unmap, anchor }: ProtectFields): void {
  // Where nothing can be anchored, the command's own check refuses that.
  const refused = anchor?.get(task.cdb, 0) === 1 && !(task.nexusUnit.unit.device as Disk).anchors
  if (refused || unmap?.get(task.cdb, 0) !== 1) return
  unmap.set(task.cdb, 0, 0)
  anchor?.set(task.cdb, 0, 0)
}

/** With data the medium's tags are compared with those sent, else they are checked. */
const verify: Prepare = (task, protection, fields, tags) => {
  const mode = fields.bytchk!.get(task.cdb, 0)
  if (mode === 0 || !movesTags(task, fields)) return tags
  const taken = takeTags(task, protection, tags, 1)
  if (taken === null) return null
  const compared = new SentTags(taken, mode === SAME_BLOCK, protection.type)
  return { ...tags, checks: 0, compared, compares: comparedFields(task, protection, fields) }
}

/** The first half is compared, the second is written. */
const compareAndWrite: Prepare = (task, protection, fields, tags) => {
  if (!movesTags(task, fields)) return tags
  const taken = takeTags(task, protection, tags, 2)
  if (taken === null) return null
  const half = taken.length / 2
  return {
    ...tags,
    checks: 0,
    compared: new SentTags(taken.subarray(0, half), false, protection.type),
    compares: comparedFields(task, protection, fields),
    sent: new SentTags(taken.subarray(half), false, protection.type),
  }
}

/** The medium is checked as what is sent is; the guards of what comes out are new. */
const orWrite: Prepare = (task, protection, fields, tags) => {
  if (!movesTags(task, fields)) return tags
  const taken = takeTags(task, protection, tags, 1)
  if (taken === null) return null
  return { ...tags, sent: new SentTags(taken, false, protection.type), makesGuards: true }
}

const each = (commands: readonly unknown[], prepare: Prepare) =>
  commands.map((command): [unknown, Prepare] => [command, prepare])

const PREPARES: ReadonlyMap<unknown, Prepare> = new Map([
  ...each([VERIFY_10, VERIFY_12, VERIFY_16, VERIFY_32], verify),
  ...each([WRITE_10, WRITE_12, WRITE_16, WRITE_32, WRITE_ATOMIC_16, WRITE_ATOMIC_32], write),
  ...each([WRITE_AND_VERIFY_10, WRITE_AND_VERIFY_12, WRITE_AND_VERIFY_16, WRITE_AND_VERIFY_32], write),
  ...each([WRITE_SAME_10, WRITE_SAME_16, WRITE_SAME_32], writeSame),
  ...each([ORWRITE_16, ORWRITE_32], orWrite),
  ...each([COMPARE_AND_WRITE], compareAndWrite),
])

/** These handle tags themselves. */
const READS: ReadonlySet<unknown> = new Set([READ_10, READ_12, READ_16, READ_32])

/** The bindings of a disk, made to take protect fields; those without one as they are. */
export const withProtection = (bindings: readonly Binding[]): readonly Binding[] =>
  bindings.map(binding => {
    if (binding.command === FORMAT_UNIT)
      return { ...binding, usage: withField(binding, FORMAT_UNIT.cdb.field.fmtpinfo) }
    const fields = protectFields(binding.command)
    if (fields === null) return binding
    if (READS.has(binding.command)) return reading(binding, fields)
    const prepare = PREPARES.get(binding.command)
    return prepare === undefined ? binding : preparing(binding, fields, prepare)
  })

function reading(binding: Binding, fields: ProtectFields): Binding {
  const fua = (binding.command.cdb.field as Readonly<Record<string, Field<number>>>)['fua']!
  return Object.freeze({
    ...binding,
    usage: usageOf(binding, fields),
    run: (task: Task, device: Device) => {
      const disk = device as Disk
      const protection = disk.protection!
      if (!checkProtect(task, protection, fields)) return
      if (!protection.formatted) return binding.run(task, device)
      task.protection = commandTags(task, protection, fields)
      if (movesTags(task, fields)) readWithTags(task, disk, fua.get(task.cdb, 0) === 1)
      else binding.run(task, device)
    },
    memoryIn: (task: Task, device: Device) => readMemory(task, device as Disk, movesTags(task, fields)),
  })
}

function preparing(binding: Binding, fields: ProtectFields, prepare: Prepare): Binding {
  return Object.freeze({
    ...binding,
    usage: usageOf(binding, fields),
    run: (task: Task, device: Device) => {
      const protection = (device as Disk).protection!
      if (!checkProtect(task, protection, fields)) return
      if (protection.formatted) {
        const tags = prepare(task, protection, fields, commandTags(task, protection, fields))
        if (tags === null) return
        task.protection = tags
      }
      binding.run(task, device)
    },
    dataOut: (task: Task, device: Device) => {
      const bytes = binding.dataOut?.(task, device) ?? task.blocks * device.blockSize
      if (!movesTags(task, fields)) return bytes
      // What is going to be refused needs no data.
      if (objection(task, (device as Disk).protection!, fields) !== null) return 0
      return (bytes / device.blockSize) * (device.blockSize + TAG_LENGTH)
    },
  })
}
