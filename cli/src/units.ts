// SPDX-License-Identifier: Apache-2.0
// Numbers as people read and write them: bytes, rates, times.
import { UsageError } from './usage-error.ts'

const NAMES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

/** `1.5 GiB`; whole numbers without a fraction. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let index = 0
  while (value >= 1024 && index < NAMES.length - 1) {
    value /= 1024
    index++
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${NAMES[index]}`
}

/** `512`, `4K`, `1.5G` as bytes; UsageError names the option otherwise. */
export function parseBytes(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGTP]?)(?:i?B)?$/i.exec(text.trim())
  const power = ['', 'K', 'M', 'G', 'T', 'P'].indexOf(match?.[2]?.toUpperCase() ?? '?')
  const bytes = Number(match?.[1]) * 1024 ** power
  if (match === null || !Number.isSafeInteger(bytes)) {
    throw new UsageError(
      'OPTION_VALUE',
      `'${text}' is no value for ${option}`,
      'give bytes, or a size such as 4K or 10G',
    )
  }
  return bytes
}
