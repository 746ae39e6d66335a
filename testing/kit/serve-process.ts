// SPDX-License-Identifier: Apache-2.0
// `lunkit serve` as a child process, as a user starts it: ready means ready, and it is gone at the end.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const MAIN = join(dirname(fileURLToPath(import.meta.url)), '../../cli/bin/lunkit.mjs')

/** The first line that `--json` prints. */
export interface Ready {
  readonly event: 'ready'
  readonly portals: readonly string[]
  readonly luns: readonly {
    lun: number
    url: string
    bytes: number
    kind: string
    store: string
    naa: string
    /** Of `lunkit run`. */
    target?: string
  }[]
  /** Of `lunkit run`: those that serve. */
  readonly processes?: readonly { readonly pid: number; readonly targets: readonly string[] }[]
}

export interface ServedTarget {
  readonly ready: Ready
  readonly pid: number
  /** Every later line of `--json`, as it comes. */
  readonly events: Record<string, unknown>[]
  /** What it wrote to standard error. */
  stderr(): string
  /** Writes a line to its standard input, which is read with `--control`. */
  send(line: string): void
  /** SIGTERM, and its exit code or the signal that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | string>
}

/**
 * Starts `lunkit serve ARGUMENTS --json` on a free loopback port; rejects with its words if it ends before it is ready.
 * `prefix` is a command that starts another in its own place, such as `taskset -c 0`.
 */
export async function serve(
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
  prefix: readonly string[] = [],
): Promise<ServedTarget> {
  // Tests leave nothing in the folders of who runs them.
  const state = words.includes('--state') || env['XDG_STATE_HOME'] !== undefined ? [] : ['--no-state']
  const portal = words.includes('--portal') ? [] : ['--portal', '127.0.0.1:0']
  return serveBy([...prefix, process.execPath, MAIN, 'serve', ...words, ...portal, ...state, '--json'], env)
}

/** The same with `lunkit run`; the file says where it listens and keeps its state. */
export const run = (
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
  prefix: readonly string[] = [],
): Promise<ServedTarget> => serveBy([...prefix, process.execPath, MAIN, 'run', ...words, '--json'], env)

/** The same for any program that prints what `lunkit serve --json` does. */
export async function serveBy(
  command: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<ServedTarget> {
  const [program, ...rest] = command
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(program!, rest, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const closed = new Promise<number | string>(resolve =>
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'nothing')),
  )
  const killOnExit = (): void => void child.kill('SIGKILL')
  process.once('exit', killOnExit)
  void closed.then(() => process.removeListener('exit', killOnExit))
  let errors = ''
  child.stderr.on('data', data => {
    errors += data
  })
  const events: Record<string, unknown>[] = []
  const ready = await new Promise<Ready>((resolve, reject) => {
    const lines = createInterface({ input: child.stdout })
    lines.once('line', line => {
      resolve(JSON.parse(line) as Ready)
      lines.on('line', later => events.push(JSON.parse(later) as Record<string, unknown>))
    })
    void closed.then(code =>
      reject(new Error(`${command.join(' ')} ended with ${code} before it was ready: ${errors}`)),
    )
  })
  return {
    ready,
    pid: child.pid!,
    events,
    stderr: () => errors,
    send(line) {
      child.stdin.write(`${line}\n`)
    },
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return closed
    },
  }
}

/** Sends a line to a target with `--control` and waits for its answer. */
export async function tell(target: ServedTarget, line: string): Promise<ControlEvent> {
  target.send(line)
  for (;;) {
    const at = target.events.findIndex(({ event, line: of }) => event === 'control' && of === line)
    if (at >= 0) return target.events.splice(at, 1)[0] as ControlEvent
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

export interface ControlEvent {
  readonly [field: string]: unknown
  readonly error?: { readonly code: string; readonly message: string }
}

/** A folder for images that is gone when `dispose` is called. */
export function workFolder(): { path: string; dispose(): void } {
  const path = mkdtempSync(join(tmpdir(), 'lunkit-test-'))
  return { path, dispose: () => rmSync(path, { recursive: true, force: true }) }
}
