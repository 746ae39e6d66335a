// SPDX-License-Identifier: Apache-2.0
// Reference counts of 1 to 64 bits within a block: those below a byte count from its least significant bit.

/** A count of 64 bits beyond 2 ** 53 is not exact, and no count that can be. */
export function countAt(bytes: Buffer, slot: number, bits: number): number {
  if (bits === 16) return bytes.readUInt16BE(slot * 2)
  if (bits < 8) {
    const perByte = 8 / bits
    return (bytes[Math.floor(slot / perByte)]! >>> ((slot % perByte) * bits)) & (2 ** bits - 1)
  }
  if (bits === 8) return bytes[slot]!
  if (bits === 32) return bytes.readUInt32BE(slot * 4)
  return bytes.readUInt32BE(slot * 8) * 2 ** 32 + bytes.readUInt32BE(slot * 8 + 4)
}

export function setCount(bytes: Buffer, slot: number, bits: number, count: number): void {
  if (bits === 16) bytes.writeUInt16BE(count, slot * 2)
  else if (bits < 8) {
    const perByte = 8 / bits
    const at = Math.floor(slot / perByte)
    const shift = (slot % perByte) * bits
    bytes[at] = (bytes[at]! & ~((2 ** bits - 1) << shift)) | (count << shift)
  } else if (bits === 8) bytes[slot] = count
  else if (bits === 32) bytes.writeUInt32BE(count, slot * 4)
  else {
    bytes.writeUInt32BE(Math.floor(count / 2 ** 32), slot * 8)
    bytes.writeUInt32BE(count % 2 ** 32, slot * 8 + 4)
  }
}

/** Largest count of that width; no cluster has more than 2 ** 31 references. */
export const mostOf = (bits: number): number => (bits >= 32 ? 2 ** 31 : 2 ** bits - 1)
