// SPDX-License-Identifier: Apache-2.0
// A LUN of plug-ins that are not lunkit's own: a program gives them, and no table has to know their names.
import { type DeviceType, type FilterType, OperatorError, type StoreType } from '@lunkit/target-api'
import { keysOf, type LunSpec } from './lun-spec.ts'
import { type LunSource, toSpec } from './open-lun.ts'

/** What a LUN is made of. Each part may be lunkit's or anybody's. */
export interface LunParts {
  /** What the unit is: a disk if not given. */
  readonly device?: DeviceType
  /** What stands between device and store, the one next to the device first. */
  readonly filters?: readonly FilterType[]
  /**
   * Where the bytes are; none for a device that needs none. Of a LUN such as `file()` or `memory:1G` its store and filters. A
   * store that is opened already is the target's to close.
   */
  readonly store?: StoreType | LunSource
  /** Values for the parameters of all of them; `NAME.key` is for the part of that name alone. */
  readonly keys?: Readonly<Record<string, string | number | boolean | undefined>>
}

type PlugIn = DeviceType | FilterType | StoreType

const isStoreType = (store: StoreType | LunSource): store is StoreType =>
  typeof store === 'object' && store !== null && 'open' in store && 'parameters' in store

/** `lun({ device: myTape, store: memory('1G'), keys: { … } })`. Throws OperatorError for a part that is none. */
export function lun({ device, filters = [], store, keys = {} }: LunParts): LunSpec {
  if (device === undefined && store === undefined) {
    throw new OperatorError('LUN_ARGUMENT', 'A LUN has neither device nor store', {
      hint: 'give lun() a store, a device, or both',
    })
  }
  if (device !== undefined) check(device)
  filters.forEach(check)
  const below = store === undefined ? null : storeOf(store)
  const kind = device?.name ?? below?.kind ?? 'disk'
  const names = filters.map(({ name }) => name)
  return {
    ...(below ?? NO_STORE),
    kind,
    filters: [...names, ...(below?.filters ?? [])],
    keys: { ...below?.keys, ...keysOf(keys) },
    plugIns: {
      ...below?.plugIns,
      filters: [...filters, ...(below?.plugIns?.filters ?? [])],
      ...(device !== undefined && { device }),
    },
    label: [kind, ...names, below?.label].filter(Boolean).join(':'),
  }
}

const NO_STORE = { store: null, keys: {}, label: '' } as const

function storeOf(store: StoreType | LunSource): LunSpec {
  if (!isStoreType(store)) return toSpec(store, 'storage object')
  check(store)
  return { kind: 'disk', store: store.name, keys: {}, plugIns: { store }, label: store.name }
}

function check({ apiVersion, name, open, parameters }: PlugIn): void {
  const wrong = (what: string): OperatorError =>
    new OperatorError('PLUGIN_WRONG', `Plug-in '${String(name)}' ${what}`, {
      hint: 'it needs apiVersion 1, a name of small letters, a table of parameters and open()',
    })
  if (apiVersion !== 1) throw wrong(`is made for another lunkit: it has apiVersion ${String(apiVersion)}`)
  if (!/^[a-z][a-z0-9-]*$/.test(String(name))) throw wrong('has no name of small letters and digits')
  if (typeof open !== 'function') throw wrong('has no function open')
  if (typeof parameters !== 'object' || parameters === null) throw wrong('has no table of parameters')
}
