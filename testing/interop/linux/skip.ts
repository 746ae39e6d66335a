// SPDX-License-Identifier: Apache-2.0
// Skips a test where no guest can run.
import type { TestContext } from 'node:test'
import { absent } from '../../peers.ts'
import { available } from './vm.ts'

/** Whether no guest can run here; the test is then skipped by the name of what is missing, or fails with CI=true. */
export function noGuest(t: TestContext): boolean {
  const can = available()
  return can.ok ? false : !absent(t, `${can.missing} for the Linux guest`)
}
