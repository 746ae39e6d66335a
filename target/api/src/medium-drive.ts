// SPDX-License-Identifier: Apache-2.0
// The contract of a drive: a device whose medium an operator takes out and puts in while it runs.
import type { BackingStore } from './backing-store.ts'

/** What the engine asks of a drive; nothing here waits for commands, so the engine does that in between. */
export interface MediumDrive {
  /** A medium is in the closed tray: commands may be at its store. */
  readonly loaded: boolean
  /** Tells initiators that an operator wants the medium, whose removal they prevent. */
  requestRemoval(): void
  /** Opens the tray and keeps it so: until `release`, no initiator can close it. */
  hold(): void
  release(): void
  /**
   * Takes what is in the tray, which is held open, and gives its store to the caller; null if that is nothing. Commands
   * that were at it have ended.
   */
  takeOut(): Promise<BackingStore | null>
  /** Throws OperatorError if this store cannot be a medium here. */
  check(store: BackingStore): void
  /** Puts a medium that was checked into the empty tray and closes it; the drive owns the store then. */
  insert(store: BackingStore): void
  /** Puts a medium beside the drive: each load takes the next one. The drive owns the store; throws as `check` does. */
  stack(store: BackingStore): void
}
