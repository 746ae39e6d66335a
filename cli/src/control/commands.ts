// SPDX-License-Identifier: Apache-2.0
// What a running target can be told by lines, wherever they come from: one row a command.
import { type ControlAnswer, OperatorError } from '@lunkit/target-api'
import type { InitiatorSelection } from '../target-face/initiators.ts'
import type { Lun } from '../target-face/lun.ts'
import type { RunningTarget } from '../target-face/running-target.ts'
import { LUN_USAGE, tellLun } from './lun-commands.ts'
import { type Obey, replyOf } from './reply.ts'

/** Words of a line: `key=value`, and those without a key. */
interface Words {
  readonly keys: ReadonlyMap<string, string>
  readonly plain: readonly string[]
}

/** Rehearsals under way, by the number that ends them. */
type Rehearsals = Map<number, () => void>
const MOST_REHEARSALS = 256

interface ControlCommand {
  readonly usage: string
  /** How many words without a key it takes; `all`: it looks at its words itself, and none has a key. */
  readonly words: number | 'all'
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
    words: Number.POSITIVE_INFINITY,
    run(target, words) {
      const tag = optional(words, 'tag')
      const isNone = words.plain.join() === 'none'
      const to = isNone ? [] : words.plain.filter(word => word !== 'permanent')
      if ((to.length === 0) !== isNone || to.includes('none')) throw wrong('redirect')
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
      if (delayMs !== undefined && mode !== 'delay') throw wrong('rehearse')
      if (rehearsals.size === MOST_REHEARSALS)
        throw new OperatorError('CONTROL', `${MOST_REHEARSALS} rehearsals are under way`, { hint: 'end one' })
      const meant = which({ ...words, plain: rest }, portal !== undefined)
      const end = target.initiators.rehearse(
        {
          mode: mode as 'silence',
          ...(delayMs !== undefined && { delayMs }),
          ...(seconds !== undefined && { seconds }),
        },
        portal === undefined ? meant : { ...meant, portal },
      )
      const rehearsal = 1 + Math.max(0, ...rehearsals.keys())
      rehearsals.set(rehearsal, end)
      const over = (): void => {
        if (rehearsals.get(rehearsal) === end) rehearsals.delete(rehearsal)
      }
      if (seconds !== undefined) setTimeout(over, 1000 * seconds).unref()
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
    usage: LUN_USAGE,
    words: 'all',
    run: (target, { plain: [place = '', ...words] }) => tellLun(lunAt(target, place), ...words),
  },
}

/** By name: the words that each takes. */
export const USAGES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(COMMANDS).map(([name, { usage }]) => [name, usage]),
)

/** One target, for all who control it: rehearsals that one of them began are ended by any. */
export class TargetControl {
  readonly #target: RunningTarget
  readonly #rehearsals: Rehearsals = new Map()

  constructor(target: RunningTarget) {
    this.#target = target
  }

  readonly obey: Obey = line =>
    replyOf(() => {
      const [name = '', ...words] = line.split(/\s+/)
      const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name]! : null
      if (command === null) throw unknown(name)
      return command.run(this.#target, wordsOf(name, command, words), this.#rehearsals)
    })
}

export const unknown = (name: string): OperatorError =>
  new OperatorError('CONTROL', `'${name}' is no command`, {
    hint: `known are target, ${Object.keys(COMMANDS).join(', ')}, help`,
  })

/** Throws OperatorError: what would not be looked at has not been meant. */
function wordsOf(name: string, command: ControlCommand, words: readonly string[]): Words {
  if (command.words === 'all') return { keys: new Map(), plain: words }
  const known = new Set(command.usage.match(/\w+(?==)/g))
  const keys = new Map<string, string>()
  const plain: string[] = []
  for (const word of words) {
    const at = word.indexOf('=')
    const key = word.slice(0, at)
    if (at <= 0) plain.push(word)
    else if (known.has(key) && !keys.has(key)) keys.set(key, word.slice(at + 1))
    else throw wrong(name)
  }
  if (plain.length > command.words) throw wrong(name)
  return { keys, plain }
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

/** Everybody has to be said, so that nobody is cut off by a word that was forgotten; or they are `known` by something else. */
function which({ keys, plain }: Words, known = false): InitiatorSelection {
  const odd = plain.find(word => word !== 'all')
  if (odd !== undefined)
    throw new OperatorError('CONTROL', `'${odd}' says nothing here`, { hint: WHICH_USAGE })
  const selection: Record<string, string | number> = {}
  for (const key of WHICH) {
    const value = keys.get(key)
    if (value === undefined) continue
    if (plain.length > 0)
      throw new OperatorError('CONTROL', `'all' and '${key}=' exclude each other`, { hint: WHICH_USAGE })
    if (key === 'isid' && !/^[\da-f]{12}$/i.test(value))
      throw new OperatorError('CONTROL', `'${value}' is no ISID`, { hint: 'give its 12 hex digits' })
    selection[key] = key === 'tsih' || key === 'tag' ? numberOf(value, key) : value
  }
  if (Object.keys(selection).length > 0 || plain.length > 0 || known) return selection
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
