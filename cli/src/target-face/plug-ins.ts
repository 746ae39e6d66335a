// SPDX-License-Identifier: Apache-2.0
// The plug-ins that a LUN can be made of, by name: each is loaded when a LUN names it.
import type { BackingStore, DeviceType, FilterType, StoreType } from '@lunkit/target-api'
import type { ObjectStorage } from '@lunkit/target-stores/object'

export interface DevicePlugIn {
  /** A device that may be without a store has none where nothing is named (an empty drive). */
  readonly store: 'needed' | 'may' | 'none'
  readonly load: () => Promise<{ readonly device: DeviceType }>
}

export interface StoreModule {
  readonly store: StoreType
  readonly fromGiven?: (given: ObjectStorage | BackingStore) => BackingStore
}

// Specifiers are written out, so that a bundle has them too.

/** What a unit is; `disk` where nothing else is named. */
export const DEVICES: Readonly<Record<string, DevicePlugIn>> = {
  cdrom: { store: 'may', load: () => import('@lunkit/target-devices/cdrom') },
  disk: { store: 'needed', load: () => import('@lunkit/target-devices/disk') },
  dummy: { store: 'none', load: () => import('@lunkit/target-devices/dummy') },
  passthrough: { store: 'none', load: () => import('../bridges/openers.ts') },
  user: { store: 'none', load: () => import('@lunkit/target-user') },
}

/** What stands between device and store. */
export const FILTERS: Readonly<Record<string, () => Promise<{ readonly filter: FilterType }>>> = {
  readonly: () => import('@lunkit/target-stores/filters/readonly'),
  error: () => import('@lunkit/target-stores/filters/error'),
  overlay: () => import('@lunkit/target-stores/filters/overlay'),
  delay: () => import('@lunkit/target-stores/filters/delay'),
  throttle: () => import('@lunkit/target-stores/filters/throttle'),
  trace: () => import('@lunkit/target-stores/filters/trace'),
  cache: () => import('@lunkit/target-stores/filters/cache'),
  checksum: () => import('@lunkit/target-stores/filters/checksum'),
  encrypt: () => import('@lunkit/target-stores/filters/encrypt'),
}

/** Where the bytes are; `file` where nothing else is named. */
export const STORES: Readonly<Record<string, () => Promise<StoreModule>>> = {
  file: () => import('@lunkit/target-stores/file'),
  block: () => import('@lunkit/target-stores/block'),
  handler: () => import('@lunkit/target-user/handler'),
  iscsi: () => import('../bridges/iscsi/store.ts'),
  memory: () => import('@lunkit/target-stores/memory'),
  nbd: () => import('@lunkit/target-stores/nbd'),
  null: () => import('@lunkit/target-stores/null'),
  object: () => import('@lunkit/target-stores/object'),
  qcow2: () => import('@lunkit/target-stores/qcow2'),
}

/** URI schemes other than a store's own name that mean it: the whole URI is its argument. */
export const SCHEMES: Readonly<Record<string, string>> = {
  nbds: 'nbd',
  'nbd+unix': 'nbd',
  'nbds+unix': 'nbd',
}

const ROLES = { device: DEVICES, filter: FILTERS, store: STORES }
export type Role = keyof typeof ROLES

/** What the plug-in of that name is, or null if there is none. */
export const roleOf = (name: string): Role | null =>
  (Object.keys(ROLES) as Role[]).find(role => Object.hasOwn(ROLES[role], name)) ?? null

/** All names that a LUN argument can begin with. */
export const KINDS: readonly string[] = Object.values(ROLES).flatMap(table => Object.keys(table))
