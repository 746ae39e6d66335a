// SPDX-License-Identifier: Apache-2.0
// Text data segments: key=value pairs between zero bytes, and the forms of a value (RFC 7143, 6.1).
import { DEFAULT_VALUE_BYTES, isExtensionKey, keyByName } from './key.ts'

export interface TextPair {
  readonly key: string
  readonly value: string
}

export type TextErrorKind =
  | 'no-equals'
  | 'empty-key'
  | 'long-key'
  | 'illegal-key'
  | 'long-value'
  | 'illegal-value'
  | 'too-many-pairs'
  | 'too-long'

export interface TextError {
  readonly kind: TextErrorKind
  /** Offset of the pair in the text. */
  readonly at: number
  /** The key, as far as it can be shown; empty where there is none. */
  readonly key: string
}

/**
 * `duplicates` names keys that came more than once and may not. `terminated` is false if the last pair lacks its zero
 * byte: the pair is in the list all the same.
 */
export type TextResult =
  | {
      readonly ok: true
      readonly pairs: readonly TextPair[]
      readonly duplicates: readonly string[]
      readonly terminated: boolean
    }
  | { readonly ok: false; readonly error: TextError }

export interface TextLimits {
  /** Longest text in bytes, all pairs together. */
  readonly bytes: number
  readonly pairs: number
}

/** Longest key name in bytes. */
export const MAX_KEY_BYTES = 63
/** Longest value in bytes, encoded, for keys that are not known, lists and binaries. */
export const MAX_VALUE_BYTES = 8192
/** What everyone must take in one negotiation, with the long items of authentication (RFC 7143, 6.2). */
export const TEXT_LIMITS: TextLimits = Object.freeze({ bytes: 65_536, pairs: 1024 })

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()
const KEY = /^[A-Za-z][A-Za-z0-9.\-+@_]*$/
const EXTENSION = /^X[-#][A-Za-z0-9.\-+@_]+$/
const EQUALS = 0x3d

const isKeyName = (name: string): boolean => (isExtensionKey(name) ? EXTENSION : KEY).test(name)

/**
 * The pairs of a text in their order. A text that was split over several PDUs (C bit) must be put together first.
 * Never throws: the first thing wrong with the text is the error.
 */
export function parseText(
  bytes: Uint8Array,
  from = 0,
  to: number = bytes.length,
  limits: TextLimits = TEXT_LIMITS,
): TextResult {
  const end = Math.min(to, bytes.length)
  if (end - from > limits.bytes) return fail('too-long', from, '')
  const pairs: TextPair[] = []
  const seen = new Set<string>()
  const duplicates = new Set<string>()
  let at = from
  while (at < end) {
    let stop = bytes.indexOf(0, at)
    if (stop < 0 || stop > end) stop = end
    // Empty pairs are padding that was counted as data.
    if (stop > at) {
      if (pairs.length >= limits.pairs) return fail('too-many-pairs', at, '')
      const pair = parsePair(bytes, at, stop)
      if ('kind' in pair) return { ok: false, error: pair }
      if (seen.has(pair.key) && keyByName(pair.key)?.repeatable !== true) duplicates.add(pair.key)
      seen.add(pair.key)
      pairs.push(pair)
    }
    at = stop + 1
  }
  return { ok: true, pairs, duplicates: [...duplicates], terminated: end <= from || bytes[end - 1] === 0 }
}

const fail = (kind: TextErrorKind, at: number, key: string): TextResult => ({
  ok: false,
  error: { kind, at, key },
})

function parsePair(bytes: Uint8Array, at: number, stop: number): TextPair | TextError {
  let equals = bytes.indexOf(EQUALS, at)
  if (equals < 0 || equals > stop) equals = stop
  if (equals === at) return { kind: 'empty-key', at, key: '' }
  if (equals - at > MAX_KEY_BYTES) return { kind: equals === stop ? 'no-equals' : 'long-key', at, key: '' }
  const key = ascii(bytes, at, equals)
  if (!isKeyName(key)) return { kind: 'illegal-key', at, key: '' }
  if (equals === stop) return { kind: 'no-equals', at, key }
  if (stop - equals - 1 > MAX_VALUE_BYTES) return { kind: 'long-value', at, key }
  const value = decode(bytes.subarray(equals + 1, stop))
  if (value === null || hasControl(value)) return { kind: 'illegal-value', at, key }
  if (isTooLong(key, value)) return { kind: 'long-value', at, key }
  return { key, value }
}

function ascii(bytes: Uint8Array, from: number, to: number): string {
  let out = ''
  for (let i = from; i < to; i++) out += String.fromCharCode(bytes[i]!)
  return out
}

function decode(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes)
  } catch {
    return null
  }
}

function hasControl(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) return true
  }
  return false
}

// Keys that are not known are answered NotUnderstood, so their values only have the outer limit.
function isTooLong(name: string, value: string): boolean {
  const key = keyByName(name)
  if (key === undefined || key.type === 'binary') return false
  if (key.type === 'list') return value.split(',').some(item => byteLength(item) > DEFAULT_VALUE_BYTES)
  return byteLength(value) > key.maxBytes
}

const byteLength = (value: string): number => encoder.encode(value).length

/**
 * Pairs as a text data segment, each ended by its zero byte. Throws a TypeError for a key that is not a key name and
 * for a value with a control character: such a pair would read as others.
 */
export function encodeText(pairs: readonly TextPair[]): Uint8Array {
  let text = ''
  for (const { key, value } of pairs) {
    if (!isKeyName(key) || key.length > MAX_KEY_BYTES)
      throw new TypeError(`Text key ${JSON.stringify(key)} is not legal`)
    if (hasControl(value)) throw new TypeError(`Value of text key ${key} has a control character`)
    text += `${key}=${value}\0`
  }
  return encoder.encode(text)
}

/** Words for an error, for a log line. */
export function textErrorText(error: TextError): string {
  const where = `${error.key === '' ? 'Text pair' : `Text key ${error.key}`} at byte ${error.at}`
  switch (error.kind) {
    case 'no-equals':
      return `${where} has no equals sign`
    case 'empty-key':
      return `${where} has no key`
    case 'long-key':
      return `${where} has a key longer than ${MAX_KEY_BYTES} bytes`
    case 'illegal-key':
      return `${where} has a key with an illegal character`
    case 'long-value':
      return `${where} has a value that is too long`
    case 'illegal-value':
      return `${where} has a value with a control character or broken UTF-8`
    case 'too-many-pairs':
      return `${where} is one pair too many`
    case 'too-long':
      return 'Text is too long'
  }
}
