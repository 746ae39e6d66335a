// SPDX-License-Identifier: Apache-2.0
// Example: files one behind the other as one disk, for programs and for `object:`; docs/cookbook/own-storage.md shows it.
import { type FileHandle, open } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ObjectStorage } from 'lunkit/target'

export async function joined(paths: readonly string[]): Promise<ObjectStorage> {
  const parts: { readonly file: FileHandle; readonly start: number; readonly end: number }[] = []
  let size = 0
  for (const path of paths) {
    const file = await open(path, 'r+')
    const { size: length } = await file.stat()
    parts.push({ file, start: size, end: size + length })
    size += length
  }
  /** Where a range lies in each file, and in the buffer. */
  const within = (offset: number, { length }: Buffer) =>
    parts.flatMap(({ file, start, end }) => {
      const [from, to] = [Math.max(offset, start), Math.min(offset + length, end)]
      return from < to ? [{ file, at: from - start, from: from - offset, length: to - from }] : []
    })
  return {
    size,
    identity: paths.map(path => resolve(path)).join(':'), // serial number and NAA are made from it
    async read(offset, buffer) {
      let done = 0
      for (const { file, at, from, length } of within(offset, buffer))
        done += (await file.read(buffer, from, length, at)).bytesRead
      return done // fewer than asked for are a medium error
    },
    async write(offset, buffer) {
      let done = 0
      for (const { file, at, from, length } of within(offset, buffer))
        done += (await file.write(buffer, from, length, at)).bytesWritten
      return done
    },
    flush: async () => void (await Promise.all(parts.map(({ file }) => file.datasync()))),
    close: async () => void (await Promise.all(parts.map(({ file }) => file.close()))),
  }
}

export default () => joined((process.env['PARTS'] ?? '').split(':'))
