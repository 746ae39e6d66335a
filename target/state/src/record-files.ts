// SPDX-License-Identifier: Apache-2.0
// The file-system calls that records need, each with what it promises for a power cut.
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
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
    const first = await mkdir(path, { recursive: true, mode: 0o700 })
    if (first === undefined) return
    // Each new folder is an entry of the one above it.
    for (let one = path; one.length >= first.length; one = dirname(one)) await syncFolder(dirname(one))
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
