// SPDX-License-Identifier: Apache-2.0
// From what somebody wants to serve to an opened device with its names and records.
import {
  type BackingStore,
  type Device,
  type Identity,
  listOf,
  type Observer,
  OperatorError,
  type ParameterValues,
  type UnitRecords,
} from '@lunkit/target-api'
import { openRecords } from '@lunkit/target-state'
import type { ObjectStorage } from '@lunkit/target-stores/object'
import { openHeld } from './held.ts'
import { makeIdentity } from './identity.ts'
import { type LunSpec, parseLun } from './lun-spec.ts'
import { type Here, refuseLoop } from './own-portals.ts'
import { openMedium, resolveLun } from './resolve-lun.ts'
import type { ServedUnits } from './served-units.ts'

/** A LUN argument (`disk.img,size=1G`), what `file()`, `lun()` and their kin give, a store, or an object with size and read. */
export type LunSource = string | LunSpec | ObjectStorage | BackingStore

export interface OpenedLun {
  readonly spec: LunSpec
  /** What its names are made of. */
  readonly storage: string
  readonly device: Device
  /** Names that the operator gave it. */
  readonly names: ParameterValues
  readonly identity: Identity
  readonly records: UnitRecords | null
}

export interface OpenPlace {
  /** What storage without a name of its own is called, such as `iqn… LUN 3`. */
  readonly label: string
  /** Folder of the records, or null: nothing is kept. */
  readonly state: string | null
  /** The target that it is for. */
  readonly here: Here
  /** What is served beside it. */
  readonly others: ServedUnits
  readonly observe: Observer
}

/** Opens stores and device. Rejects with OperatorError, and then nothing is left open. */
export async function openLun(given: LunSource, place: OpenPlace): Promise<OpenedLun> {
  const { label, observe } = place
  const spec = toSpec(given, label)
  place.others.refuseShared(spec)
  await refuseLoop(spec, place.here)
  const { deviceType, store, beside, deviceValues, unitValues } = await resolveLun(spec)
  let device: Device | null = null
  try {
    // Only a device without a store tells itself what it is.
    // A medium comes and goes, its drive stays where it is.
    const stays = deviceType.changesMedium === true
    const open = (): Promise<Device> => deviceType.open(store, deviceValues, beside)
    if (store === null || stays) device = await openHeld(spec.label, deviceType, deviceValues, open)
    const known = stays ? '' : (store?.identity ?? device?.identity)
    const storage = known || `${stays ? spec.kind : (spec.store ?? spec.kind)}:${label.replace(' LUN ', '/')}`
    const identity = makeIdentity(storage, unitValues, device?.names)
    place.others.refuseTwin({ spec, storage, identity })
    if (device?.names !== undefined) place.others.refuseTwice(spec, storage)
    const lasts = Boolean(known) || stays || NAMING.some(key => Object.hasOwn(unitValues, key))
    const warn = (reason: string): void => observe({ type: 'warning', reason: `${spec.label}: ${reason}` })
    const records = lasts && place.state !== null ? await openRecords(place.state, identity.naa, warn) : null
    device ??= await open()
    for (const text of listOf(deviceValues['next'])) await stack(device, text, place.here)
    if (store?.note) warn(store.note)
    return { spec, storage, device, names: unitValues, identity, records }
  } catch (error) {
    // A device closes what it was opened with.
    if (device !== null) await device.close()
    else {
      await store?.close()
      await beside?.close()
    }
    throw error
  }
}

/** Puts a medium beside the drive. */
async function stack({ drive }: Device, text: string, here: Here): Promise<void> {
  const { store } = await openSource(text, text, here)
  try {
    drive!.stack(store)
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Opens what is put into a drive that runs. Rejects with OperatorError. */
export async function openSource(
  given: LunSource,
  label: string,
  here: Here,
): Promise<{ readonly spec: LunSpec; readonly store: BackingStore }> {
  const spec = toSpec(given, label)
  await refuseLoop(spec, here)
  return { spec, store: await openMedium(spec) }
}

/** Keys that make a unit the same in every run, even if its storage has no name of its own (as memory has none). */
const NAMING = ['serial', 'naa'] as const

/** `label` is what an object is called in messages. Throws OperatorError. */
export function toSpec(given: LunSource, label: string): LunSpec {
  if (typeof given === 'string') return parseLun(given)
  if (typeof given !== 'object' || given === null) {
    throw new OperatorError('LUN_ARGUMENT', `'${given}' is no LUN`, {
      hint: "give a text such as 'disk.img,size=10G', file(), memory() or nothing(), or an object with size and read",
    })
  }
  if ('store' in given && 'keys' in given) return given
  return { kind: 'disk', store: 'object', keys: {}, object: given, label }
}
