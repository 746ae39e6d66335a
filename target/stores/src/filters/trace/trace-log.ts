// SPDX-License-Identifier: Apache-2.0
// Where lines of a trace go: a file of bounded length with one before it, or standard error; never waited for.
import fs from 'node:fs'
import { fileTrouble, OperatorError } from '@lunkit/target-api'
import { TraceFile } from './trace-file.ts'

/** Lines are written together, this long after the first of them. */
const GATHER_MS = 50
/** The end of a unit waits no longer for its last lines. */
const CLOSE_MS = 1000
/** More waiting characters are dropped, and counted: a slow disk is not to fill the memory. */
const MOST_WAITING = 2 ** 20

export interface TraceLog {
  line(text: string): void
  close(): Promise<void>
}

/** Puts lines somewhere; rejects if that cannot be. */
type Put = (text: string) => Promise<void>

/**
 * Appends to the file; one that would become longer than `most` bytes is renamed to `PATH.1` first. Without a path it is standard
 * error, on a thread: a reader that does not read takes that thread and nothing else. Rejects with OperatorError.
 */
export async function openTraceLog(path: string | null, most: number, put?: Put): Promise<TraceLog> {
  if (path === null) return new GatheredLog(put ?? toStandardError)
  try {
    const file = await TraceFile.open(path, most)
    return new GatheredLog(
      text => file.put(text),
      () => file.close(),
    )
  } catch (error) {
    if (error instanceof OperatorError) throw error
    throw new OperatorError(
      'TRACE_FILE',
      `The trace '${path}' cannot be written: ${fileTrouble(error, true)}`,
      {
        hint: 'name a file that may be written, or a new one in a folder that may be',
        cause: error,
      },
    )
  }
}

function toStandardError(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.write(process.stderr.fd, text, error => (error === null ? resolve() : reject(error)))
  })
}

class GatheredLog implements TraceLog {
  readonly #put: Put
  #waiting: string[] = []
  #characters = 0
  #lost = 0
  #timer: NodeJS.Timeout | null = null
  #writing: Promise<void> | null = null
  readonly #end: () => Promise<void>

  constructor(put: Put, end: () => Promise<void> = async () => {}) {
    this.#put = put
    this.#end = end
  }

  line(text: string): void {
    if (this.#characters + text.length > MOST_WAITING) {
      this.#lost++
      return
    }
    this.#waiting.push(text)
    this.#characters += text.length + 1
    this.#timer ??= setTimeout(() => this.#go(), GATHER_MS).unref()
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    const last = (this.#writing ?? Promise.resolve()).then(() => this.#write()).then(this.#end)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => (timer = setTimeout(resolve, CLOSE_MS)))
    await Promise.race([last, late])
    clearTimeout(timer)
  }

  #go(): void {
    this.#timer = null
    if (this.#writing !== null) return
    this.#writing = this.#write().then(() => {
      this.#writing = null
      if (this.#waiting.length > 0) this.#timer ??= setTimeout(() => this.#go(), GATHER_MS).unref()
    })
  }

  /** What cannot be written is counted as lost, and told when it can be. */
  async #write(): Promise<void> {
    const lines = this.#waiting
    if (lines.length === 0 && this.#lost === 0) return
    if (this.#lost > 0) lines.unshift(`${this.#lost} lines are lost`)
    const lost = this.#lost
    this.#waiting = []
    this.#characters = 0
    this.#lost = 0
    const text = `${lines.join('\n')}\n`
    try {
      await this.#put(text)
    } catch {
      this.#lost += lost > 0 ? lost + lines.length - 1 : lines.length
    }
  }
}
