// SPDX-License-Identifier: Apache-2.0
// Raw peers that prove an account by CHAP, and what a login and a discovery came to.
import { createHash } from 'node:crypto'
import {
  encodeHexBinary,
  LOGIN_RESPONSE,
  LoginStage,
  Opcode,
  parseBinary,
  parseText,
  TEXT_RESPONSE,
} from '@lunkit/spec'
import type { ChapAccount } from '@lunkit/target-driver-iscsi'
import { fieldsOf, INITIATOR, keysOf, type RawPdu, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'

export interface Attempt {
  /** Discovery if not given. */
  readonly target?: string
  readonly initiator?: string
  readonly isid?: Uint8Array
  readonly tsih?: number
  readonly cid?: number
  readonly keys?: Readonly<Record<string, string>>
  /** Proves nothing if not given. */
  readonly account?: ChapAccount
}

export const statusOf = (pdu: RawPdu): number => {
  const { statusClass, statusDetail } = fieldsOf(LOGIN_RESPONSE, pdu)
  return (statusClass << 8) | statusDetail
}

/** The last response of a login, whose status is of LoginStatus. */
export async function attempt(peer: RawPeer, one: Attempt = {}): Promise<RawPdu> {
  const { target, account, keys = {}, tsih = 0, cid = 1 } = one
  const names = {
    InitiatorName: one.initiator ?? INITIATOR,
    ...(target === undefined ? { SessionType: 'Discovery' } : { TargetName: target }),
  }
  const ids = { tsih, cid, ...(one.isid && { isid: one.isid }) }
  const last = { ...ids, transit: 1, csg: LoginStage.operational, nsg: LoginStage.fullFeature }
  if (account === undefined) return peer.loginRound(last, { ...names, ...keys })
  const security = { ...ids, csg: LoginStage.security, nsg: LoginStage.security }
  const method = await peer.loginRound(security, { ...names, AuthMethod: 'CHAP' })
  if (statusOf(method) !== 0) return method
  const challenge = await peer.loginRound(security, { CHAP_A: '7' })
  if (statusOf(challenge) !== 0) return challenge
  const { CHAP_I, CHAP_C } = keysOf(challenge)
  const response = createHash('sha256')
    .update(Uint8Array.of(Number(CHAP_I)))
    .update(account.secret)
    .update(parseBinary(CHAP_C!, 1024)!)
    .digest()
  const proof = await peer.loginRound(
    { ...security, transit: 1, nsg: LoginStage.operational },
    { CHAP_N: account.user, CHAP_R: encodeHexBinary(response) },
  )
  if (statusOf(proof) !== 0) return proof
  return peer.loginRound(last, keys)
}

/** Logs in, or throws with the status. */
export async function enter(peer: RawPeer, one: Attempt = {}): Promise<RawPdu> {
  const pdu = await attempt(peer, one)
  const status = statusOf(pdu)
  if (status !== 0) throw new Error(`Login ended with ${status.toString(16)}`)
  return pdu
}

/** What SendTargets tells a peer in a discovery session, as `Key=Value`. */
export async function listed(peer: RawPeer, name = 'All'): Promise<string[]> {
  const pdu = await peer.textRound({ SendTargets: name })
  if (fieldsOf(TEXT_RESPONSE, pdu).opcode !== Opcode.textResponse) throw new Error('No text response')
  const text = parseText(pdu.data)
  if (!text.ok) throw new Error('Target sent a broken text')
  return text.pairs.map(({ key, value }) => `${key}=${value}`)
}
