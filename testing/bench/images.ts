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
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const CHUNK = 1 << 20

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
    throw new Error(`${path} stays in the page cache (${left} bytes): cold cases want --folder on a disk`)
}

function withFile(path: string, flags: string, use: (file: number) => void): void {
  const file = openSync(path, flags)
  try {
    use(file)
  } finally {
    closeSync(file)
  }
}

/** A folder for images: on the disk of the temporary files, so that the page cache is the one of everyday files. */
export function imageFolder(parent: string = tmpdir()): { path: string; dispose(): void } {
  const path = mkdtempSync(join(parent, 'lunkit-bench-'))
  return { path, dispose: () => rmSync(path, { recursive: true, force: true }) }
}
