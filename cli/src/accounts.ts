// SPDX-License-Identifier: Apache-2.0
// CHAP accounts from flags and files; no secret is ever part of a message.
import { readFile, stat } from 'node:fs/promises'
import type { Chap } from '@lunkit/target-driver-iscsi'
import { readSecret } from './secret.ts'
import { UsageError } from './usage-error.ts'

export interface AccountFlags {
  readonly chapUser?: readonly string[]
  readonly chapSecretFile?: readonly string[]
  readonly chapFile?: string
  readonly mutualUser?: string
  readonly mutualSecretFile?: string
}

const UNUSED_SECRET = 'LUNKIT_CHAP_SECRET is set, but without --chap-user nobody has to know it'

/** All accounts that initiators may prove, each with the target's own. Rejects with UsageError. */
export async function readAccounts(flags: AccountFlags): Promise<Chap[]> {
  const { chapFile, mutualUser } = flags
  const accounts = [...(await readPairs(flags)), ...(chapFile === undefined ? [] : await readLines(chapFile))]
  const secret = await readSecret('mutual CHAP secret', flags.mutualSecretFile, 'LUNKIT_MUTUAL_SECRET')
  if (mutualUser === undefined) {
    if (flags.mutualSecretFile === undefined) return accounts
    throw new UsageError(
      'CHAP_USER',
      'A mutual CHAP secret is given, but no user that the target proves itself as',
      'add --mutual-user',
    )
  }
  if (accounts.length === 0) throw noUser()
  if (secret === null) {
    throw new UsageError(
      'CHAP_SECRET',
      `Mutual CHAP user '${mutualUser}' has no secret`,
      'add --mutual-secret-file, or set LUNKIT_MUTUAL_SECRET',
    )
  }
  return accounts.map(account => ({ ...account, mutual: { user: mutualUser, secret } }))
}

/** --chap-user and --chap-secret-file, in their order; one user alone may have the secret of the environment. */
async function readPairs({
  chapUser: users = [],
  chapSecretFile: files = [],
  chapFile,
}: AccountFlags): Promise<Chap[]> {
  if (users.length === 0) {
    if (files.length > 0) throw noUser()
    if (process.env['LUNKIT_CHAP_SECRET'] !== undefined && chapFile === undefined)
      process.stderr.write(`lunkit: ${UNUSED_SECRET}\n`)
    return []
  }
  if (files.length > users.length || (users.length > 1 && files.length < users.length)) {
    throw new UsageError(
      'CHAP_SECRET',
      `There are ${users.length} CHAP users and ${files.length} files with a secret`,
      'give one --chap-secret-file for each --chap-user, in the same order, or a --chap-file with all of them',
    )
  }
  const accounts: Chap[] = []
  for (const [at, user] of users.entries()) {
    const secret = await readSecret('CHAP secret', files[at], 'LUNKIT_CHAP_SECRET')
    if (secret === null) {
      throw new UsageError(
        'CHAP_SECRET',
        `CHAP user '${user}' has no secret`,
        'add --chap-secret-file, or set LUNKIT_CHAP_SECRET',
      )
    }
    accounts.push({ user, secret })
  }
  return accounts
}

const noUser = (): UsageError => new UsageError('CHAP_USER', 'CHAP needs a user name', 'add --chap-user')

/** Lines of `USER:SECRET`; a secret may have colons. Empty lines and those that begin with `#` say nothing. */
async function readLines(path: string): Promise<Chap[]> {
  const text = await readPrivate(path)
  const accounts: Chap[] = []
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const [, user, secret] = /^([^:]+):(.+)$/.exec(line) ?? []
    if (user === undefined || secret === undefined) {
      throw new UsageError(
        'CHAP_FILE',
        `Line ${at + 1} of CHAP file '${path}' is no account`,
        'write USER:SECRET',
      )
    }
    accounts.push({ user, secret })
  }
  if (accounts.length === 0)
    throw new UsageError('CHAP_FILE', `CHAP file '${path}' has no account`, 'write lines of USER:SECRET')
  return accounts
}

/** A file with secrets that others could read is refused, as they would be no secrets. Windows has no such modes. */
async function readPrivate(path: string): Promise<string> {
  try {
    const { mode } = await stat(path)
    if (process.platform === 'win32' || (mode & 0o077) === 0) return await readFile(path, 'utf8')
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const hint = missing ? 'there is no such file' : 'it must be a file that you may read'
    throw new UsageError('FILE_MISSING', `The CHAP file '${path}' cannot be read`, hint)
  }
  throw new UsageError(
    'CHAP_FILE',
    `CHAP file '${path}' can be read or written by others`,
    `chmod 600 '${path}'`,
  )
}
