// SPDX-License-Identifier: Apache-2.0
// Who a control line is for: `target NAME COMMAND`, or the only target there is; and the help for all of them.
import { type ControlAnswer, OperatorError } from '@lunkit/target-api'
import { USAGES, unknown } from './commands.ts'
import { failed, type Obey, type Reply, replyOf } from './reply.ts'

/** A target, in this process or another. */
export interface Addressee {
  readonly name: string
  /** Whether it is served now. */
  readonly serves: boolean
  readonly obey: Obey
}

const ALL_USAGES: Readonly<Record<string, string>> = {
  target: 'NAME COMMAND ... (alone: all targets)',
  ...USAGES,
  help: '[COMMAND]',
}

/** For the help of the command line. */
export const CONTROL_HELP = Object.entries(ALL_USAGES)
  .map(([name, usage]) => `  ${name} ${usage}`.trimEnd())
  .join('\n')

/** One for all lines of a process, from standard input and from sockets. */
export const dispatcher =
  (targets: readonly Addressee[]): Obey =>
  async line => {
    const [first, rest] = cut(line)
    if (first !== 'target') return obey(targets.length === 1 ? targets[0]! : null, line, targets)
    if (rest === '') return { answer: Object.fromEntries(targets.map(stateOf)) }
    const [name, command] = cut(rest)
    const target = targets.find(one => one.name === name)
    if (target !== undefined) return obey(target, command, targets)
    return failed(new OperatorError('TARGET_MISSING', `There is no target '${name}'`, namesOf(targets)))
  }

async function obey(to: Addressee | null, line: string, targets: readonly Addressee[]): Promise<Reply> {
  const [first, rest] = cut(line)
  if (first === 'help') return replyOf(() => helpOn(rest))
  if (to === null)
    return failed(new OperatorError('CONTROL', 'It is not said which target is meant', namesOf(targets)))
  if (first !== '') return to.obey(line)
  return failed(new OperatorError('CONTROL', "That is no way to say 'target'", { hint: usageOf('target') }))
}

const stateOf = ({ name, serves }: Addressee): [string, string] => [name, serves ? 'served' : 'not served']

const namesOf = (targets: readonly Addressee[]): { readonly hint: string } => ({
  hint: `write target NAME COMMAND; targets are ${targets.map(({ name }) => name).join(', ')}`,
})

function helpOn(name: string): ControlAnswer {
  if (name === '') return ALL_USAGES
  if (!Object.hasOwn(ALL_USAGES, name)) throw unknown(name)
  return { [name]: ALL_USAGES[name]! }
}

const usageOf = (name: string): string => `${name} ${ALL_USAGES[name]}`

/** The first word, and what stands behind it. */
function cut(line: string): [first: string, rest: string] {
  const end = line.search(/\s/)
  return end < 0 ? [line, ''] : [line.slice(0, end), line.slice(end).trim()]
}
