// SPDX-License-Identifier: Apache-2.0
// The face of the iSCSI target driver.
export { driver, type IscsiDriver, type IscsiPort } from './driver.ts'
export type { ChapAlgorithm } from './login/chap.ts'
export {
  type Access,
  type Chap,
  type ChapAccount,
  DEFAULT_LIMITS,
  DEFAULT_NOP,
  type IscsiOptions,
  type Limits,
  type Nop,
  type Portal,
} from './options.ts'
