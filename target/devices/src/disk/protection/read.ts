// SPDX-License-Identifier: Apache-2.0
// READ with RDPROTECT: blocks and tags are read side by side and leave one behind the other.
import { failStore, LARGEST, StoreError, succeed, type Task } from '@lunkit/target-api'
import type { Disk } from '../disk.ts'
import { Walk, walk } from '../walk.ts'
import type { CommandTags } from './protection.ts'
import { TAG_LENGTH } from './tags.ts'

/** What the initiator takes, in whole blocks with their tags. */
const wantedBlocks = (task: Task, { blockSize }: Disk): number =>
  Math.min(task.blocks, Math.ceil(task.expectedIn / (blockSize + TAG_LENGTH)))

/** Bytes of memory that a READ needs: what leaves, and with tags room for a piece of it. */
export function readMemory(task: Task, disk: Disk, moved: boolean): number {
  const { blockSize } = disk
  if (!moved) return Math.min(task.blocks, Math.ceil(task.expectedIn / blockSize)) * blockSize
  const blocks = wantedBlocks(task, disk)
  return blocks * (blockSize + TAG_LENGTH) + Math.min(blocks * blockSize, LARGEST)
}

/** `task.protection` says what is checked. `forced`: what the cache holds reaches the medium first. */
export function readWithTags(task: Task, disk: Disk, forced: boolean) {
  task.inLength = task.blocks * (disk.blockSize + TAG_LENGTH)
  if (wantedBlocks(task, disk) === 0) return succeed(task)
  if (!forced || disk.writeThrough) return start(task, disk)
  task.io.onFinish = flushed
  disk.store.flush(task.io)
}

function flushed(task: Task): void {
  const disk = task.nexusUnit.unit.device as Disk
  if (task.io.error !== StoreError.none) failStore(task, disk.blockSize, true)
  else start(task, disk)
}

function start(task: Task, disk: Disk): void {
  const blocks = wantedBlocks(task, disk)
  task.reserve(blocks * (disk.blockSize + TAG_LENGTH))
  walk(task, disk, new ReadWithTags(disk, blocks))
}

/** Reads piece by piece beside the buffers that leave, and puts each block and its tags into them. */
class ReadWithTags extends Walk {
  readonly #blocks: number
  readonly #data: Buffer
  readonly #tags: Buffer
  #done = 0
  #piece = 0
  #segment = 0
  #at = 0

  constructor({ blockSize }: Disk, blocks: number) {
    super()
    const most = Math.min(blocks, Math.floor(LARGEST / blockSize))
    this.#blocks = blocks
    this.#data = Buffer.allocUnsafe(most * blockSize)
    this.#tags = Buffer.allocUnsafe(most * TAG_LENGTH)
  }

  next(task: Task, disk: Disk): boolean {
    const { blockSize } = disk
    if (this.#done === this.#blocks) return false
    this.#piece = Math.min(this.#data.length / blockSize, this.#blocks - this.#done)
    const { io } = task
    ;(task.protection as CommandTags).kept = this.#tags
    io.offset = (task.lba + this.#done) * blockSize
    io.length = this.#piece * blockSize
    io.segments.length = 0
    io.segments.push(this.#data.subarray(0, io.length))
    io.forceUnitAccess = false
    disk.store.read(io)
    return true
  }

  took(task: Task, { blockSize }: Disk): boolean {
    for (let block = 0; block < this.#piece; block++) {
      this.#put(task, this.#data, block * blockSize, blockSize)
      this.#put(task, this.#tags, block * TAG_LENGTH, TAG_LENGTH)
    }
    this.#done += this.#piece
    return true
  }

  #put({ segments }: Task, source: Buffer, from: number, count: number): void {
    for (let done = 0; done < count; ) {
      const into = segments[this.#segment]!
      const copied = source.copy(into, this.#at, from + done, from + count)
      done += copied
      this.#at += copied
      if (this.#at === into.length) {
        this.#at = 0
        this.#segment++
      }
    }
  }

  end(task: Task, disk: Disk): void {
    if (task.io.error !== StoreError.none) failStore(task, disk.blockSize, false)
    else succeed(task)
  }
}
