// SPDX-License-Identifier: Apache-2.0
// The target that a connection's first login request names, read from its bytes as they come.
import { BHS, BHS_LENGTH, LOGIN_REQUEST, Opcode, parseIscsiName, parseText } from '@lunkit/spec'
import { LOGIN_DATA_BYTES } from '../login/login.ts'

/**
 * The normal form of the target's name; an empty text if the request is no login to a target, or is not as it should be;
 * null if it is not all there. Names come with the first request (RFC 7143, 6.3); what keys it has is read
 * even where its text goes on in a second one.
 */
export function firstTarget(bytes: Buffer): string | null {
  if (bytes.length < BHS_LENGTH) return null
  const length = BHS.field.dataSegmentLength.get(bytes, 0)
  const odd = BHS.field.totalAhsLength.get(bytes, 0) !== 0 || length > LOGIN_DATA_BYTES
  if (odd || BHS.field.opcode.get(bytes, 0) !== Opcode.loginRequest) return ''
  if (bytes.length < BHS_LENGTH + length) return null
  let data = bytes.subarray(BHS_LENGTH, BHS_LENGTH + length)
  if (LOGIN_REQUEST.field.continue.get(bytes, 0) === 1) data = data.subarray(0, data.lastIndexOf(0) + 1)
  const text = parseText(data)
  if (!text.ok) return ''
  const keys = new Map(text.pairs.map(({ key, value }) => [key, value]))
  const name = parseIscsiName(keys.get('TargetName') ?? '', true)
  return name.ok && keys.get('SessionType') !== 'Discovery' ? name.name : ''
}
