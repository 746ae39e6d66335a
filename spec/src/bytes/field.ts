// SPDX-License-Identifier: Apache-2.0
// Field kinds of a byte layout: each knows its place and builds its own reader and writer once.

/** One field of a layout, ready to use: reads and writes in place, at offset `at` of any byte array. */
export interface Field<V> {
  readonly name: string
  /** Byte in which the field starts, relative to the layout's start. */
  readonly byte: number
  /** Most significant bit of the field in that byte (7 to 0), as T10 field pointers count. */
  readonly bit: number
  /** Length in bits. */
  readonly width: number
  get(bytes: Uint8Array, at: number): V
  set(bytes: Uint8Array, at: number, value: V): void
}

/** A field before it has a name: what `layout()` is given. */
export interface FieldKind<V> {
  readonly byte: number
  readonly bit: number
  readonly width: number
  readonly build: () => { get: Field<V>['get']; set: Field<V>['set'] }
}

const decoder = new TextDecoder('latin1')

/** A single bit as 0 or 1. */
export const bit = (byte: number, index: number): FieldKind<number> => bits(byte, index, index)

/** Bits `msb` to `lsb` of one byte. */
export function bits(byte: number, msb: number, lsb: number): FieldKind<number> {
  const width = msb - lsb + 1
  const mask = (1 << width) - 1
  return {
    byte,
    bit: msb,
    width,
    build: () => ({
      get: (bytes, at) => (bytes[at + byte]! >> lsb) & mask,
      set: (bytes, at, value) => {
        bytes[at + byte] = (bytes[at + byte]! & ~(mask << lsb)) | ((value & mask) << lsb)
      },
    }),
  }
}

/** A byte. */
export const u8 = (byte: number): FieldKind<number> => ({
  byte,
  bit: 7,
  width: 8,
  build: () => ({
    get: (bytes, at) => bytes[at + byte]!,
    set: (bytes, at, value) => {
      bytes[at + byte] = value
    },
  }),
})

/** A big-endian 16-bit number; `width` keeps only its low bits, as in a 12-bit length. */
export function u16(byte: number, width = 16): FieldKind<number> {
  const high = 0xff >> (16 - width)
  return {
    byte,
    bit: (width - 1) & 7,
    width,
    build: () => ({
      get: (bytes, at) => ((bytes[at + byte]! & high) << 8) | bytes[at + byte + 1]!,
      set: (bytes, at, value) => {
        bytes[at + byte] = (bytes[at + byte]! & ~high) | ((value >> 8) & high)
        bytes[at + byte + 1] = value
      },
    }),
  }
}

/** A big-endian 24-bit number; `width` keeps only its low bits, as in the 21-bit LBA of READ (6). */
export function u24(byte: number, width = 24): FieldKind<number> {
  const high = 0xff >> (24 - width)
  return {
    byte,
    bit: (width - 1) & 7,
    width,
    build: () => ({
      get: (bytes, at) =>
        ((bytes[at + byte]! & high) << 16) | (bytes[at + byte + 1]! << 8) | bytes[at + byte + 2]!,
      set: (bytes, at, value) => {
        bytes[at + byte] = (bytes[at + byte]! & ~high) | ((value >> 16) & high)
        bytes[at + byte + 1] = value >> 8
        bytes[at + byte + 2] = value
      },
    }),
  }
}

function get32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

function set32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

/** A big-endian 32-bit number; `width` keeps only its low bits, as in a 31-bit alignment. */
export function u32(byte: number, width = 32): FieldKind<number> {
  const mask = 0xffff_ffff >>> (32 - width)
  return {
    byte,
    bit: (width - 1) & 7,
    width,
    build: () =>
      width === 32
        ? {
            get: (bytes, at) => get32(bytes, at + byte),
            set: (bytes, at, value) => set32(bytes, at + byte, value),
          }
        : {
            get: (bytes, at) => (get32(bytes, at + byte) & mask) >>> 0,
            set: (bytes, at, value) =>
              set32(bytes, at + byte, (get32(bytes, at + byte) & ~mask) | (value & mask)),
          },
  }
}

/** A big-endian 48-bit number. */
export const u48 = (byte: number): FieldKind<number> => ({
  byte,
  bit: 7,
  width: 48,
  build: () => ({
    get: (bytes, at) =>
      ((bytes[at + byte]! << 8) | bytes[at + byte + 1]!) * 0x1_0000_0000 + get32(bytes, at + byte + 2),
    set: (bytes, at, value) => {
      const high = Math.floor(value / 0x1_0000_0000)
      bytes[at + byte] = high >> 8
      bytes[at + byte + 1] = high
      set32(bytes, at + byte + 2, value % 0x1_0000_0000)
    },
  }),
})

/**
 * A big-endian 64-bit number as a Number. Above 2^53 it is rounded, which is safe where the value is only
 * compared with something smaller (an LBA with a capacity); use `big64` where every bit counts.
 */
export const u64 = (byte: number): FieldKind<number> => ({
  byte,
  bit: 7,
  width: 64,
  build: () => ({
    get: (bytes, at) => get32(bytes, at + byte) * 0x1_0000_0000 + get32(bytes, at + byte + 4),
    set: (bytes, at, value) => {
      set32(bytes, at + byte, Math.floor(value / 0x1_0000_0000))
      set32(bytes, at + byte + 4, value % 0x1_0000_0000)
    },
  }),
})

/** A big-endian 64-bit number as a BigInt: reservation keys, identifiers. */
export const big64 = (byte: number): FieldKind<bigint> => ({
  byte,
  bit: 7,
  width: 64,
  build: () => ({
    get: (bytes, at) => (BigInt(get32(bytes, at + byte)) << 32n) | BigInt(get32(bytes, at + byte + 4)),
    set: (bytes, at, value) => {
      set32(bytes, at + byte, Number((value >> 32n) & 0xffff_ffffn))
      set32(bytes, at + byte + 4, Number(value & 0xffff_ffffn))
    },
  }),
})

/** `length` bytes in place: reading gives a view, writing copies and zero-fills the rest. */
export const bytes = (byte: number, length: number): FieldKind<Uint8Array> => ({
  byte,
  bit: 7,
  width: length * 8,
  build: () => ({
    get: (source, at) => source.subarray(at + byte, at + byte + length),
    set: (target, at, value) => {
      target.fill(0, at + byte, at + byte + length)
      target.set(value.length > length ? value.subarray(0, length) : value, at + byte)
    },
  }),
})

/**
 * Left-aligned ASCII of `length` bytes, padded with spaces (SPC-4 ASCII data field requirements). Anything else
 * reads and writes as a space.
 */
export const text = (byte: number, length: number): FieldKind<string> => ({
  byte,
  bit: 7,
  width: length * 8,
  build: () => ({
    get: (source, at) =>
      decoder
        .decode(source.subarray(at + byte, at + byte + length))
        .replace(/[^ -~]/g, ' ')
        .trimEnd(),
    set: (target, at, value) => {
      for (let i = 0; i < length; i++) {
        const code = i < value.length ? value.charCodeAt(i) : 0x20
        target[at + byte + i] = code >= 0x20 && code <= 0x7e ? code : 0x20
      }
    },
  }),
})
