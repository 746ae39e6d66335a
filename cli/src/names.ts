// SPDX-License-Identifier: Apache-2.0
// Names for the numbers that units report, taken from the standard's tables.
import { DeviceType, VpdCode } from '@lunkit/spec'

const words = (key: string): string => key.replaceAll(/([A-Z])/g, letter => ` ${letter.toLowerCase()}`)

function nameOf(table: Readonly<Record<string, number>>, value: number): string {
  const key = Object.keys(table).find(one => table[one] === value)
  return key === undefined ? `${value.toString(16).padStart(2, '0')}h` : words(key)
}

/** Peripheral device type: `disk`, `media changer`; its number where the table has none. */
export const peripheralTypeName = (type: number): string => nameOf(DeviceType, type)

/** Vital product data page: `block limits`. */
export const vpdPageName = (code: number): string => nameOf(VpdCode, code)
