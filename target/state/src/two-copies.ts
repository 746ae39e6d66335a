// SPDX-License-Identifier: Apache-2.0
// One record as two files: how they are read, and in which order they are written, so that a cut never costs both.
import { join } from 'node:path'
import type { RecordName } from '@lunkit/target-api'
import type { RecordFiles } from './record-files.ts'
import { decodeRecord, encodeRecord } from './record-text.ts'

/** What the two files say. `text` is null where nothing is kept, or where it is not known (`damaged`). */
export interface Copies {
  readonly text: string | null
  /** whole: the record is; backup: only its backup; damaged: neither, though something was kept; absent: nothing. */
  readonly condition: 'whole' | 'backup' | 'damaged' | 'absent'
  /** Why a file could not be read, or empty. */
  readonly reason: string
}

/** undefined: the file is there and is no record. */
type Copy = { readonly text: string | null | undefined; readonly reason: string }

const mainOf = (folder: string, name: RecordName): string => join(folder, name)
const backupOf = (folder: string, name: RecordName): string => join(folder, `${name}.backup`)

export async function readCopies(files: RecordFiles, folder: string, name: RecordName): Promise<Copies> {
  const main = await readCopy(files, mainOf(folder, name), name)
  if (typeof main.text === 'string') return { text: main.text, condition: 'whole', reason: '' }
  const backup = await readCopy(files, backupOf(folder, name), name)
  const reason = main.reason || backup.reason
  if (typeof backup.text === 'string') return { text: backup.text, condition: 'backup', reason }
  const nothing = main.text === null && backup.text === null
  return { text: null, condition: nothing ? 'absent' : 'damaged', reason }
}

async function readCopy(files: RecordFiles, path: string, name: RecordName): Promise<Copy> {
  try {
    const file = await files.read(path)
    if (file === null) return { text: null, reason: '' }
    const text = decodeRecord(name, file)
    return text === null ? { text: undefined, reason: `${path} is damaged` } : { text, reason: '' }
  } catch (error) {
    return { text: undefined, reason: (error as Error).message }
  }
}

/**
 * Puts `text` in place of both copies, or takes both away if it is null. Rejects with what went wrong; the old text then
 * stands if `old` could be put back, which is tried. Nobody knows an `old` that is undefined: what is there then stays.
 */
export async function replaceCopies(
  files: RecordFiles,
  folder: string,
  name: RecordName,
  text: string | null,
  old: string | null | undefined,
): Promise<void> {
  let touched = false
  const touch = (): void => {
    touched = true
  }
  try {
    await replace(files, folder, name, text, touch)
  } catch (error) {
    // What failed once may well fail again: the first error is the one to tell.
    if (touched && old !== undefined) await replace(files, folder, name, old, () => {}).catch(() => {})
    throw error
  }
}

async function replace(
  files: RecordFiles,
  folder: string,
  name: RecordName,
  text: string | null,
  touch: () => void,
): Promise<void> {
  const main = mainOf(folder, name)
  const backup = backupOf(folder, name)
  if (text === null) {
    // The backup first: a backup without its record would count as one whose record is damaged.
    for (const path of [backup, main]) {
      touch()
      await files.remove(path)
      await files.syncFolder(folder).catch(ignoreMissing)
    }
    return
  }
  await files.makeFolder(folder)
  const bytes = encodeRecord(name, text)
  // Both are on the disk before one of the old is touched: a full disk changes nothing.
  for (const path of [main, backup]) await files.write(`${path}.new`, bytes)
  for (const path of [main, backup]) {
    touch()
    await files.rename(`${path}.new`, path)
    await files.syncFolder(folder)
  }
}

/** Forgetting what a folder holds that was never made. */
function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
