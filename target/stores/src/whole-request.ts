// SPDX-License-Identifier: Apache-2.0
// Whether a request is whole: a store that trusts it would read or write beside it.
import type { StoreIo } from '@lunkit/target-api'

/** The segments are as long as the request says. */
export function sumsUp({ segments, length }: StoreIo): boolean {
  let sum = 0
  for (let i = 0; i < segments.length; i++) sum += segments[i]!.length
  return sum === length
}

export const isInside = ({ offset, length }: StoreIo, size: number): boolean =>
  offset >= 0 && offset + length <= size
