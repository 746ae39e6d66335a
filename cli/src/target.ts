// SPDX-License-Identifier: Apache-2.0
// The library face `lunkit/target`: serve storage as SCSI disks from a Node program.

import { type BackingStore, joinList } from '@lunkit/target-api'
import type { ObjectStorage } from '@lunkit/target-stores/object'
import { filtered } from './target-face/filtered.ts'
import { keysOf, type LunSpec, sizeText } from './target-face/lun-spec.ts'
import type { LunSource } from './target-face/open-lun.ts'

export {
  type Ability,
  type BackingStore,
  type Device,
  type DeviceType,
  type FilterType,
  OperatorError,
  type ParameterTable,
  type ParameterValues,
  StoreError,
  type StoreEvent,
  type StoreIo,
  type StoreType,
  type StoreUsage,
  type StoreWatcher,
  type TargetEvent,
  type Task,
} from '@lunkit/target-api'
export type {
  AccessAccount,
  AccessRule,
  CaptureFacts,
  CaptureOptions,
  ConnectionReport,
  Counters,
  Drained,
  Explanation,
  IsnsOptions,
  IsnsState,
  LoginFacts,
  LoginReport,
  PeerCertificate,
  Redirect,
  RedirectDecision,
  RehearsalOptions,
  SessionChange,
  SessionReport,
  Tls,
  TlsSource,
  VendorEvent,
  VendorKey,
  VendorKeyFacts,
} from '@lunkit/target-driver-iscsi'
export type { CallOptions, ObjectStorage } from '@lunkit/target-stores/object'
export type { AccessSettings, ViewQuestion } from './target-face/access.ts'
export { createTarget, type TargetOptions } from './target-face/create-target.ts'
export type { GroupLun } from './target-face/groups.ts'
export type { GuardOptions } from './target-face/guard.ts'
export type { InitiatorSelection, Initiators } from './target-face/initiators.ts'
export type { IscsiKeys } from './target-face/iscsi-keys.ts'
export type { Lun, LunView, Referral, UnitNames } from './target-face/lun.ts'
export type { LunSpec } from './target-face/lun-spec.ts'
export type { LunSource } from './target-face/open-lun.ts'
export { type LunParts, lun } from './target-face/own-plug-ins.ts'
export type {
  AccessStateName,
  PortGroupSetting,
  PortGroupSettings,
  PortGroupView,
} from './target-face/port-groups.ts'
export type { PortalGiven, PortalSettings } from './target-face/portal-settings.ts'
export type { LunPlace, RunningTarget } from './target-face/running-target.ts'
export type { WatchOptions } from './target-face/watch.ts'

/** Keys that every disk takes, whatever its store. */
export interface DiskOptions {
  /** Logical block size: 512 (default), 1024, 2048 or 4096 bytes. */
  readonly block?: number
  /** Physical block size that is reported. */
  readonly physical?: number
  readonly readonly?: boolean
  readonly removable?: boolean
  /** Write cache on at first, where the storage has one: true if not given. */
  readonly wce?: boolean
  /** Turns a minute; 1 (default) for a disk that does not turn, 0 to say nothing. */
  readonly rotation?: number
  /** Longest CDB in bytes: 32 if not given. 16 leaves out commands that some initiators stumble over. */
  readonly cdb?: 16 | 32
  /** Keeps protection information: 1 to 3 the type of new tags, 0 none until the disk is formatted with it. */
  readonly protection?: 0 | 1 | 2 | 3
  /** File for its tags; if not given, the image's path and `.pi`, or memory. */
  readonly tags?: string
  readonly serial?: string
  readonly naa?: string
  readonly vendor?: string
  readonly product?: string
  readonly revision?: string
  /** EUI-64 designator: 16, 24 or 32 hex digits. */
  readonly eui64?: string
  /** SCSI name string: `iqn.…`, `eui.…` or `naa.…`. */
  readonly scsiname?: string
  /** What follows the vendor in the T10 designator; product and serial number if not given. */
  readonly t10id?: string
  /** URL where the unit is managed, for VPD page 85h. */
  readonly management?: string
}

/** Keys of a disk image, beside those of every disk. */
export interface FileDiskOptions extends DiskOptions {
  /** Creates it where it does not exist. */
  readonly size?: number | string
  /** Around the page cache. */
  readonly direct?: boolean
  /** Every write is durable before it is answered. */
  readonly sync?: boolean
  /** What the kernel reads ahead. */
  readonly readahead?: 'normal' | 'sequential' | 'random' | 'no'
  /** Takes room for all of it at once. */
  readonly preallocate?: boolean
}

/** A disk image. `size` creates it, sparse, where it does not exist. */
export function file(path: string, { size, ...options }: FileDiskOptions = {}): LunSpec {
  const keys = keysOf({ path, ...options, ...(size !== undefined && { size: sizeText(size) }) })
  return { kind: 'disk', store: 'file', keys, label: path }
}

/** An image of QEMU. `size` creates it where it does not exist; `backing` is the file behind it. */
export function qcow2(path: string, options: DiskOptions & Qcow2Keys = {}): LunSpec {
  const { size, cluster, cache, backingFormat, ...others } = options
  const keys = keysOf({
    path,
    ...others,
    ...(size !== undefined && { size: sizeText(size) }),
    ...(cluster !== undefined && { cluster: sizeText(cluster) }),
    ...(cache !== undefined && { cache: sizeText(cache) }),
    ...(backingFormat !== undefined && { 'backing-format': backingFormat }),
  })
  return { kind: 'disk', store: 'qcow2', keys, label: `qcow2:${path}` }
}

export interface Qcow2Keys {
  readonly size?: number | string
  /** Bytes of a cluster of a new image: 64 KiB if not given. */
  readonly cluster?: number | string
  /** Relative to the image's folder. */
  readonly backing?: string
  /** Bytes of L2 tables kept in memory: 16 MiB if not given. */
  readonly cache?: number | string
  /** Where the image does not say. */
  readonly backingFormat?: 'raw' | 'qcow2'
}

/** A block device of this machine, around the page cache (Linux). `force` serves it even though it is mounted or in use. */
export function block(path: string, options: DiskOptions & { readonly force?: boolean } = {}): LunSpec {
  return { kind: 'disk', store: 'block', keys: keysOf({ path, ...options }), label: `block:${path}` }
}

/** A disk in memory, zeros at first, gone when the target closes. */
export function memory(size: number | string, options: DiskOptions = {}): LunSpec {
  const keys = keysOf({ size: sizeText(size), ...options })
  return { kind: 'disk', store: 'memory', keys, label: `memory:${size}` }
}

/** A disk that forgets what is written and reads zeros; for measuring everything above it. */
export function nothing(size: number | string = '1T', options: DiskOptions = {}): LunSpec {
  const keys = keysOf({ size: sizeText(size), ...options })
  return { kind: 'disk', store: 'null', keys, label: `null:${size}` }
}

/** How an NBD server is used. */
export interface NbdOptions {
  /** Connections, where the server shares its cache among several: 4 if not given. */
  readonly connections?: number
  /** Seconds that the server may take for a request: 20 if not given. */
  readonly timeout?: number
  /** Seconds that requests wait for a server that is away: 20 if not given. */
  readonly wait?: number
  /** Files, PEM: who signs the server's certificate, and what the server is shown. */
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
}

/** An export of an NBD server, such as `nbd://host/export`, `nbds://host/export` or `nbd+unix:///export?socket=/path`. */
export function nbd(
  uri: string,
  { tlsCa, tlsCert, tlsKey, ...options }: DiskOptions & NbdOptions = {},
): LunSpec {
  const keys = keysOf({ uri, ...options, 'tls-ca': tlsCa, 'tls-cert': tlsCert, 'tls-key': tlsKey })
  return { kind: 'disk', store: 'nbd', keys, label: uri }
}

/** Keys of what a handler has. */
export interface HandlerOptions {
  /** Which of its units, for a handler that has several. */
  readonly unit?: string
  /** Seconds that it may take for a request: 30 if not given, 0 for ever. */
  readonly timeout?: number
  /** Seconds that requests wait for a handler that is away: 10 if not given. */
  readonly wait?: number
  /** Pass data by a file in memory where both can: true if not given. */
  readonly shared?: boolean
}

/** A disk whose blocks another process has, which listens on this Unix socket: docs/how-to/write-a-handler.md. */
export function handler(socket: string, options: DiskOptions & HandlerOptions = {}): LunSpec {
  return { kind: 'disk', store: 'handler', keys: keysOf({ socket, ...options }), label: `handler:${socket}` }
}

/** A unit of any type whose SCSI commands another process answers. */
export function user(
  socket: string,
  options: HandlerOptions & CdromOptions & Pick<DiskOptions, 'readonly'> = {},
): LunSpec {
  return { kind: 'user', store: null, keys: keysOf({ socket, ...options }), label: `user:${socket}` }
}

/** Keys of a CD drive. */
export type CdromOptions = Pick<
  DiskOptions,
  'serial' | 'naa' | 'vendor' | 'product' | 'revision' | 'eui64' | 'scsiname' | 't10id' | 'management'
>

/**
 * A CD drive with an image in it, or an empty one; with several images, each load after an eject takes the next. What is
 * in it can be changed while it runs: `lun.insert(…)`, `lun.eject()`.
 */
export function cdrom(images: string | readonly string[] = [], options: CdromOptions = {}): LunSpec {
  const [path, ...more] = typeof images === 'string' ? [images] : images
  const next = more.map(one => `file:${one.replaceAll(',', '\\,')}`)
  const keys = { ...keysOf({ path, ...options }), ...(next.length > 0 && { next: joinList(next) }) }
  return { kind: 'cdrom', store: path === undefined ? null : 'file', keys, label: `cdrom:${path ?? ''}` }
}

/** Who logs in at the target of a unit of another one, and how; secrets stand in the first line of a file. */
export interface IscsiLogin {
  readonly chapUser?: string
  readonly chapFile?: string
  readonly mutualUser?: string
  readonly mutualFile?: string
  readonly initiatorName?: string
  readonly digests?: boolean
  readonly connections?: number
  /** Error recovery level. */
  readonly recovery?: 0 | 1 | 2
  readonly tls?: boolean
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
}

/** The bytes of a disk of an iSCSI target, `iscsi://host/target/lun`. */
export function iscsi(
  url: string,
  options: DiskOptions & IscsiLogin & { wait?: number; timeout?: number } = {},
): LunSpec {
  return { kind: 'disk', store: 'iscsi', keys: dashed({ url, ...options }), label: url }
}

/** How a real unit is passed through; its names are its own where none are given. */
export interface PassthroughOptions
  extends IscsiLogin,
    Pick<
      DiskOptions,
      'readonly' | 'serial' | 'naa' | 'vendor' | 'product' | 'revision' | 'eui64' | 'scsiname' | 't10id'
    > {
  /** Seconds for a command: 60 if not given. */
  readonly timeout?: number
  /** Seconds that commands wait for a unit that is away: 20 if not given. */
  readonly wait?: number
  /** Kept by lunkit for each initiator (`own`, if not given), or by the real unit for all of them. */
  readonly reservations?: 'own' | 'unit'
  /** READ and WRITE succeed without touching the unit. */
  readonly performance?: boolean
  /** Of a SCSI device of this machine: also one that is in use here. */
  readonly force?: boolean
}

/** A real unit that answers every command: `iscsi://host/target/lun`, or a file such as `/dev/sg3`. */
export function passthrough(unit: string, options: PassthroughOptions = {}): LunSpec {
  return {
    kind: 'passthrough',
    store: null,
    keys: dashed({ unit, ...options }),
    label: `passthrough:${unit}`,
  }
}

/** Keys whose words have dashes between them. */
const dashed = (options: Parameters<typeof keysOf>[0]): Record<string, string> =>
  keysOf(
    Object.fromEntries(
      Object.entries(options).map(([name, value]) => [
        name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`),
        value,
      ]),
    ),
  )

/** A disk made of a program's own storage or store, where keys such as `block` are wanted; else pass the object itself. */
export function disk(object: ObjectStorage | BackingStore, options: DiskOptions = {}): LunSpec {
  return { kind: 'disk', store: 'object', keys: keysOf({ ...options }), object, label: 'storage object' }
}

/**
 * A LUN behind the filter of that name, with the filter's keys as `lunkit serve` has them: `filter('throttle', lun, { iops: 500 })`. They
 * stand in front of each other: `filter('readonly', filter('cache', 'disk.img'))`.
 */
export const filter = (
  name: string,
  lun: LunSource,
  keys: Readonly<Record<string, string | number | boolean>> = {},
): LunSpec => filtered(name, lun, keys)

/** Keys of the filter overlay. */
export interface OverlayOptions {
  /** Sparse file that keeps the changes, created if it does not exist; if not given, they are in memory. */
  readonly upper?: string
  /** File that a snapshot has frozen, which a new `upper` goes on from. */
  readonly from?: string
  /** Most bytes of changes in memory: 256M if not given. */
  readonly most?: number | string
  /** `initiator`: each initiator port has changes of its own, in memory, until its last session ends. */
  readonly per?: 'unit' | 'initiator'
  /** Most initiator ports with changes: 16 if not given. */
  readonly ports?: number
  /** Bytes that are kept together: 4096 if not given, up to 1 TiB. */
  readonly grain?: number | string
  /** Takes an `upper` though the storage has another name now. */
  readonly moved?: boolean
}

/** A LUN whose changes are kept apart: what is below stays as it is. `lun.control('reset')` throws them away, `commit` writes them below. */
export const overlay = (lun: LunSource, options: OverlayOptions = {}): LunSpec =>
  filtered('overlay', lun, { ...options })

/** A LUN with rehearsed faults, such as `medium:read:lba=100-199` or `busy:every=9`; other rules later with `lun.control('errors', …)`. */
export const errors = (lun: LunSource, rules: readonly string[] = []): LunSpec =>
  filtered('error', lun, { errors: rules.join('+') })
