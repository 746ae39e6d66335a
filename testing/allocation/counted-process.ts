// SPDX-License-Identifier: Apache-2.0
// Starts the counted target with young space for all that a measurement allocates, and asks it what that was.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What was allocated between two marks: bytes of the heap, and of buffers beside it. */
export interface Growth {
  readonly heap: number
  readonly buffers: number
  /** Runs of the garbage collector: where there was one, the figures say nothing. */
  readonly collections: number
}

/** What is held: bytes of the heap, and of buffers beside it. */
export type Held = Pick<Growth, 'heap' | 'buffers'>

export interface CountedProcess {
  readonly port: number
  /** Since the last mark. */
  mark(): Promise<Growth>
  /** Now, without what is garbage. */
  held(): Promise<Held>
  stop(): Promise<void>
}

/** `image` is the file of LUN 1; LUN 0 is a null store. */
export async function startCounted(image: string, name: string): Promise<CountedProcess> {
  const child = fork(join(dirname(fileURLToPath(import.meta.url)), 'counted-target.ts'), [image, name], {
    // Nothing is collected within a measurement, nor compiled beside it.
    execArgv: [
      '--expose-gc',
      '--min-semi-space-size=256',
      '--max-semi-space-size=256',
      '--single-threaded-gc',
    ],
  })
  const [url] = (await once(child, 'message')) as [string]
  const ask = async <T>(question: 'mark' | 'held'): Promise<T> => {
    const answer = once(child, 'message')
    child.send(question)
    return ((await answer) as [T])[0]
  }
  return {
    port: Number(new URL(url.replace('iscsi:', 'http:')).port),
    mark: () => ask('mark'),
    held: () => ask('held'),
    async stop() {
      const gone = once(child, 'exit')
      child.disconnect()
      const [code] = await gone
      if (code !== 0) throw new Error(`The counted target ended with ${code}`)
    },
  }
}
