// SPDX-License-Identifier: Apache-2.0
// Opens or makes a file that lunkit keeps beside its images, and locks it as images are: none of them is ever taken for it.
import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { OperatorError } from '@lunkit/target-api'
import { codeOf } from '../errno.ts'
import { type FileKey, inUse, lockByName } from './file-lock.ts'
import { linuxCalls } from './linux-calls.ts'
import { exclusionFlag, refuseSpecial } from './open-file.ts'

export interface OwnFile {
  readonly file: FileHandle
  readonly key: FileKey
  /** Frees it for others, too. */
  close(): Promise<void>
}

export interface OwnFileOptions {
  /** What an operator names it with, such as `tracefile`. */
  readonly parameter: string
  /** More open flags. */
  readonly flags?: number
  /** Permissions where it is made. */
  readonly mode?: number
}

/** To read and write. Rejects with OperatorError FILE_IN_USE or FILE_NOT_REGULAR, or with the system's error. */
export async function openOwnFile(path: string, options: OwnFileOptions): Promise<OwnFile> {
  try {
    return await openLocked(path, options)
  } catch (error) {
    // The hints are those for images.
    if (error instanceof OperatorError && error.code !== 'FILE_LOCK') {
      const hint = `name another file with ${options.parameter}=`
      throw new OperatorError(error.code, error.message, { hint, cause: error })
    }
    throw error
  }
}

async function openLocked(path: string, { flags = 0, mode = 0o666 }: OwnFileOptions): Promise<OwnFile> {
  // A FIFO would block, and a device may do things when it is opened.
  const found = await stat(path).catch(error => {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  })
  if (found !== null) refuseSpecial(path, found)
  const make = found === null ? constants.O_CREAT | constants.O_EXCL : 0
  // On Windows the lock would keep readers away, and the file from being renamed.
  const lock = process.platform === 'win32' ? 0 : exclusionFlag(true)
  const access = constants.O_RDWR | (constants.O_NONBLOCK ?? 0)
  const file = await open(path, access | flags | make | lock, mode).catch(error => {
    throw ['EAGAIN', 'EBUSY'].includes(codeOf(error)) ? inUse(path, null) : error
  })
  let unlock = async (): Promise<void> => {}
  try {
    const key = await file.stat({ bigint: true })
    refuseSpecial(path, key)
    if (process.platform === 'linux') unlock = await lockByName(path, key, false)
    const linux = await linuxCalls()
    if (linux !== null && linux.lock(file.fd, false) === linux.again) throw inUse(path, null)
    return { file, key, close: () => file.close().finally(unlock) }
  } catch (error) {
    await file.close()
    await unlock()
    throw error
  }
}
