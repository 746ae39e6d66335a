// SPDX-License-Identifier: Apache-2.0
// Files in memory that lose their power at a chosen step, and what a disk may hold after that.
import { basename, dirname } from 'node:path'
import type { RecordFiles } from './record-files.ts'

/** What happens to the entries of a folder since its last sync. */
type Fate = 'kept' | 'lost'

export class CutFiles implements RecordFiles {
  /** Folder entries as the running system sees them, and as they are on the disk. */
  #now: Map<string, Buffer>
  #durable: Map<string, Buffer>
  /** Steps until the power goes; Infinity for never. */
  left = Number.POSITIVE_INFINITY
  steps = 0
  /** The error of the step at which the power goes, instead of silence for ever. */
  readonly error = Object.assign(new Error('no power'), { code: 'EIO' })
  readonly #fails: boolean

  /** `fails`: the step fails once and the machine goes on, instead of a power cut. */
  constructor(content: ReadonlyMap<string, Buffer> = new Map(), fails = false) {
    this.#now = new Map(content)
    this.#durable = new Map(content)
    this.#fails = fails
  }

  #step(): boolean {
    this.steps++
    if (this.#fails) {
      if (--this.left === 0) throw this.error
      return true
    }
    if (this.left-- > 0) return true
    throw this.error
  }

  /** What is on the disk after the cut. */
  after(fate: Fate): Map<string, Buffer> {
    return new Map(fate === 'kept' ? this.#now : this.#durable)
  }

  async read(path: string): Promise<Buffer | null> {
    return this.#now.get(path) ?? null
  }

  async makeFolder(): Promise<void> {
    this.#step()
  }

  async write(path: string, bytes: Buffer): Promise<void> {
    // The cut may come while half of it is written, and before it is durable.
    const half = bytes.subarray(0, bytes.length >> 1)
    this.#now.set(path, half)
    this.#step()
    this.#now.set(path, bytes)
    this.#step()
    // fsync of the file does not say that its name is in the folder; a rename of it later carries the bytes.
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step()
    const bytes = this.#now.get(from)
    if (bytes === undefined) throw Object.assign(new Error(`no ${from}`), { code: 'ENOENT' })
    this.#now.delete(from)
    this.#now.set(to, bytes)
  }

  async remove(path: string): Promise<void> {
    this.#step()
    this.#now.delete(path)
  }

  async syncFolder(path: string): Promise<void> {
    this.#step()
    for (const name of this.#durable.keys()) {
      if (dirname(name) === path && !this.#now.has(name)) this.#durable.delete(name)
    }
    for (const [name, bytes] of this.#now) {
      if (dirname(name) === path && basename(name) !== '') this.#durable.set(name, bytes)
    }
  }
}
