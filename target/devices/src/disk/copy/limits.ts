// SPDX-License-Identifier: Apache-2.0
// How much one EXTENDED COPY may ask for: what page 8Fh and RECEIVE COPY OPERATING PARAMETERS say.

export const MAX_CSCDS = 16
export const MAX_SEGMENTS = 64
/** CSCD and segment descriptors together, in bytes: as many as there may be, each of the longest kind. */
export const MAX_DESCRIPTOR_BYTES = (MAX_CSCDS + MAX_SEGMENTS) * 32
/** Bytes that one segment moves. */
export const MAX_SEGMENT_BYTES = 64 * 1024 * 1024
/** Copies that one unit manages at once. */
export const MAX_COPIES = 8
