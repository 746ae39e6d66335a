// SPDX-License-Identifier: Apache-2.0
// How long a store's file is, how much of its file system it takes up, and how it gets another length.
import type fs from 'node:fs'
import { OperatorError, type StoreUsage } from '@lunkit/target-api'
import { codeOf } from '../errno.ts'
import type { FileCalls } from './file-calls.ts'

interface Place {
  readonly fd: number
  readonly realPath: string
}

/** The unit of `blocks`, whatever `blksize` says (stat(2)). */
const COUNTED = 512

/** Null where the file system does not tell. */
export async function roomOf(place: Place, calls: FileCalls): Promise<StoreUsage | null> {
  try {
    const { blocks } = await statsOf(place, calls)
    const { bavail, bsize } = await fileSystemOf(place, calls)
    return { used: blocks * COUNTED, available: bavail * bsize }
  } catch {
    return null
  }
}

/**
 * Least bytes of a hole in this file, which is the block of its file system, or 4096 where that cannot be known; and which file
 * system that is (statfs(2)), or 0.
 */
export async function holesOf(place: Place, calls: FileCalls): Promise<{ holeSize: number; type: number }> {
  const usual = (await statsOf(place, calls)).blksize
  const { bsize, type } = await fileSystemOf(place, calls).catch(() => ({ bsize: usual, type: 0 }))
  const least = Math.min(usual, bsize)
  return { holeSize: least >= 512 && Number.isInteger(Math.log2(least)) ? least : 4096, type }
}

export async function sizeOf(place: Place, calls: FileCalls): Promise<number> {
  return (await statsOf(place, calls)).size
}

/** Rejects with OperatorError FILE_SIZE. */
export async function resizeFile(place: Place, calls: FileCalls, size: number): Promise<void> {
  const failed = (reason: string, hint: string, cause?: unknown): OperatorError =>
    new OperatorError('FILE_SIZE', `File '${place.realPath}' cannot have ${size} bytes: ${reason}`, {
      hint,
      cause,
    })
  if (!Number.isSafeInteger(size) || size < 1) throw failed('that is no size', 'give 1 byte or more')
  const error = await new Promise<Error | null>(resolve => calls.ftruncate(place.fd, size, resolve))
  if (error === null) return
  const code = codeOf(error)
  if (code === 'EFBIG' || code === 'EINVAL') {
    throw failed(
      'its file system has no room for files so long, or it is read-only',
      'give a smaller size',
      error,
    )
  }
  throw failed(error.message, '', error)
}

/** Throws OperatorError FILE_SIZE: around the page cache a file is of whole blocks. */
export function wholeBlocks(path: string, size: number, block: number): void {
  if (size % block === 0) return
  throw new OperatorError('FILE_SIZE', `File '${path}' cannot have ${size} bytes with direct=yes`, {
    hint: `give a multiple of ${block}`,
  })
}

function statsOf({ fd }: Place, calls: FileCalls): Promise<fs.Stats> {
  return new Promise((resolve, reject) => {
    calls.fstat(fd, (error, stats) => (error === null ? resolve(stats) : reject(error)))
  })
}

/** By the descriptor where that can be: a file that was renamed is still in its file system. */
function fileSystemOf({ fd, realPath }: Place, calls: FileCalls): Promise<fs.StatsFs> {
  const path = process.platform === 'linux' ? `/proc/self/fd/${fd}` : realPath
  return new Promise((resolve, reject) => {
    calls.statfs(path, (error, stats) => (error === null ? resolve(stats) : reject(error)))
  })
}
