// SPDX-License-Identifier: Apache-2.0
// Sense data: golden vectors of both formats, the way there and back, and hostile bytes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readSense, SENSE_LENGTH_MAX, type SenseExtra, senseFault, writeSense } from './sense.ts'
import { sense } from './sense-code.ts'
import {
  FILEMARK_DETECTED,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS,
  MISCOMPARE_DURING_VERIFY_OPERATION,
  UNRECOVERED_READ_ERROR,
} from './sense-codes.ts'

function made(descriptor: boolean, ...rest: [Parameters<typeof writeSense>[2], SenseExtra?]): string {
  const into = new Uint8Array(64).fill(0xee)
  const length = writeSense(into, descriptor, ...rest)
  for (const untouched of into.subarray(SENSE_LENGTH_MAX)) assert.equal(untouched, 0xee)
  return Buffer.from(into.subarray(0, length)).toString('hex')
}

const pointer = { byte: 2, bit: 6, inCdb: true }

test('golden fixed sense', () => {
  assert.equal(made(false, INVALID_FIELD_IN_CDB), '70000500000000' + '0a' + '00000000' + '2400' + '00000000')
  assert.equal(
    made(false, INVALID_FIELD_IN_CDB, { fieldPointer: pointer }),
    '70000500000000' + '0a000000002400' + '00ce0002',
  )
  assert.equal(
    made(false, INVALID_FIELD_IN_PARAMETER_LIST, { fieldPointer: { byte: 0x0104, bit: -1, inCdb: false } }),
    '70000500000000' + '0a000000002600' + '00800104',
  )
  assert.equal(
    made(false, UNRECOVERED_READ_ERROR, { information: 0x12345678, deferred: true }),
    'f10003123456780a000000001100' + '00000000',
  )
  assert.equal(
    made(false, LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS, { progress: 0x8000 }),
    '700002000000000a000000000404' + '00808000',
  )
  assert.equal(
    made(false, FILEMARK_DETECTED, { filemark: true, information: -1 }),
    'f00080ffffffff0a000000000001' + '00000000',
  )
})

test('sense data that are not whole are told by what is wrong', () => {
  for (const [bytes, fault] of [
    ['', /missing/],
    ['7f', /code 7fh/],
    ['7000030000000a000000001100', /after 13 bytes/],
    ['7000030000000006000000001100', /^$/],
    ['7203110000000000', /^$/],
    ['720311000000000c000a80000000000000000001', /^$/],
    ['720311000000000d000a80000000000000000001', /have 21 bytes/],
    ['720311000000000c000b80000000000000000001', /does not fit/],
    ['72031100000000020002', /does not fit/],
    ['72031100000000020000', /^$/],
  ] as const) {
    assert.match(senseFault(Buffer.from(bytes, 'hex')), fault, bytes)
  }
})

test('what is written is whole, and no bytes make the check fail', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      bytes[0] = 0x70 | (bytes[0]! & 3)
      assert.equal(typeof senseFault(bytes), 'string')
    }),
  )
  for (const descriptor of [false, true]) {
    const into = new Uint8Array(64)
    const extra = { information: 1, commandSpecific: 2, filemark: true, fieldPointer: pointer }
    const length = writeSense(into, descriptor, INVALID_FIELD_IN_CDB, extra)
    assert.equal(senseFault(into.subarray(0, length)), '')
  }
})

test('golden descriptor sense', () => {
  assert.equal(made(true, INVALID_FIELD_IN_CDB), '7205240000000000')
  assert.equal(
    made(true, INVALID_FIELD_IN_CDB, { fieldPointer: pointer }),
    '7205240000000008' + '02060000ce000200',
  )
  assert.equal(
    made(true, MISCOMPARE_DURING_VERIFY_OPERATION, { information: 511 }),
    '720e1d000000000c' + '000a80000000000000' + '0001ff',
  )
  assert.equal(
    made(true, FILEMARK_DETECTED, { deferred: true, filemark: true, information: -1 }),
    '7300000100000010' + '000a8000ffffffffffffffff' + '04020080',
  )
  assert.equal(made(true, UNRECOVERED_READ_ERROR, { incorrectLength: true }), '7203110000000004' + '05020020')
  assert.equal(
    made(true, UNRECOVERED_READ_ERROR, { commandSpecific: 7 }),
    '720311000000000c' + '010a00000000000000000007',
  )
})

test('an LBA that fixed sense cannot hold is left out, not cut', () => {
  const into = new Uint8Array(64)
  writeSense(into, false, UNRECOVERED_READ_ERROR, { information: 2 ** 32 })
  assert.equal(into[0], 0x70)
  assert.equal(readSense(into.subarray(0, 18))?.information, undefined)
  const length = writeSense(into, true, UNRECOVERED_READ_ERROR, { information: 2 ** 40 })
  assert.equal(readSense(into.subarray(0, length))?.information, 2 ** 40)
})

test('a short buffer gets the start of the sense data', () => {
  const into = new Uint8Array(4)
  assert.equal(writeSense(into, true, INVALID_FIELD_IN_CDB, { fieldPointer: pointer }), 4)
  assert.equal(Buffer.from(into).toString('hex'), '72052400')
  assert.equal(writeSense(new Uint8Array(0), false, INVALID_FIELD_IN_CDB), 0)
})

const someSense = fc.record({
  descriptor: fc.boolean(),
  key: fc.nat(15),
  asc: fc.nat(255),
  ascq: fc.nat(255),
  deferred: fc.boolean(),
  filemark: fc.boolean(),
  endOfMedium: fc.boolean(),
  incorrectLength: fc.boolean(),
  information: fc.option(fc.nat(0xffff_ffff), { nil: undefined }),
  commandSpecific: fc.option(fc.integer({ min: 1, max: 0xffff_ffff }), { nil: undefined }),
  byte: fc.option(fc.nat(0xffff), { nil: undefined }),
  bit: fc.integer({ min: -1, max: 7 }),
  inCdb: fc.boolean(),
  progress: fc.option(fc.nat(0xffff), { nil: undefined }),
})

test('what is written is read back, in both formats', () => {
  fc.assert(
    fc.property(someSense, one => {
      const { key, asc, ascq, descriptor, byte, bit, inCdb, progress, ...flags } = one
      const fieldPointer = byte !== undefined && key === 5 ? { byte, bit, inCdb } : undefined
      const shown = key === 0 || key === 2 ? progress : undefined
      const { information, commandSpecific, ...kept } = flags
      const extra: SenseExtra = {
        ...kept,
        ...(information === undefined ? {} : { information }),
        ...(commandSpecific === undefined ? {} : { commandSpecific }),
        ...(fieldPointer === undefined ? {} : { fieldPointer }),
        ...(shown === undefined ? {} : { progress: shown }),
      }
      const into = new Uint8Array(SENSE_LENGTH_MAX).fill(0xff)
      const length = writeSense(into, descriptor, sense(key, asc, ascq, ''), extra)
      assert.deepEqual(readSense(into.subarray(0, length)), { ...extra, key, asc, ascq, descriptor })
    }),
    { numRuns: 500 },
  )
})

test('a field pointer and a progress go with their own sense keys only', () => {
  assert.equal(
    made(false, UNRECOVERED_READ_ERROR, { fieldPointer: pointer, progress: 5 }).slice(-8),
    '00000000',
  )
  assert.equal(made(true, UNRECOVERED_READ_ERROR, { fieldPointer: pointer, progress: 5 }).length, 16)
})

test('sense of real devices: a longer fixed one, a short one, an unknown descriptor between', () => {
  const read = (hex: string) => readSense(Buffer.from(hex, 'hex'))
  assert.equal(read('f00003000000010a000000001100000000000000aabb')?.information, 1)
  const short = read('70000600000000')
  assert.deepEqual([short?.key, short?.asc, short?.ascq], [6, 0, 0])
  const odd = read('720311000000001080020102' + '000a80000000000000000005')
  assert.equal(odd?.information, 5)
})

test('no sense data', () => {
  for (const hex of ['', '00', '70', '7000', '72', '7f05240000000000', '6f000500']) {
    assert.equal(readSense(Buffer.from(hex, 'hex')), null, hex)
  }
})

test('hostile bytes neither throw nor stall, at any length', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0x70, 0x71, 0x72, 0x73, 0xf0),
      fc.uint8Array({ maxLength: 300 }),
      (code, rest) => {
        const report = readSense(Uint8Array.of(code, ...rest))
        if (rest.length >= 2) assert.ok(report !== null && report.key <= 15)
      },
    ),
    { numRuns: 500 },
  )
})

test('a residue of the descriptor format is read with its sign', () => {
  const into = new Uint8Array(64)
  for (const information of [-1, -4096, -(2 ** 40), 0, 1, 2 ** 32, 2 ** 52 + 1]) {
    writeSense(into, true, FILEMARK_DETECTED, { information })
    assert.equal(readSense(into)!.information, information)
  }
})

test('a descriptor that claims more than is there is left out', () => {
  assert.equal(readSense(Buffer.from('7203110000000004000a8000', 'hex'))?.information, undefined)
  assert.equal(readSense(Buffer.from('72031100000000ff000a8000', 'hex'))?.information, undefined)
  assert.equal(readSense(Buffer.from('72031100000000ff0000000000', 'hex'))?.information, undefined)
})
