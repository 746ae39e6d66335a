// SPDX-License-Identifier: Apache-2.0
// The CD drive: its parameters, its command set, and how one is opened.
import { DeviceType as Peripheral } from '@lunkit/spec'
import type { BackingStore, Binding, Device, DeviceType, ParameterTable, Task } from '@lunkit/target-api'
import { bufferCommands } from '../primary/buffers.ts'
import { diagnostics } from '../primary/diagnostics.ts'
import { identifyingInformation } from '../primary/identifying-information.ts'
import { inquiry } from '../primary/inquiry.ts'
import { logSelect } from '../primary/log-select.ts'
import { logSense } from '../primary/log-sense.ts'
import { modeSelects } from '../primary/mode-select.ts'
import { modeSenses } from '../primary/mode-sense.ts'
import { preventAllowMediumRemoval } from '../primary/prevent-removal.ts'
import { reportLuns } from '../primary/report-luns.ts'
import { reportSupportedOperationCodes } from '../primary/report-opcodes.ts'
import { reportSupportedTaskManagementFunctions } from '../primary/report-task-management.ts'
import { requestSense } from '../primary/request-sense.ts'
import { persistentReserveIns } from '../primary/reservations/reserve-in.ts'
import { persistentReserveOuts } from '../primary/reservations/reserve-out.ts'
import { reserveReleases } from '../primary/reservations/reserve-release.ts'
import { targetPortGroups } from '../primary/target-port-groups.ts'
import { testUnitReady } from '../primary/test-unit-ready.ts'
import { timestamps } from '../primary/timestamp.ts'
import { informations } from './commands/disc-information.ts'
import { getConfiguration } from './commands/get-configuration.ts'
import { getEventStatus } from './commands/get-event-status.ts'
import { getPerformance } from './commands/get-performance.ts'
import { mechanism } from './commands/mechanism.ts'
import { reads } from './commands/read.ts'
import { cdReads } from './commands/read-cd.ts'
import { readDiscStructure } from './commands/read-disc-structure.ts'
import { readToc } from './commands/read-toc.ts'
import { startStop } from './commands/start-stop.ts'
import { Drive } from './drive.ts'

const parameters = {
  next: {
    type: 'path',
    help: 'An image beside the drive: each load after an eject takes the next one, and the first comes again after the last',
    list: true,
  },
} as const satisfies ParameterTable

/** Whether removal is prevented stands in a mode page, and changes by itself. */
const sensesNow: readonly Binding[] = modeSenses.map(binding => ({
  ...binding,
  run(task: Task, device: Device) {
    ;(device as Drive).modePages.refresh()
    binding.run(task, device)
  },
}))

export const device: DeviceType = {
  apiVersion: 1,
  name: 'cdrom',
  peripheralType: Peripheral.cdrom,
  changesMedium: true,
  parameters,
  bindings: [
    testUnitReady,
    requestSense,
    inquiry,
    reportLuns,
    ...sensesNow,
    ...modeSelects,
    logSense,
    logSelect,
    ...diagnostics,
    ...bufferCommands,
    reportSupportedOperationCodes,
    reportSupportedTaskManagementFunctions,
    ...targetPortGroups,
    ...identifyingInformation,
    ...timestamps,
    startStop,
    preventAllowMediumRemoval,
    ...persistentReserveIns,
    ...persistentReserveOuts,
    ...reserveReleases,
    ...reads,
    ...cdReads,
    readToc,
    ...informations,
    readDiscStructure,
    getConfiguration,
    getEventStatus,
    getPerformance,
    ...mechanism,
  ],
  open: async (store: BackingStore | null): Promise<Device> => new Drive(device, store),
}
