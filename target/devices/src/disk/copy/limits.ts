// SPDX-License-Identifier: Apache-2.0
// How much one EXTENDED COPY may ask for: what page 8Fh and RECEIVE COPY OPERATING PARAMETERS say.

export const MAX_CSCDS = 16
export const MAX_SEGMENTS = 64
/** CSCD and segment descriptors together, in bytes: as many as there may be, each of the longest kind. */
export const MAX_DESCRIPTOR_BYTES = (MAX_CSCDS + MAX_SEGMENTS) * 32
/** Bytes that one segment moves. */
export const MAX_SEGMENT_BYTES = 64 * 1024 * 1024
/** One POPULATE TOKEN or WRITE USING TOKEN: range descriptors, and bytes in all. */
export const MAX_RANGES = 64
export const MAX_TOKEN_BYTES = 4 * 1024 * 1024 * 1024
export const OPTIMAL_TOKEN_BYTES = 256 * 1024 * 1024
/** Tokens that one unit keeps, and operations that it remembers for each initiator. */
export const MAX_TOKENS = 256
export const MAX_REMEMBERED = 64
/** Seconds that an unused token lives, at most and where nobody says how long. */
export const MAX_INACTIVITY = 300
export const DEFAULT_INACTIVITY = 30
/** Copies that one unit manages at once. */
export const MAX_COPIES = 8
