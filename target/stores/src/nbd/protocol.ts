// SPDX-License-Identifier: Apache-2.0
// The numbers of the NBD protocol (github.com/NetworkBlockDevice/nbd, doc/proto.md), by their names there.

/** `NBDMAGIC`, `IHAVEOPT`, and what stands there in the oldstyle handshake. */
export const MAGIC = 0x4e42444d41474943n
export const OPTION_MAGIC = 0x49484156454f5054n
export const OLDSTYLE_MAGIC = 0x00420281861253n
export const OPTION_REPLY_MAGIC = 0x0003e889045565a9n
export const REQUEST_MAGIC = 0x25609513
export const SIMPLE_REPLY_MAGIC = 0x67446698
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef

export const HandshakeFlag = Object.freeze({ fixedNewstyle: 1, noZeroes: 2 } as const)

export const Option = Object.freeze({
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  go: 7,
  structuredReply: 8,
  setMetaContext: 10,
} as const)

export const OptionReply = Object.freeze({ ack: 1, server: 2, info: 3, metaContext: 4 } as const)
/** In replies that are errors. */
export const OPTION_ERROR = 0x8000_0000
export const OptionError = Object.freeze({
  unsupported: OPTION_ERROR + 1,
  policy: OPTION_ERROR + 2,
  invalid: OPTION_ERROR + 3,
  platform: OPTION_ERROR + 4,
  tlsRequired: OPTION_ERROR + 5,
  unknown: OPTION_ERROR + 6,
  shutdown: OPTION_ERROR + 7,
  blockSizeRequired: OPTION_ERROR + 8,
  tooBig: OPTION_ERROR + 9,
} as const)
/** What they mean, for people. */
export const OPTION_ERROR_TEXT: ReadonlyMap<number, string> = new Map([
  [OptionError.unsupported, 'does not know the request'],
  [OptionError.policy, 'forbids it'],
  [OptionError.invalid, 'calls the request invalid'],
  [OptionError.platform, 'cannot do it on its platform'],
  [OptionError.tlsRequired, 'wants TLS'],
  [OptionError.unknown, 'has no such export'],
  [OptionError.shutdown, 'is shutting down'],
  [OptionError.blockSizeRequired, 'wants its block size kept'],
  [OptionError.tooBig, 'calls the request too big'],
])

export const Info = Object.freeze({ export: 0, name: 1, description: 2, blockSize: 3 } as const)

/** Transmission flags of an export. */
export const ExportFlag = Object.freeze({
  hasFlags: 1,
  readOnly: 2,
  flush: 4,
  fua: 8,
  rotational: 0x10,
  trim: 0x20,
  writeZeroes: 0x40,
  multiConn: 0x100,
} as const)

export const Command = Object.freeze({
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  writeZeroes: 6,
  blockStatus: 7,
} as const)

export const CommandFlag = Object.freeze({ fua: 1, noHole: 2, onlyOne: 8 } as const)

export const REPLY_DONE = 1
export const Chunk = Object.freeze({
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  error: 0x8001,
  errorOffset: 0x8002,
} as const)
/** In types of chunks that are errors, known or not. */
export const CHUNK_ERROR = 0x8000

/** States of the context base:allocation. */
export const CONTEXT = 'base:allocation'
export const ExtentState = Object.freeze({ hole: 1, zero: 2 } as const)

/** Errors of replies. */
export const NbdError = Object.freeze({
  permission: 1,
  io: 5,
  memory: 12,
  invalid: 22,
  noSpace: 28,
  overflow: 75,
  notSupported: 95,
  shutdown: 108,
} as const)

export const DEFAULT_PORT = 10809
export const REQUEST_LENGTH = 28
/** A simple reply, and what a chunk has before its payload. */
export const SIMPLE_REPLY_LENGTH = 16
export const CHUNK_HEADER_LENGTH = 20
/** Bytes of the longest string. */
export const LONGEST_STRING = 4096
/** Largest payload where the server says nothing of it. */
export const DEFAULT_PAYLOAD = 32 * 1024 * 1024
