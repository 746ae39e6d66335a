// SPDX-License-Identifier: Apache-2.0
// A session as an operator sees it: a copy of who, where, with which parameters and how much, taken when somebody asks.
import type { KeyValue } from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { ConnectionCounters } from '../connection-counters.ts'
import type { Session } from '../session.ts'
import type { PeerCertificate } from '../tls/certificate.ts'

export type Counters = Readonly<Omit<ConnectionCounters, 'add' | 'pinged' | 'answered'>>

export interface ConnectionReport {
  readonly cid: number
  /** `host:port` of the initiator, and the address that it came to. */
  readonly address: string
  readonly localAddress: string
  /** It came by TLS; and what the initiator has shown of itself, verified. */
  readonly tls: boolean
  readonly certificate: PeerCertificate | null
  readonly openedAt: Date
  readonly headerDigest: boolean
  readonly dataDigest: boolean
  /** Longest data segments, in bytes, to the initiator and from it. */
  readonly maxSendDataSegmentLength: number
  readonly maxRecvDataSegmentLength: number
  /** StatSN of the next answer, and answers that wait to be sent, in bytes. */
  readonly statSn: number
  readonly queuedBytes: number
  readonly counters: Counters
}

export interface SessionReport {
  readonly kind: 'normal' | 'discovery'
  /** Empty in a discovery session. */
  readonly target: string
  readonly portalGroup: number
  readonly initiator: string
  /** 12 hexadecimal digits. */
  readonly isid: string
  readonly tsih: number
  /** The CHAP user that its first connection has proved to be; null if none was asked for. */
  readonly user: string | null
  readonly openedAt: Date
  /** Results of the leading login by key (RFC 7143, 13); authentication is none of them. */
  readonly keys: Readonly<Record<string, KeyValue>>
  /** Commands taken and not answered, and numbered requests that came before their turn. */
  readonly tasks: number
  readonly parked: number
  readonly expCmdSn: number
  readonly maxCmdSn: number
  /** Connections that took the place of one with the same CID. */
  readonly reconnects: number
  /** By CID. */
  readonly connections: readonly ConnectionReport[]
  /** Sums over these connections and those that have ended. */
  readonly counters: Counters
}

export function reportSession(session: Session): SessionReport {
  const { identity, target, window } = session
  const counters = new ConnectionCounters()
  counters.add(session.past)
  for (const connection of session.connections.values()) counters.add(connection.counters)
  return {
    kind: target === null ? 'discovery' : 'normal',
    target: target?.name ?? '',
    portalGroup: session.port.settings.tpgt,
    ...identity,
    user: session.admission.user,
    openedAt: new Date(session.openedAt),
    keys: Object.fromEntries(session.settled),
    tasks: session.tasks.size,
    parked: window.parkedCount,
    expCmdSn: window.expected,
    maxCmdSn: window.max,
    reconnects: session.reconnects,
    connections: [...session.connections.values()].map(reportConnection).sort((a, b) => a.cid - b.cid),
    counters: { ...counters },
  }
}

function reportConnection(connection: Connection): ConnectionReport {
  const { cid, address, localAddress, headerDigest, dataDigest, statSn, counters } = connection
  return {
    cid,
    address,
    localAddress,
    tls: connection.overTls,
    certificate: connection.certificate,
    openedAt: new Date(connection.openedAt),
    headerDigest,
    dataDigest,
    maxSendDataSegmentLength: connection.sendLimit,
    maxRecvDataSegmentLength: connection.framer.maxData,
    statSn,
    queuedBytes: connection.out.queued,
    counters: { ...counters },
  }
}
