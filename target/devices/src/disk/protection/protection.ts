// SPDX-License-Identifier: Apache-2.0
// The protection information of one disk (its type and the switches of the Control mode page) and of one command.
import { CONTROL, ESCAPE_APPLICATION_TAG, ESCAPE_REFERENCE_TAG, ProtectionType } from '@lunkit/spec'
import { Field } from './checks.ts'
import { SentTags, TAG_LENGTH } from './tags.ts'

/** LOGICAL BLOCK REFERENCE TAG of type 1: the low bits of the LBA. */
const lowBits = (lba: number): number => lba % 0x1_0000_0000

/** A disk that can have protection information. */
export class Protection {
  readonly blockSize: number
  /** As the medium is formatted; `none` is a disk without, until FORMAT UNIT changes that. */
  type: ProtectionType
  /** The application tag is the initiators' (Control mode page). */
  ato = false
  /** Commands whose protect field is zero check nothing. */
  dpicz = false
  /** Writes whose protect field is zero are refused. */
  rwwp = false

  constructor(blockSize: number, type: ProtectionType) {
    this.blockSize = blockSize
    this.type = type
  }

  /** Takes what the Control mode page says. */
  takeModes(control: Uint8Array): void {
    const { ato, dpicz, rwwp } = CONTROL.field
    this.ato = ato.get(control, 0) === 1
    this.dpicz = dpicz.get(control, 0) === 1
    this.rwwp = rwwp.get(control, 0) === 1
  }

  get formatted(): boolean {
    return this.type !== ProtectionType.none
  }

  /** Of `checks`, those that can be made where nothing but the LBA is known. */
  plainChecks(checks: number): number {
    return checks & (this.type === ProtectionType.type1 ? Field.guard | Field.reference : Field.guard)
  }

  /** Reference tag of the block at `lba` where no CDB says one: what is written, and in type 1 what is expected. */
  referenceOf(lba: number): number {
    return this.type === ProtectionType.type1 ? lowBits(lba) : ESCAPE_REFERENCE_TAG
  }

  /** SBC-4 WRPROTECT 000b: with ATO one the escape value, else any; another one lets the guard be checked. */
  get writtenApplication(): number {
    return this.ato ? ESCAPE_APPLICATION_TAG : 0
  }
}

/** What one command says of the tags of its blocks; in `task.protection`. Its first block is that of `task.lba`. */
export interface CommandTags {
  /** Fields of the medium's tags that are checked. */
  readonly checks: number
  /** Reference tag of the first block, or -1 where the CDB does not say one. */
  readonly reference: number
  readonly application: number
  readonly applicationMask: number
  /** Tags to write, or null: they are made. */
  readonly sent: SentTags | null
  /** The guards of `sent` do not fit what is written (ORWRITE): they are made. */
  readonly makesGuards: boolean
  /** Zeros that the store writes by itself are blocks like others; else they get the escape value (WRITE SAME, NDOB). */
  readonly tagsZeros: boolean
  /** Tags that the medium's are compared with, or null; and in which fields. */
  readonly compared: SentTags | null
  readonly compares: number
  /** Where the tags that were read are wanted, for the blocks of the read under way; or null. */
  kept: Uint8Array | null
}

/** For what has no tags of its own to write: the escape value for each block. */
export const BLANK_TAGS: CommandTags = Object.freeze({
  checks: 0,
  reference: -1,
  application: 0,
  applicationMask: 0,
  sent: new SentTags(Buffer.alloc(TAG_LENGTH, 0xff), true, ProtectionType.type3),
  makesGuards: false,
  tagsZeros: false,
  compared: null,
  compares: 0,
  kept: null,
})
