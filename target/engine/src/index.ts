// SPDX-License-Identifier: Apache-2.0
// The face of the engine package.
export { type EngineOptions, TargetEngine } from './engine.ts'
export type { Unit } from './logical-unit.ts'
export type { TargetDevice } from './lun-map.ts'
