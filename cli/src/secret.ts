// SPDX-License-Identifier: Apache-2.0
// Secrets come from files or the environment, never from an argument that `ps` would show.
import { readFile, stat } from 'node:fs/promises'
import { UsageError } from './usage-error.ts'

/**
 * The first line of the file, else the variable, else null. Never part of any message. A file that others can read is told
 * of and taken: where secrets are mounted into a container, its modes are not the user's to choose.
 */
export async function readSecret(
  what: string,
  path: string | undefined,
  variable: string,
): Promise<string | null> {
  if (path === undefined) return process.env[variable] ?? null
  let text: string
  try {
    text = await readFile(path, 'utf8')
    const { mode } = await stat(path)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      process.stderr.write(`lunkit: The ${what} file '${path}' can be read or written by others\n`)
  } catch (error) {
    throw new UsageError(
      'FILE_MISSING',
      `The ${what} file '${path}' cannot be read`,
      String((error as NodeJS.ErrnoException).code) === 'ENOENT'
        ? 'there is no such file'
        : 'it must be a file that you may read',
    )
  }
  const secret = text.split(/\r?\n/, 1)[0]!
  if (secret === '')
    throw new UsageError(
      'CHAP_SECRET',
      `The ${what} file '${path}' is empty`,
      'put the secret on its first line',
    )
  return secret
}
