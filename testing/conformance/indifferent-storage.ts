// SPDX-License-Identifier: Apache-2.0
// A storage object that is told of blocks nobody needs and keeps them all the same: thin, but without zeros after UNMAP.
const bytes = Buffer.alloc(16 * 1024 * 1024)

// biome-ignore lint/style/noDefaultExport: what `object:` loads
export default {
  size: bytes.length,
  read: (offset: number, buffer: Buffer) => bytes.copy(buffer, 0, offset),
  write: (offset: number, buffer: Buffer) => buffer.copy(bytes, offset),
  discard: () => undefined,
}
