// SPDX-License-Identifier: Apache-2.0
// The face of the local driver.
export { type LocalNexus, type LocalPort, openLocal } from './local.ts'
export type { LocalAnswer, LocalCommand } from './local-command.ts'
