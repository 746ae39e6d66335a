// SPDX-License-Identifier: Apache-2.0
// TLS of a connection to a target, from files that the flags name.
import { readFile } from 'node:fs/promises'
import type { TlsOptions } from '@lunkit/initiator-driver-iscsi'
import { UsageError } from './usage-error.ts'

export interface ConnectionTlsFlags {
  readonly tls?: true
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tlsName?: string
}

/** Null where no flag asks for TLS. Rejects with a UsageError for files that cannot be read. */
export async function connectionTls(flags: ConnectionTlsFlags): Promise<TlsOptions | null> {
  const { tls, tlsCa, tlsCert, tlsKey, tlsName } = flags
  const named = [tlsCa, tlsCert, tlsKey, tlsName].some(one => one !== undefined)
  if (tls === undefined && !named) return null
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    const missing = tlsCert === undefined ? '--tls-cert' : '--tls-key'
    throw new UsageError('OPTION_VALUE', 'A certificate and its key belong together', `add ${missing}`)
  }
  return {
    ...(tlsCa !== undefined && { ca: await read('--tls-ca', tlsCa) }),
    ...(tlsCert !== undefined && { cert: await read('--tls-cert', tlsCert) }),
    ...(tlsKey !== undefined && { key: await read('--tls-key', tlsKey) }),
    ...(tlsName !== undefined && { servername: tlsName }),
  }
}

async function read(flag: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new UsageError(
      'FILE_MISSING',
      `The file '${path}' of ${flag} cannot be read`,
      absent ? 'there is no such file' : 'it must be a file that you may read',
    )
  }
}
