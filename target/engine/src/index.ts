// SPDX-License-Identifier: Apache-2.0
// The face of the engine package.
export type { AccessOptions, PortGroupOptions, PortGroupSet } from './access-states.ts'
export { type EngineOptions, TargetEngine } from './engine.ts'
export type { RemoveOptions, ResizeOptions } from './live-changes.ts'
export type { Unit } from './logical-unit.ts'
export type { TargetDevice } from './lun-map.ts'
export type { MediumOptions } from './medium-changes.ts'
