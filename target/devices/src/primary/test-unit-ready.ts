// SPDX-License-Identifier: Apache-2.0
// TEST UNIT READY: would a command that needs the medium run now.
import { TEST_UNIT_READY } from '@lunkit/spec'
import { fail, on, succeed, type Task } from '@lunkit/target-api'
import type { PrimaryDevice } from './primary-device.ts'

export const testUnitReady = on(TEST_UNIT_READY, (task: Task, device: PrimaryDevice) => {
  if (device.notReady !== null) fail(task, device.notReady)
  else succeed(task)
})
