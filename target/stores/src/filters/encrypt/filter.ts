// SPDX-License-Identifier: Apache-2.0
// The filter encrypt: what the store below holds is AES-XTS; who has the key file reads it with dm-crypt, too.
import {
  type BackingStore,
  type FilterType,
  OperatorError,
  StoreError,
  type StoreIo,
} from '@lunkit/target-api'
import type { InnerIo } from '../../inner-io.ts'
import { BlockFilter, type Change } from '../block-filter.ts'
import { ask } from '../overlay/ask.ts'
import { type Key, readKey } from './key-file.ts'
import { Sectors } from './sectors.ts'

const USUAL_SECTOR = 512

/** What LUKS headers count their places in. */
const STEP = 512
/** How a LUKS header begins, of version 1 and 2. */
const LUKS = Buffer.from('LUKS\xba\xbe', 'latin1')

/** Zeros are data like any other here, so nothing reads as zeros by itself. */
const WITHOUT = ['writeZeroes', 'anchor', 'discardedReadsZero', 'atomicWrite'] as const

class EncryptedStore extends BlockFilter {
  declare readonly resize?: (size: number) => Promise<void>
  override readonly grownReadsAnything = true
  readonly #sector: number
  readonly #sectors: Sectors
  readonly #note: string

  constructor(below: BackingStore, { key, note }: Key, sector: number, start: number) {
    super(below, sector, WITHOUT, start)
    this.#sector = sector
    this.#sectors = new Sectors(key, sector)
    this.#note = note
    const { resize } = this
    if (resize !== undefined) {
      this.resize = async size => {
        checkWhole(size, sector)
        await resize(size)
      }
    }
  }

  /** A part of a sector at the end is nobody's. */
  override get size(): number {
    return super.size - (super.size % this.#sector)
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
      try {
        this.ask('write', io, (below, error) => this.end(below, error), data)
      } catch (cause) {
        // In a turn of the event loop of its own nobody else would hear of it.
        ;(io as InnerIo).fault(cause)
      }
    })
  }

  protected override changeBlocks(call: Change, io: StoreIo): void {
    this.ask(call, io, (below, error) => this.end(below, error))
  }
}

function checkWhole(bytes: number, sector: number): void {
  if (bytes >= sector && bytes % sector === 0) return
  throw new OperatorError('ENCRYPT_SIZE', `${bytes} bytes are no whole sectors of ${sector}`, {
    hint: 'give the storage a size that is a multiple of it',
  })
}

/** Whoever writes over a header has lost all that is behind it. */
async function refuseHeader(below: BackingStore): Promise<void> {
  const bytes = Buffer.alloc(STEP)
  const { error } = await ask(below, 'read', { bytes })
  if (error !== StoreError.none || !bytes.subarray(0, LUKS.length).equals(LUKS)) return
  throw new OperatorError('ENCRYPT_LUKS', 'The filter encrypt reads no LUKS header, and there is one', {
    hint: "say where the data begins (offset=, as 'cryptsetup luksDump' has it), with the volume key as keyfile=",
  })
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
    offset: {
      type: 'size',
      help: 'Where the data begins below, such as behind a LUKS header',
      initial: 0,
    },
  },
  open: async (below, values) => {
    const sector = Number(values['cryptsector'] ?? USUAL_SECTOR)
    const offset = Number(values['offset'] ?? 0)
    if (offset % STEP !== 0) {
      throw new OperatorError('ENCRYPT_OFFSET', `offset=${offset} is no multiple of ${STEP}`, {
        hint: "give that of 'cryptsetup luksDump', in bytes",
      })
    }
    if (offset >= below.size) {
      throw new OperatorError('ENCRYPT_OFFSET', `offset=${offset} is behind the ${below.size} bytes below`, {
        hint: 'give a smaller one',
      })
    }
    checkWhole(below.size - offset, sector)
    const key = await readKey(String(values['keyfile']))
    if (offset === 0) await refuseHeader(below)
    return new EncryptedStore(below, key, sector, offset)
  },
}
