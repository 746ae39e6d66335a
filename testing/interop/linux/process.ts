// SPDX-License-Identifier: Apache-2.0
// Runs a program of the host to its end and gives its output, or throws with what it said.
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

export type RunOptions = { input?: Buffer; cwd?: string }

// Debian keeps some programs where a user's PATH does not look
const searchPath = () => `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin`

/** The environment in which a program is found wherever Debian keeps it, and speaks English. */
export const environment = (): NodeJS.ProcessEnv => ({ ...process.env, PATH: searchPath(), LC_ALL: 'C' })

/** The standard output of a program that ended with status 0; anything else throws. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Buffer {
  const result = spawnSync(program, args, { ...options, env: environment(), maxBuffer: 1 << 29 })
  if (result.error) throw new Error(`${program} did not run: ${result.error.message}`)
  if (result.status === 0) return result.stdout
  const end = result.signal ?? `status ${result.status}`
  throw new Error(`${program} ${args.join(' ')} ended with ${end}: ${result.stderr.toString().trim()}`)
}

/** Whether a program of that name is installed. */
export function installed(program: string): boolean {
  return searchPath()
    .split(':')
    .some(folder => {
      try {
        accessSync(join(folder, program), constants.X_OK)
        return folder !== ''
      } catch {
        return false
      }
    })
}
