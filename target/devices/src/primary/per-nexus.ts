// SPDX-License-Identifier: Apache-2.0
// What belongs to an I_T nexus or to its target and not to the unit: for devices that leave all the rest to a real unit.
export { pathDesignators, scsiPortsPage, unitDesignators, writtenDesignators } from './identification.ts'
export { tpgsOf } from './inquiry.ts'
export { reportLuns } from './report-luns.ts'
export { reportSupportedTaskManagementFunctions } from './report-task-management.ts'
export { replySense } from './request-sense.ts'
export { persistentReserveIns } from './reservations/reserve-in.ts'
export { persistentReserveOuts } from './reservations/reserve-out.ts'
export { reserveReleases } from './reservations/reserve-release.ts'
export { targetPortGroups } from './target-port-groups.ts'
