// SPDX-License-Identifier: Apache-2.0
// iSCSI names: the iqn., eui. and naa. formats, checked and brought to one form (RFC 7143, 4.2.7; RFC 3722).
import { NAME_BYTES } from './key.ts'

export type IscsiNameFormat = 'iqn' | 'eui' | 'naa'

/** `name` is the form to compare and to show; `cause` says in words what is wrong. */
export type IscsiNameResult =
  | { readonly ok: true; readonly name: string; readonly format: IscsiNameFormat }
  | { readonly ok: false; readonly cause: string }

const encoder = new TextEncoder()
const EUI = /^eui\.[0-9a-f]{16}$/
const NAA = /^naa\.(?:[0-9a-f]{16}|[0-9a-f]{32})$/
const IQN = /^iqn\.\d{4}-(?:0[1-9]|1[0-2])\.[^:.-][^:]*(?::.*)?$/s
// RFC 3722 leaves letters, digits, minus, dot and colon of ASCII. Beyond ASCII: letters, marks and digits.
const STRICT = /^[a-z0-9.:\-\p{L}\p{M}\p{Nd}]*$/u
// No control character, space, or sign that ends a name in text keys, URLs and shells.
const LENIENT = /^[^\p{C}\p{Z}\\"'`,;=<>?#|&*]*$/u

/**
 * Checks an iSCSI name and brings it to lower case and Unicode form KC, in which names are compared byte by byte.
 * `lenient` also takes signs that the standard forbids and real initiators send, as underscores: for names that come
 * from a peer, not for those that are given to a new node.
 */
export function parseIscsiName(text: string, lenient = false): IscsiNameResult {
  // Before anything costly: no legal name is longer, in bytes, so none has more UTF-16 units.
  if (text.length > NAME_BYTES) return bad(`it is longer than ${NAME_BYTES} bytes`)
  if (!text.isWellFormed()) return bad('it is not well-formed Unicode')
  const name = text.normalize('NFKC').toLowerCase()
  if (encoder.encode(name).length > NAME_BYTES) return bad(`it is longer than ${NAME_BYTES} bytes`)
  if (name.startsWith('eui.')) {
    return EUI.test(name) ? { ok: true, name, format: 'eui' } : bad('eui. needs 16 hexadecimal digits')
  }
  if (name.startsWith('naa.')) {
    return NAA.test(name) ? { ok: true, name, format: 'naa' } : bad('naa. needs 16 or 32 hexadecimal digits')
  }
  if (!name.startsWith('iqn.')) return bad('it does not begin with iqn., eui. or naa.')
  if (!(lenient ? LENIENT : STRICT).test(name)) {
    return bad('it has a character other than letters, digits, minus, dot and colon')
  }
  if (!IQN.test(name))
    return bad('iqn. needs a year and month and a reversed domain, as iqn.2026-11.org.example:disk')
  return { ok: true, name, format: 'iqn' }
}

const bad = (cause: string): IscsiNameResult => ({ ok: false, cause })
