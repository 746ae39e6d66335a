// SPDX-License-Identifier: Apache-2.0
// The Linux calls that Node lacks and the file store wants, bound through koffi where it is installed.
import { endianness } from 'node:os'

/** Fails with EAGAIN instead of waiting for the disk (preadv2(2)). */
const RWF_NOWAIT = 8
const LOCK_SH = 1
const LOCK_EX = 2
const LOCK_NB = 4
// fallocate(2).
const KEEP_SIZE = 1
const PUNCH_HOLE = 2
const ZERO_RANGE = 16
// lseek(2).
const SEEK_DATA = 3
const SEEK_HOLE = 4
/** ioctl_fiemap(2): a head of 32 bytes, then extents of 56. */
const FIEMAP = 0xc020_660b
const FIEMAP_HEAD = 32
const FIEMAP_EXTENT = 56
const FIEMAP_COUNT = 32
const EXTENT_UNWRITTEN = 0x800
/** ioctl_iflags(2): the file is mapped by extents (ext4). */
const GET_FLAGS = 0x8008_6601
const EXTENTS_FLAG = 0x8_0000
/** posix_fadvise(2). */
const ADVICE = { normal: 0, no: 1, random: 1, sequential: 2 } as const
/** Of linux/fs.h: gives a range of a block device back, and tells how long it is. */
const BLKDISCARD = 0x1277
const BLKGETSIZE64 = 0x8008_1272
/** ioctl_ficlonerange(2), as most machines number it; where it is another number, the call fails and nothing is lost. */
const FICLONERANGE = 0x4020_940d

/** Answers later, on the event loop. `errno` is 0 where `result` is what was asked for, else `result` is -1. */
type Answer = (result: number, errno: number) => void

export interface Run {
  readonly offset: number
  readonly length: number
}

/** Calls that may take long, made on a thread of the pool. */
export interface SpaceCalls {
  /** Makes a hole, which reads as zeros; the file keeps its length. */
  punch(fd: number, offset: number, length: number, answer: Answer): void
  /** Room for what has none; everything reads as before. */
  reserve(fd: number, offset: number, length: number, answer: Answer): void
  /** Zeros that take up room: nothing has to be found for them when they are written over. */
  zero(fd: number, offset: number, length: number, answer: Answer): void
  /** Gives blocks of a block device back, whatever they read as then. */
  discard(fd: number, offset: number, length: number, answer: Answer): void
  /** First offset from `offset` on that has data, or lies in a hole; ENXIO: there is none before the end. */
  seek(fd: number, offset: number, wanted: 'data' | 'hole', answer: Answer): void
  /** First run of reserved, unwritten room in the range; its `length` is 0 if there is none. */
  reserved(fd: number, offset: number, length: number, answer: (run: Run | null, errno: number) => void): void
  /** The file is one of ext4 that has extents; false for all others. */
  hasExtents(fd: number): boolean
  /** copy_file_range(2): bytes copied, maybe fewer. */
  copy(from: number, fromOffset: number, to: number, toOffset: number, length: number, answer: Answer): void
  /** Lets both files share the blocks. Takes whole blocks of the file system. */
  clone(from: number, fromOffset: number, to: number, toOffset: number, length: number, answer: Answer): void
}

export interface LinuxCalls {
  /** What the kernel is to read ahead in this descriptor: 0, or an errno. */
  readAhead(fd: number, how: keyof typeof ADVICE): number
  /**
   * preadv2 with RWF_NOWAIT: fills from the page cache what is there. `vectors` is an array of iovec as 32-bit words.
   * Bytes read, or -1; then `errno` tells why.
   */
  readCached(fd: number, vectors: Uint32Array, count: number, offset: number): number
  /** Address of an ArrayBuffer's first byte; stable for its life, as long as nobody transfers it. */
  addressOf(memory: ArrayBufferLike): number
  /** flock(2), without waiting: 0, or an errno. */
  lock(fd: number, shared: boolean): number
  /** Bytes of a block device, or -1. */
  deviceSize(fd: number): number
  errno(): number
  /** EAGAIN: not cached; of `lock`: somebody else holds it. */
  readonly again: number
  readonly space: SpaceCalls
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
    const fallocate = library.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)')
    const lseek = library.func('int64_t lseek(int fd, int64_t offset, int whence)')
    const copyFileRange = library.func(
      'intptr_t copy_file_range(int from, void *at, int to, void *toAt, size_t length, unsigned int flags)',
    )
    const fadvise = library.func('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)')
    const ioctl = library.func('int ioctl(int fd, unsigned long request, void *argument)')
    /** What a call under way points to must not be collected. */
    const pointedTo = new Set<unknown>()
    const ended = (answer: Answer, memory?: unknown) => (error: Error | null, result: number) => {
      // koffi sets errno to that of the call just before it answers.
      const code = error !== null ? koffi.os.errno['EFAULT']! : Number(result) < 0 ? errno() : 0
      pointedTo.delete(memory)
      answer(code === 0 ? Number(result) : -1, code)
    }
    /** To ask for one takes longer than a read; buffers are few, and used again and again. */
    const addresses = new WeakMap<ArrayBufferLike, number>()
    const addressOf = (memory: ArrayBufferLike): number => {
      const known = addresses.get(memory)
      if (known !== undefined) return known
      const address = Number(koffi.address(new Uint8Array(memory)))
      addresses.set(memory, address)
      return address
    }
    const pair = (first: number, second: number): BigInt64Array => {
      const memory = BigInt64Array.of(BigInt(first), BigInt(second))
      pointedTo.add(memory)
      return memory
    }
    const space: SpaceCalls = {
      punch: (fd, offset, length, answer) =>
        fallocate.async(fd, KEEP_SIZE | PUNCH_HOLE, offset, length, ended(answer)),
      reserve: (fd, offset, length, answer) => fallocate.async(fd, 0, offset, length, ended(answer)),
      zero: (fd, offset, length, answer) =>
        fallocate.async(fd, KEEP_SIZE | ZERO_RANGE, offset, length, ended(answer)),
      discard: (fd, offset, length, answer) => {
        const range = pair(offset, length)
        ioctl.async(fd, BLKDISCARD, range, ended(answer, range))
      },
      seek: (fd, offset, wanted, answer) =>
        lseek.async(fd, offset, wanted === 'data' ? SEEK_DATA : SEEK_HOLE, ended(answer)),
      reserved: (fd, offset, length, answer) => {
        const memory = Buffer.alloc(FIEMAP_HEAD + FIEMAP_COUNT * FIEMAP_EXTENT)
        memory.writeBigUInt64LE(BigInt(offset), 0)
        memory.writeBigUInt64LE(BigInt(length), 8)
        memory.writeUInt32LE(FIEMAP_COUNT, 24)
        pointedTo.add(memory)
        const told = (_result: number, code: number): void =>
          answer(code === 0 ? unwrittenRun(memory, offset, length) : null, code)
        ioctl.async(fd, FIEMAP, memory, ended(told, memory))
      },
      hasExtents: fd => {
        const flags = new Uint32Array(2)
        return ioctl(fd, GET_FLAGS, flags) === 0 && (flags[0]! & EXTENTS_FLAG) !== 0
      },
      copy: (from, fromOffset, to, toOffset, length, answer) => {
        const at = pair(fromOffset, toOffset)
        copyFileRange.async(from, at.subarray(0, 1), to, at.subarray(1), length, 0, ended(answer, at))
      },
      clone: (from, fromOffset, to, toOffset, length, answer) => {
        const range = BigInt64Array.of(BigInt(from), BigInt(fromOffset), BigInt(length), BigInt(toOffset))
        pointedTo.add(range)
        ioctl.async(to, FICLONERANGE, range, ended(answer, range))
      },
    }
    return {
      readCached: (fd, vectors, count, offset) => preadv2(fd, vectors, count, offset, RWF_NOWAIT) as number,
      addressOf,
      lock: (fd, shared) => {
        const failed = flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) !== 0
        return failed ? errno() : 0
      },
      readAhead: (fd, how) => fadvise(fd, 0, 0, ADVICE[how]) as number,
      deviceSize: fd => {
        const size = new BigInt64Array(1)
        return ioctl(fd, BLKGETSIZE64, size) === 0 ? Number(size[0]!) : -1
      },
      errno,
      again: koffi.os.errno['EAGAIN']!,
      space,
    }
  } catch {
    return null
  }
}

/** Neighbouring unwritten extents of a fiemap as one run, cut to the range. */
function unwrittenRun(memory: Buffer, offset: number, length: number): Run {
  const count = memory.readUInt32LE(20)
  let from = -1
  let to = -1
  for (let i = 0; i < count; i++) {
    const at = FIEMAP_HEAD + i * FIEMAP_EXTENT
    const start = Number(memory.readBigUInt64LE(at))
    const unwritten = (memory.readUInt32LE(at + 40) & EXTENT_UNWRITTEN) !== 0
    if (from >= 0 && (!unwritten || start !== to)) break
    if (!unwritten) continue
    if (from < 0) from = start
    to = start + Number(memory.readBigUInt64LE(at + 16))
  }
  if (from < 0) return { offset, length: 0 }
  const first = Math.max(from, offset)
  return { offset: first, length: Math.max(Math.min(to, offset + length) - first, 0) }
}
