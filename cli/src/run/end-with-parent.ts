// SPDX-License-Identifier: Apache-2.0
// Ends a process of `lunkit run` when the one that started it has gone, even where its own event loop hangs.
import { Worker } from 'node:worker_threads'
import { LATE_MS } from '../signals.ts'

/** Descriptor of a socket of which only the process that started this one has the other end: the system closes it with that one. */
export const LIFELINE = 4

/** A text, as the published command is a bundle. The event loop is told by itself, and has its time first. */
const WATCH = `
const { Socket } = require('node:net')
const { fd, ms } = require('node:worker_threads').workerData
const lifeline = new Socket({ fd, readable: true, writable: false })
lifeline.on('error', () => undefined)
lifeline.on('close', () => setTimeout(() => process.kill(process.pid, 'SIGKILL'), ms))
lifeline.resume()
`

/** It waits in a thread of its own. `failed` is told if there can be none: then only what does not hang ends with its parent. */
export function endWithParent(failed: (reason: string) => void): void {
  const watch = new Worker(WATCH, {
    eval: true,
    workerData: { fd: LIFELINE, ms: 2 * LATE_MS },
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 },
  })
  watch.on('error', error =>
    failed(`Nobody watches whether the process with the portals lives: ${error.message}`),
  )
  watch.unref()
}
