// SPDX-License-Identifier: Apache-2.0
// The file-system calls that records need, each with what it promises for a power cut.
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** All reject with the system's error. */
export interface RecordFiles {
  /** The whole file, or null if there is none. */
  read(path: string): Promise<Buffer | null>
  /** Makes the folder and those above it, durably; no error if it is there. */
  makeFolder(path: string): Promise<void>
  /** Makes or empties the file, writes it, and makes its bytes durable. */
  write(path: string, bytes: Buffer): Promise<void>
  /** All at once, durable after `syncFolder`. */
  rename(from: string, to: string): Promise<void>
  /** Durable after `syncFolder`; no error if there is no such file. */
  remove(path: string): Promise<void>
  /** Makes earlier renames and removals in the folder durable. */
  syncFolder(path: string): Promise<void>
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** False if the folder above is missing. By hand, because Node's recursive mkdir never ends below /proc. */
async function makeOne(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' && dirname(path) !== path) return false
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return true
    throw error
  }
  // The new folder is an entry of the one above it.
  await syncFolder(dirname(path))
  return true
}

export const recordFiles: RecordFiles = {
  async read(path) {
    try {
      return await readFile(path)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR') return null
      throw error
    }
  },
  async makeFolder(path) {
    if (await makeOne(path)) return
    await recordFiles.makeFolder(dirname(path))
    if (await makeOne(path)) return
    throw Object.assign(new Error(`ENOENT: no folder can be made at '${path}'`), { code: 'ENOENT' })
  },
  async write(path, bytes) {
    const file = await open(path, 'w', 0o600)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
  },
  rename,
  remove: path => rm(path, { force: true }),
  syncFolder,
}
