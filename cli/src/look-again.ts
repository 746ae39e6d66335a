// SPDX-License-Identifier: Apache-2.0
// What SIGUSR2 asks for: how long each storage is now, certificates and files of accounts and rules read anew.
import { type AccessFlags, readAccess, readsFiles } from './access-flags.ts'
import { describeError } from './exit.ts'
import { type Say, sayEvent } from './say.ts'
import type { RunningTarget } from './target-face/running-target.ts'
import { formatBytes } from './units.ts'

/** Never rejects: what is wrong is told, and changes nothing. `name` stands before LUNs where there are several targets. */
export async function lookAgain(
  target: RunningTarget,
  flags: AccessFlags,
  say: Say,
  name: string | null = null,
): Promise<void> {
  const tell = (what: string, error: unknown): void =>
    sayEvent(say, { type: 'warning', reason: `${what}${describeError(error).message}` })
  const of = name === null ? {} : { target: name }
  const label = name === null ? '' : `${name} `
  for (const one of [...target.luns]) {
    const { lun } = one
    try {
      if (!(await one.rescan())) continue
      const { bytes } = one
      say({ event: 'resized', ...of, lun, bytes }, `${label}LUN ${lun} has ${formatBytes(bytes)} now`)
    } catch (error) {
      tell(`${label}LUN ${lun}: `, error)
    }
  }
  await target.reloadCertificates().catch(error => tell('', error))
  if (!readsFiles(flags)) return
  try {
    for (const change of await target.setAccess(await readAccess(flags))) {
      const words = change.ended || 'it has other LUNs or rights now'
      say({ event: 'access-changed', ...change }, `${change.initiator}: ${words}`)
    }
  } catch (error) {
    tell('', error)
  }
}
