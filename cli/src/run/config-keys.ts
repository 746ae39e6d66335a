// SPDX-License-Identifier: Apache-2.0
// Keys of the file of `lunkit run`: those of `lunkit serve`'s flags that a file can have, with the form of their values.
import type { TargetFlags } from '../serve-options.ts'

/** A text or number; one or several of them; `name: value` pairs; yes or no; a folder or no. */
export type Form = 'text' | 'texts' | 'pairs' | 'switch' | 'folder'

/** `all`: at the top only; `each`: at a target, or at the top for all that do not say otherwise; `own`: at a target only. */
export type Place = 'all' | 'each' | 'own'

export interface Key {
  readonly flag: keyof TargetFlags
  readonly form: Form
  readonly place: Place
}

const key = (flag: keyof TargetFlags, form: Form, place: Place): Key => ({ flag, form, place })

export const KEYS: Readonly<Record<string, Key>> = Object.freeze({
  portal: key('portal', 'texts', 'all'),
  'tls-cert': key('tlsCert', 'text', 'all'),
  'tls-key': key('tlsKey', 'text', 'all'),
  'tls-client-ca': key('tlsClientCa', 'text', 'all'),
  'tls-client-cert': key('tlsClientCert', 'text', 'all'),
  limit: key('limit', 'pairs', 'all'),
  trust: key('trust', 'texts', 'all'),
  isns: key('isns', 'texts', 'all'),
  'isns-entity': key('isnsEntity', 'text', 'all'),
  'isns-esi-port': key('isnsEsiPort', 'text', 'all'),
  drain: key('drain', 'text', 'all'),
  'discovery-chap-file': key('discoveryChapFile', 'text', 'all'),
  'port-group': key('portGroup', 'pairs', 'each'),
  'explicit-alua': key('explicitAlua', 'switch', 'each'),
  'chap-user': key('chapUser', 'texts', 'each'),
  'chap-secret-file': key('chapSecretFile', 'texts', 'each'),
  'chap-file': key('chapFile', 'text', 'each'),
  'mutual-user': key('mutualUser', 'text', 'each'),
  'mutual-secret-file': key('mutualSecretFile', 'text', 'each'),
  initiator: key('initiator', 'texts', 'each'),
  'allow-address': key('allowAddress', 'texts', 'each'),
  'trust-address': key('trustAddress', 'texts', 'each'),
  'read-only': key('readOnly', 'texts', 'each'),
  'read-only-user': key('readOnlyUser', 'texts', 'each'),
  'access-file': key('accessFile', 'text', 'each'),
  redirect: key('redirect', 'texts', 'each'),
  'redirect-permanent': key('redirectPermanent', 'switch', 'each'),
  'async-events': key('asyncEvents', 'switch', 'each'),
  poll: key('poll', 'text', 'each'),
  open: key('open', 'switch', 'each'),
  iscsi: key('iscsi', 'pairs', 'each'),
  state: key('state', 'folder', 'each'),
  slow: key('slow', 'text', 'each'),
  'response-timeout': key('responseTimeout', 'text', 'each'),
  trace: key('trace', 'switch', 'each'),
  name: key('name', 'text', 'own'),
  capture: key('capture', 'text', 'own'),
  'capture-initiator': key('captureInitiator', 'texts', 'own'),
  'capture-snap': key('captureSnap', 'text', 'own'),
  'capture-size': key('captureSize', 'text', 'own'),
  'capture-files': key('captureFiles', 'text', 'own'),
})

/** Names of the keys that may stand there. */
export const keysAt = (places: readonly Place[]): string[] =>
  Object.keys(KEYS).filter(name => places.includes(KEYS[name]!.place))
