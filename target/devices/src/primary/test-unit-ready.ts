// SPDX-License-Identifier: Apache-2.0
// TEST UNIT READY: the engine has looked already whether a command that needs the medium would run now.
import { TEST_UNIT_READY } from '@lunkit/spec'
import { on, succeed, type Task } from '@lunkit/target-api'

export const testUnitReady = on(TEST_UNIT_READY, (task: Task) => succeed(task))
