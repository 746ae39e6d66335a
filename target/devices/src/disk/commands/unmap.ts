// SPDX-License-Identifier: Apache-2.0
// UNMAP: ranges that nobody needs any more go back to the store, or become room that is kept for later.
import {
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  LBA_OUT_OF_RANGE,
  PARAMETER_LIST_LENGTH_ERROR,
  UNMAP,
  UNMAP_DESCRIPTOR,
  UNMAP_HEADER,
} from '@lunkit/spec'
import { fail, failParameter, failStore, on, StoreError, succeed, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'
import { MAX_UNMAP_BLOCKS, MAX_UNMAP_DESCRIPTORS } from '../limits.ts'
import { Walk, walk } from '../walk.ts'

const { lba, blocks } = UNMAP_DESCRIPTOR.field
const { anchor } = UNMAP.cdb.field

/** One request for each descriptor, in their order. */
class Discards extends Walk {
  readonly #list: Buffer
  #at = UNMAP_HEADER.length

  constructor(list: Buffer) {
    super()
    this.#list = list
  }

  next(task: Task, disk: Disk): boolean {
    const list = this.#list
    while (this.#at < list.length && blocks.get(list, this.#at) === 0) this.#at += UNMAP_DESCRIPTOR.length
    if (this.#at >= list.length) return false
    const { io } = task
    io.offset = lba.get(list, this.#at) * disk.blockSize
    io.length = blocks.get(list, this.#at) * disk.blockSize
    io.segments.length = 0
    if (anchor.get(task.cdb, 0) === 1) disk.store.anchor!(io)
    else disk.store.discard!(io)
    return true
  }

  took(): boolean {
    this.#at += UNMAP_DESCRIPTOR.length
    return true
  }

  end(task: Task, disk: Disk): void {
    if (task.io.error !== StoreError.none) failStore(task, disk.blockSize, true)
    // Without a write cache, what the initiator gave back must not come back after a power failure.
    else if (disk.writeThrough && disk.store.volatileCache) disk.flush(task, durable)
    else succeed(task)
  }
}

export const unmap = on(UNMAP, (task: Task, disk: Disk) => {
  if (anchor.get(task.cdb, 0) === 1 && !disk.anchors) return fail(task, INVALID_FIELD_IN_CDB, anchor)
  if (task.outLength === 0) return succeed(task)
  const list = listOf(task)
  if (list === null) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
  const objection = check(list, disk)
  if (objection !== null) return failParameter(task, objection.code, objection.at)
  walk(task, disk, new Discards(list))
})

function durable(task: Task): void {
  if (task.io.error !== StoreError.none) failStore(task, task.nexusUnit.unit.device.blockSize, true)
  else succeed(task)
}

/** Header and whole descriptors, or null if the list is too short for what it says. */
function listOf(task: Task): Buffer | null {
  const head = UNMAP_HEADER.length
  const list = Buffer.concat(task.segments, Math.min(task.received, task.outLength))
  if (list.length < task.outLength || list.length < head) return null
  const length = UNMAP_HEADER.field.descriptorLength.get(list, 0)
  if (head + length > list.length) return null
  // SBC-4: what is left of a last descriptor that is not whole does not count.
  return list.subarray(0, head + length - (length % UNMAP_DESCRIPTOR.length))
}

function check(list: Buffer, disk: Disk) {
  const head = UNMAP_HEADER.length
  const size = UNMAP_DESCRIPTOR.length
  if ((list.length - head) / size > MAX_UNMAP_DESCRIPTORS) {
    return { code: INVALID_FIELD_IN_PARAMETER_LIST, at: UNMAP_HEADER.field.descriptorLength.byte }
  }
  let sum = 0
  for (let at = head; at < list.length; at += size) {
    const count = blocks.get(list, at)
    sum += count
    if (lba.get(list, at) + count > disk.blocks) return { code: LBA_OUT_OF_RANGE, at: at + lba.byte }
    if (sum > MAX_UNMAP_BLOCKS) return { code: INVALID_FIELD_IN_PARAMETER_LIST, at: at + blocks.byte }
  }
  return null
}
