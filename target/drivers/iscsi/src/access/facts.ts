// SPDX-License-Identifier: Apache-2.0
// What is known of somebody who wants in, before any proof: all that conditions can ask for.
import type { Connection } from '../connection.ts'
import type { PeerCertificate } from '../tls/certificate.ts'

/** A portal as rules see it. */
export interface PortalFacts {
  /** Target portal group tag. */
  readonly tag: number
  /** The address that the initiator came to. */
  readonly host: string
  readonly port: number
}

export interface Who {
  /** The initiator's name. */
  readonly initiator: string
  /** The address that it comes from. */
  readonly address: string
  readonly portal: PortalFacts
  /** What it has shown by TLS, verified; null without. */
  readonly certificate: PeerCertificate | null
}

/** All but the name, which only a login tells. */
export type Arrival = Omit<Who, 'initiator'>

export const arrivalOf = ({ port, peer, localAddress, socket, certificate }: Connection): Arrival => ({
  address: peer,
  portal: { tag: port.settings.tpgt, host: localAddress, port: socket.localPort ?? 0 },
  certificate,
})
