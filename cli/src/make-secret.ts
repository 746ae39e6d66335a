// SPDX-License-Identifier: Apache-2.0
// A CHAP secret that nobody has thought of: random bits, written with letters, digits, minus and underscore.
import { randomBytes } from 'node:crypto'

/** So many random bits, six in a character; `bits` is a multiple of 8. */
export const makeSecret = (bits: number): string => randomBytes(bits / 8).toString('base64url')
