// SPDX-License-Identifier: Apache-2.0
// The filter readonly: nothing that changes data reaches the store below.
import {
  type BackingStore,
  type FilterType,
  StoreError,
  type StoreIo,
  type StoreUsage,
} from '@lunkit/target-api'

class ReadonlyStore implements BackingStore {
  readonly canWrite = false
  readonly volatileCache = false
  readonly discards = 'none'
  readonly writesZeroes = 'none'
  readonly map?: (io: StoreIo) => void
  readonly abort?: (io: StoreIo) => void
  readonly usage?: () => Promise<StoreUsage | null>
  readonly rescan?: () => Promise<void>
  readonly #below: BackingStore

  constructor(below: BackingStore) {
    this.#below = below
    if (below.map !== undefined) this.map = io => below.map!(io)
    if (below.abort !== undefined) this.abort = io => below.abort!(io)
    if (below.usage !== undefined) this.usage = () => below.usage!()
    if (below.rescan !== undefined) this.rescan = () => below.rescan!()
  }

  get size(): number {
    return this.#below.size
  }
  get preferredBlock(): number {
    return this.#below.preferredBlock
  }
  get identity(): string {
    return this.#below.identity
  }
  get note(): string {
    return this.#below.note ?? ''
  }

  read(io: StoreIo): void {
    this.#below.read(io)
  }

  write(io: StoreIo): void {
    io.finish(StoreError.readOnly)
  }

  flush(io: StoreIo): void {
    io.finish(StoreError.none)
  }

  close(): Promise<void> {
    return this.#below.close()
  }
}

export const filter: FilterType = {
  apiVersion: 1,
  name: 'readonly',
  parameters: {},
  open: async below => new ReadonlyStore(below),
}
