// SPDX-License-Identifier: Apache-2.0
// What a third-party copy consists of: steps whose places have been checked against the units as they are now.
import { COPY_ABORTED, COPY_SEGMENT_GRANULARITY_VIOLATION, type SenseCode } from '@lunkit/spec'
import type { NexusUnit } from '@lunkit/target-api'
import { type Cloner, clonerOf } from './clone.ts'

/** Bytes from one unit to another, or to another place of the same. */
export interface MoveStep {
  readonly kind: 'move'
  readonly source: NexusUnit
  readonly destination: NexusUnit
  readonly from: number
  readonly to: number
  readonly length: number
  /** Zeros behind the data, up to a whole block of the destination. */
  readonly pad: number
  /** The ranges overlap such that the end has to be copied first. */
  readonly backwards: boolean
  readonly cloner: Cloner | null
}

/** Zeros instead of data. */
export interface ZeroStep {
  readonly kind: 'zero'
  readonly destination: NexusUnit
  readonly to: number
  readonly length: number
}

/** Asks a unit whether it is ready. */
export interface ReadyStep {
  readonly kind: 'ready'
  readonly source: NexusUnit
}

export type Step = MoveStep | ZeroStep | ReadyStep

export const isSense = (one: object): one is SenseCode => 'asc' in one

/** Bytes of so many blocks of a unit. */
export const bytesOf = ({ unit }: NexusUnit, blocks: number): number => blocks * unit.device.blockSize

/** A move with all places in bytes; or why it cannot be done. */
export function moveStep(place: Pick<MoveStep, 'source' | 'destination' | 'from' | 'to' | 'length' | 'pad'>) {
  const { source, destination, from, to, length, pad } = place
  const sourceBlock = source.unit.device.blockSize
  const destinationBlock = destination.unit.device.blockSize
  if (from % sourceBlock !== 0 || length % sourceBlock !== 0) return COPY_SEGMENT_GRANULARITY_VIOLATION
  if (to % destinationBlock !== 0 || (length + pad) % destinationBlock !== 0) {
    return COPY_SEGMENT_GRANULARITY_VIOLATION
  }
  if (from + length > bytesOf(source, source.unit.device.blocks)) return COPY_ABORTED
  if (to + length + pad > bytesOf(destination, destination.unit.device.blocks)) return COPY_ABORTED
  const overlaps = source.unit === destination.unit && from < to + length && to < from + length && from !== to
  const cloner = overlaps || pad > 0 ? null : clonerOf(source, destination)
  return { ...place, kind: 'move', backwards: overlaps && to > from, cloner } as const
}
