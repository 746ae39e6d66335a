// SPDX-License-Identifier: Apache-2.0
// What this side offers in the operational stage of a login, from the options.
import { keyByName } from '@lunkit/spec'
import type { Wishes } from './negotiate.ts'
import type { Settled } from './options.ts'

const DIGESTS = { require: 'CRC32C', prefer: 'CRC32C,None', allow: 'None,CRC32C', refuse: 'None' } as const
const yes = (value: boolean): string => (value ? 'Yes' : 'No')

/** Offers of the login that begins a session, in this order. */
export function leadingWishes(options: Settled, discovery: boolean): Wishes {
  const { errorRecoveryLevel } = options
  return {
    // Many targets know no digests in discovery, where nothing needs them.
    HeaderDigest: discovery ? 'None' : DIGESTS[options.headerDigest],
    DataDigest: discovery ? 'None' : DIGESTS[options.dataDigest],
    MaxRecvDataSegmentLength: String(options.maxRecvDataSegmentLength),
    MaxConnections: String(options.connections),
    InitialR2T: yes(options.initialR2T),
    ImmediateData: yes(options.immediateData),
    MaxBurstLength: String(options.maxBurstLength),
    FirstBurstLength: String(options.firstBurstLength),
    DefaultTime2Wait: String(options.time2Wait),
    DefaultTime2Retain: String(options.time2Retain),
    // Data that are asked for again are those of the last sequence (RFC 7143, 13.19).
    MaxOutstandingR2T: errorRecoveryLevel > 0 ? '1' : String(options.maxOutstandingR2T),
    DataPDUInOrder: 'Yes',
    DataSequenceInOrder: 'Yes',
    ErrorRecoveryLevel: discovery ? '0' : String(errorRecoveryLevel),
  }
}

/** Offers of a login that adds a connection: only what is agreed on for each connection (RFC 7143, 13). */
export function addedWishes(options: Settled): Wishes {
  const own = Object.entries(leadingWishes(options, false)).filter(
    ([name]) => keyByName(name)!.use !== 'leading-only',
  )
  return Object.fromEntries(own)
}
