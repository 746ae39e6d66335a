// SPDX-License-Identifier: Apache-2.0
// The contract of a backing store: random-access bytes behind callbacks.
import type { Controls } from './controls.ts'
import type { Nexus } from './nexus.ts'
import type { ParameterTable, ParameterValues } from './parameters.ts'
import type { StoreIo } from './store-io.ts'

/** none: refused; emulated: the device builds it from the others; native: the store does it. */
export type Ability = 'none' | 'emulated' | 'native'

/** What has one user at a time, or only readers. */
export interface Hold {
  /** The same for all ways that lead to it, and for nothing else, such as `nbd:10.0.0.1:10809/disk`. */
  readonly name: string
  /** It is only read: others may read it, too. */
  readonly shared: boolean
}

/** A kind of store. One value per plug-in, stateless. */
export interface StoreType {
  readonly apiVersion: 1
  readonly name: string
  readonly parameters: ParameterTable
  /**
   * MAY. Storage that has no lock of its own, and that two units would spoil for each other. Asked before `open`: whoever serves it holds it
   * until it is closed, against all lunkits of this machine. Rejects with OperatorError.
   */
  hold?(values: ParameterValues): Promise<Hold>
  /** Rejects with OperatorError: file missing, locked, wrong size, unknown value. */
  open(values: ParameterValues): Promise<BackingStore>
}

/** Bytes that this store has taken up, and bytes it may still take. */
export interface StoreUsage {
  readonly used: number
  readonly available: number
}

/**
 * What a store tells unasked. `resized`: its size is another one. `away`: it cannot be reached. `returned`: it was away and
 * is there again, so that somebody else may have been at it, or it is not what it was.
 */
export type StoreEvent = 'resized' | 'away' | 'returned'

/** Hears it; a reason is for the operator's eyes. */
export type StoreWatcher = (event: StoreEvent, reason?: string) => void

/**
 * Random-access bytes. Abilities are read once, at open. Each call of read, write, flush, discard, anchor, writeZeroes, map and copy is
 * answered by exactly one `io.finish`, inside the call or later; calls may overlap. Offsets and lengths lie inside
 * `size`. A read that cannot fill every byte MUST fail; a failed write may have written any part.
 */
export interface BackingStore {
  /** Bytes; changes in `resize` and `rescan`, and just before `resized` is told. */
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
  /** Makes all writes finished before this call durable. Offset and length of the request mean nothing. */
  flush(io: StoreIo): void
  discard?(io: StoreIo): void
  writeZeroes?(io: StoreIo): void
  /** MAY. Most bytes of one write that is done whole or not at all, whatever fails in between, the power too. Not said: none. */
  readonly atomicWrite?: number
  /**
   * MAY, where discarded bytes read as zeros. The bytes read as zeros then, and writing them later needs no room that is not there (SBC:
   * anchored). `map`
   * may say of some of them that they are held: then they are zeros that take up their room.
   */
  anchor?(io: StoreIo): void
  /** MAY. Least bytes that a discard gives back, a power of two; shorter ones may do nothing. Not said: preferredBlock. */
  readonly discardGranularity?: number
  /** MAY. Whether every byte of a discard reads as zero then, even where it was too short to give room back (SBC: LBPRZ). */
  readonly discardedReadsZero?: boolean
  /** MAY. Discarded bytes are nowhere any more and nobody can bring them back, as in memory: good for a cryptographic erase. */
  readonly discardDestroys?: boolean
  /**
   * MAY. Tells whether the bytes from `io.offset` on are held by the store (`io.held`) and cuts `io.length` to a run
   * for which that is so; at least one byte, and maybe not all of them. What is not held reads as discarded bytes do.
   */
  map?(io: StoreIo): void
  /** MAY. Room of a store that gives out less than its size at first; null where it is not known now. */
  usage?(): Promise<StoreUsage | null>
  /** MAY. Whether `copy` can take bytes from that store without bringing them through the process. */
  copiesFrom?(source: BackingStore): boolean
  /** MAY. Copies `io.length` bytes from `sourceOffset` of `source` to `io.offset`. The ranges do not overlap. */
  copy?(io: StoreIo, source: BackingStore, sourceOffset: number): void
  /** MAY. Makes the storage this many bytes long; what is new reads as zeros. Rejects with OperatorError, and nothing is changed then. */
  resize?(size: number): Promise<void>
  /** MAY. What `resize` adds reads as anything, not as zeros; but nothing that was cut off comes back. */
  readonly grownReadsAnything?: boolean
  /** MAY. Looks how long the storage is now, should somebody else have changed it, and takes that as its size. */
  rescan?(): Promise<void>
  /** MAY. What an operator can have it do while it is used. A filter passes on those of the store below. */
  readonly controls?: Controls
  /** MAY. Bytes are others for each nexus of `io.task`: what one has written, another does not read. */
  readonly perNexus?: boolean
  /** MAY. A nexus is gone or was reset: what was kept for it is forgotten. Its last requests may still be under way, or come. */
  nexusLost?(nexus: Nexus): void
  /** MAY. Called once, by the device: `told` hears from then on what happens to the storage by itself. */
  watch?(told: StoreWatcher): void
  /** MAY. Hurries the end of a request under way; it still finishes once. */
  abort?(io: StoreIo): void
  /** No request is under way. */
  close(): Promise<void>
}
