// SPDX-License-Identifier: Apache-2.0
// The face of the initiator's core: units, errors, retry, and the contract of a driver.
export * from './command-builder.ts'
export * from './discover.ts'
export * from './errors.ts'
export * from './initiator-driver.ts'
export type { Capacity, InquiryAnswer, UnitLimits } from './inquiry-answer.ts'
export * from './retry.ts'
export * from './sense-report.ts'
export * from './unit.ts'
