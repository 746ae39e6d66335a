// SPDX-License-Identifier: Apache-2.0
// The filter readonly: nothing that changes data reaches the store below.
import { type BackingStore, type FilterType, StoreError, type StoreIo } from '@lunkit/target-api'
import { PassingStore } from '../passing.ts'

class ReadonlyStore extends PassingStore {
  constructor(below: BackingStore) {
    super(below, ['discard', 'writeZeroes', 'anchor', 'copy', 'resize', 'atomicWrite', 'discardDestroys'])
  }

  override get canWrite(): boolean {
    return false
  }
  override get volatileCache(): boolean {
    return false
  }

  override write(io: StoreIo): void {
    io.finish(StoreError.readOnly)
  }

  override flush(io: StoreIo): void {
    io.finish(StoreError.none)
  }
}

export const filter: FilterType = {
  apiVersion: 1,
  name: 'readonly',
  parameters: {},
  open: async below => new ReadonlyStore(below),
}
