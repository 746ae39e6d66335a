// SPDX-License-Identifier: Apache-2.0
// Parameter tables of plug-ins: plain data that the command line, the documentation and the library face share.
import { OperatorError } from './operator-error.ts'

export interface Parameter {
  readonly type: 'string' | 'integer' | 'size' | 'boolean' | 'path'
  readonly help: string
  readonly required?: true
  readonly choices?: readonly (string | number)[]
  readonly initial?: string | number | boolean
  /** Bounds of an integer or a size, where it has some. */
  readonly least?: number
  readonly most?: number
  /** The parameter that `KIND:ARGUMENT` fills. */
  readonly argument?: true
  /** It may be given several times; its value is all of them, see `listOf`. */
  readonly list?: true
}

/** Between the values of a key that is given several times: no text and no path has it. */
const SEPARATOR = '\0'

export const joinList = (values: readonly string[]): string => values.join(SEPARATOR)

/** The values of a parameter with `list`; none if it was not given. */
export const listOf = (value: string | number | boolean | undefined): string[] =>
  value === undefined ? [] : String(value).split(SEPARATOR)
export type ParameterTable = Readonly<Record<string, Parameter>>
export type ParameterValues = Readonly<Record<string, string | number | boolean>>

const UNITS: Readonly<Record<string, number>> = { '': 0, B: 0, K: 10, M: 20, G: 30, T: 40, P: 50 }

/** `10G`, `512MiB`, `4096` as bytes (powers of 1024), or null if it is no size. */
export function parseSize(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([BKMGTP]?)(?:i?B)?$/i.exec(text.trim())
  if (match === null) return null
  const bytes = Number(match[1]) * 2 ** UNITS[match[2]!.toUpperCase()]!
  return Number.isSafeInteger(bytes) ? bytes : null
}

/** Checks and converts the texts given for `what` (named in errors) against a table; fills in initial values. */
export function readParameters(
  what: string,
  table: ParameterTable,
  given: Readonly<Record<string, string>>,
): ParameterValues {
  const values: Record<string, string | number | boolean> = {}
  for (const [name, text] of Object.entries(given)) {
    const parameter = Object.hasOwn(table, name) ? table[name] : undefined
    if (parameter === undefined) {
      throw new OperatorError('PARAMETER_UNKNOWN', `${what} has no key '${name}'`, {
        hint: `its keys are ${Object.keys(table).join(', ')}`,
      })
    }
    values[name] = convert(what, name, parameter, text)
  }
  for (const [name, parameter] of Object.entries(table)) {
    if (name in values) continue
    if (parameter.initial !== undefined) values[name] = parameter.initial
    else if (parameter.required) {
      throw new OperatorError('PARAMETER_MISSING', `${what} needs a value for '${name}'`, {
        hint: `${name}: ${parameter.help}`,
      })
    }
  }
  return values
}

function convert(what: string, name: string, parameter: Parameter, text: string): string | number | boolean {
  const { choices } = parameter
  const wrong = (wanted: string): OperatorError =>
    new OperatorError('PARAMETER_VALUE', `${what}: '${text}' is no value for '${name}'`, {
      hint: choices === undefined ? `give ${wanted}` : `give one of ${choices.join(', ')}`,
    })
  if (parameter.list === undefined && text.includes(SEPARATOR)) {
    throw new OperatorError('PARAMETER_TWICE', `${what} has '${name}' twice`, { hint: 'give it once' })
  }
  let value: string | number | boolean = text
  if (parameter.type === 'size') {
    const size = parseSize(text)
    if (size === null) throw wrong('a size such as 512M or 10G')
    value = size
  } else if (parameter.type === 'integer') {
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text))) throw wrong(boundsOf(parameter))
    value = Number(text)
  } else if (parameter.type === 'boolean') {
    if (!/^(yes|no|true|false|on|off|1|0)$/i.test(text)) throw wrong('yes or no')
    value = /^(yes|true|on|1)$/i.test(text)
  } else if (parameter.type === 'path' && text === '') throw wrong('a path')
  const { least = 0, most = Number.MAX_SAFE_INTEGER } = parameter
  if (typeof value === 'number' && (value < least || value > most)) throw wrong(boundsOf(parameter))
  if (choices !== undefined && !choices.includes(value as string | number)) throw wrong('')
  return value
}

/** What an integer or a size may be, in words: `a whole number, 1 to 16`. */
export function boundsOf({ type, least, most }: Parameter): string {
  const what = type === 'size' ? 'a size' : 'a whole number'
  if (most === undefined) return least === undefined ? what : `${what}, ${least} or more`
  return `${what}, ${least ?? 0} to ${most}`
}
