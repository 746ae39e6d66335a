// SPDX-License-Identifier: Apache-2.0
// A LUN as a person writes it (`KIND:ARGUMENT[,key=value…]`) or as a program gives it, made into plug-ins and values.

import {
  type BackingStore,
  type DeviceType,
  OperatorError,
  type ParameterTable,
  parseSize,
  readParameters,
  type StoreType,
} from '@lunkit/target-api'
import type { ObjectStorage } from '@lunkit/target-stores/object'
import { checkTags, openBeside } from './beside-store.ts'

/** Which plug-ins make the unit, and the texts of their keys. */
export interface LunSpec {
  /** Device type: `disk`. */
  readonly kind: string
  /** Store plug-in. */
  readonly store: string
  /** Keys of store and device type, as texts. */
  readonly keys: Readonly<Record<string, string>>
  /** The user's own storage, for the store `object`. */
  readonly object?: ObjectStorage
  /** What to call it in messages. */
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

interface StoreModule {
  readonly store: StoreType
  readonly fromObject?: (object: ObjectStorage) => BackingStore
}

/** Plug-ins by name, each loaded when a LUN names it. Their specifiers are written out, so that a bundle has them too. */
const DEVICES: Readonly<Record<string, () => Promise<{ readonly device: DeviceType }>>> = {
  disk: () => import('@lunkit/target-devices/disk'),
}
const STORE_MODULES: Readonly<Record<string, () => Promise<StoreModule>>> = {
  file: () => import('@lunkit/target-stores/file'),
  memory: () => import('@lunkit/target-stores/memory'),
  null: () => import('@lunkit/target-stores/null'),
  object: () => import('@lunkit/target-stores/object'),
}

/** Stores that a LUN argument can name. */
export const STORES: readonly string[] = Object.keys(STORE_MODULES)

/**
 * Reads a LUN argument. A bare path is `file:`. Commas separate keys; a comma inside a value is written `\\,`.
 * Throws OperatorError for an unknown kind or a part that is no key=value.
 */
export function parseLun(text: string): LunSpec {
  const kind = /^([a-z][a-z0-9-]*):/.exec(text)?.[1]
  if (kind !== undefined && !STORES.includes(kind)) {
    throw new OperatorError('LUN_KIND_UNKNOWN', `'${text}' names the unknown kind '${kind}'`, {
      hint: `kinds are ${STORES.join(', ')}; for a file of that name write file:${text}`,
    })
  }
  const store = kind ?? 'file'
  const [argument = '', ...rest] = splitCommas(kind === undefined ? text : text.slice(kind.length + 1))
  if (argument === '' && store === 'file' && !rest.some(part => part.startsWith('path='))) {
    throw new OperatorError('LUN_ARGUMENT', `'${text}' names no file`, { hint: 'write disk.img,size=10G' })
  }
  const keys: Record<string, string> = {}
  if (argument !== '') keys[''] = argument
  for (const part of rest) {
    const at = part.indexOf('=')
    if (at < 1) {
      throw new OperatorError('LUN_ARGUMENT', `'${part}' in '${text}' is no key=value`, {
        hint: 'separate keys with commas, as in disk.img,size=10G,readonly=yes',
      })
    }
    keys[part.slice(0, at)] = part.slice(at + 1)
  }
  return { kind: 'disk', store, keys, label: text }
}

function splitCommas(text: string): string[] {
  return text.split(/(?<!\\),/).map(part => part.replaceAll('\\,', ','))
}

/** The plug-ins a LUN needs, loaded by name, and its keys dealt out to them. */
export interface ResolvedLun {
  readonly deviceType: DeviceType
  readonly store: BackingStore
  /** What the device keeps beside its blocks, or null. */
  readonly beside: BackingStore | null
  readonly deviceValues: Readonly<Record<string, string | number | boolean>>
  readonly unitValues: Readonly<Record<string, string | number | boolean>>
}

/** Loads the plug-ins of one LUN and opens its stores. The caller closes them. */
export async function resolveLun(spec: LunSpec): Promise<ResolvedLun> {
  const { device: deviceType } = await plugIn(spec, DEVICES, spec.kind)()
  const storeModule = await plugIn(spec, STORE_MODULES, spec.store)()
  const storeTable = spec.object === undefined ? storeModule.store.parameters : {}
  const dealt = deal(spec, storeTable, deviceType.parameters)
  const deviceValues = readParameters(spec.label, deviceType.parameters, dealt.device)
  const unitValues = readParameters(spec.label, UNIT_PARAMETERS, dealt.unit)
  const storeValues = spec.object === undefined ? readParameters(spec.label, storeTable, dealt.store) : {}
  checkBlocks(spec.label, storeValues['size'], deviceValues['block'])
  checkTags(deviceValues)
  const store =
    spec.object !== undefined
      ? storeModule.fromObject!(spec.object)
      : await storeModule.store.open(storeValues)
  try {
    const path = spec.store === 'file' ? String(storeValues['path']) : null
    const readonly = storeValues['readonly'] === true
    const beside = await openBeside({ deviceType, store, deviceValues, path, readonly })
    return { deviceType, store, beside, deviceValues, unitValues }
  } catch (error) {
    await store.close()
    throw error
  }
}

function plugIn<T>({ label }: LunSpec, table: Readonly<Record<string, T>>, name: string): T {
  if (Object.hasOwn(table, name)) return table[name]!
  throw new OperatorError('LUN_KIND_UNKNOWN', `'${label}' names the unknown kind '${name}'`, {
    hint: `there is ${Object.keys(table).join(', ')}`,
  })
}

/** A size that is asked for is checked before anything of that size is made. */
function checkBlocks(label: string, size: unknown, block: unknown): void {
  if (typeof size !== 'number' || typeof block !== 'number' || size % block === 0) return
  throw new OperatorError('SIZE', `'${label}': ${size} bytes are no multiple of the block of ${block}`, {
    hint: `give ${size - (size % block) + block} bytes`,
  })
}

type Texts = Record<string, string>

/** A key goes to every table that has it (`readonly` concerns both the store and the disk). */
function deal(
  spec: LunSpec,
  store: ParameterTable,
  device: ParameterTable,
): { store: Texts; device: Texts; unit: Texts } {
  const dealt = { store: {} as Texts, device: {} as Texts, unit: {} as Texts }
  const tables = [
    [store, dealt.store],
    [device, dealt.device],
    [UNIT_PARAMETERS as ParameterTable, dealt.unit],
  ] as const
  for (const [key, text] of Object.entries(spec.keys)) {
    const name = key === '' ? argumentName(spec, store, text) : key
    const takers = tables.filter(([table]) => Object.hasOwn(table, name))
    if (takers.length === 0) {
      const known = [...new Set(tables.flatMap(([table]) => Object.keys(table)))]
      throw new OperatorError('LUN_KEY_UNKNOWN', `'${spec.label}' has the unknown key '${name}'`, {
        hint: `keys of ${spec.store} are ${known.join(', ')}`,
      })
    }
    for (const [, texts] of takers) texts[name] = text
  }
  return dealt
}

function argumentName(spec: LunSpec, store: ParameterTable, text: string): string {
  const found = Object.entries(store).find(([, parameter]) => parameter.argument)
  if (found !== undefined) return found[0]
  throw new OperatorError('LUN_ARGUMENT', `'${spec.store}' takes no argument, but '${text}' was given`)
}

/** A program's way to say the same: `{ size: '1G', readonly: true }` to texts. */
export function keysOf(options: Readonly<Record<string, string | number | boolean | undefined>>): Texts {
  const keys: Texts = {}
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
