// SPDX-License-Identifier: Apache-2.0
// Memory and descriptors of the target while it is fuzzed: both must come back to where they were.
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryOf } from '../bench/processor.ts'

/** What a heap that is collected now and then may be larger, in MiB. */
const SLACK = 64
/** Where it levels off, in MiB: the memory disks, and a heap that grows as long as nothing presses. Less is no growth. */
const USUAL = 340
const SETTLE_MS = 10_000

export class ProcessWatch {
  readonly #pid: number
  readonly #descriptors: number
  readonly #samples: number[] = []
  readonly #timer: NodeJS.Timeout

  /** Begins when everything that stays open is open. */
  constructor(pid: number, everyMs: number) {
    this.#pid = pid
    this.#descriptors = descriptorsOf(pid)
    this.#timer = setInterval(() => this.#sample(), everyMs)
  }

  #sample(): void {
    try {
      this.#samples.push(memoryOf(this.#pid).now)
    } catch {
      // It has ended: `close` says so.
    }
  }

  /** MiB: median of the second fifth of the time, and of the last. */
  get memory(): { early: number; late: number } {
    const fifth = Math.floor(this.#samples.length / 5)
    const middle = (from: number): number =>
      this.#samples.slice(from, from + fifth).sort((a, b) => a - b)[fifth >> 1] ?? Number.NaN
    return { early: middle(fifth), late: middle(4 * fifth) }
  }

  /** All peers but those of the beginning have gone. Gives what is wrong. */
  async close(): Promise<readonly string[]> {
    clearInterval(this.#timer)
    try {
      process.kill(this.#pid, 0)
    } catch {
      return ['The target has ended']
    }
    const complaints: string[] = []
    const end = Date.now() + SETTLE_MS
    while (descriptorsOf(this.#pid) > this.#descriptors && Date.now() < end) await sleep(50)
    const open = descriptorsOf(this.#pid)
    if (open > this.#descriptors) {
      complaints.push(`${open} descriptors are open at the end, ${this.#descriptors} were at the beginning`)
    }
    const { early, late } = this.memory
    if (!(late < Math.max(early + SLACK, USUAL))) {
      complaints.push(`Memory grew from ${early.toFixed(0)} to ${late.toFixed(0)} MiB`)
    }
    return complaints
  }
}

const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length
