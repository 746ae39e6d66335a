// SPDX-License-Identifier: Apache-2.0
// A unit's records in memory: what survives a reopen, damage, and writes that fail or are slow.
import { DamagedRecord, type RecordName, type UnitRecords } from '@lunkit/target-api'

export class StandInRecords implements UnitRecords {
  readonly texts = new Map<RecordName, string>()
  readonly damaged = new Set<RecordName>()
  /** The next write fails with this. */
  failure: Error | null = null
  /** While true, writes wait for `release()`. */
  held = false
  readonly #waiting: (() => void)[] = []

  read(name: RecordName): string | null {
    if (this.damaged.has(name)) throw new DamagedRecord(`Record '${name}' is damaged`)
    return this.texts.get(name) ?? null
  }

  write(name: RecordName, text: string | null, done: (error: Error | null) => void): void {
    const { failure } = this
    this.failure = null
    const perform = (): void => {
      if (failure === null) {
        if (text === null) this.texts.delete(name)
        else this.texts.set(name, text)
        this.damaged.delete(name)
      }
      done(failure)
    }
    if (this.held) this.#waiting.push(perform)
    else setImmediate(perform)
  }

  release(): void {
    this.held = false
    for (const perform of this.#waiting.splice(0)) perform()
  }
}
