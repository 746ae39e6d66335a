// SPDX-License-Identifier: Apache-2.0
// Filters as a program stacks them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTarget, errors, file, filter, memory, overlay } from 'lunkit/target'

test('filters stand in front of each other, with keys of their own', () => {
  const lun = filter('throttle', overlay(memory('1M', { block: 4096 }), { per: 'initiator' }), { iops: 9 })
  assert.deepEqual([lun.filters, lun.store], [['throttle', 'overlay'], 'memory'])
  assert.deepEqual(lun.keys, { size: '1M', block: '4096', 'overlay.per': 'initiator', 'throttle.iops': '9' })
  assert.equal(lun.label, 'throttle:overlay:memory:1M')
  assert.deepEqual(errors('disk.img', ['busy', 'drop:read']).keys, {
    '': 'disk.img',
    'error.errors': 'busy+drop:read',
  })
  assert.throws(() => overlay(overlay('disk.img')), { code: 'LUN_ARGUMENT' })
})

test('they are opened, and a name or key that is none is refused', async () => {
  await using target = await createTarget({ luns: [filter('readonly', errors(overlay(memory('1M'))))] })
  assert.deepEqual(Object.keys(target.luns[0]!.controls), ['reset', 'commit', 'snapshot', 'errors'])
  const fails = (lun: Parameters<typeof filter>[1], code: string) =>
    assert.rejects(createTarget({ luns: [lun] }), { code })
  await fails(filter('sieve', memory('1M')), 'LUN_KIND_UNKNOWN')
  await fails(filter('readonly', memory('1M'), { mesh: 3 }), 'LUN_KEY_UNKNOWN')
  await fails(overlay(file('/nowhere/disk.img')), 'FILE_MISSING')
})
