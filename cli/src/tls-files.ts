// SPDX-License-Identifier: Apache-2.0
// Certificates and keys for TLS come from files, which are read again when they may have changed.
import { readFile } from 'node:fs/promises'
import type { Tls, TlsSource } from '@lunkit/target-driver-iscsi'
import { UsageError } from './usage-error.ts'

export interface TlsFlags {
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tlsClientCa?: string
  readonly tlsClientCert?: string
}

/** What reads the files that the flags name; null if they name none. Throws UsageError where one is missing. */
export function tlsSource({ tlsCert, tlsKey, tlsClientCa, tlsClientCert }: TlsFlags): TlsSource | null {
  if (tlsCert === undefined || tlsKey === undefined) {
    if (tlsCert === tlsKey && tlsClientCa === undefined && tlsClientCert === undefined) return null
    throw new UsageError(
      'TLS_MISSING',
      'TLS needs a certificate and its key',
      'add --tls-cert FILE --tls-key FILE',
    )
  }
  return async (): Promise<Tls> => ({
    cert: await read('certificate', tlsCert),
    key: await read('key', tlsKey),
    ...(tlsClientCa !== undefined && { ca: await read('client authority', tlsClientCa) }),
    ...(tlsClientCert !== undefined && { clientCert: tlsClientCert as NonNullable<Tls['clientCert']> }),
  })
}

async function read(what: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const hint = missing ? 'there is no such file' : 'it must be a file that you may read'
    throw new UsageError('FILE_MISSING', `The TLS ${what} file '${path}' cannot be read`, hint)
  }
}
