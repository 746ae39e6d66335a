// SPDX-License-Identifier: Apache-2.0
// The face of the dictionary: everything that the standards say, as data.
export * from './bytes/field.ts'
export * from './bytes/layout.ts'
export * from './scsi/command.ts'
export * from './scsi/commands/sbc.ts'
export * from './scsi/commands/spc.ts'
export * from './scsi/sense-code.ts'
export * from './scsi/status.ts'
