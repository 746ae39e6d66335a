// SPDX-License-Identifier: Apache-2.0
// The text keys of login and text negotiation as rows: rule, range, default, scope, stages (RFC 7143, 12.1 and 13).

/** A settled value: Yes and No as booleans, numerical values as numbers, everything else as its text. */
export type KeyValue = boolean | number | string

/** Form of the value on the wire (RFC 7143, 6.1). A `range` is `low~high`; `binary` is a large binary value. */
export type KeyType =
  | 'boolean'
  | 'number'
  | 'range'
  | 'list'
  | 'text'
  | 'iscsi-name'
  | 'local-name'
  | 'address'
  | 'binary'

/**
 * How offer and answer make the result (RFC 7143, 6.2). `declare` needs no answer; `refuse` is for obsolete keys,
 * whose only answer is the row's `answer`.
 */
export type KeyRule = 'and' | 'or' | 'min' | 'max' | 'first-common' | 'declare' | 'refuse'

export type KeyStage = 'security' | 'operational' | 'full-feature'

/**
 * When a key may be sent (RFC 7143, 13): `leading-only` in the login of a session's first connection,
 * `initial-only` in the login of any connection, `full-feature-only` after login, `all` in both.
 */
export type KeyUse = 'leading-only' | 'initial-only' | 'full-feature-only' | 'all'

/** Conditions that must all hold: settled values by key name. */
export type KeyCondition = Readonly<Record<string, KeyValue>>

export interface Key {
  readonly name: string
  readonly kind: 'declarative' | 'negotiated'
  readonly type: KeyType
  readonly rule: KeyRule
  /** Lowest and highest number allowed, for `number` and `range`; null for other types. */
  readonly min: number | null
  readonly max: number | null
  /** The standard's list of words that the value may hold, or null where it is open. Lists may also hold extensions. */
  readonly values: readonly string[] | null
  /** Value in force if the key is never sent; null if there is none. */
  readonly default: KeyValue | null
  readonly use: KeyUse
  /** `session` values hold for all connections, `connection` values for the one on which they were sent. */
  readonly scope: 'session' | 'connection'
  readonly sender: 'initiator' | 'target' | 'both'
  readonly stages: readonly KeyStage[]
  /** Stages in which an initiator may send it, where they are fewer; else null. */
  readonly initiatorStages: readonly KeyStage[] | null
  /** The answer is Irrelevant if one of these holds. */
  readonly irrelevantWhen: readonly KeyCondition[]
  /** Key whose result this one's result must not exceed. */
  readonly notAbove: string | null
  /** The key may come more than once in one negotiation. */
  readonly repeatable: boolean
  /** Longest value in bytes: of each value for lists, of the decoded value for binaries. */
  readonly maxBytes: number
  /** What must be answered, for obsolete keys; null for all others. */
  readonly answer: string | null
  readonly cite: string
}

/** Reserved values of an answer (RFC 7143, 6.2). */
export const KeyAnswer = Object.freeze({
  none: 'None',
  reject: 'Reject',
  irrelevant: 'Irrelevant',
  notUnderstood: 'NotUnderstood',
} as const)

/** Longest simple value that is not said to be longer (RFC 7143, 6.1). */
export const DEFAULT_VALUE_BYTES = 255
/** Longest iSCSI name (RFC 7143, 4.2.7.1). */
export const NAME_BYTES = 223
/** Longest CHAP challenge or response (RFC 7143, 12.1.3). */
export const CHAP_BINARY_BYTES = 1024

const DISCOVERY: KeyCondition = Object.freeze({ SessionType: 'Discovery' })
const NO_UNSOLICITED: KeyCondition = Object.freeze({ InitialR2T: true, ImmediateData: false })
const MAX_24_BITS = 0xff_ffff

const anyStage = ['security', 'operational', 'full-feature'] as const
const login = ['security', 'operational'] as const
const operational = ['operational'] as const
const security = ['security'] as const

const plain = {
  min: null,
  max: null,
  values: null,
  default: null,
  irrelevantWhen: [],
  initiatorStages: null,
  notAbove: null,
  repeatable: false,
  maxBytes: DEFAULT_VALUE_BYTES,
  answer: null,
} as const

// The shapes that many keys share.
const leading = {
  ...plain,
  kind: 'negotiated',
  use: 'leading-only',
  scope: 'session',
  sender: 'both',
  stages: operational,
} as const
const declared = { ...plain, kind: 'declarative', rule: 'declare', scope: 'session' } as const
const digest = {
  ...plain,
  kind: 'negotiated',
  type: 'list',
  rule: 'first-common',
  values: ['CRC32C', 'None'],
  default: 'None',
  use: 'initial-only',
  scope: 'connection',
  sender: 'both',
  stages: operational,
  cite: 'RFC 7143, 13.1',
} as const
const chap = {
  ...plain,
  kind: 'declarative',
  rule: 'declare',
  use: 'initial-only',
  scope: 'connection',
  sender: 'both',
  stages: security,
  cite: 'RFC 7143, 12.1.3',
} as const
const marker = {
  ...plain,
  kind: 'negotiated',
  rule: 'refuse',
  use: 'initial-only',
  scope: 'connection',
  sender: 'both',
  stages: operational,
  answer: KeyAnswer.reject,
  cite: 'RFC 7143, 13.25',
} as const

const rows: readonly Key[] = [
  {
    ...plain,
    name: 'AuthMethod',
    kind: 'negotiated',
    type: 'list',
    rule: 'first-common',
    values: ['KRB5', 'SRP', 'CHAP', 'None'],
    use: 'initial-only',
    scope: 'connection',
    sender: 'both',
    stages: security,
    cite: 'RFC 7143, 12.1',
  },
  { ...chap, name: 'CHAP_A', kind: 'negotiated', type: 'list', rule: 'first-common' },
  { ...chap, name: 'CHAP_I', type: 'number', min: 0, max: 255 },
  { ...chap, name: 'CHAP_C', type: 'binary', maxBytes: CHAP_BINARY_BYTES },
  { ...chap, name: 'CHAP_N', type: 'text' },
  { ...chap, name: 'CHAP_R', type: 'binary', maxBytes: CHAP_BINARY_BYTES },
  { ...digest, name: 'HeaderDigest' },
  { ...digest, name: 'DataDigest' },
  {
    ...leading,
    name: 'MaxConnections',
    type: 'number',
    rule: 'min',
    min: 1,
    max: 65_535,
    default: 1,
    irrelevantWhen: [DISCOVERY],
    cite: 'RFC 7143, 13.2',
  },
  {
    ...declared,
    name: 'SendTargets',
    type: 'text',
    use: 'full-feature-only',
    sender: 'initiator',
    stages: ['full-feature'],
    cite: 'RFC 7143, 13.3',
  },
  {
    // An initiator sends it in login, a target only in the answer to SendTargets.
    ...declared,
    name: 'TargetName',
    type: 'iscsi-name',
    use: 'all',
    sender: 'both',
    stages: anyStage,
    initiatorStages: login,
    repeatable: true,
    maxBytes: NAME_BYTES,
    cite: 'RFC 7143, 13.4',
  },
  {
    ...declared,
    name: 'InitiatorName',
    type: 'iscsi-name',
    use: 'initial-only',
    sender: 'initiator',
    stages: login,
    maxBytes: NAME_BYTES,
    cite: 'RFC 7143, 13.5',
  },
  {
    ...declared,
    name: 'TargetAlias',
    type: 'local-name',
    use: 'all',
    sender: 'target',
    stages: anyStage,
    cite: 'RFC 7143, 13.6',
  },
  {
    ...declared,
    name: 'InitiatorAlias',
    type: 'local-name',
    use: 'all',
    sender: 'initiator',
    stages: anyStage,
    cite: 'RFC 7143, 13.7',
  },
  {
    ...declared,
    name: 'TargetAddress',
    type: 'address',
    use: 'all',
    sender: 'target',
    stages: anyStage,
    repeatable: true,
    cite: 'RFC 7143, 13.8',
  },
  {
    ...declared,
    name: 'TargetPortalGroupTag',
    type: 'number',
    min: 0,
    max: 65_535,
    use: 'initial-only',
    sender: 'target',
    stages: login,
    cite: 'RFC 7143, 13.9',
  },
  {
    ...leading,
    name: 'InitialR2T',
    type: 'boolean',
    rule: 'or',
    default: true,
    irrelevantWhen: [DISCOVERY],
    cite: 'RFC 7143, 13.10',
  },
  {
    ...leading,
    name: 'ImmediateData',
    type: 'boolean',
    rule: 'and',
    default: true,
    irrelevantWhen: [DISCOVERY],
    cite: 'RFC 7143, 13.11',
  },
  {
    // Each side says what it can receive: the two values are independent.
    ...declared,
    name: 'MaxRecvDataSegmentLength',
    type: 'number',
    min: 512,
    max: MAX_24_BITS,
    default: 8192,
    use: 'all',
    scope: 'connection',
    sender: 'both',
    stages: ['operational', 'full-feature'],
    cite: 'RFC 7143, 13.12',
  },
  {
    ...leading,
    name: 'MaxBurstLength',
    type: 'number',
    rule: 'min',
    min: 512,
    max: MAX_24_BITS,
    default: 262_144,
    irrelevantWhen: [DISCOVERY],
    cite: 'RFC 7143, 13.13',
  },
  {
    ...leading,
    name: 'FirstBurstLength',
    type: 'number',
    rule: 'min',
    min: 512,
    max: MAX_24_BITS,
    default: 65_536,
    irrelevantWhen: [DISCOVERY, NO_UNSOLICITED],
    notAbove: 'MaxBurstLength',
    cite: 'RFC 7143, 13.14',
  },
  {
    ...leading,
    name: 'DefaultTime2Wait',
    type: 'number',
    rule: 'max',
    min: 0,
    max: 3600,
    default: 2,
    cite: 'RFC 7143, 13.15',
  },
  {
    ...leading,
    name: 'DefaultTime2Retain',
    type: 'number',
    rule: 'min',
    min: 0,
    max: 3600,
    default: 20,
    cite: 'RFC 7143, 13.16',
  },
  {
    // Must be 1 if ErrorRecoveryLevel is above 0 and DataSequenceInOrder is Yes (RFC 7143, 13.19).
    ...leading,
    name: 'MaxOutstandingR2T',
    type: 'number',
    rule: 'min',
    min: 1,
    max: 65_535,
    default: 1,
    irrelevantWhen: [DISCOVERY],
    cite: 'RFC 7143, 13.17',
  },
  {
    ...leading,
    name: 'DataPDUInOrder',
    type: 'boolean',
    rule: 'or',
    default: true,
    irrelevantWhen: [DISCOVERY],
    cite: 'RFC 7143, 13.18',
  },
  {
    ...leading,
    name: 'DataSequenceInOrder',
    type: 'boolean',
    rule: 'or',
    default: true,
    irrelevantWhen: [DISCOVERY],
    cite: 'RFC 7143, 13.19',
  },
  {
    ...leading,
    name: 'ErrorRecoveryLevel',
    type: 'number',
    rule: 'min',
    min: 0,
    max: 2,
    default: 0,
    cite: 'RFC 7143, 13.20',
  },
  {
    ...declared,
    name: 'SessionType',
    type: 'text',
    values: ['Discovery', 'Normal'],
    default: 'Normal',
    use: 'leading-only',
    sender: 'initiator',
    stages: login,
    cite: 'RFC 7143, 13.21',
  },
  {
    ...leading,
    name: 'TaskReporting',
    type: 'list',
    rule: 'first-common',
    values: ['RFC3720', 'ResponseFence', 'FastAbort'],
    default: 'RFC3720',
    irrelevantWhen: [DISCOVERY],
    cite: 'RFC 7143, 13.23',
  },
  {
    ...leading,
    name: 'iSCSIProtocolLevel',
    type: 'number',
    rule: 'min',
    min: 0,
    max: 31,
    default: 1,
    irrelevantWhen: [DISCOVERY],
    cite: 'RFC 7143, 13.24',
  },
  { ...marker, name: 'OFMarker', type: 'boolean' },
  { ...marker, name: 'IFMarker', type: 'boolean' },
  { ...marker, name: 'OFMarkInt', type: 'range', min: 1, max: 65_535 },
  { ...marker, name: 'IFMarkInt', type: 'range', min: 1, max: 65_535 },
  {
    // A list, of which nothing more is said than that all of it together has 255 bytes at most.
    ...declared,
    name: 'X#NodeArchitecture',
    type: 'text',
    use: 'leading-only',
    sender: 'both',
    stages: operational,
    cite: 'RFC 7143, 13.26',
  },
]

/** All keys, in the standard's order. */
export const KEYS: readonly Key[] = Object.freeze(rows.map(row => Object.freeze(row)))

const byName: ReadonlyMap<string, Key> = new Map(KEYS.map(key => [key.name, key]))

/** The row of a key, or undefined: then the answer is NotUnderstood. Names are case-sensitive. */
export const keyByName = (name: string): Key | undefined => byName.get(name)

/** Whether a name is a private (`X-`) or public (`X#`) extension key (RFC 7143, 13.22). */
export const isExtensionKey = (name: string): boolean => name.startsWith('X-') || name.startsWith('X#')

/**
 * Whether a key must be answered Irrelevant, given the values settled so far; the default stands for what is not
 * settled (undefined). Ask when the keys of the condition, which may come later in the same text, are settled.
 */
export function isIrrelevant(key: Key, settled: (name: string) => KeyValue | undefined): boolean {
  return key.irrelevantWhen.some(condition =>
    Object.entries(condition).every(([name, value]) => (settled(name) ?? keyByName(name)?.default) === value),
  )
}
