// SPDX-License-Identifier: Apache-2.0
// Tags of a run of blocks: made for data without, checked against data, compared with others.
import {
  crc16t10dif,
  ESCAPE_APPLICATION_TAG,
  ESCAPE_REFERENCE_TAG,
  PROTECTION_INFORMATION,
  ProtectionType,
} from '@lunkit/spec'
import { Field } from './checks.ts'

export const TAG_LENGTH = PROTECTION_INFORMATION.length
const { guard, applicationTag, referenceTag } = PROTECTION_INFORMATION.field

/** Which field of which block (counted from the first of the run) is wrong, and both values of it. */
export interface WrongTag {
  readonly block: number
  readonly field: number
  readonly found: number
  readonly wanted: number
}

/** What is known of the tags of a run before they are seen. */
export interface Expectation {
  /** Fields to check. */
  readonly checks: number
  /** Reference tag of the first block; counts up from there. */
  readonly reference: number
  readonly application: number
  readonly applicationMask: number
}

/** Guards of block after block, over slices that do not end where blocks do. */
export class Guards {
  readonly #slices: readonly Uint8Array[]
  readonly #blockSize: number
  #slice = 0
  #at = 0

  constructor(slices: readonly Uint8Array[], blockSize: number) {
    this.#slices = slices
    this.#blockSize = blockSize
  }

  next(): number {
    return this.#take(true)
  }

  skip(): void {
    this.#take(false)
  }

  #take(counts: boolean): number {
    let crc = 0
    for (let left = this.#blockSize; left > 0; ) {
      const slice = this.#slices[this.#slice]!
      const end = Math.min(this.#at + left, slice.length)
      if (counts) crc = crc16t10dif(slice, this.#at, end, crc)
      left -= end - this.#at
      this.#at = end
      if (end === slice.length) {
        this.#at = 0
        this.#slice++
      }
    }
    return crc
  }
}

/** Whether the tags at `at` switch checking of their block off. */
export function isEscape(tags: Uint8Array, at: number, type: ProtectionType): boolean {
  if (applicationTag.get(tags, at) !== ESCAPE_APPLICATION_TAG) return false
  return type !== ProtectionType.type3 || referenceTag.get(tags, at) === ESCAPE_REFERENCE_TAG
}

/** The first wrong field of the run, or null. */
export function findWrong(
  tags: Uint8Array,
  slices: readonly Uint8Array[],
  blockSize: number,
  type: ProtectionType,
  expected: Expectation,
): WrongTag | null {
  const { checks, reference, application, applicationMask } = expected
  if (checks === 0) return null
  const guards = new Guards(slices, blockSize)
  for (let block = 0, at = 0; at < tags.length; block++, at += TAG_LENGTH) {
    if (isEscape(tags, at, type)) {
      guards.skip()
      continue
    }
    if (checks & Field.guard) {
      const wanted = guards.next()
      const found = guard.get(tags, at)
      if (found !== wanted) return { block, field: Field.guard, found, wanted }
    }
    if (checks & Field.application) {
      const found = applicationTag.get(tags, at)
      if (((found ^ application) & applicationMask) !== 0) {
        return { block, field: Field.application, found, wanted: application }
      }
    }
    if (checks & Field.reference) {
      const found = referenceTag.get(tags, at)
      const wanted = (reference + block) >>> 0
      if (found !== wanted) return { block, field: Field.reference, found, wanted }
    }
  }
  return null
}

/** Writes tags for blocks that came without: `reference` counts up, or is the escape value for each. */
export function makeTags(
  tags: Uint8Array,
  slices: readonly Uint8Array[],
  blockSize: number,
  application: number,
  reference: number,
): void {
  const guards = new Guards(slices, blockSize)
  for (let block = 0, at = 0; at < tags.length; block++, at += TAG_LENGTH) {
    guard.set(tags, at, guards.next())
    applicationTag.set(tags, at, application)
    referenceTag.set(tags, at, reference === ESCAPE_REFERENCE_TAG ? reference : (reference + block) >>> 0)
  }
}

/** Puts the guards of these blocks into tags that have the rest already. */
export function makeGuards(tags: Uint8Array, slices: readonly Uint8Array[], blockSize: number): void {
  const guards = new Guards(slices, blockSize)
  for (let at = 0; at < tags.length; at += TAG_LENGTH) guard.set(tags, at, guards.next())
}

/** The first of `fields` in which two runs of tags differ, or null. */
export function findDifference(found: Uint8Array, wanted: Uint8Array, fields: number): WrongTag | null {
  for (let block = 0, at = 0; at < found.length; block++, at += TAG_LENGTH) {
    for (const [field, one] of FIELDS) {
      const [is, should] = [one.get(found, at), one.get(wanted, at)]
      if ((fields & field) !== 0 && is !== should) return { block, field, found: is, wanted: should }
    }
  }
  return null
}

const FIELDS = [
  [Field.guard, guard],
  [Field.application, applicationTag],
  [Field.reference, referenceTag],
] as const

/**
 * Tags of a command's blocks as they were sent, from its first block on. One that `repeats` stands for all blocks: its
 * reference tag then counts up, but in type 3 and where all of it is the escape value (SBC-4 WRITE SAME (10) command).
 */
export class SentTags {
  readonly tags: Uint8Array
  readonly repeats: boolean
  readonly #counts: boolean

  constructor(tags: Uint8Array, repeats: boolean, type: ProtectionType) {
    this.tags = tags
    this.repeats = repeats
    this.#counts = repeats && type !== ProtectionType.type3 && tags.some(byte => byte !== 0xff)
  }

  /** Copies the tags of `into.length / 8` blocks from the command's block `first` on. */
  copy(first: number, into: Uint8Array): void {
    if (!this.repeats) {
      into.set(this.tags.subarray(first * TAG_LENGTH, first * TAG_LENGTH + into.length))
      return
    }
    const initial = referenceTag.get(this.tags, 0)
    for (let block = first, at = 0; at < into.length; block++, at += TAG_LENGTH) {
      into.set(this.tags, at)
      if (this.#counts) referenceTag.set(into, at, (initial + block) >>> 0)
    }
  }
}

/** Turns every bit: tags are kept so, for then a hole of the store, which reads as zeros, is the escape value. */
export function invert(tags: Uint8Array): void {
  for (let i = 0; i < tags.length; i++) tags[i] = ~tags[i]!
}
