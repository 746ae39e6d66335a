// SPDX-License-Identifier: Apache-2.0
// The null store: forgets what is written and reads zeros or nonsense, for tests and for measuring everything above it.
import {
  type BackingStore,
  OperatorError,
  StoreError,
  type StoreIo,
  type StoreType,
  type StoreUsage,
} from '@lunkit/target-api'

/** Where zeros are not wanted: bytes that mean nothing, and never what is left in a buffer. */
const NOTHING = 0xa5

class NullStore implements BackingStore {
  size: number
  readonly preferredBlock = 4096
  readonly canWrite = true
  readonly volatileCache = false
  readonly discards = 'native'
  readonly writesZeroes = 'native'
  readonly discardedReadsZero: boolean
  readonly identity = ''
  /** What every byte reads as. */
  readonly #reads: number
  constructor(size: number, zeros: boolean) {
    this.size = size
    this.discardedReadsZero = zeros
    this.#reads = zeros ? 0 : NOTHING
  }

  read(io: StoreIo): void {
    const { segments } = io
    for (let i = 0; i < segments.length; i++) segments[i]!.fill(this.#reads)
    this.#end(io)
  }

  write(io: StoreIo): void {
    this.#end(io)
  }

  flush(io: StoreIo): void {
    io.finish(StoreError.none)
  }

  discard(io: StoreIo): void {
    this.#end(io)
  }

  writeZeroes(io: StoreIo): void {
    this.#end(io)
  }

  /** Whatever was written, nothing is kept. */
  async usage(): Promise<StoreUsage> {
    return { used: 0, available: this.size }
  }

  async resize(size: number): Promise<void> {
    checkSize(size)
    this.size = size
  }

  async close(): Promise<void> {}

  #end(io: StoreIo): void {
    const inside = io.offset >= 0 && io.offset + io.length <= this.size
    io.finish(inside ? StoreError.none : StoreError.internal)
  }
}

export const store: StoreType = {
  apiVersion: 1,
  name: 'null',
  parameters: {
    size: { type: 'size', help: 'Size of the unit', initial: 2 ** 40, argument: true },
    read_zero: {
      type: 'boolean',
      help: 'Read zeros; with no, bytes that are not zero and mean nothing',
      initial: true,
    },
  },
  open: async values => {
    const size = Number(values['size'])
    checkSize(size)
    return new NullStore(size, values['read_zero'] !== false)
  },
}

function checkSize(size: number): void {
  if (Number.isSafeInteger(size) && size >= 1) return
  throw new OperatorError('NULL_SIZE', `A null store cannot have ${size} bytes`, {
    hint: 'give a size such as null:1T',
  })
}
