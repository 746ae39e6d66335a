// SPDX-License-Identifier: Apache-2.0
// Options of `lunkit serve` that show what goes on: slow commands, traces, captures.
import type { Command } from 'commander'
import type { WatchOptions } from './target-face/watch.ts'
import { parseBytes } from './units.ts'
import { UsageError } from './usage-error.ts'

export interface WatchFlags {
  readonly slow?: string
  readonly responseTimeout?: string
  readonly trace?: true
  readonly capture?: string
  readonly captureInitiator?: string[]
  readonly captureSnap?: string
  readonly captureSize?: string
  readonly captureFiles?: string
}

export const WATCH_HELP = `SIGUSR1 has it tell who is logged in, with counters. An event tells of a command that has no answer after
--response-timeout; an initiator that leaves answers unread for that long loses its connection. A capture is for
Wireshark; it holds data, and what CHAP sends. With %s in its name each session has a file, %i is the initiator's name.
When a file has --capture-size, the next one follows; of --capture-files the oldest goes.`

const collect = (value: string, all: string[] = []): string[] => [...all, value]

export function withWatch(command: Command): Command {
  return command
    .option('--slow <ms>', 'tell of each command that takes this long, in milliseconds')
    .option('--response-timeout <seconds>', 'how long a command may go without an answer (90)')
    .option('--trace', 'each iSCSI PDU as one line on standard error')
    .option('--capture <file>', 'write what goes over the wire there, in pcapng format')
    .option('--capture-initiator <name>', 'only of this initiator; repeatable, * and ? match', collect)
    .option('--capture-snap <size>', 'keep no more of the data of each PDU')
    .option('--capture-size <size>', 'longest file (100M)')
    .option('--capture-files <number>', 'most files (10)')
}

/** What `createTarget` takes, from the flags. */
export function watchOptions(flags: WatchFlags): WatchOptions {
  const { slow, responseTimeout, trace, capture } = flags
  if (capture === undefined) {
    const stray = CAPTURE_FLAGS.find(([flag]) => flags[flag] !== undefined)
    if (stray !== undefined)
      throw new UsageError('OPTION_VALUE', `${stray[1]} needs --capture`, 'name a file')
  }
  return {
    ...(slow !== undefined && { slowMs: numberOf('--slow', slow, 'milliseconds') }),
    ...(responseTimeout !== undefined && {
      responseTimeoutMs: numberOf('--response-timeout', responseTimeout, 'seconds') * 1000,
    }),
    ...(trace && { trace: writeTrace }),
    ...(capture !== undefined && { capture: captureOptions(capture, flags) }),
  }
}

const CAPTURE_FLAGS = [
  ['captureInitiator', '--capture-initiator'],
  ['captureSnap', '--capture-snap'],
  ['captureSize', '--capture-size'],
  ['captureFiles', '--capture-files'],
] as const

function captureOptions(file: string, flags: WatchFlags): NonNullable<WatchOptions['capture']> {
  const { captureInitiator, captureSnap, captureSize, captureFiles } = flags
  return {
    file,
    ...(captureInitiator && { initiators: captureInitiator }),
    ...(captureSnap !== undefined && { snapBytes: parseBytes('--capture-snap', captureSnap) }),
    ...(captureSize !== undefined && { fileBytes: parseBytes('--capture-size', captureSize) }),
    ...(captureFiles !== undefined && { files: numberOf('--capture-files', captureFiles, 'files') }),
  }
}

function numberOf(option: string, text: string, unit: string): number {
  const value = Number(text)
  if (value > 0 && Number.isInteger(value)) return value
  throw new UsageError(
    'OPTION_VALUE',
    `'${text}' is no value for ${option}`,
    `give a whole number of ${unit}, 1 or more`,
  )
}

const writeTrace = (line: string): void => {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`)
}
