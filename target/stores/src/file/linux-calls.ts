// SPDX-License-Identifier: Apache-2.0
// The two Linux calls that Node lacks and the file store wants, bound through koffi where it is installed.
import { endianness } from 'node:os'

/** Fails with EAGAIN instead of waiting for the disk (preadv2(2)). */
const RWF_NOWAIT = 8
const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4

export interface LinuxCalls {
  /**
   * preadv2 with RWF_NOWAIT: fills from the page cache what is there. `vectors` is an array of iovec as 32-bit words.
   * Bytes read, or -1; then `errno` tells why.
   */
  readCached(fd: number, vectors: Uint32Array, count: number, offset: number): number
  /** Address of an ArrayBuffer's first byte; stable for its life, as long as nobody transfers it. */
  addressOf(memory: ArrayBufferLike): number
  /** flock(2), without waiting: 0, or an errno. */
  lock(fd: number, shared: boolean): number
  errno(): number
  /** EAGAIN: not cached; of `lock`: somebody else holds it. */
  readonly again: number
}

let bound: Promise<LinuxCalls | null> | null = null

/** Binds once per process; null where koffi is not installed or the C library lacks the calls. */
export function linuxCalls(): Promise<LinuxCalls | null> {
  bound ??= bind()
  return bound
}

async function bind(): Promise<LinuxCalls | null> {
  // Vectors are laid out for 64-bit little-endian machines.
  if (process.platform !== 'linux' || !process.arch.endsWith('64') || endianness() !== 'LE') return null
  try {
    const { default: koffi } = await import('koffi')
    const library = koffi.load(null)
    const preadv2 = library.func('intptr_t preadv2(int fd, void *iov, int count, int64_t offset, int flags)')
    const flock = library.func('int flock(int fd, int operation)')
    const errno = (): number => koffi.errno()
    return {
      readCached: (fd, vectors, count, offset) => preadv2(fd, vectors, count, offset, RWF_NOWAIT) as number,
      addressOf: memory => Number(koffi.address(new Uint8Array(memory))),
      lock: (fd, shared) => {
        const failed = flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) !== 0
        return failed ? errno() : 0
      },
      errno,
      again: koffi.os.errno['EAGAIN']!,
    }
  } catch {
    return null
  }
}
