// SPDX-License-Identifier: Apache-2.0
// Keys of a unit of an iSCSI target: who logs in there, and how.
import { readFile } from 'node:fs/promises'
import type { ConnectOptions, IscsiUrl } from '@lunkit/initiator-driver-iscsi'
import { parseIscsiName } from '@lunkit/spec'
import { fileTrouble, OperatorError, type ParameterTable, type ParameterValues } from '@lunkit/target-api'
import { readSecret } from '../../secret.ts'
import { UsageError } from '../../usage-error.ts'

export const ISCSI_KEYS = {
  'chap-user': { type: 'string', help: 'User to log in with at the real target (or USER@ in the URL)' },
  'chap-file': { type: 'path', help: 'File with the secret of that user' },
  'mutual-user': { type: 'string', help: 'The real target must prove itself as this user' },
  'mutual-file': { type: 'path', help: 'File with the secret of that one' },
  'initiator-name': { type: 'string', help: 'iSCSI name to log in with' },
  digests: { type: 'boolean', help: 'CRC32C over headers and data on the way to the real unit' },
  connections: {
    type: 'integer',
    help: 'Connections to the real target, where it grants them',
    least: 1,
    most: 64,
  },
  recovery: { type: 'integer', help: 'Error recovery level there', choices: [0, 1, 2] },
  tls: { type: 'boolean', help: 'TLS to the real target' },
  'tls-ca': { type: 'path', help: "Who signs the real target's certificate, PEM; else the well-known ones" },
  'tls-cert': { type: 'path', help: 'Certificate to show to the real target, PEM' },
  'tls-key': { type: 'path', help: 'Its private key' },
} as const satisfies ParameterTable

/** Login options from the keys; secrets are read here. Rejects with OperatorError. */
export async function loginOptions(values: ParameterValues, url: IscsiUrl): Promise<ConnectOptions> {
  const text = (key: string): string | undefined =>
    values[key] === undefined ? undefined : String(values[key])
  const user = text('chap-user') ?? url.user ?? undefined
  const mutualUser = text('mutual-user')
  const secret = await secretOf('CHAP', 'chap-user', user, 'chap-file', text('chap-file'))
  const mutual = await secretOf('mutual CHAP', 'mutual-user', mutualUser, 'mutual-file', text('mutual-file'))
  const name = nameOf(text('initiator-name'))
  const tls = await tlsOf(values['tls'] === true, text('tls-ca'), text('tls-cert'), text('tls-key'))
  return {
    ...(secret !== null && { chap: { user: user!, secret } }),
    ...(mutual !== null && { mutual: { user: mutualUser!, secret: mutual } }),
    ...(name !== undefined && { initiatorName: name }),
    ...(values['digests'] === true && { headerDigest: 'require', dataDigest: 'require' }),
    ...(values['connections'] !== undefined && { connections: Number(values['connections']) }),
    ...(values['recovery'] !== undefined && { errorRecoveryLevel: Number(values['recovery']) }),
    ...(tls !== null && { tls }),
  }
}

function nameOf(given: string | undefined): string | undefined {
  const parsed = given === undefined ? undefined : parseIscsiName(given, true)
  if (parsed === undefined || parsed.ok) return given
  throw new OperatorError('INITIATOR_NAME', `'${given}' is no name to log in with: ${parsed.cause}`, {
    hint: 'write initiator-name=iqn.2026-11.org.example:gateway',
  })
}

/** User and file come both or not at all: who gives one of them thinks that it has an effect. */
async function secretOf(
  what: string,
  userKey: string,
  user: string | undefined,
  fileKey: string,
  file: string | undefined,
): Promise<string | null> {
  if (user === undefined && file === undefined) return null
  if (user === undefined || file === undefined) {
    const missing = user === undefined ? userKey : fileKey
    throw new OperatorError('CHAP_USER', `A user and a secret of ${what} belong together`, {
      hint: `add ${missing}=`,
    })
  }
  try {
    return await readSecret(`${what} secret`, file, '')
  } catch (error) {
    if (error instanceof UsageError)
      throw new OperatorError(error.code, error.message, { hint: error.hint, cause: error })
    throw error
  }
}

async function tlsOf(
  wanted: boolean,
  ca: string | undefined,
  cert: string | undefined,
  key: string | undefined,
): Promise<NonNullable<ConnectOptions['tls']> | null> {
  if (!wanted && ca === undefined && cert === undefined && key === undefined) return null
  if ((cert === undefined) !== (key === undefined)) {
    throw new OperatorError('TLS_KEY', 'A certificate and its key belong together', {
      hint: `add ${cert === undefined ? 'tls-cert' : 'tls-key'}=`,
    })
  }
  return {
    ...(ca !== undefined && { ca: await pem('tls-ca', ca) }),
    ...(cert !== undefined && { cert: await pem('tls-cert', cert) }),
    ...(key !== undefined && { key: await pem('tls-key', key) }),
  }
}

async function pem(what: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new OperatorError(
      'FILE_MISSING',
      `The file '${path}' of ${what} cannot be read: ${fileTrouble(error)}`,
      {
        hint: `name a PEM file with ${what}=`,
        cause: error,
      },
    )
  }
}
