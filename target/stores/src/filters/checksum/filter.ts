// SPDX-License-Identifier: Apache-2.0
// The filter checksum: what is read is what was written, or a medium error.
import { crc32c } from '@lunkit/spec'
import {
  type BackingStore,
  BufferPool,
  type Control,
  type FilterType,
  OperatorError,
  StoreError,
  type StoreIo,
  Task,
} from '@lunkit/target-api'
import { errorOf } from '../../errno.ts'
import { type BelowIo, BlockFilter, type Change } from '../block-filter.ts'
import { SegmentCursor } from '../segment-cursor.ts'
import { SideFile } from './side-file.ts'
import { ChecksumTable, GROUP } from './table.ts'

const USUAL_BLOCK = 4096
/** Checksums are four bytes each, and in memory. */
const MOST_BLOCKS = 2 ** 28

class CheckedStore extends BlockFilter {
  readonly #block: number
  readonly #table: ChecksumTable
  readonly #side: SideFile | null
  #size: number

  constructor(below: BackingStore, block: number, side: SideFile | null) {
    super(below, block, ['atomicWrite'])
    this.#block = block
    this.#side = side
    this.#size = below.size
    this.#table = side?.table ?? new ChecksumTable()
  }

  /** The checksums would be of other blocks. */
  protected override passesControl({ changes }: Control): boolean {
    return changes === 'nothing'
  }

  override get volatileCache(): boolean {
    return this.below.volatileCache || (this.canWrite && this.#side !== null)
  }

  override get note(): string {
    const lost = this.#side?.lost ?? 0
    const told = `${lost} groups of ${GROUP} checksums were not closed and are made anew as blocks are written`
    return [super.note, lost === 0 ? '' : told].filter(one => one !== '').join('; ')
  }

  override readBlocks(io: StoreIo): void {
    this.ask('read', io, this.#check)
  }

  override writeBlocks(io: StoreIo): void {
    this.#marked(io, groupsOf(io, this.#block), () => this.ask('write', io, this.#learn))
  }

  /** What was given back is not known until it is written again. */
  protected override changeBlocks(call: Change, io: StoreIo): void {
    const [from, to] = this.#blocksOf(io)
    this.#marked(io, this.#table.knowing(from, to), () => this.ask(call, io, this.#forget))
  }

  /** A last block that was, or is, a short one has another checksum as a whole one. */
  protected override async sizeChanged(): Promise<void> {
    const from = Math.floor(Math.min(this.size, this.#size) / this.#block)
    this.#size = this.size
    await this.#forgetFrom(from)
  }

  /** What is there now was written by nobody who went through here. */
  protected override mediumChanged(): void {
    this.#forgetFrom(0).catch(() => {})
  }

  /** At once; the promise is for the marks. */
  async #forgetFrom(from: number): Promise<void> {
    const groups = this.#table.knowing(from, Number.POSITIVE_INFINITY)
    this.#table.forget(from, Number.POSITIVE_INFINITY)
    await this.#side?.mark(groups)
  }

  /** Blocks first, then their checksums. */
  override flush(io: StoreIo): void {
    this.ask('flush', io, (below, error) => {
      if (error !== StoreError.none || this.#side === null) this.end(below, error)
      else {
        this.#side.save().then(
          () => this.end(below, error),
          cause => this.end(below, errorOf(cause, true)),
        )
      }
    })
  }

  override async close(): Promise<void> {
    const durable = this.#side === null || !this.canWrite || (await flushed(this.below))
    try {
      await this.#side?.close(durable)
    } finally {
      await this.below.close()
    }
  }

  #marked(io: StoreIo, groups: readonly number[], act: () => void): void {
    if (this.#side === null || this.#side.has(groups)) act()
    else {
      this.#side
        .mark(groups)
        .then(act, error => io.finish(errorOf(error, true)))
        // What the store below throws is its task's, and nobody's besides.
        .catch(cause => io.task.fault(cause))
    }
  }

  readonly #check = (below: BelowIo, error: StoreError): void => {
    if (error !== StoreError.none) {
      this.end(below, error)
      return
    }
    const { segments, offset, length } = below.outer
    const cursor = new SegmentCursor(segments)
    for (let at = 0; at < length; at += this.#block) {
      const found = sumOf(cursor, Math.min(this.#block, length - at))
      const wanted = this.#table.get((offset + at) / this.#block)
      if (wanted === 0 || wanted === found) continue
      below.failedAt = offset + at
      below.reason = `block at byte ${offset + at} has not the checksum that was written`
      this.end(below, StoreError.medium)
      return
    }
    this.end(below, error)
  }

  readonly #learn = (below: BelowIo, error: StoreError): void => {
    const { segments, offset, length } = below.outer
    const cursor = new SegmentCursor(segments)
    if (error !== StoreError.none) this.#table.forget(...this.#blocksOf(below.outer))
    else {
      for (let at = 0; at < length; at += this.#block) {
        const block = (offset + at) / this.#block
        const part = Math.min(this.#block, length - at)
        const sum = sumOf(cursor, part)
        // Where the storage has become longer or shorter meanwhile, that was not the whole block.
        const whole = Math.min(this.#block, this.size - offset - at) === part
        if (whole) this.#table.set(block, sum)
        else this.#table.forget(block, block + 1)
      }
    }
    this.end(below, error)
  }

  readonly #forget = (below: BelowIo, error: StoreError): void => {
    this.#table.forget(...this.#blocksOf(below.outer))
    this.end(below, error)
  }

  #blocksOf({ offset, length }: StoreIo): [from: number, to: number] {
    return [offset / this.#block, Math.ceil((offset + length) / this.#block)]
  }
}

function groupsOf({ offset, length }: StoreIo, block: number): number[] {
  const groups: number[] = []
  const last = Math.floor((offset + length - 1) / block / GROUP)
  for (let group = Math.floor(offset / block / GROUP); group <= last; group++) groups.push(group)
  return groups
}

/** Of the next bytes; never 0, which stands for none. */
function sumOf(cursor: SegmentCursor, length: number): number {
  let sum = 0
  for (let left = length; left > 0; ) {
    const part = cursor.next(left)
    sum = crc32c(part, 0, part.length, sum)
    left -= part.length
  }
  return sum || 1
}

/** Whether a flush of our own has gone well. */
function flushed(store: BackingStore): Promise<boolean> {
  return new Promise(resolve => {
    const ended = (): void => resolve(false)
    const { io } = new Task(new BufferPool(0), ended, ended)
    io.onFinish = () => resolve(io.error === StoreError.none)
    store.flush(io)
  })
}

export const filter: FilterType = {
  apiVersion: 1,
  name: 'checksum',
  parameters: {
    checksums: { type: 'path', help: 'File that keeps them, made if missing; memory if not given' },
    checksumblock: {
      type: 'integer',
      help: 'Bytes that have one checksum',
      choices: [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536],
      initial: USUAL_BLOCK,
    },
    checksumsmoved: {
      type: 'boolean',
      help: 'Take checksums= though the store below has another name now',
      initial: false,
    },
  },
  open: async (below, values) => {
    const block = Number(values['checksumblock'] ?? USUAL_BLOCK)
    const path = values['checksums']
    if (below.perNexus === true) {
      throw new OperatorError(
        'CHECKSUM_SHARED',
        'The filter checksum cannot know what is another for each initiator',
        { hint: 'write it behind that filter, as in overlay:checksum:disk.img' },
      )
    }
    if (below.size / block > MOST_BLOCKS) {
      throw new OperatorError(
        'CHECKSUM_SIZE',
        `The filter checksum cannot keep ${below.size / block} checksums`,
        {
          hint: 'give a larger checksumblock',
        },
      )
    }
    return new CheckedStore(
      below,
      block,
      path === undefined
        ? null
        : await SideFile.open(String(path), {
            block,
            of: below.identity,
            moved: values['checksumsmoved'] === true,
          }),
    )
  },
}
