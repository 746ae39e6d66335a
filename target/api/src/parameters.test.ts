// SPDX-License-Identifier: Apache-2.0
// Parameter tables: texts become values, wrong ones name the key and the way out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperatorError } from './operator-error.ts'
import { joinList, listOf, type ParameterTable, parseSize, readParameters } from './parameters.ts'

const TABLE = {
  path: { type: 'path', help: 'Image file', required: true, argument: true },
  size: { type: 'size', help: 'Size in bytes' },
  block: { type: 'integer', help: 'Block size', choices: [512, 4096], initial: 512 },
  readonly: { type: 'boolean', help: 'Refuse writes', initial: false },
  lanes: { type: 'integer', help: 'Lanes', least: 1, most: 16 },
  wait: { type: 'integer', help: 'Seconds', least: 0 },
  most: { type: 'size', help: 'Memory', least: 4096 },
} as const satisfies ParameterTable

test('sizes', () => {
  for (const [text, bytes] of [
    ['512', 512],
    ['4K', 4096],
    ['1.5M', 1572864],
    ['10GiB', 10 * 2 ** 30],
    ['2t', 2 ** 41],
    ['7B', 7],
  ] as const) {
    assert.equal(parseSize(text), bytes, text)
  }
  for (const text of ['', 'x', '-1', '1.3', '1KK', '9999999P', '0x10', '1 0'])
    assert.equal(parseSize(text), null, text)
})

test('values are converted and blanks filled', () => {
  assert.deepEqual(readParameters('disk.img', TABLE, { path: 'disk.img', size: '1G', readonly: 'YES' }), {
    path: 'disk.img',
    size: 2 ** 30,
    block: 512,
    readonly: true,
  })
})

test('what is wrong is named', () => {
  const wrong = (given: Record<string, string>, code: string, words: RegExp): void => {
    assert.throws(
      () => readParameters('disk.img', TABLE, given),
      (error: unknown) =>
        error instanceof OperatorError && error.code === code && words.test(`${error.message} ${error.hint}`),
    )
  }
  wrong({ path: 'x', colour: 'red' }, 'PARAMETER_UNKNOWN', /disk\.img has no key 'colour'.*path, size, block/)
  wrong({ path: 'x', constructor: 'y' }, 'PARAMETER_UNKNOWN', /constructor/)
  wrong({}, 'PARAMETER_MISSING', /'path'.*Image file/)
  wrong({ path: 'x', size: 'big' }, 'PARAMETER_VALUE', /'big'.*'size'.*512M/)
  wrong({ path: 'x', block: '513' }, 'PARAMETER_VALUE', /one of 512, 4096/)
  wrong({ path: 'x', block: '-1' }, 'PARAMETER_VALUE', /one of 512, 4096/)
  wrong({ path: 'x', readonly: 'maybe' }, 'PARAMETER_VALUE', /yes or no/)
  wrong({ path: '' }, 'PARAMETER_VALUE', /a path/)
  wrong({ path: 'x', lanes: '0' }, 'PARAMETER_VALUE', /'0'.*'lanes'.*a whole number, 1 to 16/)
  wrong({ path: 'x', lanes: '17' }, 'PARAMETER_VALUE', /1 to 16/)
  wrong({ path: 'x', lanes: '' }, 'PARAMETER_VALUE', /1 to 16/)
  wrong({ path: 'x', wait: '1.5' }, 'PARAMETER_VALUE', /a whole number, 0 or more/)
  wrong({ path: 'x', most: '1K' }, 'PARAMETER_VALUE', /'1K'.*a size, 4096 or more/)
})

test('several values of one key are a list where its row says so, and an error elsewhere', () => {
  const table = {
    next: { type: 'path', help: 'Images', list: true },
    one: { type: 'string', help: 'One' },
  } as const
  const twice = joinList(['a', 'b'])
  assert.deepEqual(listOf(readParameters('it', table, { next: twice })['next']), ['a', 'b'])
  assert.deepEqual(listOf(readParameters('it', table, {})['next']), [])
  assert.throws(() => readParameters('it', table, { one: twice }), { code: 'PARAMETER_TWICE' })
})
