// SPDX-License-Identifier: Apache-2.0
// A byte layout from one row: readers, writers, length, reserved-bit mask, usage mask and dump.
import type { Field, FieldKind } from './field.ts'

/** The rows that `layout()` takes: a name for each field kind. */
// biome-ignore lint/suspicious/noExplicitAny: a row mixes fields of several value types
export type FieldRows = Readonly<Record<string, FieldKind<any>>>

/** The value type of one row. */
export type ValueOf<K> = K extends FieldKind<infer V> ? V : never

/** What a layout's fields hold, by name. */
export type Values<R extends FieldRows> = { -readonly [K in keyof R]: ValueOf<R[K]> }

export interface Layout<R extends FieldRows = FieldRows> {
  /** The standard's name for it. */
  readonly name: string
  /** Where it stands: document and clause title, or RFC and section. */
  readonly cite: string
  /** Length in bytes of the fixed part. */
  readonly length: number
  readonly field: { readonly [K in keyof R]: Field<ValueOf<R[K]>> }
  /** One bit for each bit that a field covers, `length` bytes: REPORT SUPPORTED OPERATION CODES' usage data. */
  readonly usage: Uint8Array
  /** All fields as an object. Not for the road of a command. */
  read(bytes: Uint8Array, at?: number): Values<R>
  /** Writes the given fields into `into` (a new zeroed array of `length` bytes if not given) and returns it. */
  write(values: Partial<Values<R>>, into?: Uint8Array, at?: number): Uint8Array
  /** First bit set outside every field, or null. For a T10 field pointer. */
  reserved(bytes: Uint8Array, at?: number): { byte: number; bit: number } | null
  /** One line: `NAME field=value …`, for logs and failing tests. */
  dump(bytes: Uint8Array, at?: number): string
}

/**
 * Builds a layout from its rows. Throws at load if two fields overlap or one leaves the layout, so a wrong table
 * is never used.
 */
export function layout<const R extends FieldRows>(
  name: string,
  cite: string,
  length: number,
  rows: R,
): Layout<R> {
  const usage = new Uint8Array(length)
  const field: Record<string, Field<unknown>> = {}
  for (const [key, kind] of Object.entries(rows)) {
    claim(usage, kind, `${name}: ${key}`)
    const { get, set } = kind.build()
    field[key] = Object.freeze({ name: key, byte: kind.byte, bit: kind.bit, width: kind.width, get, set })
  }
  const entries = Object.entries(field)
  return Object.freeze({
    name,
    cite,
    length,
    field: Object.freeze(field) as Layout<R>['field'],
    usage,
    read(bytes: Uint8Array, at = 0) {
      const values: Record<string, unknown> = {}
      for (const [key, one] of entries) values[key] = one.get(bytes, at)
      return values as Values<R>
    },
    write(values: Partial<Values<R>>, into: Uint8Array = new Uint8Array(length), at = 0) {
      for (const key in values) {
        const one = field[key]
        if (one === undefined) throw new TypeError(`${name} has no field ${key}`)
        one.set(into, at, values[key])
      }
      return into
    },
    reserved: (bytes: Uint8Array, at = 0) => strayBit(usage, bytes, at),
    dump(bytes: Uint8Array, at = 0) {
      return `${name}${entries.map(([key, one]) => ` ${key}=${show(one.get(bytes, at))}`).join('')}`
    },
  })
}

/** First bit of `bytes` that `usage` does not allow, or null. */
export function strayBit(
  usage: Uint8Array,
  bytes: Uint8Array,
  at: number,
): { byte: number; bit: number } | null {
  for (let i = 0; i < usage.length; i++) {
    const stray = bytes[at + i]! & ~usage[i]!
    if (stray !== 0) return { byte: i, bit: 31 - Math.clz32(stray) }
  }
  return null
}

function claim(usage: Uint8Array, kind: FieldKind<unknown>, what: string): void {
  // T10 and IETF fields are contiguous, most significant bit first, from (byte, bit) on: a mask for each byte.
  let { byte, bit } = kind
  for (let left = kind.width; left > 0; byte++) {
    const bits = Math.min(left, bit + 1)
    const mask = ((1 << bits) - 1) << (bit + 1 - bits)
    if (byte >= usage.length) throw new RangeError(`${what} ends outside the layout`)
    const twice = usage[byte]! & mask
    if (twice !== 0) throw new RangeError(`${what} overlaps at byte ${byte} bit ${31 - Math.clz32(twice)}`)
    usage[byte]! |= mask
    left -= bits
    bit = 7
  }
}

function show(value: unknown): string {
  if (value instanceof Uint8Array)
    return Array.from(value, byte => byte.toString(16).padStart(2, '0')).join('')
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
