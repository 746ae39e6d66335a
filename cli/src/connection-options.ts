// SPDX-License-Identifier: Apache-2.0
// Options that every initiator command shares: who logs in, how, and how the answer is printed.
import type { ConnectOptions } from '@lunkit/initiator-driver-iscsi'
import type { Command } from 'commander'
import { type ConnectionTlsFlags, connectionTls } from './connection-tls.ts'
import { readSecret } from './secret.ts'
import { UsageError } from './usage-error.ts'

export interface ConnectionFlags extends ConnectionTlsFlags {
  readonly chapUser?: string
  readonly chapSecretFile?: string
  readonly mutualUser?: string
  readonly mutualSecretFile?: string
  readonly initiatorName?: string
  readonly digests?: true
  readonly connections?: string
  readonly recoveryLevel?: string
  readonly timeout: string
  readonly json?: true
}

export const CONNECTION_HELP = `
A LUN is iscsi://[USER@]HOST[:PORT]/TARGET/LUN; IPv6 addresses stand in brackets.
Secrets come from a file or from LUNKIT_CHAP_SECRET and LUNKIT_MUTUAL_SECRET.`

export function withConnection(command: Command): Command {
  return command
    .option('--chap-user <name>', 'log in as this user')
    .option('--chap-secret-file <path>', 'its secret')
    .option('--mutual-user <name>', 'the target must prove itself as this user')
    .option('--mutual-secret-file <path>', 'its secret')
    .option('--initiator-name <iqn>', 'name to log in with')
    .option('--digests', 'CRC32C over headers and data')
    .option(
      '--connections <number>',
      'share the commands between up to so many, where the target grants them',
    )
    .option(
      '--recovery-level <level>',
      'outlive damaged PDUs (1) and lost connections (2) within the session, where the target can',
    )
    .option('--tls', 'TLS comes first')
    .option('--tls-ca <path>', "who signs the portal's certificate, PEM; else the well-known ones")
    .option('--tls-cert <path>', 'certificate to show, PEM')
    .option('--tls-key <path>', 'its private key')
    .option('--tls-name <name>', "name in the portal's certificate, where it is not the host's")
    .option('--timeout <seconds>', 'give up on a login or a command after that long', '30')
    .option('--json', 'print JSON')
    .addHelpText('after', CONNECTION_HELP)
}

/**
 * What the initiator's `connect` and `discover` take, from the flags; secrets are read here. `places` are the URLs: one
 * with a user but no password takes the secret, too.
 */
export async function connectOptions(
  flags: ConnectionFlags,
  ...places: readonly string[]
): Promise<ConnectOptions> {
  const seconds = Number(flags.timeout)
  if (!(seconds > 0))
    throw new UsageError('OPTION_VALUE', `'${flags.timeout}' is no value for --timeout`, 'give seconds')
  const secret = await readSecret('CHAP secret', flags.chapSecretFile, 'LUNKIT_CHAP_SECRET')
  const mutualSecret = await readSecret('mutual CHAP secret', flags.mutualSecretFile, 'LUNKIT_MUTUAL_SECRET')
  if (flags.chapUser !== undefined && secret === null) {
    throw new UsageError(
      'CHAP_SECRET',
      `User '${flags.chapUser}' has no secret`,
      'add --chap-secret-file, or set LUNKIT_CHAP_SECRET',
    )
  }
  if (flags.mutualUser !== undefined && mutualSecret === null) {
    throw new UsageError(
      'CHAP_SECRET',
      `User '${flags.mutualUser}' has no secret`,
      'add --mutual-secret-file, or set LUNKIT_MUTUAL_SECRET',
    )
  }
  checkUsers(flags, places)
  const tls = await connectionTls(flags)
  return {
    // A person waits: a target that is gone is given up after a few tries.
    reconnect: { attempts: 3, delays: [0, 500, 1500] },
    loginTimeoutMs: seconds * 1000,
    commandTimeoutMs: seconds * 1000,
    ...(flags.initiatorName !== undefined && { initiatorName: flags.initiatorName }),
    ...(secret !== null &&
      (flags.chapUser !== undefined || places.some(namesUser)) && {
        chap: { ...(flags.chapUser !== undefined && { user: flags.chapUser }), secret },
      }),
    ...(flags.mutualUser !== undefined && { mutual: { user: flags.mutualUser, secret: mutualSecret! } }),
    ...(tls !== null && { tls }),
    ...(flags.connections !== undefined && {
      connections: wholeFlag('--connections', flags.connections, 1, 64),
    }),
    ...(flags.recoveryLevel !== undefined && {
      errorRecoveryLevel: wholeFlag('--recovery-level', flags.recoveryLevel, 0, 2),
    }),
    ...(flags.digests && { headerDigest: 'require', dataDigest: 'require' }),
  }
}

/** A secret file that nobody would look at is refused: who gives the target's thinks that it has to prove itself. */
function checkUsers(flags: ConnectionFlags, places: readonly string[]): void {
  const named = flags.chapUser !== undefined || places.some(namesUser)
  const fault =
    flags.mutualSecretFile !== undefined && flags.mutualUser === undefined
      ? ['A mutual CHAP secret is given, but no user that the target must prove itself as', '--mutual-user']
      : flags.mutualUser !== undefined && !named
        ? ['A target proves itself only to a user of CHAP', '--chap-user']
        : flags.chapSecretFile !== undefined && !named
          ? ['A CHAP secret is given, but no user', '--chap-user']
          : null
  if (fault !== null) throw new UsageError('CHAP_USER', fault[0]!, `add ${fault[1]}`)
}

/** Checked here, as the library would name its own option and not the flag. */
function wholeFlag(flag: string, given: string, least: number, most: number): number {
  const value = Number(given)
  if (/^\d+$/.test(given) && value >= least && value <= most) return value
  throw new UsageError(
    'OPTION_VALUE',
    `'${given}' is no value for ${flag}`,
    `give a number from ${least} to ${most}`,
  )
}

const namesUser = (place: string): boolean => /^iscsi:\/\/[^/]*@/.test(place)
