// SPDX-License-Identifier: Apache-2.0
// From a LUN's plug-in names and keys to opened stores: each key goes to the parameter tables that have it.
import {
  type BackingStore,
  type DeviceType,
  type FilterType,
  OperatorError,
  type ParameterTable,
  type ParameterValues,
  readParameters,
} from '@lunkit/target-api'
import { checkTags, openBeside } from './beside-store.ts'
import { type LunSpec, UNIT_PARAMETERS } from './lun-spec.ts'
import { DEVICES, FILTERS, STORES, type StoreModule } from './plug-ins.ts'

/** The plug-ins a LUN needs, loaded by name, and its keys dealt out to them. */
export interface ResolvedLun {
  readonly deviceType: DeviceType
  /** Filters included; null where the device has no store. */
  readonly store: BackingStore | null
  /** What the device keeps beside its blocks, or null. */
  readonly beside: BackingStore | null
  readonly deviceValues: ParameterValues
  readonly unitValues: ParameterValues
}

/** One plug-in of the LUN and its keys. */
interface Layer {
  readonly name: string
  readonly table: ParameterTable
  readonly texts: Record<string, string>
}

/** Loads the plug-ins of one LUN and opens its stores. The caller closes them. */
export async function resolveLun(spec: LunSpec): Promise<ResolvedLun> {
  const { device: deviceType } = await plugIn(spec, DEVICES, spec.kind).load()
  const filters: FilterType[] = []
  for (const name of spec.filters ?? []) filters.push((await plugIn(spec, FILTERS, name)()).filter)
  const storeModule = spec.store === null ? null : await plugIn(spec, STORES, spec.store)()
  const unit = layer('', UNIT_PARAMETERS)
  const device = layer(spec.kind, deviceType.parameters)
  const between = filters.map(({ name, parameters }) => layer(name, parameters))
  // What a program made itself has no keys.
  const storeTable = spec.object === undefined ? (storeModule?.store.parameters ?? {}) : {}
  const bottom = layer(spec.store ?? '', storeTable)
  deal(spec, [bottom, ...between, device, unit], spec.store === null ? device : bottom)
  const [storeValues, deviceValues, unitValues] = [bottom, device, unit].map(one => read(spec, one)) as [
    ParameterValues,
    ParameterValues,
    ParameterValues,
  ]
  const filterValues = between.map(one => read(spec, one))
  checkBlocks(spec.label, storeValues['size'], deviceValues['block'])
  checkTags(deviceValues)
  let store = storeModule === null ? null : await openStore(spec, storeModule, storeValues)
  try {
    for (let i = filters.length - 1; i >= 0; i--) store = await filters[i]!.open(store!, filterValues[i]!)
    if (store === null) return { deviceType, store, beside: null, deviceValues, unitValues }
    const path = spec.store === 'file' && filters.length === 0 ? String(storeValues['path']) : null
    const readonly = storeValues['readonly'] === true
    const beside = await openBeside({ deviceType, store, deviceValues, path, readonly })
    return { deviceType, store, beside, deviceValues, unitValues }
  } catch (error) {
    await store?.close()
    throw error
  }
}

const layer = (name: string, table: ParameterTable): Layer => ({ name, table, texts: {} })

const read = ({ label }: LunSpec, { table, texts }: Layer): ParameterValues =>
  readParameters(label, table, texts)

const openStore = async (
  { object }: LunSpec,
  module: StoreModule,
  values: ParameterValues,
): Promise<BackingStore> => (object === undefined ? module.store.open(values) : module.fromObject!(object))

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

/**
 * A key goes to every layer whose table has it (`readonly` concerns both the store and the disk), `NAME.key` to the layer of that name
 * alone, and what stands after `KIND:` to `arguable`.
 */
function deal(spec: LunSpec, layers: readonly Layer[], arguable: Layer): void {
  for (const [key, text] of Object.entries(spec.keys)) {
    const name = key === '' ? argumentName(arguable, text) : key
    const dot = name.indexOf('.')
    const owner = dot < 0 ? null : name.slice(0, dot)
    const own = name.slice(dot + 1)
    const asked = key === '' ? [arguable] : layers.filter(one => owner === null || one.name === owner)
    const takers = asked.filter(({ table }) => Object.hasOwn(table, own))
    if (takers.length === 0) {
      const known = [...new Set(layers.flatMap(({ table }) => Object.keys(table)))]
      throw new OperatorError('LUN_KEY_UNKNOWN', `'${spec.label}' has the unknown key '${name}'`, {
        hint: `keys of ${arguable.name} are ${known.join(', ')}`,
      })
    }
    for (const { texts } of takers) texts[own] = text
  }
}

function argumentName({ name, table }: Layer, text: string): string {
  const found = Object.entries(table).find(([, parameter]) => parameter.argument)
  if (found !== undefined) return found[0]
  throw new OperatorError('LUN_ARGUMENT', `'${name}' takes no argument, but '${text}' was given`)
}
