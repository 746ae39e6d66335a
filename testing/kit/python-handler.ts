// SPDX-License-Identifier: Apache-2.0
// The reference handler in Python as a child process, that can be killed and started again on the same image.
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('../../docs/examples/handler.py', import.meta.url))

export class PythonHandler {
  readonly folder: string
  readonly path: string
  readonly image: string
  readonly #size: number
  #child: ChildProcess | null = null

  /** Not started yet; socket and image are in `folder`. */
  constructor(folder: string, size: number) {
    this.folder = folder
    this.path = join(folder, 'handler.sock')
    this.image = join(folder, 'image')
    this.#size = size
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const child = spawn('python3', [SCRIPT, this.path, this.image, String(this.#size)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#child = child
    for await (const line of createInterface({ input: child.stdout })) if (line === 'ready') return
    throw new Error('the handler in Python did not start')
  }

  /** Ends it without warning, as a crash would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** It stays, and does nothing any more. */
  freeze(): void {
    this.#child!.kill('SIGSTOP')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill(signal)
    await ended
  }
}
