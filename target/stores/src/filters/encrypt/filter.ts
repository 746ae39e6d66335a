// SPDX-License-Identifier: Apache-2.0
// The filter encrypt: what the store below holds is AES-XTS; who has the key file reads it with dm-crypt, too.
import {
  type BackingStore,
  type FilterType,
  OperatorError,
  StoreError,
  type StoreIo,
} from '@lunkit/target-api'
import { BlockFilter, type Change } from '../block-filter.ts'
import { type Key, readKey } from './key-file.ts'
import { Sectors } from './sectors.ts'

const USUAL_SECTOR = 512

/** Zeros are data like any other here, so nothing reads as zeros by itself, what is new after a change of size neither. */
const WITHOUT = ['writeZeroes', 'anchor', 'discardedReadsZero', 'atomicWrite', 'resize'] as const

class EncryptedStore extends BlockFilter {
  readonly #sectors: Sectors
  readonly #note: string

  constructor(below: BackingStore, { key, note }: Key, sector: number) {
    super(below, sector, WITHOUT)
    this.#sectors = new Sectors(key, sector)
    this.#note = note
  }

  override get note(): string {
    return [super.note, this.#note].filter(one => one !== '').join('; ')
  }

  override readBlocks(io: StoreIo): void {
    this.ask('read', io, (below, error) => {
      if (error !== StoreError.none) this.end(below, error)
      else {
        const { segments, offset, length } = io
        this.#sectors.turn('decrypt', segments, segments, offset, length, () => this.end(below, error))
      }
    })
  }

  /** Received data is not this filter's to change: it goes on as a copy. */
  override writeBlocks(io: StoreIo): void {
    const data = [Buffer.allocUnsafeSlow(io.length)]
    this.#sectors.turn('encrypt', io.segments, data, io.offset, io.length, () => {
      this.ask('write', io, (below, error) => this.end(below, error), data)
    })
  }

  protected override changeBlocks(call: Change, io: StoreIo): void {
    this.ask(call, io, (below, error) => this.end(below, error))
  }
}

export const filter: FilterType = {
  apiVersion: 1,
  name: 'encrypt',
  parameters: {
    keyfile: {
      type: 'path',
      help: 'File with the key: 64 bytes that chance made, or 128 hex digits',
      required: true,
    },
    cryptsector: {
      type: 'integer',
      help: 'Bytes that are encrypted together, as dm-crypt has it',
      choices: [512, 1024, 2048, 4096],
      initial: USUAL_SECTOR,
    },
  },
  open: async (below, values) => {
    const sector = Number(values['cryptsector'] ?? USUAL_SECTOR)
    if (below.size % sector !== 0) {
      throw new OperatorError('ENCRYPT_SIZE', `${below.size} bytes are no whole sectors of ${sector}`, {
        hint: 'give the storage a size that is a multiple of it',
      })
    }
    return new EncryptedStore(below, await readKey(String(values['keyfile'])), sector)
  },
}
