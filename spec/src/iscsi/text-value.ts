// SPDX-License-Identifier: Apache-2.0
// Values of text keys: booleans, numbers, ranges, lists and binaries, read and written (RFC 7143, 6.1).

const DECIMAL = /^(?:0|[1-9][0-9]*)$/
const HEXADECIMAL = /^0[xX][0-9a-fA-F]+$/
const BASE64_BINARY = /^0[bB](?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** Yes and No as a boolean, anything else null. */
export const parseBoolean = (text: string): boolean | null =>
  text === 'Yes' ? true : text === 'No' ? false : null

export const encodeBoolean = (value: boolean): string => (value ? 'Yes' : 'No')

/** A decimal or hexadecimal (`0x`) number, or null if it is none or above 2^53 - 1. */
export function parseNumber(text: string): number | null {
  if (!DECIMAL.test(text) && !HEXADECIMAL.test(text)) return null
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : null
}

/** A range `low~high` of numbers with low not above high, or null. */
export function parseRange(text: string): readonly [number, number] | null {
  const parts = text.split('~')
  if (parts.length !== 2) return null
  const low = parseNumber(parts[0]!)
  const high = parseNumber(parts[1]!)
  return low === null || high === null || low > high ? null : [low, high]
}

/** The values of a list in order of preference, or null if one of them is empty. */
export function parseList(text: string): readonly string[] | null {
  const values = text.split(',')
  return values.includes('') ? null : values
}

/**
 * A large binary value, `0x` with hexadecimal digits or `0b` with Base64 (RFC 4648, section 4), or null if it is neither,
 * empty, or longer than `maxBytes`. Of an odd number of digits the first alone is the first byte (RFC 7143, 6.1).
 */
export function parseBinary(text: string, maxBytes: number): Uint8Array | null {
  if (HEXADECIMAL.test(text)) {
    const length = (text.length - 1) >> 1
    if (length > maxBytes) return null
    const digits = text.slice(2).padStart(2 * length, '0')
    return Uint8Array.from({ length }, (_, i) => Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16))
  }
  if (text.length === 2 || !BASE64_BINARY.test(text)) return null
  const digits = text.slice(2).replaceAll('=', '')
  const length = (digits.length * 3) >> 2
  return length > maxBytes ? null : base64(digits, length)
}

function base64(digits: string, length: number): Uint8Array | null {
  const out = new Uint8Array(length)
  let bits = 0
  let held = 0
  let at = 0
  for (const digit of digits) {
    held = ((held << 6) | BASE64.indexOf(digit)) & 0xffff
    bits += 6
    if (bits >= 8) out[at++] = held >> (bits -= 8)
  }
  // Bits that fill up the last digit are zero, or two texts would mean the same bytes.
  return held & ((1 << bits) - 1) ? null : out
}

/** Bytes as `0x` and hexadecimal digits, the form that every peer reads. */
export function encodeHexBinary(bytes: Uint8Array): string {
  let out = '0x'
  for (const byte of bytes) out += byte.toString(16).padStart(2, '0')
  return out
}

/** Bytes as `0b` and Base64 digits. */
export function encodeBase64Binary(bytes: Uint8Array): string {
  let out = '0b'
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i
    const group = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    out += BASE64[group >> 18]! + BASE64[(group >> 12) & 63]!
    out += left > 1 ? BASE64[(group >> 6) & 63]! : '='
    out += left > 2 ? BASE64[group & 63]! : '='
  }
  return out
}
