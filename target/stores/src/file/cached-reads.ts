// SPDX-License-Identifier: Apache-2.0
// Reads on the event loop, for bytes that are in the page cache: the hot road of a read.
import { performance } from 'node:perf_hooks'
import type { StoreIo } from '@lunkit/target-api'
import type { FileCalls } from './file-calls.ts'
import { InlineBudget, MOST_INLINE } from './inline-budget.ts'
import type { LinuxCalls } from './linux-calls.ts'

/** One road for reads that need no thread. */
export interface CachedReads {
  readonly how: 'preadv2' | 'readSync' | 'threads'
  /**
   * Fills as many bytes from the request's start as it can at once; the thread pool reads the rest. Never throws. The
   * segments MUST sum up to the request's length, which is not 0.
   */
  read(io: StoreIo): number
}

const MOST_VECTORS = 64

/** iovec[]: address and length, each as two 32-bit words. Used within one call, by all files. */
const vectors = new Uint32Array(4 * MOST_VECTORS)

/** preadv2 with RWF_NOWAIT: never blocks, allocates nothing. */
export class NoWaitReads implements CachedReads {
  readonly how = 'preadv2'
  readonly #fd: number
  readonly #calls: LinuxCalls
  constructor(fd: number, calls: LinuxCalls) {
    this.#fd = fd
    this.#calls = calls
  }

  read(io: StoreIo): number {
    const { segments } = io
    if (io.length > MOST_INLINE || segments.length > MOST_VECTORS) return 0
    for (let i = 0; i < segments.length; i++) this.#point(i, segments[i]!)
    const got = this.#calls.readCached(this.#fd, vectors, segments.length, io.offset)
    return Math.max(got, 0)
  }

  #point(index: number, part: Buffer): void {
    const address = this.#calls.addressOf(part.buffer) + part.byteOffset
    const at = 4 * index
    vectors[at] = address >>> 0
    vectors[at + 1] = Math.floor(address / 0x1_0000_0000)
    vectors[at + 2] = part.length
  }
}

/** Most bytes of a read that may wait for a disk. */
const MOST_TIMED_BYTES = 65536
/** Well above a cached 64 KiB (about 5 µs), below most disks' answers. */
const SLOW_READ = 0.25

/** readSync under a time budget: may block, but not often. A file system in memory needs no budget. */
export class TimedReads implements CachedReads {
  readonly how = 'readSync'
  readonly #fd: number
  readonly #calls: FileCalls
  readonly #most: number
  /** Null: the file system has no disk to wait for. */
  readonly #budget: InlineBudget | null
  constructor(fd: number, calls: FileCalls, inMemory: boolean) {
    this.#most = inMemory ? MOST_INLINE : MOST_TIMED_BYTES
    this.#budget = inMemory ? null : new InlineBudget(SLOW_READ)
    this.#fd = fd
    this.#calls = calls
  }

  read(io: StoreIo): number {
    if (io.length > this.#most) return 0
    if (this.#budget === null) return this.#get(io)
    const from = performance.now()
    if (!this.#budget.allows(from)) return 0
    const got = this.#get(io)
    this.#budget.spent(from, performance.now())
    return got
  }

  #get(io: StoreIo): number {
    try {
      const { segments } = io
      const first = segments[0]!
      return segments.length === 1
        ? this.#calls.readSync(this.#fd, first, 0, first.length, io.offset)
        : this.#calls.readvSync(this.#fd, segments, io.offset)
    } catch {
      // The thread pool meets the same error and answers it.
      return 0
    }
  }
}

/** Every read takes a thread. */
export class NoReads implements CachedReads {
  readonly how = 'threads'
  read(_io: StoreIo): number {
    return 0
  }
}

/**
 * Whether preadv2 brings what an ordinary read brings: proves koffi, the C library, the kernel and this file system
 * at once. The bytes are cached by the ordinary read just before.
 */
export async function noWaitWorks(fd: number, calls: LinuxCalls, usual: FileCalls): Promise<boolean> {
  const wanted = Buffer.alloc(64)
  const got = Buffer.alloc(64)
  const length = await new Promise<number>(resolve => {
    usual.read(fd, wanted, 0, wanted.length, 0, (error, bytes) => resolve(error === null ? bytes : 0))
  })
  const address = calls.addressOf(got.buffer) + got.byteOffset
  const vector = Uint32Array.of(address >>> 0, Math.floor(address / 0x1_0000_0000), length, 0)
  const read = calls.readCached(fd, vector, 1, 0)
  if (read < 0) return calls.errno() === calls.again
  return length > 0 && read === length && got.equals(wanted)
}
