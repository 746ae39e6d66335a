// SPDX-License-Identifier: Apache-2.0
// The access file: lists, rules and groups as JSON, without any secret; every key is checked before it counts.
import { readFile } from 'node:fs/promises'
import type { AccessSettings } from './target-face/access.ts'
import { UsageError } from './usage-error.ts'

type Check = (value: unknown) => boolean

const isText: Check = value => typeof value === 'string' && value !== ''
const isLun: Check = value => Number.isInteger(value)
const isBoolean: Check = value => typeof value === 'boolean'
const listOf =
  (check: Check): Check =>
  value =>
    Array.isArray(value) && value.every(check)

const TEXTS = { check: listOf(isText), form: 'a list of texts' } as const

interface Key {
  readonly check: Check
  readonly form: string
}

const FILE: Readonly<Record<string, Key>> = {
  initiators: TEXTS,
  addresses: TEXTS,
  rules: { check: Array.isArray, form: 'a list of rules' },
  groups: { check: isObject, form: 'an object of lists of LUNs' },
}

const RULE: Readonly<Record<string, Key>> = {
  name: { check: isText, form: 'a text' },
  initiators: TEXTS,
  addresses: TEXTS,
  portals: {
    check: listOf(value => isText(value) || isLun(value)),
    form: 'a list of tags and addresses',
  },
  certificates: TEXTS,
  hide: { check: isBoolean, form: 'true or false' },
  group: { check: isText, form: 'a text' },
  readonly: {
    check: value => isBoolean(value) || listOf(isLun)(value),
    form: 'true, false or a list of LUNs',
  },
  chap: {
    check: value => value === 'none',
    form: '"none"; accounts are in the CHAP file, and named by users',
  },
  users: TEXTS,
}

const GROUP_LUN: Readonly<Record<string, Key>> = {
  lun: { check: isLun, form: 'a LUN' },
  as: { check: isLun, form: 'a LUN' },
  readonly: { check: isBoolean, form: 'true or false' },
}

/** Rejects with UsageError where it cannot be read or says what is not known. */
export async function readAccessFile(path: string): Promise<AccessSettings> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const hint = missing ? 'there is no such file' : 'it must be a file that you may read'
    throw new UsageError('FILE_MISSING', `The access file '${path}' cannot be read`, hint)
  }
  const fail = (where: string, form: string): UsageError =>
    new UsageError(
      'ACCESS_FILE',
      `Access file '${path}': ${where} is not ${form}`,
      'see docs/cookbook/access.md',
    )
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new UsageError(
      'ACCESS_FILE',
      `Access file '${path}' is not JSON: ${(error as Error).message}`,
      'see docs/cookbook/access.md',
    )
  }
  checkKeys(FILE, value, 'the file', fail)
  const { rules = [], groups = {} } = value as { rules?: unknown[]; groups?: Record<string, unknown> }
  for (const [at, rule] of rules.entries()) checkKeys(RULE, rule, `rule ${at + 1}`, fail)
  for (const [name, luns] of Object.entries(groups)) {
    if (!Array.isArray(luns)) throw fail(`group '${name}'`, 'a list of LUNs')
    for (const lun of luns)
      if (!isLun(lun)) checkKeys(GROUP_LUN, lun, `a LUN of group '${name}'`, fail, 'lun')
  }
  return value as AccessSettings
}

function checkKeys(
  keys: Readonly<Record<string, Key>>,
  value: unknown,
  where: string,
  fail: (where: string, form: string) => UsageError,
  needed?: string,
): void {
  if (!isObject(value)) throw fail(where, 'an object')
  for (const [name, one] of Object.entries(value as object)) {
    const key = Object.hasOwn(keys, name) ? keys[name]! : undefined
    if (key === undefined) throw fail(`'${name}' of ${where}`, `one of ${Object.keys(keys).join(', ')}`)
    if (!key.check(one)) throw fail(`'${name}' of ${where}`, key.form)
  }
  if (needed !== undefined && !Object.hasOwn(value as object, needed))
    throw fail(where, `complete without '${needed}'`)
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
