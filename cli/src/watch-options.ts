// SPDX-License-Identifier: Apache-2.0
// Options of `lunkit serve` that show what goes on: slow commands, traces.
import type { Command } from 'commander'
import type { WatchOptions } from './target-face/watch.ts'
import { UsageError } from './usage-error.ts'

export interface WatchFlags {
  readonly slow?: string
  readonly responseTimeout?: string
  readonly trace?: true
}

export const WATCH_HELP = `SIGUSR1 has it tell who is logged in, with counters. An event tells of a command that has no answer after
--response-timeout; an initiator that leaves answers unread for that long loses its connection.`

export function withWatch(command: Command): Command {
  return command
    .option('--slow <ms>', 'tell of each command that takes this long, in milliseconds')
    .option('--response-timeout <seconds>', 'how long a command may go without an answer (90)')
    .option('--trace', 'each iSCSI PDU as one line on standard error')
}

/** What `createTarget` takes, from the flags. */
export function watchOptions(flags: WatchFlags): WatchOptions {
  const { slow, responseTimeout, trace } = flags
  return {
    ...(slow !== undefined && { slowMs: numberOf('--slow', slow, 'milliseconds') }),
    ...(responseTimeout !== undefined && {
      responseTimeoutMs: numberOf('--response-timeout', responseTimeout, 'seconds') * 1000,
    }),
    ...(trace && { trace: writeTrace }),
  }
}

function numberOf(option: string, text: string, unit: string): number {
  const value = Number(text)
  if (value > 0 && Number.isInteger(value)) return value
  throw new UsageError(
    'OPTION_VALUE',
    `'${text}' is no value for ${option}`,
    `give a whole number of ${unit}`,
  )
}

const writeTrace = (line: string): void => {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`)
}
