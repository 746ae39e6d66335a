// SPDX-License-Identifier: Apache-2.0
// Buffers that begin at a page, as transfers around the page cache want them.

/** Bytes of one buffer. */
export const PIECE = 262144
const WASM_PAGE = 65536
/** Buffers that are made at once; memory is taken from the machine only when it is touched. */
const SLAB = 16

/** The global WebAssembly, as far as it is used here: its memories begin at a page, which no Buffer of Node does. */
interface Assembly {
  Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer }
}

const free: Buffer[] = []

/**
 * A buffer of PIECE bytes, at a multiple of 4096, with old data in it. There are as many as are taken at once, and who takes one has a
 * thread of the pool: so they are few, and kept for the process.
 */
export function takeAligned(): Buffer {
  if (free.length === 0) {
    const { WebAssembly } = globalThis as unknown as { WebAssembly: Assembly }
    const { buffer } = new WebAssembly.Memory({ initial: (SLAB * PIECE) / WASM_PAGE })
    for (let i = SLAB - 1; i >= 0; i--) free.push(Buffer.from(buffer, i * PIECE, PIECE))
  }
  return free.pop()!
}

export function giveAligned(buffer: Buffer): void {
  free.push(buffer)
}
