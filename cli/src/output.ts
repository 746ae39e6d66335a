// SPDX-License-Identifier: Apache-2.0
// What initiator commands print: one JSON document with --json, else words and tables; progress on a terminal only.
import { Presets, SingleBar } from 'cli-progress'
import { formatBytes } from './units.ts'

/** One JSON document on standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

export interface Progress {
  advance(bytes: number): void
  end(): void
}

const SILENT: Progress = { advance() {}, end() {} }
/** A bar on standard error where that is a terminal; nothing elsewhere and with --json. `total` 0: nobody knows. */
export function showProgress(total: number, json: boolean): Progress {
  if (json || !process.stderr.isTTY) return SILENT
  const known = total > 0
  const format = known
    ? '{bar} {percentage} % of {size}, {rate}/s, {eta_formatted} left'
    : '{moved}, {rate}/s'
  // It leaves signals alone: an interrupted command ends its sessions by itself.
  const bar = new SingleBar(
    {
      format,
      stream: process.stderr,
      barsize: 30,
      gracefulExit: false,
      hideCursor: false,
      clearOnComplete: true,
    },
    Presets.shades_classic,
  )
  const started = performance.now()
  let bytes = 0
  const words = () => ({
    size: formatBytes(total),
    moved: formatBytes(bytes),
    rate: formatBytes(Math.round(bytes / Math.max(0.001, (performance.now() - started) / 1000))),
  })
  bar.start(known ? total : 1, 0, words())
  return {
    advance(more) {
      bytes += more
      bar.update(known ? bytes : 0, words())
    },
    end: () => bar.stop(),
  }
}

/** An AbortSignal that Ctrl-C fires, so that a command can end its sessions properly. */
export function interruptible(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => controller.abort())
  process.once('SIGTERM', () => controller.abort())
  return controller.signal
}
