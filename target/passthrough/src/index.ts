// SPDX-License-Identifier: Apache-2.0
// The face of pass-through: the device type, and the contract of a bridge and its opener.
export * from './bridge.ts'
export { passthrough } from './device-type.ts'
export * from './opener.ts'
export { SG_KEYS } from './sg/keys.ts'
