// SPDX-License-Identifier: Apache-2.0
// Records of a unit in memory, which outlive an engine but not the test; can be slow, fail and be damaged.
import { DamagedRecord, type RecordName, type UnitRecords } from '@lunkit/target-api'

export class MemoryRecords implements UnitRecords {
  readonly texts = new Map<RecordName, string>()
  readonly damaged = new Set<RecordName>()
  /** What the next writes fail with. */
  failure: Error | null = null
  /** While true, writes wait. */
  held = false
  readonly #waiting: (() => void)[] = []

  read(name: RecordName): string | null {
    if (this.damaged.has(name)) throw new DamagedRecord('damaged by the test')
    return this.texts.get(name) ?? null
  }

  write(name: RecordName, text: string | null, done: (error: Error | null) => void): void {
    this.#waiting.push(() => {
      if (this.failure === null) {
        this.damaged.delete(name)
        if (text === null) this.texts.delete(name)
        else this.texts.set(name, text)
      }
      done(this.failure)
    })
    setImmediate(() => {
      if (!this.held) this.release()
    })
  }

  /** Lets held writes happen. */
  release(): void {
    this.held = false
    for (const write of this.#waiting.splice(0)) write()
  }
}
