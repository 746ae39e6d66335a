// SPDX-License-Identifier: Apache-2.0
// CRC32C of long pieces: WebAssembly folds them to 316 bytes of the same remainder, and the table does the rest.
import { DEGREE, foldingModule } from './crc32c-module.ts'
import { crc32cByTable, crc32cOfWords, LITTLE_ENDIAN } from './crc32c-table.ts'

/** Shorter pieces cannot be folded: two times as many bytes of 16-byte words as the multiple has. */
export const WORTH_FOLDING: number = 2 * DEGREE * 16
/** Where a piece ends, so that what is left of it lies at one place; the module points up to `DEGREE` words before its begin. */
const END = 36_864
/** Bytes that are left: some words more than four at a time. */
const LEFT_BYTES = DEGREE * 4
const ODD_BYTES = LEFT_BYTES % 16
/** Piece and table stay in the processor's nearest cache. */
const MOST_BYTES = 32_768

/** The global WebAssembly, as far as it is used here. */
interface Assembly {
  validate(code: Uint8Array): boolean
  Module: new (code: Uint8Array) => object
  Instance: new (module: object) => { readonly exports: unknown }
}

interface Folding {
  readonly memory: Uint8Array
  readonly words: Int32Array
  /** What is left, but for its first bytes. */
  readonly rest: Int32Array
  /** Folds the bytes of `memory` from `start` to `end`, a multiple of 16 of them and at least `WORTH_FOLDING`. */
  readonly fold: (start: number, end: number) => void
}

/** Undefined until it is wanted, null where the processor or the runtime has no vectors. */
let folding: Folding | null | undefined

function load(): Folding | null {
  const assembly = (globalThis as unknown as { WebAssembly?: Assembly }).WebAssembly
  const code = foldingModule()
  if (!LITTLE_ENDIAN || assembly === undefined || !assembly.validate(code)) return null
  const { exports } = new assembly.Instance(new assembly.Module(code))
  const { memory, fold } = exports as { memory: { buffer: ArrayBuffer }; fold: Folding['fold'] }
  const { buffer } = memory
  const left = LEFT_BYTES - ODD_BYTES
  const rest = new Int32Array(buffer, END - left, left / 4)
  return { memory: new Uint8Array(buffer), words: new Int32Array(buffer), rest, fold }
}

/** As `crc32c`, of a range that lies within the array. */
export function crc32cByFolding(bytes: Uint8Array, from: number, to: number, seed: number): number {
  if (folding === undefined) folding = load()
  if (folding === null) return crc32cByTable(bytes, from, to, seed)
  const { memory, words, rest, fold } = folding
  let at = from + ((to - from) & 15)
  let crc = at === from ? seed : crc32cByTable(bytes, from, at, seed)
  while (to - at >= WORTH_FOLDING) {
    const length = Math.min(MOST_BYTES, to - at)
    const place = END - length
    const isAll = at === 0 && length === bytes.length
    memory.set(isAll ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset + at, length), place)
    // What the remainder so far does to the bytes that follow it.
    words[place / 4]! ^= ~crc
    fold(place, END)
    const left = END - LEFT_BYTES
    crc = ~crc32cOfWords(rest, ~crc32cByTable(memory, left, left + ODD_BYTES, 0xffff_ffff)) >>> 0
    at += length
  }
  return at === to ? crc : crc32cByTable(bytes, at, to, crc)
}
