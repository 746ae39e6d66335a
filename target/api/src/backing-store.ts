// SPDX-License-Identifier: Apache-2.0
// The contract of a backing store: random-access bytes behind callbacks.
import type { ParameterTable, ParameterValues } from './parameters.ts'
import type { StoreIo } from './store-io.ts'

/** none: refused; emulated: the device builds it from the others; native: the store does it. */
export type Ability = 'none' | 'emulated' | 'native'

/** A kind of store. One value per plug-in, stateless. */
export interface StoreType {
  readonly apiVersion: 1
  readonly name: string
  readonly parameters: ParameterTable
  /** Rejects with OperatorError: file missing, locked, wrong size, unknown value. */
  open(values: ParameterValues): Promise<BackingStore>
}

/**
 * Random-access bytes. Abilities are read once, at open. Each call of read, write, flush, discard, writeZeroes is
 * answered by exactly one `io.finish`, inside the call or later; calls may overlap. Offsets and lengths lie inside
 * `size`. A read that cannot fill every byte MUST fail; a failed write may have written any part.
 */
export interface BackingStore {
  /** Bytes, fixed while open unless `onResize` is called. */
  readonly size: number
  /** Bytes that are best read and written at once; a power of two. */
  readonly preferredBlock: number
  readonly canWrite: boolean
  /** A write answered without forceUnitAccess may still be lost at power failure until `flush` (SBC: WCE). */
  readonly volatileCache: boolean
  readonly discards: Ability
  readonly writesZeroes: Ability
  /**
   * What tells this storage from all others, such as `file:/srv/disk.img`; seeds the unit's identity. Empty where it
   * has no name of its own: then target and LUN do.
   */
  readonly identity: string
  /** MAY. What this machine lacks and what that costs, in a sentence for the operator; empty if nothing. */
  readonly note?: string
  read(io: StoreIo): void
  write(io: StoreIo): void
  /** Makes all writes finished before this call durable. */
  flush(io: StoreIo): void
  discard?(io: StoreIo): void
  writeZeroes?(io: StoreIo): void
  /** MAY. Hurries the end of a request under way; it still finishes once. */
  abort?(io: StoreIo): void
  /** No request is under way. */
  close(): Promise<void>
}
