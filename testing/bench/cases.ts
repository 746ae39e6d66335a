// SPDX-License-Identifier: Apache-2.0
// What the benchmark measures: one row a case.

export type Pattern = 'randread' | 'randwrite' | 'randrw' | 'read' | 'write'
export type StoreKind = 'file' | 'null' | 'memory'
/** Each holds the cases of those before it. */
export const SETS = ['quick', 'goals', 'full'] as const
export type SetName = (typeof SETS)[number]

/** What a target has to serve: cases that want the same share its processes. */
export interface Serving {
  readonly store: StoreKind
  readonly luns: number
  /** The images lie on a disk's file system, not in shared memory. */
  readonly onDisk: boolean
}

export interface Case extends Serving {
  readonly name: string
  readonly pattern: Pattern
  /** Bytes a command. */
  readonly blockSize: number
  /** Commands under way at once: for each session on average, with several LUNs over all of them. */
  readonly depth: number
  /** With several LUNs fio opens one for each of them, whatever this says. */
  readonly sessions: number
  /** The page cache is dropped before each run, and each block is read once. */
  readonly isCold: boolean
  /** CRC32C over headers and data: lunkit's own initiator is the client with it and without. Null: C clients, no digests. */
  readonly digests: boolean | null
  readonly unit: 'IOPS' | 'MiB/s'
  /** The smallest set that holds it. */
  readonly set: SetName
}

const KIB = 1024
/** Share of reads in the mix, in percent. */
export const MIX_READS = 70

type Rest = Partial<Pick<Case, 'store' | 'luns' | 'onDisk' | 'sessions' | 'isCold' | 'digests'>>

export const CASES: readonly Case[] = [
  ...[1, 8, 32].map(depth => row(depth === 1 ? 'goals' : 'quick', 'randread', 4, depth)),
  row('full', 'randread', 4, 128),
  ...[1, 8, 32].map(depth => row(depth === 32 ? 'quick' : 'goals', 'randwrite', 4, depth)),
  row('full', 'randwrite', 4, 128),
  row('full', 'randrw', 4, 32),
  ...[128, 1024].flatMap(kib =>
    (['read', 'write'] as const).flatMap(pattern =>
      [1, 8, 32].map(depth => row(depth === 8 ? 'quick' : 'full', pattern, kib, depth)),
    ),
  ),
  row('goals', 'randread', 4, 32, { isCold: true }),
  row('full', 'read', 128, 32, { isCold: true }),
  row('goals', 'randread', 4, 32, { onDisk: true }),
  row('goals', 'randwrite', 4, 32, { onDisk: true }),
  row('full', 'read', 128, 8, { onDisk: true }),
  row('full', 'write', 128, 8, { onDisk: true }),
  ...[1, 8, 64].map(sessions => row(sessions === 64 ? 'goals' : 'full', 'randread', 4, 4, { sessions })),
  ...[1, 8, 64].map(sessions => row(sessions === 64 ? 'goals' : 'full', 'randwrite', 4, 4, { sessions })),
  row('full', 'randread', 4, 32, { luns: 64 }),
  row('full', 'randwrite', 4, 32, { luns: 64 }),
  ...[false, true].map(digests => row('goals', 'randread', 4, 32, { digests })),
  ...[false, true].map(digests => row('goals', 'read', 128, 8, { digests })),
  ...[false, true].map(digests => row('goals', 'write', 128, 8, { digests })),
  ...(['null', 'memory'] as const).flatMap(store => [
    row('full', 'randread', 4, 1, { store }),
    row('full', 'randread', 4, 32, { store }),
    row('full', 'randwrite', 4, 32, { store }),
    row('full', 'read', 128, 8, { store }),
    row('full', 'write', 128, 8, { store }),
  ]),
]

/** The one case of `--smoke`. */
export const SMOKE = 'read-128k-qd8'

function row(set: SetName, pattern: Pattern, kib: number, depth: number, rest: Rest = {}): Case {
  const { store = 'file', luns = 1, sessions = 1, isCold = false, digests = null } = rest
  const onDisk = rest.onDisk ?? isCold
  const marks = [
    depth === 4 ? `s${sessions}` : '',
    luns > 1 ? `l${luns}` : '',
    isCold ? 'cold' : onDisk ? 'disk' : '',
    store === 'file' ? '' : store,
    digests === null ? '' : digests ? 'digests' : 'plain',
  ]
  return {
    name: [pattern, `${kib}k`, `qd${depth}`, ...marks.filter(mark => mark !== '')].join('-'),
    pattern,
    blockSize: kib * KIB,
    depth,
    sessions,
    isCold,
    digests,
    store,
    luns,
    onDisk,
    unit: pattern.startsWith('rand') ? 'IOPS' : 'MiB/s',
    set,
  }
}

export const isInSet = (one: Case, set: SetName): boolean => SETS.indexOf(one.set) <= SETS.indexOf(set)
export const isWrite = ({ pattern }: Case): boolean => pattern !== 'read' && pattern !== 'randread'

/** Commands a second as the case's unit. */
export function rateOf(one: Case, iops: number): number {
  return one.unit === 'IOPS' ? iops : (iops * one.blockSize) / KIB / KIB
}
