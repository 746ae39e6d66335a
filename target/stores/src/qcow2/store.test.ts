// SPDX-License-Identifier: Apache-2.0
// The qcow2 store against the contract, with clusters of several sizes and files behind it.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { openImage } from './store.ts'

const SIZE = 8 * 2 ** 20

for (const cluster of [512, 65536, 2 ** 21]) {
  storeSuite(`qcow2 with clusters of ${cluster}`, async context => {
    const path = join(await scratch(context), 'disk.qcow2')
    return openImage({ path, size: SIZE, cluster })
  })
}

storeSuite('qcow2 over a raw file', async context => {
  const folder = await scratch(context)
  await writeFile(join(folder, 'base.img'), pattern(SIZE - 1000, 1))
  const path = join(folder, 'disk.qcow2')
  return openImage({ path, size: SIZE, cluster: 4096, backing: 'base.img', backingFormat: 'raw' })
})
