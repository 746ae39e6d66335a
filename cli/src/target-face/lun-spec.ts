// SPDX-License-Identifier: Apache-2.0
// A LUN as a person writes it (`[LAYER:…]KIND:ARGUMENT[,key=value…]`) or as a program gives it.
import {
  type BackingStore,
  type DeviceType,
  type FilterType,
  joinList,
  OperatorError,
  type ParameterTable,
  parseSize,
  type StoreType,
  withoutSecrets,
} from '@lunkit/target-api'
import type { ObjectStorage } from '@lunkit/target-stores/object'
import { didYouMean } from './nearest.ts'
import { DEVICES, KINDS, roleOf, SCHEMES } from './plug-ins.ts'

/** Which plug-ins make the unit, and the texts of their keys. */
export interface LunSpec {
  /** Device type: `disk`. */
  readonly kind: string
  /** Filters between device and store, the one next to the device first; none if not given. */
  readonly filters?: readonly string[]
  /** Store plug-in; null for a device without one. */
  readonly store: string | null
  /** Keys of all of them, as texts; `NAME.key` is for the plug-in of that name alone. */
  readonly keys: Readonly<Record<string, string>>
  /** The user's own storage, for the store `object`. */
  readonly object?: ObjectStorage | BackingStore
  /** Plug-ins that a program brings; they come before lunkit's of the same name. */
  readonly plugIns?: {
    readonly device?: DeviceType
    readonly filters?: readonly FilterType[]
    readonly store?: StoreType
  }
  /** What to call it in messages; without secrets. */
  readonly label: string
}

/** Keys that belong to the unit itself, whatever its store and type. */
export const UNIT_PARAMETERS = Object.freeze({
  serial: { type: 'string', help: 'Unit serial number (made from the storage if not given)' },
  naa: { type: 'string', help: 'NAA designator, 16 or 32 hex digits (made from the serial if not given)' },
  vendor: { type: 'string', help: 'Vendor identification, up to 8 characters' },
  product: { type: 'string', help: 'Product identification, up to 16 characters' },
  revision: { type: 'string', help: 'Product revision, up to 4 characters' },
  eui64: { type: 'string', help: 'EUI-64 designator, 16, 24 or 32 hex digits (none if not given)' },
  scsiname: { type: 'string', help: 'SCSI name string: iqn., eui. or naa. (none if not given)' },
  t10id: { type: 'string', help: 'T10 identifier behind the vendor (product and serial if not given)' },
  management: { type: 'string', help: 'URL where the unit is managed, for VPD page 85h (none if not given)' },
} as const satisfies ParameterTable)

/**
 * Reads a LUN argument. A bare path is `file:`. Commas separate keys; a comma inside a value is written `\\,`.
 * Throws OperatorError for an unknown kind or a part that is no key=value.
 */
export function parseLun(text: string): LunSpec {
  const [layers = '', ...rest] = splitCommas(text)
  const keys: Record<string, string> = {}
  for (const part of rest) {
    const at = part.indexOf('=')
    if (at < 1) {
      const shown = withoutSecrets(text)
      const wrong = shown.includes(part) ? `'${part}'` : 'a part'
      throw new OperatorError('LUN_ARGUMENT', `${wrong} in '${shown}' is no key=value`, {
        hint: 'separate keys with commas, as in disk.img,size=10G,readonly=yes',
      })
    }
    const [key, value] = [part.slice(0, at), part.slice(at + 1)]
    keys[key] = Object.hasOwn(keys, key) ? joinList([keys[key]!, value]) : value
  }
  return specOf(layers, keys, text)
}

function splitCommas(text: string): string[] {
  return text.split(/(?<!\\),/).map(part => part.replaceAll('\\,', ','))
}

/** A LUN of layers such as `cdrom:readonly:file:disk.iso` and keys. Throws OperatorError. */
export function specOf(layers: string, keys: Readonly<Record<string, string>>, asWritten: string): LunSpec {
  const label = withoutSecrets(asWritten)
  const filters: string[] = []
  let kind = 'disk'
  let store: string | null = null
  let argument = layers
  for (let named = false; store === null && DEVICES[kind]!.store !== 'none'; named = true) {
    const scheme = /^([a-z][a-z0-9+-]*):\/\//.exec(argument)?.[1]
    if (scheme !== undefined && Object.hasOwn(SCHEMES, scheme)) {
      store = SCHEMES[scheme]!
      break
    }
    const name = /^([a-z][a-z0-9-]*):/.exec(argument)?.[1]
    if (name !== undefined) argument = argument.slice(name.length + 1)
    const role = name === undefined ? null : roleOf(name)
    if (role === 'device' && !named) kind = name!
    else if (role === 'filter' && !filters.includes(name!)) filters.push(name!)
    else if (role === 'store') store = name!
    else if (role !== null) throw misplaced(name!, role, label)
    else if (name !== undefined) throw unknown(name, label)
    else if (argument === '' && keys['path'] === undefined) {
      if (DEVICES[kind]!.store === 'may' && filters.length === 0) break
      throw new OperatorError('LUN_ARGUMENT', `'${label}' names no file`, { hint: 'write disk.img,size=10G' })
    } else store = 'file'
  }
  return { kind, filters, store, keys: argument === '' ? keys : { '': argument, ...keys }, label }
}

function unknown(name: string, label: string): OperatorError {
  return new OperatorError('LUN_KIND_UNKNOWN', `'${label}' names the unknown kind '${name}'`, {
    hint: `${didYouMean(name, KINDS)}kinds are ${KINDS.join(', ')}; for a file of that name write file:${label}`,
  })
}

function misplaced(name: string, role: string, label: string): OperatorError {
  const message = role === 'device' ? `has the device '${name}' behind another part` : `names '${name}' twice`
  return new OperatorError('LUN_ARGUMENT', `'${label}' ${message}`, {
    hint: 'write at most one device, then filters, each once, then the store, as in disk:readonly:file:disk.img',
  })
}

/** A program's way to say the same: `{ size: '1G', readonly: true }` to texts. */
export function keysOf(
  options: Readonly<Record<string, string | number | boolean | undefined>>,
): Record<string, string> {
  const keys: Record<string, string> = {}
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    keys[name] = typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value)
  }
  return keys
}

/** A size as a program gives it, in bytes. Throws OperatorError. */
export const parseSizeOf = (size: number | string): number => parseSize(sizeText(size))!

/** A size as number or text, checked. */
export function sizeText(size: number | string): string {
  if (typeof size === 'number' ? Number.isSafeInteger(size) && size > 0 : parseSize(size) !== null)
    return String(size)
  throw new OperatorError('SIZE', `'${size}' is no size`, {
    hint: 'give bytes, or a text such as 512M or 10G',
  })
}
