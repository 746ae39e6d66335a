// SPDX-License-Identifier: Apache-2.0
// What a target wants of each negotiated key, and what a finished negotiation means for a session.
import { SCSI_FEATURES_LEVEL } from '@lunkit/spec'
import type { Limits } from '../options.ts'
import type { Negotiation, Wishes } from './negotiate.ts'
import { DEFAULT_PREFERENCES, digestWish, type Preferences } from './preferences.ts'

/** Results that a connection works with. */
export interface ConnectionParameters {
  readonly headerDigest: boolean
  readonly dataDigest: boolean
  /** Longest data segment that the initiator takes, in bytes. */
  readonly mostData: number
  /** Longest one of data that goes on: a multiple of 4, so that only a last PDU is padded. */
  readonly sendLimit: number
}

/** Results that all connections of a session work with. Sizes in bytes. */
export interface SessionParameters {
  readonly maxConnections: number
  readonly errorRecoveryLevel: number
  /** Seconds that the initiator waits after the loss of a connection, and those after them in which it may come back. */
  readonly time2Wait: number
  readonly time2Retain: number
  readonly initialR2T: boolean
  readonly immediateData: boolean
  readonly firstBurst: number
  readonly maxBurst: number
  readonly maxOutstandingR2T: number
  /** iSCSIProtocolLevel. */
  readonly protocolLevel: number
  /** RFC 7144's task management functions may be used. */
  readonly scsiFeatures: boolean
}

/** Our side of every key. */
export function wishes(limits: Limits, preferences: Preferences = DEFAULT_PREFERENCES): Wishes {
  return Object.freeze({
    HeaderDigest: digestWish(preferences.headerDigest),
    DataDigest: digestWish(preferences.dataDigest),
    MaxConnections: limits.maxConnections,
    InitialR2T: preferences.initialR2T,
    ImmediateData: preferences.immediateData,
    MaxBurstLength: limits.maxBurst,
    FirstBurstLength: limits.firstBurst,
    // The higher of both counts, and there is nothing here that an initiator should wait for.
    DefaultTime2Wait: 0,
    // Only level 2 takes up what a lost connection left.
    DefaultTime2Retain: {
      after: ['ErrorRecoveryLevel'],
      want: value => (value('ErrorRecoveryLevel') === 2 ? limits.time2RetainSeconds : 0),
    },
    // With recovery, data sequences in order must come one at a time (RFC 7143, 13.17 and 13.19).
    MaxOutstandingR2T: {
      after: ['ErrorRecoveryLevel', 'DataSequenceInOrder'],
      want: value =>
        value('ErrorRecoveryLevel') !== 0 && value('DataSequenceInOrder') === true
          ? 1
          : limits.maxOutstandingR2T,
    },
    DataPDUInOrder: true,
    DataSequenceInOrder: true,
    // An earlier request may have settled on several R2Ts at a time; discovery has nothing to recover (RFC 7143, 7.4.1).
    ErrorRecoveryLevel: {
      after: [],
      want: value =>
        (value('MaxOutstandingR2T') !== 1 && value('DataSequenceInOrder') === true) ||
        value('SessionType') === 'Discovery'
          ? 0
          : limits.errorRecoveryLevel,
    },
    TaskReporting: ['ResponseFence', 'RFC3720'],
    iSCSIProtocolLevel: SCSI_FEATURES_LEVEL,
  })
}

export const sendLimit = (maxRecvDataSegmentLength: number): number => maxRecvDataSegmentLength & ~3

export function connectionParametersOf(negotiation: Negotiation): ConnectionParameters {
  const mostData = negotiation.value('MaxRecvDataSegmentLength') as number
  return {
    headerDigest: negotiation.value('HeaderDigest') === 'CRC32C',
    dataDigest: negotiation.value('DataDigest') === 'CRC32C',
    mostData,
    sendLimit: sendLimit(mostData),
  }
}

export function parametersOf(negotiation: Negotiation): SessionParameters {
  const number = (name: string): number => negotiation.value(name) as number
  const maxBurst = number('MaxBurstLength')
  const errorRecoveryLevel = number('ErrorRecoveryLevel')
  return {
    maxConnections: number('MaxConnections'),
    errorRecoveryLevel,
    time2Wait: number('DefaultTime2Wait'),
    time2Retain: errorRecoveryLevel === 2 ? number('DefaultTime2Retain') : 0,
    initialR2T: negotiation.value('InitialR2T') === true,
    immediateData: negotiation.value('ImmediateData') === true,
    firstBurst: Math.min(number('FirstBurstLength'), maxBurst),
    maxBurst,
    maxOutstandingR2T: number('MaxOutstandingR2T'),
    protocolLevel: number('iSCSIProtocolLevel'),
    scsiFeatures: number('iSCSIProtocolLevel') >= SCSI_FEATURES_LEVEL,
  }
}
