// SPDX-License-Identifier: Apache-2.0
// What initiator commands print: one JSON document with --json, else words and tables; progress on a terminal only.
import { progress } from '@clack/prompts'
import { formatBytes } from './units.ts'

/** One JSON document on standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

export interface Progress {
  advance(bytes: number): void
  done(message: string): void
  failed(): void
}

const SILENT: Progress = { advance() {}, done() {}, failed() {} }
/** The bar is drawn anew this often at most, as drawing is dear. */
const REDRAW_MS = 100

/** A bar on standard error where that is a terminal; nothing elsewhere and with --json. */
export function showProgress(label: string, total: number, json: boolean): Progress {
  if (json || !process.stderr.isTTY) return SILENT
  const bar = progress({ max: Math.max(1, total), output: process.stderr })
  const started = performance.now()
  let bytes = 0
  let drawn = 0
  let drawnAt = 0
  bar.start(label)
  return {
    advance(more) {
      bytes += more
      const now = performance.now()
      if (now - drawnAt < REDRAW_MS) return
      const rate = bytes / Math.max(0.001, (now - started) / 1000)
      bar.advance(
        bytes - drawn,
        `${label}  ${formatBytes(bytes)} of ${formatBytes(total)}, ${formatBytes(Math.round(rate))}/s`,
      )
      drawn = bytes
      drawnAt = now
    },
    done: message => bar.stop(message),
    failed: () => bar.error(label),
  }
}

/** An AbortSignal that Ctrl-C fires, so that a command can end its sessions properly. */
export function interruptible(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort())
  process.once('SIGTERM', () => controller.abort())
  return controller.signal
}
