// SPDX-License-Identifier: Apache-2.0
// What `lunkit serve --control` takes from standard input: one command a line, each with an answer.
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { type ControlAnswer, OperatorError } from '@lunkit/target-api'
import type { InitiatorSelection } from './target-face/initiators.ts'
import type { Lun } from './target-face/lun.ts'
import type { RunningTarget } from './target-face/running-target.ts'

/** Words of a line: `key=value`, and those without a key. */
interface Words {
  readonly keys: ReadonlyMap<string, string>
  readonly plain: readonly string[]
  /** All of them, as they were written. */
  readonly all: readonly string[]
}

/** Rehearsals under way, by the number that ends them. */
type Rehearsals = Map<number, () => void>

interface ControlCommand {
  readonly usage: string
  /** How many words without a key it takes; no number where it looks at them itself, `all` where at the keys too. */
  readonly words: number | null | 'all'
  run(target: RunningTarget, words: Words, rehearsals: Rehearsals): ControlAnswer | Promise<ControlAnswer>
}

const WHICH = ['initiator', 'isid', 'tsih', 'tag'] as const
const WHICH_USAGE = 'all | initiator=NAME isid=HEX tsih=N tag=N'

const COMMANDS: Readonly<Record<string, ControlCommand>> = {
  drain: {
    usage: '[SECONDS]',
    words: 1,
    run: async (target, { plain }) => ({ ...(await target.drain(numberOf(plain[0] ?? '10', 'seconds'))) }),
  },
  readmit: {
    usage: '',
    words: 0,
    run(target) {
      target.readmit()
      return {}
    },
  },
  evict: {
    usage: `${WHICH_USAGE} [seconds=N]`,
    words: 1,
    run: async (target, words) => ({
      ...(await target.initiators.evict(which(words), optional(words, 'seconds') ?? 10)),
    }),
  },
  drop: {
    usage: `${WHICH_USAGE} [wait=N]`,
    words: 1,
    run: (target, words) => ({
      sessions: target.initiators.drop(which(words), optional(words, 'wait') ?? 0),
    }),
  },
  redirect: {
    usage: 'none | HOST[:PORT][,TAG] ... [permanent] [tag=N]',
    words: null,
    run(target, words) {
      const tag = optional(words, 'tag')
      const to = words.plain.filter(word => word !== 'permanent' && word !== 'none')
      if (to.length === 0 && !words.plain.includes('none')) throw wrong('redirect')
      const permanent = words.plain.includes('permanent')
      target.initiators.redirect(to.length === 0 ? null : { to, permanent }, tag === undefined ? {} : { tag })
      return {}
    },
  },
  rehearse: {
    usage: `silence | deaf | refuse | delay ms=N, ${WHICH_USAGE} portal=HOST:PORT [seconds=N]`,
    words: 2,
    run(target, words, rehearsals) {
      const [mode = '', ...rest] = words.plain
      const delayMs = optional(words, 'ms')
      const seconds = optional(words, 'seconds')
      const portal = words.keys.get('portal')
      const end = target.initiators.rehearse(
        {
          mode: mode as 'silence',
          ...(delayMs !== undefined && { delayMs }),
          ...(seconds !== undefined && { seconds }),
        },
        portal === undefined
          ? which({ ...words, plain: rest })
          : { ...which({ ...words, plain: ['all'] }), portal },
      )
      const rehearsal = 1 + Math.max(0, ...rehearsals.keys())
      rehearsals.set(rehearsal, end)
      return { rehearsal }
    },
  },
  end: {
    usage: 'NUMBER of a rehearsal',
    words: 1,
    run(_target, { plain }, rehearsals) {
      const number = numberOf(plain[0] ?? '', 'rehearsal')
      const end = rehearsals.get(number)
      if (end === undefined) throw new OperatorError('CONTROL', `There is no rehearsal ${number}`)
      rehearsals.delete(number)
      end()
      return {}
    },
  },
  lun: {
    usage:
      '[GROUP/]NUMBER [resize SIZE [shrink] | rescan | insert IMAGE [force] | eject [force] | WHAT [WORD ...]] (alone: what it can be told)',
    words: 'all',
    run: (target, { all: [place = '', what, ...words] }) => tellLun(lunAt(target, place), what, words),
  },
  help: {
    usage: '[COMMAND]',
    words: 1,
    run: (_target, { plain: [name] }) =>
      name === undefined
        ? Object.fromEntries(Object.entries(COMMANDS).map(([name, { usage }]) => [name, usage]))
        : { [name]: commandOf(name).usage },
  },
}

/** For the help of the command line. */
export const CONTROL_HELP = Object.entries(COMMANDS)
  .map(([name, { usage }]) => `  ${name} ${usage}`.trimEnd())
  .join('\n')

/** A line that is only to be read, and what stands behind a command; `disc#2.iso` and `#2.iso` are names. */
const COMMENT = /^\s*#.*|\s#(\s.*)?$/

/**
 * Obeys the lines of standard input (or `input`), one after another. `answered` hears of each what came of it, or the error.
 * What stands behind `#` and a blank, and lines that begin with `#`, are comments. Returns how to stop listening.
 */
export function takeCommands(
  target: RunningTarget,
  answered: (line: string, answer: ControlAnswer | Error) => void,
  input: Readable = process.stdin,
): () => void {
  const rehearsals: Rehearsals = new Map()
  const lines = createInterface({ input })
  let stopped = false
  const listen = async (): Promise<void> => {
    // Not by events: a line would overtake the one before it.
    for await (const line of lines) {
      if (stopped) return
      const command = line.replace(COMMENT, '').trim()
      if (command !== '') answered(line, await obey(target, command, rehearsals).catch(errorOf))
    }
  }
  void listen().catch(error => answered('', errorOf(error)))
  return () => {
    stopped = true
    lines.close()
    input.destroy()
  }
}

const errorOf = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

function commandOf(name: string): ControlCommand {
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name]!
  throw new OperatorError('CONTROL', `'${name}' is no command`, {
    hint: `known are ${Object.keys(COMMANDS).join(', ')}`,
  })
}

async function obey(target: RunningTarget, line: string, rehearsals: Rehearsals): Promise<ControlAnswer> {
  const [name = '', ...rest] = line.split(/\s+/)
  const command = commandOf(name)
  if (command.words === 'all')
    return command.run(target, { keys: new Map(), plain: [], all: rest }, rehearsals)
  const keys = new Map<string, string>()
  const plain: string[] = []
  for (const word of rest) {
    const at = word.indexOf('=')
    if (at > 0) keys.set(word.slice(0, at), word.slice(at + 1))
    else plain.push(word)
  }
  const known = new Set(command.usage.match(/\w+(?==)/g))
  if ([...keys.keys()].some(key => !known.has(key))) throw wrong(name)
  if (command.words !== null && plain.length > command.words) throw wrong(name)
  return command.run(target, { keys, plain, all: rest }, rehearsals)
}

function lunAt({ luns }: RunningTarget, place: string): Lun {
  const [, group, number] = /^(?:(.*)\/)?(\d+)$/.exec(place) ?? []
  if (number === undefined) throw wrong('lun')
  const found = luns.find(one => one.lun === Number(number) && one.group === (group ?? null))
  if (found !== undefined) return found
  throw new OperatorError('LUN_MISSING', `There is no LUN ${place}`, {
    hint: `LUNs are ${luns.map(({ lun, group }) => (group === null ? lun : `${group}/${lun}`)).join(', ')}`,
  })
}

async function tellLun(lun: Lun, what: string | undefined, words: readonly string[]): Promise<ControlAnswer> {
  if (what === undefined) return lun.controls
  if (what === 'rescan' && words.length === 0) return { changed: (await lun.rescan()) ? 'yes' : 'no' }
  if (what === 'insert' || what === 'eject') return changeMedium(lun, what, words)
  if (what !== 'resize') return lun.control(what, ...words)
  const [size = '', shrink] = words
  if (words.length > 2 || (shrink !== undefined && shrink !== 'shrink')) throw wrong('lun')
  await lun.resize(size, { shrink: shrink !== undefined })
  return { bytes: lun.bytes }
}

/** An image may have blanks in its name, and `force` be its only word. */
async function changeMedium(
  lun: Lun,
  what: 'insert' | 'eject',
  words: readonly string[],
): Promise<ControlAnswer> {
  const force = words.at(-1) === 'force' && (what === 'eject' || words.length > 1)
  const image = words.slice(0, force ? -1 : words.length).join(' ')
  if ((image === '') !== (what === 'eject')) throw wrong('lun')
  if (what === 'eject') await lun.eject({ force })
  else await lun.insert(image, { force })
  return { bytes: lun.bytes }
}

/** Everybody has to be said, so that nobody is cut off by a word that was forgotten. */
function which({ keys, plain }: Words): InitiatorSelection {
  const odd = plain.find(word => word !== 'all')
  if (odd !== undefined)
    throw new OperatorError('CONTROL', `'${odd}' says nothing here`, { hint: WHICH_USAGE })
  const selection: Record<string, string | number> = {}
  for (const key of WHICH) {
    const value = keys.get(key)
    if (value === undefined) continue
    if (key === 'isid' && !/^[\da-f]{12}$/i.test(value))
      throw new OperatorError('CONTROL', `'${value}' is no ISID`, { hint: 'give its 12 hex digits' })
    selection[key] = key === 'tsih' || key === 'tag' ? numberOf(value, key) : value
  }
  if (Object.keys(selection).length > 0 || plain.includes('all')) return selection
  throw new OperatorError('CONTROL', 'It is not said which initiators are meant', { hint: WHICH_USAGE })
}

function optional({ keys }: Words, key: string): number | undefined {
  const value = keys.get(key)
  return value === undefined ? undefined : numberOf(value, key)
}

function numberOf(text: string, what: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text)
  throw new OperatorError('CONTROL', `'${text}' is no number of ${what}`)
}

const wrong = (name: string): OperatorError =>
  new OperatorError('CONTROL', `That is no way to say '${name}'`, {
    hint: `${name} ${COMMANDS[name]!.usage}`,
  })
