// SPDX-License-Identifier: Apache-2.0
// Whether a folder can be the state folder: told at start, not when a node first asks for APTPL.
import { access, constants, stat } from 'node:fs/promises'
import { OperatorError } from '@lunkit/target-api'

/** A folder that is not there yet is made later. Rejects with OperatorError. */
export async function checkStateFolder(state: string): Promise<void> {
  try {
    if (!(await stat(state)).isDirectory()) throw new Error('it is no folder')
    await access(state, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw new OperatorError('STATE_FOLDER', `'${state}' cannot hold state: ${(error as Error).message}`, {
      hint: 'name another folder (--state FOLDER), or keep nothing (--no-state)',
    })
  }
}
