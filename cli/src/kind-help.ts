// SPDX-License-Identifier: Apache-2.0
// `lunkit help KIND`: what can be said of one kind of storage, filter or device, from the tables that its keys are read by.
import { boundsOf, type Parameter, type ParameterTable } from '@lunkit/target-api'
import { KIND_LINES, type KindLine, linesOf } from './kind-lines.ts'
import { UNIT_PARAMETERS } from './target-face/lun-spec.ts'
import { DEVICES, FILTERS, type Role, roleOf, STORES } from './target-face/plug-ins.ts'

/** What else a kind takes, and where it may stand. */
const PLACES: Readonly<Record<Role, string>> = {
  store:
    "A store holds the bytes of a disk, whose own keys ('lunkit help disk') it takes, too, or of a disc (cdrom:).",
  filter:
    'A filter stands before any store, or before another filter, and takes the keys of what is behind it, too.',
  device: 'A device is what initiators see.',
}

/** Said of no LUN, since it goes without saying. */
const DISK: KindLine = {
  kind: 'disk',
  role: 'device',
  example: 'disk.img',
  words: 'what any store is, with or without filters, where no other device is named',
}

/** The page of that kind, or null where there is none of that name. */
export async function kindHelp(name: string): Promise<string | null> {
  const role = roleOf(name)
  if (role === null) return null
  const table = await tableOf(name, role)
  const keys = Object.entries(table)
  return [
    `Usage: lunkit serve ${usageOf(name, role, table)}`,
    linesOf([...KIND_LINES.filter(({ kind }) => kind === name), ...(name === 'disk' ? [DISK] : [])]),
    keys.length === 0
      ? 'It has no keys of its own.'
      : `Keys (in brackets: what they may be, and are if not given):\n${keyLines(table)}`,
    role === 'device' ? `Names of the unit, for every device:\n${keyLines(UNIT_PARAMETERS)}` : '',
    `${PLACES[role]} ${name}.KEY=VALUE is for this one alone.
K, M, G and T are powers of 1024; a comma in a value is written '\\,'. More: docs/cookbook/storage.md`,
  ]
    .filter(part => part !== '')
    .join('\n\n')
    .concat('\n')
}

/** The keys of that kind. */
export async function tableOf(name: string, role: Role): Promise<ParameterTable> {
  if (role === 'device') return (await DEVICES[name]!.load()).device.parameters
  if (role === 'filter') return (await FILTERS[name]!()).filter.parameters
  return (await STORES[name]!()).store.parameters
}

function usageOf(name: string, role: Role, table: ParameterTable): string {
  const argument = Object.entries(table)
    .find(([, parameter]) => parameter.argument)?.[0]
    .toUpperCase()
  if (name === 'file' || name === 'disk') return `[${name}:]PATH[,KEY=VALUE...]`
  const behind =
    role === 'filter' ? '[FILTER:...][STORE:]ARGUMENT' : role === 'device' ? deviceArgument(name) : ''
  return `${name}:${argument ?? behind}[,KEY=VALUE...]`
}

const deviceArgument = (name: string): string => (DEVICES[name]!.store === 'none' ? '' : '[[STORE:]ARGUMENT]')

const keyLines = (table: ParameterTable): string => {
  const rows = Object.entries(table)
    .toSorted(argumentFirst)
    .map(([key, parameter]) => [key + formOf(parameter), parameter] as const)
  const width = Math.max(...rows.map(([key]) => key.length))
  return rows
    .map(([key, parameter]) => `  ${key.padEnd(width)}  ${parameter.help}${noteOf(parameter)}`)
    .join('\n')
}

type Row = readonly [key: string, parameter: Parameter]
const argumentFirst = ([, one]: Row, [, other]: Row): number =>
  Number(other.argument ?? 0) - Number(one.argument ?? 0)

function formOf({ type, argument, choices }: Parameter): string {
  if (argument) return ''
  if (choices !== undefined) return '=WHICH'
  return { boolean: '=yes|no', integer: '=NUMBER', size: '=SIZE', path: '=PATH', string: '=TEXT' }[type]
}

/** What it may be, and what it is where nothing is said. */
function noteOf(parameter: Parameter): string {
  const { choices, initial, least, most, required, argument, list } = parameter
  const notes = [
    argument ? 'what stands behind the name' : '',
    required && !argument ? 'needed' : '',
    choices === undefined ? '' : `one of ${choices.join(', ')}`,
    least === undefined && most === undefined ? '' : boundsOf(parameter),
    list ? 'may be given several times' : '',
    initial === undefined || initial === '' ? '' : `if not given, ${initialOf(parameter)}`,
  ].filter(note => note !== '')
  return notes.length === 0 ? '' : ` (${notes.join('; ')})`
}

const UNITS = ['', 'K', 'M', 'G', 'T', 'P']

/** As somebody would write it. */
function initialOf({ type, initial, choices }: Parameter): string {
  if (typeof initial === 'boolean') return initial ? 'yes' : 'no'
  if (type !== 'size' || choices !== undefined) return String(initial)
  let [size, unit] = [Number(initial), 0]
  while (size > 0 && size % 1024 === 0) [size, unit] = [size / 1024, unit + 1]
  return `${size}${UNITS[unit]}`
}
