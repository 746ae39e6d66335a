// SPDX-License-Identifier: Apache-2.0
// The face of the contracts package: what a driver, a device or a store imports.
export * from './answer.ts'
export * from './backing-store.ts'
export * from './buffer-pool.ts'
export * from './device.ts'
export * from './engine.ts'
export * from './nexus.ts'
export * from './operator-error.ts'
export * from './parameters.ts'
export * from './store-io.ts'
export * from './target-driver.ts'
export * from './target-event.ts'
export * from './task.ts'
