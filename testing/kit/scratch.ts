// SPDX-License-Identifier: Apache-2.0
// A directory of a test's own, removed when the test has ended.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** `after` registers what is done at the end: a TestContext does. */
export async function scratch(
  context: { after(fn: () => Promise<void>): void },
  parent = tmpdir(),
): Promise<string> {
  const directory = await mkdtemp(join(parent, 'lunkit-'))
  context.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}
