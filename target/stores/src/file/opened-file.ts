// SPDX-License-Identifier: Apache-2.0
// What opening a file has found out and made, for the store.
import type { DirectFile } from '../direct/direct-transfers.ts'
import type { CachedReads } from './cached-reads.ts'
import type { SpaceCalls } from './linux-calls.ts'

/** What `open` found out and made. */
export interface OpenedFile {
  readonly fd: number
  /** The same file opened with O_DSYNC, for forced unit access; -1 where a flush has to do. Where it is `direct`, that of it. */
  readonly durableFd: number
  readonly realPath: string
  readonly size: number
  readonly preferredBlock: number
  readonly canWrite: boolean
  readonly reads: CachedReads
  /** Not null: everything goes around the page cache, by these descriptors. */
  readonly direct: DirectFile | null
  /** Everything is durable before it is answered. */
  readonly sync: boolean
  /** Not null: all of the file has room and keeps it; takes more, and rejects with OperatorError. */
  readonly takeRoom: ((from: number, to: number) => Promise<void>) | null
  /** The file system has no disk to wait for. */
  readonly inMemory: boolean
  /** Holes can be made, found and filled; null where they cannot. */
  readonly space: SpaceCalls | null
  /** Least bytes of a hole. */
  readonly holeSize: number
  /** Zeros can have room of their own, and it is told apart from holes. */
  readonly anchors: boolean
  /** What this machine lacks and what that costs; or empty. */
  readonly note: string
  /** Lets other lunkits open the file; called once, last. */
  readonly unlock: () => Promise<void>
}
