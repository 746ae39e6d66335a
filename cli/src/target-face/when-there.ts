// SPDX-License-Identifier: Apache-2.0
// A LUN that leads to another process or machine may be opened before that is there: it is waited for, as its key `wait` says.
import { setTimeout as sleep } from 'node:timers/promises'
import { isAway } from '../exit-codes.ts'

/** Pauses between attempts, twice as long each time. */
const FIRST_MS = 100
const LONGEST_MS = 1000

export interface Waiting {
  /** Told once whom it waits for, and how many seconds at most. */
  readonly tell: (reason: string) => void
  readonly signal?: AbortSignal | undefined
}

/**
 * What `open` resolves to. While it rejects because nobody is there, it is called again, until the seconds that `patience` asks for have
 * passed since the first time; then this rejects with its error, or with AbortError before.
 */
export async function whenThere<T>(
  open: () => Promise<T>,
  patience: () => Promise<number>,
  { tell, signal }: Waiting,
): Promise<T> {
  const began = performance.now()
  let end = 0
  for (let pause = FIRST_MS; ; pause = Math.min(2 * pause, LONGEST_MS)) {
    try {
      return await open()
    } catch (error) {
      if (!isAway(error)) throw error
      if (end === 0) {
        const seconds = await patience()
        end = began + 1000 * seconds
        if (seconds > 0) tell(`${(error as Error).message}; waiting for it, up to ${seconds} s`)
      }
      const left = end - performance.now()
      if (left <= 0) throw error
      await sleep(Math.min(pause, left), undefined, signal && { signal })
    }
  }
}
