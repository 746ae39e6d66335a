// SPDX-License-Identifier: Apache-2.0
// The files of a capture: a bounded number, of which the oldest that has ended makes room for the next.
import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long a file waits for others that are about to end; one of those may itself want room. */
const PATIENCE_MS = 1000
const LOOK_MS = 20

export class FileList {
  readonly #most: number
  /** By path, the oldest first; whether they are being written. */
  readonly #files: Map<string, boolean> = new Map()

  /** Files of sessions that are over, whose last packets are still written. */
  #ending = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Makes room for a file that will be written. False: all that there may be are being written. */
  async open(path: string): Promise<boolean> {
    this.#files.delete(path)
    if (this.#files.size >= this.#most) {
      let oldest = this.#oldestEnded()
      for (
        let waited = 0;
        oldest === undefined && this.#ending > 0 && waited < PATIENCE_MS;
        waited += LOOK_MS
      ) {
        await sleep(LOOK_MS)
        oldest = this.#oldestEnded()
      }
      if (oldest === undefined) return false
      this.#files.delete(oldest)
      this.#files.set(path, true)
      await rm(oldest, { force: true })
    }
    this.#files.set(path, true)
    return true
  }

  /** A file is about to end: who needs its room waits for it a while. */
  ending(end: Promise<void>): void {
    this.#ending++
    void end.finally(() => this.#ending--)
  }

  #oldestEnded(): string | undefined {
    return [...this.#files].find(([, isOpen]) => !isOpen)?.[0]
  }

  /** Nothing more is written to it. */
  end(path: string): void {
    if (this.#files.has(path)) this.#files.set(path, false)
  }
}
