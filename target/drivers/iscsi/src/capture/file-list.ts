// SPDX-License-Identifier: Apache-2.0
// The files of a capture: a bounded number, of which the oldest that has ended makes room for the next.
import { rm } from 'node:fs/promises'

export class FileList {
  readonly #most: number
  /** By path, the oldest first; whether they are being written. */
  readonly #files: Map<string, boolean> = new Map()

  constructor(most: number) {
    this.#most = most
  }

  /** Makes room for a file that will be written. False: all that there may be are being written. */
  async open(path: string): Promise<boolean> {
    this.#files.delete(path)
    if (this.#files.size >= this.#most) {
      const oldest = [...this.#files].find(([, isOpen]) => !isOpen)?.[0]
      if (oldest === undefined) return false
      this.#files.delete(oldest)
      this.#files.set(path, true)
      await rm(oldest, { force: true })
    }
    this.#files.set(path, true)
    return true
  }

  /** Nothing more is written to it. */
  end(path: string): void {
    if (this.#files.has(path)) this.#files.set(path, false)
  }
}
