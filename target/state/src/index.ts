// SPDX-License-Identifier: Apache-2.0
// The face of the state package: the records of a unit in a folder, and what an operator may do to them.
export { openRecords } from './folder-records.ts'
export { forgetRecord, type InspectedRecord, inspectRecords, repairRecord } from './inspect.ts'
export { checkStateFolder } from './state-folder.ts'
