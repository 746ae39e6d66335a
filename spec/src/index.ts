// SPDX-License-Identifier: Apache-2.0
// The standards as data: everything that the package offers.
export * from './bytes/field.ts'
export * from './bytes/layout.ts'
export * from './iscsi/key.ts'
export * from './iscsi/pdu.ts'
