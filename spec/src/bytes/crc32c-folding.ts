// SPDX-License-Identifier: Apache-2.0
// CRC32C of long pieces: WebAssembly folds them to 316 bytes of the same remainder, and the table does the rest.
import { DEGREE, foldingModule } from './crc32c-module.ts'
import { crc32cByTable } from './crc32c-table.ts'

/** Shorter pieces cannot be folded: two times as many bytes of 16-byte words as the multiple has. */
export const WORTH_FOLDING: number = 2 * DEGREE * 16
/** What is left of a piece, at its end. */
const LEFT_BYTES = DEGREE * 4
/** Where a piece is put; the module points up to `DEGREE` words before it. */
const PLACE = 2048
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
  /** Folds the bytes of `memory` from `start` to `end`, a multiple of 16 of them and at least `WORTH_FOLDING`. */
  readonly fold: (start: number, end: number) => void
}

/** Undefined until it is wanted, null where the processor or the runtime has no vectors. */
let folding: Folding | null | undefined

function load(): Folding | null {
  const assembly = (globalThis as unknown as { WebAssembly?: Assembly }).WebAssembly
  const code = foldingModule()
  if (assembly === undefined || !assembly.validate(code)) return null
  const { exports } = new assembly.Instance(new assembly.Module(code))
  const { memory, fold } = exports as { memory: { buffer: ArrayBuffer }; fold: Folding['fold'] }
  return { memory: new Uint8Array(memory.buffer), fold }
}

/** As `crc32c`, of a range that lies within the array. */
export function crc32cByFolding(bytes: Uint8Array, from: number, to: number, seed: number): number {
  if (folding === undefined) folding = load()
  if (folding === null) return crc32cByTable(bytes, from, to, seed)
  const { memory, fold } = folding
  let at = from + ((to - from) & 15)
  let crc = at === from ? seed : crc32cByTable(bytes, from, at, seed)
  while (to - at >= WORTH_FOLDING) {
    const length = Math.min(MOST_BYTES, to - at)
    memory.set(new Uint8Array(bytes.buffer, bytes.byteOffset + at, length), PLACE)
    // What the remainder so far does to the bytes that follow it.
    const before = ~crc
    for (let i = 0; i < 4; i++) memory[PLACE + i]! ^= before >>> (8 * i)
    const end = PLACE + length
    fold(PLACE, end)
    crc = crc32cByTable(memory, end - LEFT_BYTES, end, 0xffff_ffff)
    at += length
  }
  return at === to ? crc : crc32cByTable(bytes, at, to, crc)
}
