// SPDX-License-Identifier: Apache-2.0
// The face of the iSCSI initiator: connect to a unit, open a session, discover targets.
export {
  discoverUnits,
  InitiatorError,
  LoginError,
  RequestError,
  reportLuns,
  ScsiError,
  TransportError,
  Unit,
} from '@lunkit/initiator-core'
export type { ChapAlgorithm } from './chap.ts'
export { type ConnectOptions, connect, Disk, openSession } from './connect.ts'
export { discover, type FoundTarget } from './discovery.ts'
export {
  type ChapOptions,
  type DigestPreference,
  defaultInitiatorName,
  type NodeOptions,
  type ReconnectOptions,
  type SessionOptions,
  type TlsOptions,
} from './options.ts'
export { ISCSI_PORT, type Portal, portalText, type TargetAddress } from './portal.ts'
export type { Session } from './session.ts'
export type { SessionEvent } from './session-event.ts'
export type { ConnectionReport, SessionSettings } from './settings.ts'
export { formatUrl, type IscsiUrl, parseUrl } from './url.ts'
