// SPDX-License-Identifier: Apache-2.0
// What a peer's certificate says of it: facts that rules for access can match.
import type { PeerCertificate as NodeCertificate, TLSSocket } from 'node:tls'

/** A certificate that was verified. */
export interface PeerCertificate {
  /** Common names of the subject, then its alternative names: DNS names, addresses, URIs and mail addresses. */
  readonly names: readonly string[]
  /** SHA-256 of the certificate, as `AB:CD:…`. */
  readonly fingerprint: string
}

/** The verified certificate of a peer; null if it has shown none, or one that is not to be trusted. */
export function certificateOf(socket: TLSSocket): PeerCertificate | null {
  if (!socket.authorized) return null
  const certificate = socket.getPeerCertificate() as NodeCertificate | undefined
  if (certificate?.fingerprint256 === undefined) return null
  const common: string | string[] | undefined = certificate.subject?.CN
  const names = [...[common ?? []].flat(), ...alternativeNames(certificate.subjectaltname ?? '')]
  return { names: [...new Set(names)], fingerprint: certificate.fingerprint256 }
}

/** Kinds of alternative names, as Node writes them, that name somebody. */
const KINDS: ReadonlySet<string> = new Set(['DNS', 'IP Address', 'URI', 'email'])

/**
 * Names of a list such as `DNS:disk.example, URI:"spiffe://a,b"`. A name in quotes is a JSON string: Node writes so what
 * could be taken for more than one name.
 */
export function alternativeNames(list: string): string[] {
  const names: string[] = []
  for (const [, kind, quoted, plain] of list.matchAll(
    /([^:,"]+):(?:("(?:[^"\\]|\\.)*")|([^,"]*))(?:, |$)/g,
  )) {
    if (!KINDS.has(kind!)) continue
    names.push(quoted === undefined ? plain! : (JSON.parse(quoted) as string))
  }
  return names
}
