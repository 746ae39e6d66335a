// SPDX-License-Identifier: Apache-2.0
// What the target asks for in login, by the names that the standard has for it, made into options of the iSCSI driver.
import { keyByName } from '@lunkit/spec'
import { OperatorError, type ParameterTable, readParameters } from '@lunkit/target-api'
import { DEFAULT_LIMITS, type Digest, type IscsiOptions } from '@lunkit/target-driver-iscsi'

/** Sizes in bytes, as numbers or texts such as `64K`. The result of a login is never above them. */
export interface IscsiKeys {
  /** Bursts of solicited data, 512 to 16777215: 1 MiB if not given. */
  readonly MaxBurstLength?: number | string
  /** Data that a write may bring unasked, 512 to MaxBurstLength: 256 KiB if not given. */
  readonly FirstBurstLength?: number | string
  /** Longest data segment that the target takes, 512 to 16777215: 256 KiB if not given. */
  readonly MaxRecvDataSegmentLength?: number | string
  /** R2Ts of one write at a time, 1 to 255: 16 if not given. */
  readonly MaxOutstandingR2T?: number
  /** Connections of one session, 1 to 64: 8 if not given. */
  readonly MaxConnections?: number
  /** Highest error recovery level, 0 to 2: 2 if not given. */
  readonly ErrorRecoveryLevel?: number
  /** Seconds that commands of a lost connection are kept at level 2, 0 to 3600: 20 if not given. */
  readonly DefaultTime2Retain?: number
  /** true: data that no command brought itself must be asked for; false if not given. */
  readonly InitialR2T?: boolean
  /** false: commands may not bring data; true if not given. */
  readonly ImmediateData?: boolean
  /** `CRC32C`, `None` or both with a comma; both if not given. Without None, logins without the digest are refused. */
  readonly HeaderDigest?: string
  readonly DataDigest?: string
}

const TABLE = Object.freeze({
  MaxBurstLength: { type: 'size', help: 'longest burst of solicited data' },
  FirstBurstLength: { type: 'size', help: 'data that a write may bring unasked' },
  MaxRecvDataSegmentLength: { type: 'size', help: 'longest data segment that the target takes' },
  MaxOutstandingR2T: { type: 'integer', help: 'R2Ts of one write at a time' },
  MaxConnections: { type: 'integer', help: 'connections of one session' },
  ErrorRecoveryLevel: { type: 'integer', help: 'highest error recovery level' },
  DefaultTime2Retain: {
    type: 'integer',
    help: 'seconds that commands of a lost connection are kept at level 2',
  },
  InitialR2T: { type: 'boolean', help: 'yes: unsolicited data only with the command itself' },
  ImmediateData: { type: 'boolean', help: 'no: commands bring no data' },
  HeaderDigest: { type: 'string', help: 'CRC32C, None or CRC32C,None' },
  DataDigest: { type: 'string', help: 'CRC32C, None or CRC32C,None' },
} as const satisfies ParameterTable)

/** The driver's limits by key, with its own upper bound where it is lower than the standard's. */
const LIMITS = Object.freeze([
  ['MaxBurstLength', 'maxBurst', null],
  ['FirstBurstLength', 'firstBurst', null],
  ['MaxRecvDataSegmentLength', 'maxRecvDataSegmentLength', null],
  ['MaxOutstandingR2T', 'maxOutstandingR2T', 255],
  ['MaxConnections', 'maxConnections', 64],
  ['ErrorRecoveryLevel', 'errorRecoveryLevel', null],
  ['DefaultTime2Retain', 'time2RetainSeconds', null],
] as const)

/** The driver's options for these keys. Throws OperatorError for an unknown key or a value that cannot be. */
export function iscsiOptions(keys: IscsiKeys): Pick<IscsiOptions, 'limits' | 'preferences'> {
  const given = Object.entries(keys).filter(([, value]) => value !== undefined)
  const texts = Object.fromEntries(given.map(([name, value]) => [name, String(value)]))
  const values = readParameters('The iSCSI target', TABLE, texts)
  const { InitialR2T, ImmediateData, HeaderDigest, DataDigest } = values
  const limits: Record<string, number> = {}
  for (const [name, limit, bound] of LIMITS) {
    if (values[name] === undefined) continue
    const { min, max } = keyByName(name)!
    const highest =
      name === 'FirstBurstLength' ? (limits['maxBurst'] ?? DEFAULT_LIMITS.maxBurst) : (bound ?? max!)
    limits[limit] = inRange(name, values[name] as number, min!, highest)
  }
  return {
    limits,
    preferences: {
      ...(InitialR2T !== undefined && { initialR2T: InitialR2T as boolean }),
      ...(ImmediateData !== undefined && { immediateData: ImmediateData as boolean }),
      ...(HeaderDigest !== undefined && { headerDigest: digests('HeaderDigest', HeaderDigest as string) }),
      ...(DataDigest !== undefined && { dataDigest: digests('DataDigest', DataDigest as string) }),
    },
  }
}

function inRange(name: string, value: number, min: number, max: number): number {
  if (value >= min && value <= max) return value
  throw new OperatorError('ISCSI_VALUE', `${name} cannot be ${value}`, {
    hint: `give a number from ${min} to ${max}`,
  })
}

function digests(name: string, text: string): Digest[] {
  const all = text.split(',').map(one => DIGESTS.find(digest => digest.toLowerCase() === one.toLowerCase()))
  if (all.every(one => one !== undefined)) return all
  throw new OperatorError('ISCSI_VALUE', `${name} cannot be '${text}'`, {
    hint: 'give CRC32C, None or CRC32C,None',
  })
}
const DIGESTS = ['CRC32C', 'None'] as const
