// SPDX-License-Identifier: Apache-2.0
// A file that holds a disk in a form of its own is served as it is, and told of.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { openFile } from './store.ts'

for (const [start, told] of [
  ['QFI\xfb\0\0\0\x03', /looks like a qcow2 image.*qcow2:/],
  ['vhdxfile', /looks like a VHDX image.*nbd/],
  ['KDMV', /looks like a VMDK image/],
] as const) {
  test(`a file that begins with ${JSON.stringify(start)} is told of`, async t => {
    const path = join(await scratch(t), 'disk.img')
    const bytes = Buffer.alloc(65_536)
    bytes.write(start, 'latin1')
    await writeFile(path, bytes)
    const store = await openFile({ path, asDisk: true })
    assert.match(store.note, told)
    assert.equal(store.size, bytes.length)
    await store.close()
  })
}

test('a file of anything else is not', async t => {
  const path = join(await scratch(t), 'disk.img')
  await writeFile(path, 'QFI is no magic')
  const store = await openFile({ path, asDisk: true })
  assert.doesNotMatch(store.note, /looks like/)
  await store.close()
})

test('nor is the file of a store that knows the form', async t => {
  const path = join(await scratch(t), 'disk.img')
  await writeFile(path, Buffer.from('QFI\xfb', 'latin1'))
  const store = await openFile({ path })
  assert.doesNotMatch(store.note, /looks like/)
  await store.close()
})
