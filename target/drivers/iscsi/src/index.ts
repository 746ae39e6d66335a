// SPDX-License-Identifier: Apache-2.0
// The face of the iSCSI target driver.
export { type Explanation, explain } from './access/explain.ts'
export type { PortalFacts, Who } from './access/facts.ts'
export type {
  Access,
  AccessAccount,
  AccessOptions,
  AccessRule,
  Chap,
  ChapAccount,
  Given,
} from './access/options.ts'
export type { AccessQuestion, SessionChange } from './access/port-access.ts'
export { AccessTable } from './access/table.ts'
export { Capture } from './capture/capture.ts'
export type { CaptureFile } from './capture/open-file.ts'
export type { CaptureFacts, CaptureOptions } from './capture/options.ts'
export type { PortControl, VendorEvent } from './control/control.ts'
export type { Drained } from './control/drain.ts'
export type { LoginFacts, Redirect, RedirectDecision } from './control/redirect.ts'
export type { RehearsalOptions, RehearsalSelection } from './control/rehearsal.ts'
export type { SessionSelection } from './control/selection.ts'
export { driver, type IscsiDriver, type IscsiPort } from './driver.ts'
export type { Arrival, Handed, HandOver, Reception, Released } from './handover/options.ts'
export { partWith } from './handover/part-with.ts'
export type { IsnsOptions } from './isns/options.ts'
export { type IsnsRegistration, registerWithIsns } from './isns/registration.ts'
export type { IsnsState } from './isns/server-link.ts'
export type { ChapAlgorithm } from './login/chap.ts'
export type { Digest, Preferences } from './login/preferences.ts'
export type { VendorKey, VendorKeyFacts } from './login/vendor-keys.ts'
export type { Trace } from './observe/connection-trace.ts'
export type { LoginReport } from './observe/login-counters.ts'
export type { ConnectionReport, Counters, SessionReport } from './observe/session-report.ts'
export {
  DEFAULT_LIMITS,
  DEFAULT_NOP,
  type IscsiOptions,
  type Limits,
  type Nop,
  type Portal,
  type PortalOptions,
} from './options.ts'
export type { Listener } from './portal.ts'
export type { PeerCertificate } from './tls/certificate.ts'
export type { Tls, TlsSource } from './tls/options.ts'
