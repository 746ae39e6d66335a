// SPDX-License-Identifier: Apache-2.0
// The images that are served: full ones, in the page cache or driven out of it.
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

const CHUNK = 1 << 20
export const SHARED_MEMORY = '/dev/shm'

/** A full image, read once, so that reads meet neither holes nor the disk. Returns its path. */
export function writeImage(path: string, bytes: number): string {
  if (!existsSync(path) || statSync(path).size !== bytes) {
    const chunk = randomFillSync(Buffer.alloc(CHUNK))
    withFile(path, 'w+', file => {
      for (let at = 0; at < bytes; at += CHUNK) writeSync(file, chunk, 0, CHUNK, at)
      fsyncSync(file)
    })
  }
  warm(path)
  return path
}

/** Reads it whole, so that it is in the page cache. */
export function warm(path: string): void {
  const chunk = Buffer.allocUnsafe(CHUNK)
  withFile(path, 'r', file => {
    while (readSync(file, chunk, 0, CHUNK, null) > 0);
  })
}

/** Has what was written reach the disk, so that it does not spoil the next one's run. */
export function settle(path: string): void {
  withFile(path, 'r+', fsyncSync)
}

/** Drives the file out of the page cache. Throws an Error where it stays, as on tmpfs. */
export function chill(path: string): void {
  execFileSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'], { stdio: 'pipe' })
  const left = Number(execFileSync('fincore', ['-bnro', 'RES', path], { encoding: 'utf8' }))
  if (left > statSync(path).size / 100)
    throw new Error(
      `${path} stays in the page cache (${left} bytes): cold cases want --disk-folder on a disk`,
    )
}

function withFile(path: string, flags: string, use: (file: number) => void): void {
  const file = openSync(path, flags)
  try {
    use(file)
  } finally {
    closeSync(file)
  }
}

/** Where images lie: in shared memory, whose pages no disk waits for, or behind a disk's file system. */
export interface Folders {
  readonly memory: string
  readonly disk: string
}

/** New folders inside those given. */
export function imageFolders(parents: Folders): { folders: Folders; dispose(): void } {
  const folders = { memory: folderIn(parents.memory), disk: folderIn(parents.disk) }
  const dispose = (): void => {
    for (const path of Object.values(folders)) rmSync(path, { recursive: true, force: true })
  }
  return { folders, dispose }
}

/** A new folder there, for the caller to remove. */
export const folderIn = (parent: string): string => mkdtempSync(join(parent, 'lunkit-bench-'))
