// SPDX-License-Identifier: Apache-2.0
// The face of the published package @lunkit/testing: the contracts as suites, for plug-ins of anybody.
export { type DeviceSuiteOptions, deviceSuite } from './device-suite.ts'
export {
  driverSuite,
  type RunningDriver,
  type ScriptedAnswer,
  type ScriptedCommand,
  type ScriptedInitiator,
  type StartDriver,
} from './driver-suite.ts'
export { type StandInOptions, StandInStore } from './stand-in-store.ts'
export { type Answer, type ReadAnswer, StoreExchange } from './store-exchange.ts'
export { type StoreSuiteOptions, storeSuite } from './store-suite.ts'
