// SPDX-License-Identifier: Apache-2.0
// Keeps two lunkits from writing one file: a lock that is named after the file itself.
import { OperatorError } from '@lunkit/target-api'
import { lockName, ownerInWords } from '../named-lock.ts'

/** The file by what no link, rename or relative path changes. */
export interface FileKey {
  readonly dev: bigint
  readonly ino: bigint
}

/**
 * Locks a file among all lunkits of this machine, in other processes and in this one: one writer, or several readers.
 * Rejects with OperatorError FILE_IN_USE. Resolves to what frees it.
 */
export const lockByName = (path: string, key: FileKey, shared: boolean): Promise<() => Promise<void>> =>
  lockName(`lunkit-file-${key.dev}-${key.ino}`, shared, owner => inUse(path, owner))

/** `owner` is its process id, as far as it is known. */
export function inUse(path: string, owner: string | null): OperatorError {
  return new OperatorError('FILE_IN_USE', `File '${path}' is in use by ${ownerInWords(owner)}`, {
    hint: 'stop the other one, or open it with readonly=yes in all places (below an overlay file.readonly=yes, qcow2.readonly=yes …)',
  })
}
