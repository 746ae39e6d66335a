// SPDX-License-Identifier: Apache-2.0
// The checksum function that all connections of a port share: the built-in CRC32C or a faster one.
import { crc32c } from '@lunkit/spec'

/** CRC32C of `bytes` from `from` to `to`, going on from `seed`. */
export type Checksum = (bytes: Uint8Array, from: number, to: number, seed: number) => number

export const builtInChecksum: Checksum = crc32c
