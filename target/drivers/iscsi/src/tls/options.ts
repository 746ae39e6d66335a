// SPDX-License-Identifier: Apache-2.0
// What TLS on a portal is set up with: checked as a whole, before anything listens and at each reload.
import { constants, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { OperatorError } from '@lunkit/target-api'

/** Certificates as PEM. */
export interface Tls {
  /** The portal's certificate, intermediate ones behind it. */
  readonly cert: string | Uint8Array
  /** Its private key, without a passphrase. */
  readonly key: string | Uint8Array
  /** Who signs the certificates of initiators. */
  readonly ca?: string | Uint8Array
  /**
   * `require`: an initiator needs a certificate that `ca` has signed, or there is no connection. `request`: it may have
   * one, and one that `ca` has not signed is as none. `none`: it is not asked. `require` with `ca`, else `none`.
   */
  readonly clientCert?: 'none' | 'request' | 'require'
}

/** The certificates, or a function that reads them: called at the start and for each reload. */
export type TlsSource = Tls | (() => Tls | Promise<Tls>)

export type ClientCert = NonNullable<Tls['clientCert']>

export interface TlsSettings {
  readonly clientCert: ClientCert
  readonly context: SecureContextOptions
}

/**
 * Sessions of TLS are not resumed: connections last, and whoever was let in by certificates of before a reload must show
 * one again. Nor is a handshake made anew within a connection.
 */
const SECURE_OPTIONS = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION

/** Reads and checks. Rejects with OperatorError; `warn` hears of a certificate that is not valid now. */
export async function loadTls(
  portal: string,
  source: TlsSource,
  warn: (reason: string) => void,
): Promise<TlsSettings> {
  const {
    cert,
    key,
    ca,
    clientCert = ca === undefined ? 'none' : 'require',
  } = typeof source === 'function' ? await source() : source
  if (!['none', 'request', 'require'].includes(clientCert)) {
    throw new OperatorError('TLS_CLIENT_CERT', `'${clientCert}' is no way to ask for client certificates`, {
      hint: 'say none, request or require',
    })
  }
  if (clientCert !== 'none' && ca === undefined) {
    throw new OperatorError(
      'TLS_CLIENT_CA',
      `Portal ${portal} asks for client certificates that nobody signs`,
      {
        hint: 'give the certificate of who signs them as ca: --tls-client-ca FILE',
      },
    )
  }
  const context: SecureContextOptions = {
    cert: text(cert),
    key: text(key),
    minVersion: 'TLSv1.2',
    secureOptions: SECURE_OPTIONS,
    ...(ca !== undefined && { ca: authorities(portal, text(ca)) }),
  }
  try {
    createSecureContext(context)
  } catch (error) {
    throw new OperatorError('TLS_CERTIFICATE', `TLS of portal ${portal} cannot be set up: ${why(error)}`, {
      hint: 'cert and key must be PEM, belong together, and the key must have no passphrase',
      cause: error,
    })
  }
  const { validFromDate, validToDate } = new X509Certificate(text(cert))
  const now = new Date()
  if (now < validFromDate || now > validToDate)
    warn(`Certificate of portal ${portal} is valid only from ${day(validFromDate)} to ${day(validToDate)}`)
  return { clientCert, context }
}

const text = (pem: string | Uint8Array): string => Buffer.from(pem).toString('latin1')
const day = (date: Date): string => date.toISOString().slice(0, 10)

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** Node takes a file without any certificate for an empty list, by which nobody could ever be let in. */
function authorities(portal: string, ca: string): string[] {
  const all = ca.match(CERTIFICATE) ?? []
  try {
    for (const one of all) new X509Certificate(one)
    if (all.length > 0) return all
  } catch {
    // Told below: what stands between the lines is no certificate.
  }
  throw new OperatorError('TLS_CLIENT_CA', `Portal ${portal} has a ca that is no certificate`, {
    hint: 'give PEM, from BEGIN CERTIFICATE to END CERTIFICATE',
  })
}

/** OpenSSL's reason, without its numbers and source files. */
function why(error: unknown): string {
  const { reason, message } = error as Error & { reason?: string }
  return reason ?? message
}
