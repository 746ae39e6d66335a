// SPDX-License-Identifier: Apache-2.0
// The framing between lunkit and a handler as data: docs/how-to/write-a-handler.md tells it to people.
import { layout, u8, u16, u32, u64 } from '@lunkit/spec'

/** The newest that lunkit speaks; a handler answers with the one that it wants to speak, from 1 on. */
export const VERSION = 2

/** From this version on, an answer to a command may have data-in beside CHECK CONDITION. */
export const DATA_WITH_SENSE = 2

/** What a message is. Numbers below 80h are lunkit's, the others the handler's. */
export const Kind = Object.freeze({
  /** Both ways, JSON: what lunkit wants, and what the handler is. */
  hello: 0x01,
  read: 0x02,
  write: 0x03,
  flush: 0x04,
  discard: 0x05,
  zero: 0x06,
  /** Within the unit, from `place` on: the ranges do not overlap. */
  copy: 0x07,
  /** A SCSI command. */
  execute: 0x10,
  /** JSON: an initiator has come, before its first command. */
  attach: 0x11,
  /** It has gone; what is still under way for it is aborted. */
  detach: 0x12,
  /** LOGICAL UNIT RESET. */
  reset: 0x13,
  /** The request with this tag is no longer wanted; it is still to be answered. */
  abort: 0x14,
  answer: 0x80,
  /** The size is another one. */
  capacity: 0x81,
  /** A unit attention for all sessions, or for one. */
  attention: 0x82,
} as const)

/** Bits of `flags`. */
export const Flag = Object.freeze({
  /** The data are in the shared memory, not behind the message. */
  shared: 1,
  /** Write: durable before its answer (SBC FUA). */
  durable: 2,
} as const)

/** What a request for blocks ends with. */
export const BlockStatus = Object.freeze({
  good: 0,
  medium: 1,
  noSpace: 2,
  readOnly: 3,
  away: 4,
  aborted: 5,
} as const)

/** Begins every message of lunkit. `length` counts what follows the header. */
export const REQUEST = layout('Request', 'write-a-handler, messages of lunkit', 16, {
  length: u32(0),
  kind: u8(4),
  flags: u8(5),
  session: u16(6),
  tag: u32(8),
})

/** Begins every message of the handler. */
export const ANSWER = layout('Answer', 'write-a-handler, messages of the handler', 16, {
  length: u32(0),
  kind: u8(4),
  flags: u8(5),
  /** BlockStatus, or SCSI status. */
  status: u8(6),
  senseLength: u8(7),
  tag: u32(8),
  /** Bytes of data-in; of a request for blocks that failed, bytes that were done before. */
  count: u32(12),
})

/** Behind the header of read, write, flush, discard, zero and copy; the data of a write follow. */
export const RANGE = layout('Range', 'write-a-handler, blocks', 24, {
  offset: u64(0),
  length: u64(8),
  /** Where the data are in the shared memory; of a copy, where its source is. */
  place: u64(16),
})

/** Behind the header of execute; data-out follow. */
export const EXECUTE = layout('Execute', 'write-a-handler, commands', 72, {
  cdbLength: u8(32),
  attribute: u8(33),
  /** Milliseconds until lunkit gives the handler up. */
  timeout: u32(36),
  /** Most bytes of data-in. */
  expectedIn: u32(40),
  /** Bytes of data-out. */
  outLength: u32(44),
  /** What the CDB names, as lunkit reads it; 0 blocks where it names none. */
  blocks: u32(48),
  lba: u64(56),
  place: u64(64),
})

/** Body of capacity: bytes of a store, blocks of a unit. */
export const CAPACITY = layout('Capacity', 'write-a-handler, capacity', 8, { size: u64(0) })

/** Body of attention; session 0 is all of them. */
export const ATTENTION = layout('Attention', 'write-a-handler, unit attentions', 4, {
  session: u16(0),
  asc: u8(2),
  ascq: u8(3),
})

/** Longest bodies that are not data: of a hello, and of any other message. */
export const LONGEST_HELLO = 65536
export const LONGEST_NOTICE = 4096

/** Messages that a handler may send unasked in a second. */
export const NOTICES_PER_SECOND = 100

/** What both levels say in a hello. */
export interface HandlerHello {
  readonly version: number
  /** Why the handler will not serve this; then nothing else counts. */
  readonly error?: string
  /** Tells this storage from all others. */
  readonly identity?: string
  /** Requests at once, 1 to 1024: 64 if not given. */
  readonly depth?: number
  /** It has opened the shared memory. */
  readonly shared?: boolean
  readonly readonly?: boolean
}

/** A handler that breaks the framing: the connection to it is of no more use. */
export class HandlerFault extends Error {}
