// SPDX-License-Identifier: Apache-2.0
// Signals to what serves: the end, and who is logged in.
import type { LoginReport, SessionReport } from '@lunkit/target-driver-iscsi'
import { ExitCode } from './exit-codes.ts'

/** This long after the grace, also stores that hang are left behind. */
export const LATE_MS = 1500

/** Of a target, or of what it shares with others. */
export interface Report {
  /** Whose it is, where there are several. */
  readonly of?: string
  readonly sessions: readonly SessionReport[]
  readonly logins: readonly LoginReport[]
}

/** SIGUSR1: who is logged in, and how much came and went. Taken from the start on: else Node opens its debugger for it. */
export function reportOnSignal(look: () => Promise<readonly Report[]>, json: boolean): void {
  if (process.platform === 'win32') return
  process.on('SIGUSR1', async () => {
    const reports = await look()
    if (json) {
      for (const { of: target, sessions, logins } of reports) {
        const lines = [
          ...sessions.map(session => ({ event: 'session', ...session })),
          ...logins.map(one => ({ event: 'logins', ...(target !== undefined && { target }), ...one })),
        ]
        for (const line of lines) process.stdout.write(`${JSON.stringify(line)}\n`)
      }
      return
    }
    const { listSessions } = await import('./session-listing.ts')
    for (const { of, sessions, logins } of reports) {
      const title = of === undefined ? '' : `${of}\n`
      process.stderr.write(title + listSessions(sessions, logins, Date.now()))
    }
  })
}

/** Resolves when a signal has been answered by what drains and closes all. A second signal ends at once. */
export function stopOnSignal(close: () => Promise<void>, graceMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let signals = 0
    const stop = (): void => {
      if (++signals > 1) process.exit(ExitCode.interrupted)
      setTimeout(() => {
        process.stderr.write('lunkit: A store did not finish its requests in time; they are given up\n')
        process.exit(ExitCode.failed)
      }, graceMs + LATE_MS).unref()
      close().then(resolve, reject)
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
    if (process.env['npm_command'] !== undefined) stopWithParent(stop)
  })
}

/** npm does not pass SIGTERM on to what it runs; under it, the target ends when its parent is gone. */
function stopWithParent(stop: () => void): void {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    stop()
  }, 500)
  watch.unref()
}
