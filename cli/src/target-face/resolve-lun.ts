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
  withoutSecrets,
} from '@lunkit/target-api'
import { checkTags, openBeside } from './beside-store.ts'
import { openHeld } from './held.ts'
import { type LunSpec, UNIT_PARAMETERS } from './lun-spec.ts'
import { didYouMean } from './nearest.ts'
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

/** Store and filters of a LUN: what they are, and their keys. */
interface Below {
  readonly module: StoreModule | null
  readonly filters: readonly FilterType[]
  readonly bottom: Layer
  /** Keys of the filters, in their order. */
  readonly between: readonly Layer[]
}

/** The plug-ins of a LUN, and the values of its keys. */
interface CheckedLun {
  readonly deviceType: DeviceType
  readonly below: Below
  readonly storeValues: ParameterValues
  readonly deviceValues: ParameterValues
  readonly unitValues: ParameterValues
}

/** Loads the plug-ins of one LUN and deals out its keys; opens nothing. Rejects with OperatorError for what no layer takes. */
export async function checkLun(spec: LunSpec): Promise<CheckedLun> {
  const deviceType = spec.plugIns?.device ?? (await plugIn(spec, DEVICES, spec.kind).load()).device
  const below = await loadBelow(spec)
  const { bottom, between } = below
  const unit = layer('', UNIT_PARAMETERS)
  const device = layer(spec.kind, deviceType.parameters)
  deal(spec, [bottom, ...between, device, unit], spec.store === null ? device : bottom)
  if (deviceType.changesMedium) onlyRead(bottom)
  const [storeValues, deviceValues, unitValues] = [bottom, device, unit].map(one => read(spec, one)) as [
    ParameterValues,
    ParameterValues,
    ParameterValues,
  ]
  for (const one of between) read(spec, one)
  checkBlocks(spec.label, storeValues['size'], deviceValues['block'])
  checkTags(deviceValues)
  return { deviceType, below, storeValues, deviceValues, unitValues }
}

/** Loads the plug-ins of one LUN and opens its stores. The caller closes them. */
export async function resolveLun(spec: LunSpec): Promise<ResolvedLun> {
  const { deviceType, below, storeValues, deviceValues, unitValues } = await checkLun(spec)
  const store = await openBelow(spec, below, storeValues)
  if (store === null) return { deviceType, store, beside: null, deviceValues, unitValues }
  try {
    const isFile = spec.store === 'file' && spec.plugIns?.store === undefined
    const path = isFile && below.between.length === 0 ? String(storeValues['path']) : null
    const readonly = storeValues['readonly'] === true
    const beside = await openBeside({ deviceType, store, deviceValues, path, readonly })
    return { deviceType, store, beside, deviceValues, unitValues }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Seconds that a LUN wants to wait for what it leads to; 0 for one that leads nowhere. Rejects with OperatorError. */
export async function patienceOf(spec: LunSpec): Promise<number> {
  const { storeValues, deviceValues } = await checkLun(spec)
  return Number(storeValues['wait'] ?? deviceValues['wait'] ?? 0)
}

/** Opens what is put into a drive: the store of a LUN, for reading, whatever device the LUN names. Rejects with OperatorError. */
export async function openMedium(spec: LunSpec): Promise<BackingStore> {
  const below = await loadBelow(spec)
  const { bottom, between } = below
  deal(spec, [bottom, ...between], bottom)
  onlyRead(bottom)
  const store = await openBelow(spec, below, read(spec, bottom))
  if (store !== null) return store
  throw new OperatorError('LUN_ARGUMENT', `'${spec.label}' names no medium`, { hint: 'name an image file' })
}

async function loadBelow(spec: LunSpec): Promise<Below> {
  const filters: FilterType[] = []
  for (const name of spec.filters ?? []) {
    const own = spec.plugIns?.filters?.find(filter => filter.name === name)
    filters.push(own ?? (await plugIn(spec, FILTERS, name)()).filter)
  }
  const module = await loadStore(spec)
  // What a program made itself has no keys.
  const table = spec.object === undefined ? (module?.store.parameters ?? {}) : {}
  const between = filters.map(({ name, parameters }) => layer(name, parameters))
  return { module, filters, bottom: layer(spec.store ?? '', table), between }
}

async function loadStore(spec: LunSpec): Promise<StoreModule | null> {
  if (spec.store === null) return null
  const own = spec.plugIns?.store
  return own === undefined ? plugIn(spec, STORES, spec.store)() : { store: own }
}

/** The store with its filters over it; null where the LUN has none. */
async function openBelow(
  spec: LunSpec,
  { module, filters, between }: Below,
  values: ParameterValues,
): Promise<BackingStore | null> {
  const filterValues = between.map(one => read(spec, one))
  if (module === null) return null
  let store = await openStore(spec, module, values)
  try {
    for (let i = filters.length - 1; i >= 0; i--) store = await filters[i]!.open(store, filterValues[i]!)
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Nobody writes to a medium: several drives may have it, and the operator, too. */
function onlyRead({ table, texts }: Layer): void {
  if (Object.hasOwn(table, 'readonly')) texts['readonly'] ??= 'yes'
}

const layer = (name: string, table: ParameterTable): Layer => ({ name, table, texts: {} })

const read = ({ label }: LunSpec, { table, texts }: Layer): ParameterValues =>
  readParameters(label, table, texts)

const openStore = async (
  { object, label }: LunSpec,
  module: StoreModule,
  values: ParameterValues,
): Promise<BackingStore> =>
  object === undefined
    ? openHeld(label, module.store, values, () => module.store.open(values))
    : module.fromGiven!(object)

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
      const keys = `its keys are ${known.join(', ')} (NAME.key: for the layer of that name alone)`
      throw new OperatorError('LUN_KEY_UNKNOWN', `'${spec.label}' has the unknown key '${name}'`, {
        hint: `${didYouMean(own, known)}${keys}; 'lunkit help ${arguable.name}' tells more`,
      })
    }
    for (const { texts } of takers) texts[own] = text
  }
}

function argumentName({ name, table }: Layer, text: string): string {
  const found = Object.entries(table).find(([, parameter]) => parameter.argument)
  if (found !== undefined) return found[0]
  throw new OperatorError(
    'LUN_ARGUMENT',
    `'${name}' takes no argument, but '${withoutSecrets(text)}' was given`,
  )
}
