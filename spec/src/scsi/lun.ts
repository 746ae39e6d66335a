// SPDX-License-Identifier: Apache-2.0
// The eight bytes of a LUN and the number behind them (SAM-5, logical unit numbers).

/** Addressing methods: bits 7-6 of a level's first byte. */
export const LunMethod = Object.freeze({ peripheral: 0, flat: 1, logicalUnit: 2, extended: 3 } as const)

/** Highest number that flat space addressing holds, and so the highest that `encodeLun` takes. */
export const LUN_MAX = 16383

/** REPORT LUNS' well known logical unit, as its eight bytes say it. */
export const REPORT_LUNS_WELL_KNOWN = 0xc101

/**
 * Writes LUN `lun` as eight bytes into `into` at `at`: peripheral device addressing below 256, flat space addressing
 * up to 16383. Throws a RangeError above.
 */
export function encodeLun(lun: number, into: Uint8Array, at: number): void {
  if (!(Number.isInteger(lun) && lun >= 0 && lun <= LUN_MAX)) {
    throw new RangeError(`LUN ${lun} is not a whole number from 0 to ${LUN_MAX}`)
  }
  into.fill(0, at, at + 8)
  if (lun >= 256) into[at] = (LunMethod.flat << 6) | (lun >> 8)
  into[at + 1] = lun
}

/**
 * Number behind the eight bytes of `bytes` at `at`, or -1 if they name no single unit of this target: a second level,
 * another bus, a well known logical unit, or an address longer than is served. Peripheral, flat, and logical unit
 * addressing (bus 0, target 0) of one number are the same unit, as is extended flat space addressing.
 */
export function decodeLun(bytes: Uint8Array, at: number): number {
  if (at + 8 > bytes.length) return -1
  const first = bytes[at]!
  const method = first >> 6
  if (method === LunMethod.extended) return decodeExtended(bytes, at)
  if (!isZero(bytes, at + 2, at + 8)) return -1
  if (method === LunMethod.flat) return ((first & 0x3f) << 8) | bytes[at + 1]!
  if ((first & 0x3f) !== 0) return -1
  if (method === LunMethod.peripheral) return bytes[at + 1]!
  // Logical unit addressing: bus number in bits 7-5, LUN in bits 4-0.
  return bytes[at + 1]! >> 5 === 0 ? bytes[at + 1]! & 0x1f : -1
}

function decodeExtended(bytes: Uint8Array, at: number): number {
  const length = (bytes[at]! >> 4) & 3
  if ((bytes[at]! & 0xf) !== 2) return -1
  // Extended flat space addressing: D2h is followed by 24 bits, E2h by 40.
  if (length === 1) {
    if (!isZero(bytes, at + 4, at + 8)) return -1
    return (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
  }
  if (length !== 2 || !isZero(bytes, at + 6, at + 8)) return -1
  let lun = 0
  for (let i = 1; i <= 5; i++) lun = lun * 256 + bytes[at + i]!
  return lun
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false
  return true
}
