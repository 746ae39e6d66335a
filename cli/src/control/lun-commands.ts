// SPDX-License-Identifier: Apache-2.0
// What `lun NUMBER` takes: what every LUN or every drive has, and what its device, store and filters add.
import { type ControlAnswer, type Device, OperatorError } from '@lunkit/target-api'
import type { Lun } from '../target-face/lun.ts'

interface LunCommand {
  readonly usage: string
  /** Whether it is listed: what it is told all the same, it refuses itself. */
  fits(device: Device): boolean
  run(lun: Lun, words: readonly string[]): Promise<ControlAnswer>
}

const COMMANDS: Readonly<Record<string, LunCommand>> = {
  resize: {
    usage: 'SIZE [shrink]',
    fits: ({ store, resized }) => store?.resize !== undefined && resized !== undefined,
    async run(lun, [size, shrink, ...more]) {
      if (size === undefined || (shrink ?? 'shrink') !== 'shrink' || more.length > 0) throw wrong('resize')
      await lun.resize(size, { shrink: shrink !== undefined })
      return { bytes: lun.bytes }
    },
  },
  rescan: {
    usage: '',
    fits: ({ store, resized }) => store?.rescan !== undefined && resized !== undefined,
    async run(lun, words) {
      if (words.length > 0) throw wrong('rescan')
      return { changed: (await lun.rescan()) ? 'yes' : 'no' }
    },
  },
  insert: {
    usage: 'IMAGE [force]',
    fits: ({ drive }) => drive !== undefined,
    async run(lun, words) {
      // An image may have blanks in its name, and `force` be its only word.
      const force = words.length > 1 && words.at(-1) === 'force'
      const image = words.slice(0, force ? -1 : words.length).join(' ')
      if (image === '') throw wrong('insert')
      await lun.insert(image, { force })
      return { bytes: lun.bytes }
    },
  },
  eject: {
    usage: '[force]',
    fits: ({ drive }) => drive !== undefined,
    async run(lun, [force, ...more]) {
      if ((force ?? 'force') !== 'force' || more.length > 0) throw wrong('eject')
      await lun.eject({ force: force !== undefined })
      return { bytes: lun.bytes }
    },
  },
}

export const LUN_USAGE = `[GROUP/]NUMBER [${Object.entries(COMMANDS)
  .map(([name, { usage }]) => `${name} ${usage}`.trimEnd())
  .join(' | ')} | WHAT [WORD ...]] (alone: what it can be told)`

/** `what` not given, or `help`: all that it can be told. */
export async function tellLun(lun: Lun, what = 'help', ...words: readonly string[]): Promise<ControlAnswer> {
  if (what === 'help') {
    if (words.length > 0) throw wrong('help')
    return { ...usagesOf(lun), ...lun.controls }
  }
  const command = Object.hasOwn(COMMANDS, what) ? COMMANDS[what]! : null
  return command === null ? lun.control(what, ...words) : command.run(lun, words)
}

function usagesOf({ behind }: Lun): Readonly<Record<string, string>> {
  const fitting = Object.entries(COMMANDS).filter(([, { fits }]) => fits(behind.unit.device))
  return Object.fromEntries(fitting.map(([name, { usage }]) => [name, usage]))
}

const wrong = (name: string): OperatorError =>
  new OperatorError('CONTROL', `That is no way to say '${name}'`, {
    hint: `lun NUMBER ${name} ${COMMANDS[name]?.usage ?? ''}`.trimEnd(),
  })
