// SPDX-License-Identifier: Apache-2.0
// How far the benchmark is, and how much longer it takes, on standard error.
import { Presets, SingleBar } from 'cli-progress'

const FORMAT = '{bar} {value}/{total}, {eta_formatted} left: {what}'
const WITHOUT_TERMINAL_MS = 15_000

export class Progress {
  readonly #bar: SingleBar
  readonly #total: number
  readonly #begun = Date.now()
  readonly #endAt: number
  #done = 0

  /** `total` steps are to be made, within about so many minutes. */
  constructor(total: number, minutes: number) {
    this.#total = total
    this.#endAt = this.#begun + minutes * 60_000
    const options = {
      format: FORMAT,
      stream: process.stderr,
      etaBuffer: 50,
      noTTYOutput: true,
      notTTYSchedule: WITHOUT_TERMINAL_MS,
    }
    this.#bar = new SingleBar(options, Presets.shades_classic)
    this.#bar.start(total, 0, { what: '' })
  }

  readonly begin = (what: string): void => {
    this.#bar.update(this.#done, { what })
  }

  readonly end = (): void => {
    this.#bar.update(++this.#done)
  }

  /** A line that stays. */
  say(line: string): void {
    process.stderr.write(`\n${line}\n`)
  }

  /** Whether the steps that are left fit into the time, going by those that were made. */
  hasTimeToSpare(): boolean {
    const now = Date.now()
    const each = (now - this.#begun) / Math.max(1, this.#done)
    return now + each * (this.#total - this.#done) < this.#endAt
  }

  stop(): void {
    this.#bar.stop()
  }
}
