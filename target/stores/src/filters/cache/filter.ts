// SPDX-License-Identifier: Apache-2.0
// The filter cache: blocks that were read or written lately are kept in memory, and read from there.
import {
  type BackingStore,
  type FilterType,
  OperatorError,
  StoreError,
  type StoreIo,
} from '@lunkit/target-api'
import { type BelowIo, BlockFilter, type Change } from '../block-filter.ts'
import { KeptBlocks } from './kept-blocks.ts'

const USUAL = 64 * 2 ** 20
/** A block of the cache is that of the store below, within these bounds. */
const LEAST_BLOCK = 4096
const MOST_BLOCK = 65536
const LEAST_BLOCKS = 16

/** Every write reaches the store below before it is answered, and is as durable as that one makes it. */
class CachedStore extends BlockFilter {
  readonly #blocks: KeptBlocks

  constructor(below: BackingStore, block: number, bytes: number) {
    super(below, block)
    this.#blocks = new KeptBlocks(block, bytes)
  }

  override readBlocks(io: StoreIo): void {
    if (this.#blocks.get(io)) io.finish(StoreError.none)
    else this.ask('read', io, this.#keep)
  }

  override writeBlocks(io: StoreIo): void {
    this.ask('write', io, this.#keep)
  }

  protected override changeBlocks(call: Change, io: StoreIo): void {
    this.ask(call, io, this.#drop)
  }

  protected override mediumChanged(): void {
    this.#blocks.clear()
  }

  protected override sizeChanged(): void {
    this.#blocks.clear()
  }

  readonly #keep = (below: BelowIo, error: StoreError): void => {
    if (error === StoreError.none) this.#blocks.put(below.outer)
    else this.#blocks.drop(below.outer)
    this.end(below, error)
  }

  readonly #drop = (below: BelowIo, error: StoreError): void => {
    this.#blocks.drop(below.outer)
    this.end(below, error)
  }
}

export const filter: FilterType = {
  apiVersion: 1,
  name: 'cache',
  parameters: {
    cachesize: { type: 'size', help: 'Most bytes of memory that it takes', initial: USUAL },
  },
  open: async (below, values) => {
    const bytes = Number(values['cachesize'] ?? USUAL)
    const block = Math.min(Math.max(below.preferredBlock, LEAST_BLOCK), MOST_BLOCK)
    if (below.perNexus === true) {
      throw new OperatorError(
        'CACHE_SHARED',
        'The filter cache cannot keep what is another for each initiator',
        { hint: 'write it behind that filter, as in overlay:cache:disk.img' },
      )
    }
    if (bytes >= LEAST_BLOCKS * block) return new CachedStore(below, block, bytes)
    throw new OperatorError('CACHE_SIZE', `The filter cache cannot do with ${bytes} bytes`, {
      hint: `give cachesize=${LEAST_BLOCKS * block} or more`,
    })
  },
}
