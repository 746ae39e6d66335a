// SPDX-License-Identifier: Apache-2.0
// The tokens of one unit: each stands for ranges of its blocks as they were when it was made.
import { randomBytes } from 'node:crypto'
import {
  CodeSet,
  CopyDescriptor,
  DesignatorType,
  IDENTIFICATION_CSCD,
  INVALID_TOKEN_OPERATION_TOKEN_CORRUPT,
  INVALID_TOKEN_OPERATION_TOKEN_EXPIRED,
  INVALID_TOKEN_OPERATION_TOKEN_REVOKED,
  INVALID_TOKEN_OPERATION_TOKEN_UNKNOWN,
  ROD_TOKEN,
  RodType,
  type SenseCode,
} from '@lunkit/spec'
import type { LogicalUnit } from '@lunkit/target-api'
import { MAX_TOKENS } from './limits.ts'

export interface BlockRange {
  readonly lba: number
  readonly blocks: number
}

/** The bytes that make a token hard to guess: whoever has a token may read what it stands for. */
const SECRET = 32

/**
 * A token is change vulnerable: nothing is kept of the data, so a write to its ranges revokes it (SPC-4, point in time
 * ROD types). While there are tokens, the engine tells of every command that may write.
 */
export class Token {
  readonly bytes: Buffer
  readonly ranges: readonly BlockRange[]
  readonly blocks: number
  readonly #timeoutMs: number
  #usedAt = performance.now()
  /** Commands that use it now: it does not expire meanwhile. */
  #users = 0
  #end: SenseCode | null = null

  constructor(bytes: Buffer, ranges: readonly BlockRange[], timeoutMs: number) {
    this.bytes = bytes
    this.ranges = ranges
    this.blocks = ranges.reduce((sum, { blocks }) => sum + blocks, 0)
    this.#timeoutMs = timeoutMs
  }

  /** Why it cannot be used, or null. */
  get objection(): SenseCode | null {
    if (this.#end === null && this.#users === 0 && performance.now() - this.#usedAt > this.#timeoutMs) {
      this.#end = INVALID_TOKEN_OPERATION_TOKEN_EXPIRED
    }
    return this.#end
  }

  use(): void {
    this.#users++
  }

  unuse(): void {
    this.#users--
    this.#usedAt = performance.now()
  }

  end(code: SenseCode): void {
    this.#end ??= code
  }

  covers(lba: number, blocks: number): boolean {
    return this.ranges.some(range => range.lba < lba + blocks && lba < range.lba + range.blocks)
  }
}

export class TokenTable {
  readonly #tokens = new Map<string, Token>()
  readonly #unit: () => LogicalUnit

  constructor(unit: () => LogicalUnit) {
    this.#unit = unit
  }

  /** A new token, or null if there are as many as may be. */
  make(ranges: readonly BlockRange[], timeoutMs: number, blockSize: number): Token | null {
    this.#forgetEnded()
    if (this.#tokens.size >= MAX_TOKENS) return null
    const unit = this.#unit()
    const size = ranges.reduce((sum, { blocks }) => sum + blocks, 0) * blockSize
    const bytes = Buffer.from(
      ROD_TOKEN.write({
        type: RodType.changeVulnerable,
        length: ROD_TOKEN.length - 8,
        identifier: randomBytes(8),
        creator: creatorOf(unit, blockSize),
        size,
        deviceTypeSpecific: deviceSpecific(blockSize),
        extended: Buffer.concat([randomBytes(SECRET), Buffer.alloc(384 - SECRET)]),
      }),
    )
    const token = new Token(bytes, ranges, timeoutMs)
    this.#tokens.set(keyOf(bytes), token)
    unit.onChange = this.#changed
    return token
  }

  /** The token, or why there is none. */
  find(bytes: Uint8Array): Token | SenseCode {
    const token = this.#tokens.get(keyOf(bytes))
    if (token === undefined) return INVALID_TOKEN_OPERATION_TOKEN_UNKNOWN
    if (!token.bytes.equals(bytes)) return INVALID_TOKEN_OPERATION_TOKEN_CORRUPT
    return token.objection ?? token
  }

  readonly #changed = (lba: number, blocks: number): void => {
    let left = 0
    for (const token of this.#tokens.values()) {
      if (token.objection !== null) continue
      if (token.covers(lba, blocks)) token.end(INVALID_TOKEN_OPERATION_TOKEN_REVOKED)
      else left++
    }
    if (left === 0) this.#unit().onChange = null
  }

  /** The oldest ended ones first; those whose end may still be asked for stay while there is room. */
  #forgetEnded(): void {
    if (this.#tokens.size < MAX_TOKENS) return
    for (const [key, token] of this.#tokens) if (token.objection !== null) this.#tokens.delete(key)
  }
}

const keyOf = (bytes: Uint8Array): string =>
  Buffer.from(ROD_TOKEN.field.identifier.get(bytes, 0)).toString('hex')

function creatorOf({ identity, device }: LogicalUnit, blockLength: number): Uint8Array {
  return IDENTIFICATION_CSCD.write({
    type: CopyDescriptor.identification,
    peripheralType: device.type.peripheralType,
    codeSet: CodeSet.binary,
    designatorType: DesignatorType.naa,
    designatorLength: identity.naa.length,
    designator: Buffer.concat([identity.naa, Buffer.alloc(20 - identity.naa.length)]),
    blockLength,
  })
}

/** SBC-4, block device ROD token: the logical block length. */
function deviceSpecific(blockSize: number): Uint8Array {
  const bytes = Buffer.alloc(32)
  bytes.writeUInt32BE(blockSize, 0)
  return bytes
}
