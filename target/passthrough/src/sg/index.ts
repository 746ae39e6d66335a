// SPDX-License-Identifier: Apache-2.0
// The face of the bridge `sg`: what opens it, and what can be opened.

export { TYPES } from '../bindings.ts'
export { openSg } from './bridge.ts'
export { type UnitHere, unitsHere } from './units-here.ts'
