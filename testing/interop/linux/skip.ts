// SPDX-License-Identifier: Apache-2.0
// Skips a test where no guest can run; where nothing may be skipped (CI=true) it fails instead.
import type { TestContext } from 'node:test'
import { available } from './vm.ts'

/** Whether the test is skipped, with the name of what is missing; throws if CI=true forbids that. */
export function skipped(t: TestContext): boolean {
  const can = available()
  if (can.ok) return false
  if (process.env['CI'] === 'true') throw new Error(`The Linux guest needs ${can.missing}`)
  t.skip(`the Linux guest needs ${can.missing}`)
  return true
}
