// SPDX-License-Identifier: Apache-2.0
// LUN arguments: layers, keys, and what cannot be one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OperatorError } from '@lunkit/target-api'
import { parseLun } from './lun-spec.ts'
import { resolveLun } from './resolve-lun.ts'

const parts = (text: string): unknown => {
  const { kind, filters, store, keys } = parseLun(text)
  return { kind, filters, store, keys }
}

test('a bare path is a file, and layers stand in front of it', () => {
  const file = { kind: 'disk', filters: [], store: 'file' }
  assert.deepEqual(parts('disk.img,size=1G'), { ...file, keys: { '': 'disk.img', size: '1G' } })
  assert.deepEqual(parts('file:memory:1M'), { ...file, keys: { '': 'memory:1M' } })
  assert.deepEqual(parts('file:,path=a:b.img'), { ...file, keys: { path: 'a:b.img' } })
  assert.deepEqual(parts('readonly:disk.img'), { ...file, filters: ['readonly'], keys: { '': 'disk.img' } })
  assert.deepEqual(parts('disk:readonly:memory:1M'), {
    kind: 'disk',
    filters: ['readonly'],
    store: 'memory',
    keys: { '': '1M' },
  })
})

test('a URI is a store and its argument', () => {
  const nbd = { kind: 'disk', filters: [], store: 'nbd' }
  assert.deepEqual(parts('nbd://[::1]:10810/a:b,timeout=5'), {
    ...nbd,
    keys: { '': '//[::1]:10810/a:b', timeout: '5' },
  })
  assert.deepEqual(parts('nbds://host/x'), { ...nbd, keys: { '': 'nbds://host/x' } })
  assert.deepEqual(parts('readonly:nbd+unix:///?socket=/run/s'), {
    ...nbd,
    filters: ['readonly'],
    keys: { '': 'nbd+unix:///?socket=/run/s' },
  })
})

test('a comma behind a backslash is part of a value', () => {
  assert.deepEqual(parts('a\\,b.img,serial=1'), {
    kind: 'disk',
    filters: [],
    store: 'file',
    keys: { '': 'a,b.img', serial: '1' },
  })
})

test('a drive may be empty, and a key that is given again is one more value', () => {
  const empty = { kind: 'cdrom', filters: [], store: null }
  assert.deepEqual(parts('cdrom:'), { ...empty, keys: {} })
  assert.deepEqual(parts('cdrom:,serial=1'), { ...empty, keys: { serial: '1' } })
  assert.deepEqual(parts('cdrom:a.iso,next=b.iso,next=c.iso'), {
    kind: 'cdrom',
    filters: [],
    store: 'file',
    keys: { '': 'a.iso', next: 'b.iso\0c.iso' },
  })
})

for (const [text, code] of [
  ['ramdisk:1G', 'LUN_KIND_UNKNOWN'],
  ['readonly:ramdisk:1G', 'LUN_KIND_UNKNOWN'],
  ['readonly:disk:a.img', 'LUN_ARGUMENT'],
  ['readonly:readonly:a.img', 'LUN_ARGUMENT'],
  ['disk:', 'LUN_ARGUMENT'],
  ['', 'LUN_ARGUMENT'],
  ['nbdx://host/x', 'LUN_KIND_UNKNOWN'],
  ['a.img,size', 'LUN_ARGUMENT'],
] as const) {
  test(`'${text}' is refused`, () => assert.throws(() => parseLun(text), { name: 'OperatorError', code }))
}

for (const text of [
  'memory:1M,chap-secret=hunter2',
  'memory:1M,chap-secret=a\\,hunter2',
  'memory:1M,chap-secret=a,hunter2',
  'nbd://me:hunter2@h/x,colour=red',
  'nbdx://me:hunter2@h/x',
]) {
  test(`the secret in '${text}' is not repeated`, () =>
    assert.rejects(
      async () => resolveLun(parseLun(text)),
      ({ message, hint }: OperatorError) => !`${message}${hint}`.includes('hunter2'),
    ))
}

test('keys reach the layers that have them, or the one that is named', async t => {
  const { store, deviceValues, unitValues } = await resolveLun(
    parseLun('readonly:memory:1M,disk.block=4096,serial=x'),
  )
  t.after(() => store?.close())
  assert.equal(store!.size, 2 ** 20)
  assert.equal(store!.canWrite, false)
  assert.equal(deviceValues['block'], 4096)
  assert.equal(unitValues['serial'], 'x')
  for (const text of ['memory:1M,readonly.block=1', 'memory:1M,colour=red', 'memory:1M,ice.cream=1']) {
    await assert.rejects(resolveLun(parseLun(text)), { code: 'LUN_KEY_UNKNOWN' }, text)
  }
})
