// SPDX-License-Identifier: Apache-2.0
// A file's descriptors around the page cache, and what a transfer must be a multiple of there: it is tried out.
import fs from 'node:fs'
import { OperatorError } from '@lunkit/target-api'
import { giveAligned, takeAligned } from '../direct/aligned-memory.ts'
import type { DirectFile } from '../direct/direct-transfers.ts'
import { codeOf } from '../errno.ts'

const BLOCKS = [512, 4096]

interface Wanted {
  readonly path: string
  readonly size: number
  readonly canWrite: boolean
  /** Every write is durable when it is answered: one descriptor does for all. */
  readonly sync: boolean
  /** Opens the same file with these flags. */
  readonly open: (flags: number) => Promise<number>
}

/** Rejects with OperatorError FILE_DIRECT. The caller closes the descriptors. */
export async function openDirect({ path, size, canWrite, sync, open }: Wanted): Promise<DirectFile> {
  const refused = (why: string, hint: string, cause?: unknown): OperatorError =>
    new OperatorError('FILE_DIRECT', `File '${path}' cannot be used around the page cache: ${why}`, {
      hint,
      cause,
    })
  const { O_RDWR, O_RDONLY, O_DIRECT, O_DSYNC } = fs.constants
  if (process.platform !== 'linux') throw refused(`${process.platform} has no O_DIRECT`, 'leave direct= away')
  try {
    const writes = O_RDWR | O_DIRECT | O_DSYNC
    const fd = await open(!canWrite ? O_RDONLY | O_DIRECT : sync ? writes : O_RDWR | O_DIRECT)
    const block = await blockOf(fd)
    if (block === null || size % block !== 0) {
      const why =
        block === null
          ? 'its file system takes no such transfers'
          : `${size} bytes are no multiple of ${block}`
      throw refused(
        why,
        block === null ? 'leave direct= away' : `make it ${size - (size % block) + block} bytes long`,
      )
    }
    return { fd, durableFd: !canWrite ? -1 : sync ? fd : await open(writes), block }
  } catch (error) {
    if (codeOf(error) !== 'EINVAL') throw error
    throw refused('its file system does not do that', 'leave direct= away', error)
  }
}

/** The shortest transfer that the file takes. */
async function blockOf(fd: number): Promise<number | null> {
  const buffer = takeAligned()
  try {
    for (const block of BLOCKS) {
      const taken = await new Promise<boolean>(resolve => {
        fs.read(fd, buffer, 0, block, 0, error => resolve(error === null))
      })
      if (taken) return block
    }
    return null
  } finally {
    giveAligned(buffer)
  }
}
