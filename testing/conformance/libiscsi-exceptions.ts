// SPDX-License-Identifier: Apache-2.0
// Tests of libiscsi's suite that do not pass on a kind of storage, and why: on each they must end as is said here.
import type { Verdict } from './libiscsi-run.ts'

interface Exception {
  readonly family: string
  readonly tests: readonly string[]
  /** Names of `DISK_KINDS`. */
  readonly kinds: readonly string[] | { readonly allBut: readonly string[] }
  readonly verdict: Verdict
  readonly why: string
}

const CRYPTOGRAPHIC =
  'no CRYPTOGRAPHIC ERASE: nobody can promise that storage elsewhere destroys what it takes back'
const NOT_ZEROS = 'no BLOCK ERASE: what is given back need not read as zeros'
const ONE_IN_ONE = 'needs physical blocks of several logical ones'
const NOT_THIN = 'needs a thin unit, and that handler takes nothing back'
const thick = (family: string, ...tests: string[]): Exception => ({
  family,
  tests,
  kinds: ['handler in Python'],
  verdict: 'skipped',
  why: NOT_THIN,
})
const long = (family: string, ...tests: string[]): Exception => ({
  family,
  tests,
  kinds: ['block, blocks of 4096'],
  verdict: 'skipped',
  why: ONE_IN_ONE,
})

export const EXCEPTIONS: readonly Exception[] = [
  {
    family: 'WriteAtomic16',
    tests: ['Simple', 'BeyondEol', 'ZeroBlocks', 'WriteProtect', 'DpoFua', 'VPD'],
    kinds: { allBut: ['memory'] },
    verdict: 'skipped',
    why: 'only memory promises that a write is whole or not at all after a loss of power',
  },
  {
    family: 'Sanitize',
    tests: ['CryptoErase', 'Readonly', 'Reservations'],
    kinds: { allBut: ['memory'] },
    verdict: 'skipped',
    why: CRYPTOGRAPHIC,
  },
  {
    family: 'Sanitize',
    tests: ['BlockErase'],
    kinds: ['encrypt', 'filters on each other', 'handler in Python', 'iscsi'],
    verdict: 'skipped',
    why: NOT_ZEROS,
  },
  {
    family: 'Sanitize',
    tests: ['BlockErase'],
    kinds: ['handler in Node'],
    verdict: 'skipped',
    why: 'no BLOCK ERASE: a handler does not tell what it holds, so nothing would count as unmapped behind it',
  },
  {
    family: 'ProutReserve',
    tests: ['AccessEA', 'AccessWE', 'AccessEARO', 'AccessWERO', 'AccessEAAR', 'AccessWEAR'],
    kinds: ['block, blocks of 4096'],
    verdict: 'failed',
    why: 'the test sends 512 bytes as one block, however long a block is',
  },
  long('CompareAndWrite', 'InvalidDataOutSize'),
  long('WriteSame10', 'UnmapUnaligned', 'InvalidDataOutSize'),
  long('WriteSame16', 'UnmapUnaligned', 'InvalidDataOutSize'),
  thick('CompareAndWrite', 'InvalidDataOutSize'),
  thick('GetLBAStatus', 'UnmapSingle'),
  thick('Inquiry', 'BlockLimits'),
  thick('NoMedia', 'NoMediaSBC'),
  thick('ReadOnly', 'ReadOnlySBC'),
  thick('Unmap', 'Simple', 'VPD', 'ZeroBlocks'),
  thick('WriteSame10', 'Unmap', 'UnmapUnaligned', 'InvalidDataOutSize'),
  thick('WriteSame16', 'Unmap', 'UnmapUnaligned', 'UnmapUntilEnd', 'InvalidDataOutSize'),
]

const holds = (exception: Exception, kind: string, test: string): boolean => {
  const { family, tests, kinds } = exception
  const isOf = 'allBut' in kinds ? !kinds.allBut.includes(kind) : kinds.includes(kind)
  return isOf && tests.some(one => `${family}.${one}` === test)
}

/** How a test has to end on a kind of storage. */
export const wantedOn = (kind: string, test: string): Verdict =>
  EXCEPTIONS.find(one => holds(one, kind, test))?.verdict ?? 'passed'
