// SPDX-License-Identifier: Apache-2.0
// The library face `lunkit/target`: serve storage as SCSI disks from a Node program.
import type { ObjectStorage } from '@lunkit/target-stores/object'
import { keysOf, type LunSpec, sizeText } from './target-face/lun-spec.ts'

export { OperatorError, type TargetEvent } from '@lunkit/target-api'
export type { ObjectStorage } from '@lunkit/target-stores/object'
export {
  type ChapOptions,
  createTarget,
  type LunView,
  type RunningTarget,
  type TargetOptions,
} from './target-face/create-target.ts'
export type { LunSpec } from './target-face/lun-spec.ts'

/** Keys that every disk takes, whatever its store. */
export interface DiskOptions {
  /** Logical block size: 512 (default), 1024, 2048 or 4096 bytes. */
  readonly block?: number
  /** Physical block size that is reported. */
  readonly physical?: number
  readonly readonly?: boolean
  readonly removable?: boolean
  /** Keeps protection information: 1 to 3 the type of new tags, 0 none until the disk is formatted with it. */
  readonly protection?: 0 | 1 | 2 | 3
  /** File for its tags; if not given, the image's path and `.pi`, or memory. */
  readonly tags?: string
  readonly serial?: string
  readonly naa?: string
  readonly vendor?: string
  readonly product?: string
  readonly revision?: string
}

/** A disk image. `size` creates it, sparse, where it does not exist. */
export function file(
  path: string,
  { size, ...options }: DiskOptions & { size?: number | string } = {},
): LunSpec {
  const keys = keysOf({ path, ...options, ...(size !== undefined && { size: sizeText(size) }) })
  return { kind: 'disk', store: 'file', keys, label: path }
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

/** A disk made of a program's own storage, where keys such as `block` are wanted; else pass the object itself. */
export function disk(object: ObjectStorage, options: DiskOptions = {}): LunSpec {
  return { kind: 'disk', store: 'object', keys: keysOf({ ...options }), object, label: 'storage object' }
}
