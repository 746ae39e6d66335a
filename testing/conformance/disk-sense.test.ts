// SPDX-License-Identifier: Apache-2.0
// Every sense code that a block command of the disk can answer, provoked by a row of a table; and that none is left out.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as spec from '@lunkit/spec'
import { type Command, readSense, type SenseCode, Status } from '@lunkit/spec'
import { StoreError } from '@lunkit/target-api'
import { ROOT } from '../../architecture/sources.ts'
import { cdbOf } from '../kit/device-bench.ts'
import { localBench } from '../kit/local-bench.ts'
import type { StoreCall } from '../kit/stand-in-store.ts'

// biome-ignore lint/suspicious/noExplicitAny: rows of any fields
type AnyCommand = Command<any>

const COMMANDS = join(ROOT, 'target/devices/src/disk/commands')
const BLOCK = 512
const BLOCKS = 128

interface Row {
  readonly command: AnyCommand
  readonly code: SenseCode
  readonly values: Readonly<Record<string, number>>
  readonly out?: Uint8Array
  /** Errors that the store gives, first first. */
  readonly store?: readonly (readonly [StoreCall, StoreError])[]
  /** The store takes blocks back and knows no more of them. */
  readonly plain?: boolean
  /** A command before it. */
  readonly before?: {
    readonly command: AnyCommand
    readonly values?: Record<string, number>
    readonly out?: Uint8Array
  }
}

const block = Buffer.alloc(BLOCK, 0xab)
const two = Buffer.alloc(2 * BLOCK, 0xab)

const unmapList = (lba: number, blocks: number, descriptorLength = 16): Buffer =>
  Buffer.concat([
    spec.UNMAP_HEADER.write({ dataLength: 22, descriptorLength }),
    spec.UNMAP_DESCRIPTOR.write({ lba, blocks }),
  ])
const overwriteList = (count: number): Buffer =>
  Buffer.concat([spec.SANITIZE_OVERWRITE_HEADER.write({ count, patternLength: 4 }), Buffer.alloc(4, 1)])
const overwrite = (count = 1, more = {}) => ({
  command: spec.SANITIZE_OVERWRITE,
  values: { parameterLength: 8, ...more },
  out: overwriteList(count),
})
const failedSanitize = { before: overwrite(), store: [['write', StoreError.medium]] } as const

const WRITES = [spec.WRITE_6, spec.WRITE_10, spec.WRITE_12, spec.WRITE_16, spec.WRITE_32]
const VERIFIES = [spec.VERIFY_10, spec.VERIFY_12, spec.VERIFY_16, spec.VERIFY_32]
const WRITE_VERIFIES = [
  spec.WRITE_AND_VERIFY_10,
  spec.WRITE_AND_VERIFY_12,
  spec.WRITE_AND_VERIFY_16,
  spec.WRITE_AND_VERIFY_32,
]
const SAMES = [spec.WRITE_SAME_10, spec.WRITE_SAME_16, spec.WRITE_SAME_32]
const ATOMICS = [spec.WRITE_ATOMIC_16, spec.WRITE_ATOMIC_32]
const READS = [spec.READ_6, spec.READ_10, spec.READ_12, spec.READ_16, spec.READ_32]

const ROWS: readonly Row[] = [
  {
    command: spec.COMPARE_AND_WRITE,
    code: spec.INVALID_FIELD_IN_CDB,
    values: { blocks: 2 },
    out: two,
  },
  {
    command: spec.COMPARE_AND_WRITE,
    code: spec.MISCOMPARE_DURING_VERIFY_OPERATION,
    values: { blocks: 1 },
    out: two,
  },
  { command: spec.FORMAT_UNIT, code: spec.INVALID_FIELD_IN_CDB, values: { fastFormat: 3 } },
  {
    command: spec.FORMAT_UNIT,
    code: spec.INVALID_FIELD_IN_PARAMETER_LIST,
    values: { fmtdata: 1 },
    out: spec.FORMAT_SHORT_HEADER.write({ defectListLength: 4 }),
  },
  {
    command: spec.FORMAT_UNIT,
    code: spec.PARAMETER_LIST_LENGTH_ERROR,
    values: { fmtdata: 1 },
    out: Buffer.alloc(3),
  },
  {
    command: spec.FORMAT_UNIT,
    code: spec.INVALID_FAST_FORMAT,
    values: { fmtdata: 1, fastFormat: 1 },
    out: Buffer.concat([
      spec.FORMAT_SHORT_HEADER.write({ fov: 1, ip: 1 }),
      spec.INITIALIZATION_PATTERN.write({ type: 1, length: 1 }),
      Buffer.alloc(1, 7),
    ]),
  },
  {
    command: spec.FORMAT_UNIT,
    code: spec.MEDIUM_FORMAT_CORRUPTED,
    values: {},
    store: [['discard', StoreError.medium]],
  },
  { command: spec.FORMAT_UNIT, code: spec.SANITIZE_COMMAND_FAILED, values: {}, ...failedSanitize },
  { command: spec.GET_LBA_STATUS_16, code: spec.INVALID_FIELD_IN_CDB, values: { reportType: 0xff } },
  { command: spec.GET_LBA_STATUS_16, code: spec.LBA_OUT_OF_RANGE, values: { lba: BLOCKS } },
  { command: spec.GET_LBA_STATUS_32, code: spec.INVALID_FIELD_IN_CDB, values: { reportType: 0xff } },
  { command: spec.GET_LBA_STATUS_32, code: spec.LBA_OUT_OF_RANGE, values: { lba: BLOCKS } },
  { command: spec.REASSIGN_BLOCKS, code: spec.PARAMETER_LIST_LENGTH_ERROR, values: {}, out: Buffer.alloc(3) },
  {
    command: spec.REASSIGN_BLOCKS,
    code: spec.LBA_OUT_OF_RANGE,
    values: {},
    out: Uint8Array.of(0, 0, 0, 4, 0, 0, 0, BLOCKS),
  },
  { command: spec.READ_DEFECT_DATA_10, code: spec.INVALID_FIELD_IN_CDB, values: { defectListFormat: 7 } },
  { command: spec.READ_DEFECT_DATA_12, code: spec.INVALID_FIELD_IN_CDB, values: { defectListFormat: 7 } },
  { ...overwrite(), code: spec.INVALID_FIELD_IN_CDB, values: { parameterLength: 4 } },
  { ...overwrite(0), code: spec.INVALID_FIELD_IN_PARAMETER_LIST },
  { ...overwrite(), code: spec.PARAMETER_LIST_LENGTH_ERROR, out: Buffer.alloc(7) },
  { ...overwrite(), code: spec.SANITIZE_COMMAND_FAILED, store: [['write', StoreError.medium]] },
  { ...overwrite(1, { ause: 1 }), code: spec.INVALID_FIELD_IN_CDB, ...failedSanitize },
  { command: spec.SANITIZE_BLOCK_ERASE, code: spec.INVALID_FIELD_IN_CDB, values: { parameterLength: 1 } },
  {
    command: spec.SANITIZE_BLOCK_ERASE,
    code: spec.SANITIZE_COMMAND_FAILED,
    values: {},
    store: [['discard', StoreError.medium]],
  },
  {
    command: spec.SANITIZE_EXIT_FAILURE_MODE,
    code: spec.INVALID_FIELD_IN_CDB,
    values: {},
    ...failedSanitize,
  },
  {
    command: spec.UNMAP,
    code: spec.INVALID_FIELD_IN_PARAMETER_LIST,
    values: { parameterLength: 8 + 257 * 16 },
    out: Buffer.concat([
      spec.UNMAP_HEADER.write({ dataLength: 6 + 257 * 16, descriptorLength: 257 * 16 }),
      Buffer.alloc(257 * 16),
    ]),
  },
  {
    command: spec.UNMAP,
    code: spec.INVALID_FIELD_IN_CDB,
    values: { parameterLength: 24, anchor: 1 },
    out: unmapList(0, 1),
    plain: true,
  },
  {
    command: spec.UNMAP,
    code: spec.LBA_OUT_OF_RANGE,
    values: { parameterLength: 24 },
    out: unmapList(BLOCKS, 1),
  },
  {
    command: spec.UNMAP,
    code: spec.PARAMETER_LIST_LENGTH_ERROR,
    values: { parameterLength: 24 },
    out: unmapList(0, 1, 32),
  },
  {
    command: spec.UNMAP,
    code: spec.WRITE_ERROR,
    values: { parameterLength: 24 },
    out: unmapList(0, 1),
    store: [['discard', StoreError.medium]],
  },
  ...[...VERIFIES, ...WRITE_VERIFIES].map(command => ({
    command,
    code: spec.INVALID_FIELD_IN_CDB,
    values: { blocks: 1, bytchk: 2 },
    out: block,
  })),
  ...VERIFIES.flatMap(command => [
    { command, code: spec.MISCOMPARE_DURING_VERIFY_OPERATION, values: { blocks: 1, bytchk: 1 }, out: block },
    {
      command,
      code: spec.INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT,
      values: { blocks: 1, bytchk: 3 },
      out: block.subarray(1),
    },
  ]),
  ...ATOMICS.flatMap(command => [
    { command, code: spec.INVALID_FIELD_IN_CDB, values: { blocks: 17 }, out: Buffer.alloc(17 * BLOCK) },
    { command, code: spec.INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT, values: { blocks: 3 }, out: two },
  ]),
  ...SAMES.flatMap(command => [
    { command, code: spec.INVALID_FIELD_IN_CDB, values: { blocks: 1, protect: 1 }, out: block },
    { command, code: spec.INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT, values: { blocks: 1 }, out: two },
  ]),
  ...[...WRITES, ...WRITE_VERIFIES, spec.ORWRITE_16].map(command => ({
    command,
    code: spec.INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT,
    values: { blocks: 1 },
    out: block.subarray(1),
  })),
  // What the store cannot do, by what it was asked for.
  ...[...READS, ...VERIFIES, spec.ORWRITE_16].flatMap(command =>
    (
      [
        [StoreError.medium, spec.UNRECOVERED_READ_ERROR],
        [StoreError.gone, spec.LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE],
        [StoreError.internal, spec.INTERNAL_TARGET_FAILURE],
      ] as const
    ).map(([error, code]) => ({
      command,
      code,
      values: { blocks: 1 },
      ...(command.data === 'out' && { out: command === spec.ORWRITE_16 ? block : Buffer.alloc(0) }),
      store: [['read', error]] as const,
    })),
  ),
  ...[...WRITES, ...WRITE_VERIFIES, ...SAMES, ...ATOMICS].flatMap(command =>
    (
      [
        [StoreError.medium, spec.WRITE_ERROR],
        [StoreError.noSpace, spec.SPACE_ALLOCATION_FAILED_WRITE_PROTECT],
        [StoreError.readOnly, spec.WRITE_PROTECTED],
        [StoreError.gone, spec.LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE],
        [StoreError.internal, spec.INTERNAL_TARGET_FAILURE],
      ] as const
    ).map(([error, code]) => ({
      command,
      code,
      values: { blocks: 1 },
      out: block,
      store: [['write', error]] as const,
    })),
  ),
  ...[
    ...READS,
    ...VERIFIES,
    ...WRITES,
    ...SAMES,
    spec.PRE_FETCH_10,
    spec.PRE_FETCH_16,
    spec.SYNCHRONIZE_CACHE_10,
  ].map(command => ({ command, code: spec.LBA_OUT_OF_RANGE, values: { lba: BLOCKS, blocks: 1 } })),
  ...[spec.SYNCHRONIZE_CACHE_10, spec.SYNCHRONIZE_CACHE_16].map(command => ({
    command,
    code: spec.WRITE_ERROR,
    values: {},
    store: [['flush', StoreError.medium]] as const,
  })),
]

test('each row of the table ends with its sense code', async () => {
  for (const { command, code, values, out, store: errors = [], plain = false, before } of ROWS) {
    const { engine, store, connect } = await localBench({
      size: BLOCKS * BLOCK,
      ...(plain ? { thin: true } : { maps: true }),
      atomicWrite: 16 * BLOCK,
    })
    const initiator = await connect('one')
    for (const [call, error] of errors) store.failNext(call, error, 0)
    const run = ({ command: one, values: fields = {}, out: data }: NonNullable<Row['before']>) =>
      initiator.execute({
        lun: 0,
        cdb: cdbOf(one, fields),
        ...(data === undefined ? { expectedIn: 4096 } : { dataOut: data }),
      })
    if (before !== undefined) assert.equal((await run(before)).status, Status.checkCondition)
    const answer = await run({ command, values, ...(out !== undefined && { out }) })
    const what = `${command.name}: ${code.text}`
    assert.equal(answer.status, Status.checkCondition, what)
    const sense = readSense(answer.sense)
    assert.deepEqual([sense?.key, sense?.asc, sense?.ascq], [code.key, code.asc, code.ascq], what)
    await engine.close()
  }
})

/** Told while an operation works, or as a unit attention to others: not what the command itself ends with. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  'LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS',
  'LOGICAL_UNIT_NOT_READY_SANITIZE_IN_PROGRESS',
  'CAPACITY_DATA_HAS_CHANGED',
])

test('no sense code that a command names is without a row', () => {
  const names: Readonly<Record<string, unknown>> = spec
  const isCode = (value: unknown): value is SenseCode =>
    typeof value === 'object' && value !== null && 'ascq' in value && 'text' in value
  let seen = 0
  for (const file of readdirSync(COMMANDS).filter(
    name => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  )) {
    const source = readFileSync(join(COMMANDS, file), 'utf8')
    const imported = /import \{([^}]*)\} from '@lunkit\/spec'/.exec(source)?.[1]?.match(/\w+/g) ?? []
    for (const name of imported) {
      const value = names[name]
      if (!isCode(value) || ELSEWHERE.has(name)) continue
      seen++
      const shown = ROWS.some(
        ({ command, code }) => code === value && imported.some(one => names[one] === command),
      )
      assert.ok(shown, `${file} answers ${name}, and no row shows it`)
    }
  }
  assert.ok(seen > 15, `${seen} codes`)
})
