// SPDX-License-Identifier: Apache-2.0
// Bytes as readable hexadecimal lines, for logs and failing tests.

const PER_LINE = 16

/** `bytes` from `from` up to `to` as hexadecimal digits without spaces. */
export function hex(bytes: Uint8Array, from = 0, to: number = bytes.length): string {
  let out = ''
  for (let i = from; i < to && i < bytes.length; i++) out += bytes[i]!.toString(16).padStart(2, '0')
  return out
}

/**
 * Lines of offset, 16 bytes in hexadecimal and the same as ASCII (a dot where a byte is not printable). After `limit`
 * bytes a last line says how many are left out. Offsets count from the array's start.
 */
export function hexDump(bytes: Uint8Array, from = 0, to: number = bytes.length, limit = 1024): string {
  const end = Math.min(to, bytes.length)
  const shown = Math.min(end, from + limit)
  const lines: string[] = []
  for (let at = from; at < shown; at += PER_LINE) {
    lines.push(line(bytes, at, Math.min(at + PER_LINE, shown)))
  }
  if (shown < end) lines.push(`… ${end - shown} more bytes`)
  return lines.join('\n')
}

function line(bytes: Uint8Array, from: number, to: number): string {
  let digits = ''
  let ascii = ''
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!
    digits += `${i === from + PER_LINE / 2 ? ' ' : ''} ${byte.toString(16).padStart(2, '0')}`
    ascii += byte >= 0x20 && byte <= 0x7e ? String.fromCharCode(byte) : '.'
  }
  return `${from.toString(16).padStart(8, '0')} ${digits.padEnd(PER_LINE * 3 + 1)}  |${ascii}|`
}
