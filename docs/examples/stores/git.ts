// SPDX-License-Identifier: Apache-2.0
// Example: one revision of a git repository as a read-only FAT disk; a file's bytes are fetched when they are read.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { ObjectStorage } from 'lunkit/target'
import { type FatFile, fatDisk } from './fat.ts'

const run = promisify(execFile)

export async function gitDisk(repository: string, revision = 'HEAD'): Promise<ObjectStorage> {
  const git = async (...words: string[]): Promise<Buffer> => {
    const options = { cwd: repository, encoding: 'buffer', maxBuffer: 2 ** 30 } as const
    return (await run('git', words, options)).stdout
  }
  const { 0: commit } = (await git('rev-parse', '--verify', `${revision}^{commit}`)).toString().split('\n')
  const tree = (await git('ls-tree', '-r', '-l', '-z', '--full-tree', commit!)).toString()
  const files: FatFile[] = []
  for (const line of tree.split('\0')) {
    const [, oid, size, path] = /^\d+ blob ([0-9a-f]+) +(\d+)\t(.+)$/s.exec(line) ?? []
    if (path === undefined) continue
    // Reads come in pieces: the last file stays at hand.
    let kept: WeakRef<Buffer> | undefined
    const read = async (): Promise<Buffer> => {
      const bytes = kept?.deref() ?? (await git('cat-file', 'blob', oid!))
      kept = new WeakRef(bytes)
      return bytes
    }
    files.push({ path, size: Number(size), read })
  }
  return { ...fatDisk(files), identity: `git:${commit}` }
}
