// SPDX-License-Identifier: Apache-2.0
// lunkit within the guest: SCSI devices of Linux (scsi_debug's) passed through to open-iscsi, or served as block devices; images of dm-crypt.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openFile } from '@lunkit/target-stores/file'
import { filter as encrypt } from '@lunkit/target-stores/filters/encrypt'
import { bundle } from '../../../architecture/bundle.ts'
import { StoreExchange } from '../../kit/store-exchange.ts'
import { noGuest } from './skip.ts'
import { runInGuest } from './vm.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

test('within Linux, SCSI and block devices are served, and the images that dm-crypt has', async t => {
  if (noGuest(t)) return
  // Within the tree, so that it finds the packages that the tree has
  const cache = join(ROOT, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const programs = mkdtempSync(join(cache, 'guest-'))
  t.after(() => rmSync(programs, { recursive: true }))
  bundle('cli/src/main.ts', 'lunkit', programs)
  bundle(relative(ROOT, join(import.meta.dirname, 'guest/order.ts')), 'order', programs)
  await encrypted(programs)
  const script = join(import.meta.dirname, 'guest/scsi-devices.sh')
  const env = { PROGRAMS: relative(ROOT, programs) }
  const result = await runInGuest({ script, env, share: ROOT, memory: 1024, timeoutSeconds: 400 })
  assert.equal(result.status, 0, `${result.output}\n--- kernel\n${result.kernelLog}`)
  for (const line of result.output.trimEnd().split('\n')) t.diagnostic(line)
})

/** Random bytes and a key, and images that the filter has made of both: in the folder plain, key, 512.img and 4096.img. */
async function encrypted(folder: string): Promise<void> {
  const plain = randomBytes(1 << 20)
  const keyfile = join(folder, 'key')
  writeFileSync(join(folder, 'plain'), plain)
  writeFileSync(keyfile, randomBytes(64), { mode: 0o600 })
  for (const cryptsector of [512, 4096]) {
    const image = await openFile({ path: join(folder, `${cryptsector}.img`), size: plain.length })
    const exchange = new StoreExchange(await encrypt.open(image, { keyfile, cryptsector }))
    await exchange.wrote(0, plain)
    await exchange.close()
  }
}
