// SPDX-License-Identifier: Apache-2.0
// The records of one unit, in memory and as files of a folder.
import { join } from 'node:path'
import { DamagedRecord, type RecordName, type UnitRecords } from '@lunkit/target-api'
import { type RecordFiles, recordFiles } from './record-files.ts'
import { RECORDS } from './record-text.ts'
import { type Copies, readCopies, replaceCopies } from './two-copies.ts'

/** Opens the records that the unit of that NAA has in the folder `state`; `warn` is told of each damaged one. */
export async function openRecords(
  state: string,
  naa: Uint8Array,
  warn: (reason: string) => void,
  files: RecordFiles = recordFiles,
): Promise<UnitRecords> {
  const folder = join(state, Buffer.from(naa).toString('hex'))
  const found = new Map<RecordName, Copies>()
  for (const name of RECORDS) {
    const copies = await readCopies(files, folder, name)
    found.set(name, copies)
    if (copies.condition === 'backup') {
      warn(`The record '${name}' in ${folder} was taken from its backup: ${copies.reason || 'it is missing'}`)
    } else if (copies.condition === 'damaged') {
      warn(`The record '${name}' in ${folder} is lost: ${copies.reason}; see 'lunkit state'`)
    }
  }
  return new FolderRecords(files, folder, found)
}

class FolderRecords implements UnitRecords {
  readonly #files: RecordFiles
  readonly #folder: string
  readonly #found: Map<RecordName, Copies>
  /** The end of the last write that was asked for, by record. */
  readonly #writing = new Map<RecordName, Promise<void>>()

  constructor(files: RecordFiles, folder: string, found: Map<RecordName, Copies>) {
    this.#files = files
    this.#folder = folder
    this.#found = found
  }

  read(name: RecordName): string | null {
    const { text, condition, reason } = this.#found.get(name)!
    if (condition === 'damaged') throw new DamagedRecord(reason)
    return text
  }

  write(name: RecordName, text: string | null, done: (error: Error | null) => void): void {
    const before = this.#writing.get(name) ?? Promise.resolve()
    const write = before.then(async () => {
      const error = await this.#replace(name, text)
      // An exception of `done` is the caller's own and must not stop the writes behind this one.
      queueMicrotask(() => done(error))
    })
    this.#writing.set(name, write)
  }

  async #replace(name: RecordName, text: string | null): Promise<Error | null> {
    const { text: old, condition } = this.#found.get(name)!
    // A damaged record is not put back as none: that would forget it.
    const known = condition === 'damaged' ? undefined : old
    try {
      await replaceCopies(this.#files, this.#folder, name, text, known)
    } catch (error) {
      return error as Error
    }
    this.#found.set(name, { text, condition: text === null ? 'absent' : 'whole', reason: '' })
    return null
  }
}
