// SPDX-License-Identifier: Apache-2.0
// The file of `lunkit run`, YAML or JSON, read into plain values: every key is checked, and errors say where it stands.
import { readFile } from 'node:fs/promises'
import { joinList } from '@lunkit/target-api'
import type { TargetFlags } from '../serve-options.ts'
import { type LunSpec, specOf } from '../target-face/lun-spec.ts'
import { KINDS } from '../target-face/plug-ins.ts'
import { UsageError } from '../usage-error.ts'
import { type Form, KEYS, keysAt, type Place } from './config-keys.ts'

type Flags = Partial<TargetFlags>

export interface TargetConfig {
  /** Where it stands: `targets[1]`. */
  readonly where: string
  readonly luns: readonly (string | LunSpec)[]
  /** 1 for the first; null if the file leaves it open. */
  readonly process: number | null
  readonly flags: Flags
}

export interface Config {
  readonly processes: number | null
  /** Keys at the top: for all targets that do not say otherwise. */
  readonly flags: Flags
  readonly targets: readonly TargetConfig[]
}

/** Most processes that make sense on any machine. */
export const MOST_PROCESSES = 256

type Values = Readonly<Record<string, unknown>>

/** Rejects with UsageError. */
export async function readConfig(path: string): Promise<Config> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const hint = missing ? 'there is no such file' : 'it must be a file that you may read'
    throw new UsageError('FILE_MISSING', `The configuration file '${path}' cannot be read`, hint)
  }
  return parseConfig(text, path)
}

/** `path` is for messages. Rejects with UsageError. */
export async function parseConfig(text: string, path: string): Promise<Config> {
  const { parseDocument } = await import('yaml')
  // Every scalar is the text that was written: serial numbers keep their zeros, designators all their digits.
  const document = parseDocument(text, { schema: 'failsafe' })
  const fault = document.errors[0]
  const fail: Fail = (where, what, hint = 'see docs/cookbook/several-targets.md') =>
    new UsageError('CONFIG_FILE', `Configuration file '${path}': ${where}${what}`, hint)
  if (fault !== undefined)
    throw fail('', fault.message.trimEnd(), fault.code === 'DUPLICATE_KEY' ? ONCE : undefined)
  return new Reader(fail).config(document.toJS() as unknown)
}

/** `block: /dev/sdb` and its `block: 4096` are two keys of one name. */
const ONCE =
  'give each key once; one that is named like the kind of its LUN has its layer before it, as in disk.block: 4096 or delay.delay: 20'

type Fail = (where: string, what: string, hint?: string) => UsageError

class Reader {
  readonly #fail: Fail

  constructor(fail: Fail) {
    this.#fail = fail
  }

  config(given: unknown): Config {
    const { targets, processes, ...rest } = this.#object(given, '')
    // First, so that one that was mistyped is told as such, not as missing.
    const flags = this.#flags(rest, '', ['all', 'each'], ['processes', 'targets'])
    if (!Array.isArray(targets) || targets.length === 0)
      throw this.#fail('targets', ' is not a list with a target', 'write targets: and - luns: [disk.img]')
    return {
      processes: processes === undefined ? null : this.#number(processes, 'processes', MOST_PROCESSES),
      flags,
      targets: targets.map((one, at) => this.#target(one, `targets[${at}]`)),
    }
  }

  #target(given: unknown, where: string): TargetConfig {
    const { luns, process, ...rest } = this.#object(given, where)
    const flags = this.#flags(rest, where, ['own', 'each'], ['luns', 'process'])
    if (!Array.isArray(luns) || luns.length === 0)
      throw this.#fail(`${where}.luns`, ' is not a list with a LUN', 'write luns: [disk.img]')
    return {
      where,
      luns: luns.map((lun, at) => this.#lun(lun, `${where}.luns[${at}]`)),
      process: process === undefined ? null : this.#number(process, `${where}.process`, MOST_PROCESSES),
      flags,
    }
  }

  /** A text as `lunkit serve` takes it, or `file: disk.img` with its keys behind it. */
  #lun(given: unknown, where: string): string | LunSpec {
    if (typeof given === 'string' && given !== '') return given
    const values = this.#object(given, where)
    const [kind = '', ...others] = Object.keys(values)
    if (!KINDS.includes(kind)) {
      throw this.#fail(
        where,
        ` begins with '${kind}', which is no kind of LUN`,
        `write the kind first, as in file: disk.img; kinds are ${KINDS.join(', ')}`,
      )
    }
    const argument = values[kind]
    const layers = `${kind}:${argument === '' || argument === null ? '' : this.#text(argument, `${where}.${kind}`)}`
    const keys: Record<string, string> = {}
    for (const name of others) keys[name] = joinList(this.#texts(values[name], `${where}.${name}`))
    return specOf(layers, keys, layers)
  }

  #flags(given: Values, where: string, places: readonly Place[], others: readonly string[]): Flags {
    const flags: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(given)) {
      const path = where === '' ? name : `${where}.${name}`
      const known = Object.hasOwn(KEYS, name) ? KEYS[name]! : null
      if (known === null || !places.includes(known.place)) {
        const hint =
          known === null
            ? `keys here are ${[...others, ...keysAt(places)].join(', ')}`
            : known.place === 'all'
              ? 'it stands at the top of the file, for all targets'
              : 'it stands at a target'
        throw this.#fail(path, known === null ? ' is no key' : ' is a key of another place', hint)
      }
      const read = this.#value(value, known.form, path)
      if (read !== undefined) flags[known.flag] = read
    }
    return flags as Flags
  }

  #value(value: unknown, form: Form, path: string): unknown {
    switch (form) {
      case 'text':
        return this.#text(value, path)
      case 'texts':
        return this.#texts(value, path)
      case 'pairs':
        if (typeof value === 'string' || Array.isArray(value)) return this.#texts(value, path)
        return Object.entries(this.#object(value, path)).map(
          ([name, one]) => `${name}=${this.#text(one, `${path}.${name}`)}`,
        )
      case 'folder':
        return isNo(value) ? false : this.#text(value, path)
      case 'switch':
        if (isNo(value)) return undefined
        if (typeof value === 'string' && /^(yes|true)$/i.test(value)) return true
        throw this.#fail(path, ' is not yes or no')
    }
  }

  #texts(value: unknown, path: string): string[] {
    if (!Array.isArray(value)) return [this.#text(value, path)]
    return value.map((one, at) => this.#text(one, `${path}[${at}]`))
  }

  #text(value: unknown, path: string): string {
    if (typeof value === 'string' && value !== '') return value
    throw this.#fail(path, ' is not a text')
  }

  #number(value: unknown, path: string, most: number): number {
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : 0
    if (number >= 1 && number <= most) return number
    throw this.#fail(path, ` is not a number from 1 to ${most}`)
  }

  #object(value: unknown, where: string): Values {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Values
    throw this.#fail(where === '' ? 'it' : where, ' is not a list of keys and values')
  }
}

const isNo = (value: unknown): boolean => typeof value === 'string' && /^(no|false)$/i.test(value)
