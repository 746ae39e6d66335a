// SPDX-License-Identifier: Apache-2.0
// CDBs on their way to the unit: lengths by operation code, and no NACA.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cdbOf } from './cdb.ts'

const whole = (...bytes: number[]): Uint8Array => Uint8Array.from({ ...bytes, length: 32 })

test('the length follows from the operation code, or from the CDB itself', () => {
  const lengths: [number[], number][] = [
    [[0x12], 6],
    [[0x28], 10],
    [[0x5f], 10],
    [[0x8a], 16],
    [[0xa0], 12],
    [[0x7f, 0, 0, 0, 0, 0, 0, 24], 32],
    [[0x7f, 0, 0, 0, 0, 0, 0, 8], 16],
    [[0x7f, 0, 0, 0, 0, 0, 0, 255], 32],
    [[0xc0, 1], 6],
    [[0xc0, 0, 0, 0, 0, 0, 0, 1], 10],
    [[0xe7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 12],
    [[0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 16],
  ]
  for (const [bytes, length] of lengths) assert.equal(cdbOf(whole(...bytes)).length, length, String(bytes))
})

test('NACA is taken out where it is, and nothing else', () => {
  assert.deepEqual([...cdbOf(whole(0x00, 0, 0, 0, 0, 0xff))], [0, 0, 0, 0, 0, 0xfb])
  assert.equal(cdbOf(whole(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0x04))[9], 0)
  assert.equal(cdbOf(whole(0x7f, 0x04, 0, 0, 0, 0, 0, 24))[1], 0)
  assert.equal(cdbOf(whole(0xc0, 0, 0, 0, 0, 0x04))[5], 0x04)
})
