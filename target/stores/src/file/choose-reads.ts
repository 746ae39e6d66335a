// SPDX-License-Identifier: Apache-2.0
// Picks the best road for cached reads that this machine and this file have, and says what is lost without it.
import { OperatorError } from '@lunkit/target-api'
import { type CachedReads, NoReads, NoWaitReads, noWaitWorks, TimedReads } from './cached-reads.ts'
import type { FileCalls } from './file-calls.ts'
import type { LinuxCalls } from './linux-calls.ts'

const LOST = 'a read of bytes that are not cached may hold up other work for a moment'

/** `inMemory`: the file system has no disk to wait for. `wanted`: only this road. `note`: what is lost, or empty. */
export async function chooseReads(
  path: string,
  fd: number,
  linux: LinuxCalls | null,
  calls: FileCalls,
  inMemory: boolean,
  wanted?: CachedReads['how'],
): Promise<{ reads: CachedReads; note: string }> {
  if (wanted === 'threads') return { reads: new NoReads(), note: '' }
  if (wanted === 'readSync' || (inMemory && wanted === undefined))
    return { reads: new TimedReads(fd, calls, inMemory), note: '' }
  if (linux !== null && (await noWaitWorks(fd, linux, calls))) {
    return { reads: new NoWaitReads(fd, linux), note: '' }
  }
  if (wanted === 'preadv2') {
    throw new OperatorError('FILE_READS', `File '${path}' cannot be read with preadv2`, {
      hint: 'it takes Linux, koffi, and a file system that knows RWF_NOWAIT',
    })
  }
  const why =
    process.platform !== 'linux'
      ? 'this system cannot read without waiting'
      : linux === null
        ? `koffi is not installed ('npm install koffi' does it)`
        : `the file system of '${path}' cannot read without waiting`
  return { reads: new TimedReads(fd, calls, inMemory), note: `${why}: ${LOST}` }
}
