// SPDX-License-Identifier: Apache-2.0
// Images with a LUKS header, made by cryptsetup: the filter encrypt shares what is behind it with QEMU, and never writes over it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openFile } from '@lunkit/target-stores/file'
import { filter as encrypt } from '@lunkit/target-stores/filters/encrypt'
import { scratch } from '../kit/scratch.ts'
import { StoreExchange } from '../kit/store-exchange.ts'
import { need } from '../peers.ts'

const MIB = 1 << 20
const LENGTH = 65536

const cryptsetup = (...words: string[]): string =>
  execFileSync('cryptsetup', ['--batch-mode', ...words], { encoding: 'utf8', stdio: 'pipe' })

/** A new image of this version, its volume key in a file, and where its data begins. */
async function image(t: TestContext, version: 1 | 2) {
  const folder = await scratch(t)
  const [path, phrase, keyfile] = ['disk.img', 'phrase', 'volume.key'].map(name => join(folder, name))
  writeFileSync(phrase!, 'correct horse', { mode: 0o600 })
  writeFileSync(path!, '')
  truncateSync(path!, 32 * MIB)
  const fast = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000', '--key-file', phrase!]
  cryptsetup('luksFormat', '--type', `luks${version}`, '--key-size', '512', ...fast, path!)
  cryptsetup('luksDump', '--dump-volume-key', '--volume-key-file', keyfile!, '--key-file', phrase!, path!)
  const [, sectors, bytes] = /^Payload offset:\s*(\d+)|^\s+offset: (\d+) \[bytes\]/m.exec(
    cryptsetup('luksDump', path!),
  )!
  const offset = sectors === undefined ? Number(bytes) : 512 * Number(sectors)
  return { path: path!, phrase: phrase!, keyfile: keyfile!, offset }
}

test('QEMU reads behind a LUKS header what encrypt wrote, and encrypt what QEMU wrote', async t => {
  if (!need(t, 'cryptsetup', 'qemu-io')) return
  const { path, phrase, keyfile, offset } = await image(t, 1)
  const qemu = (command: string): string => {
    const options = `driver=luks,key-secret=phrase,file.driver=file,file.filename=${path}`
    const secret = `secret,id=phrase,file=${phrase}`
    const words = ['--object', secret, '--image-opts', options, '-c', command]
    return execFileSync('qemu-io', words, { encoding: 'utf8' })
  }
  qemu(`write -P 0xab 4096 ${LENGTH}`)
  const exchange = new StoreExchange(await encrypt.open(await openFile({ path }), { keyfile, offset }))
  assert.ok((await exchange.bytes(4096, LENGTH)).equals(Buffer.alloc(LENGTH, 0xab)))
  await exchange.wrote(MIB, Buffer.alloc(LENGTH, 0xcd))
  await exchange.close()
  // Another pattern is told by the status, of older versions only in words.
  for (const command of [`read -P 0xcd 1M ${LENGTH}`, `read -P 0xab 4096 ${LENGTH}`]) {
    assert.doesNotMatch(qemu(command), /failed/)
  }
})

test('an image with a LUKS header is refused where nobody said what is behind it, and is left as it was', async t => {
  if (!need(t, 'cryptsetup')) return
  for (const version of [1, 2] as const) {
    const { path, keyfile } = await image(t, version)
    const before = readFileSync(path)
    const store = await openFile({ path })
    await assert.rejects(encrypt.open(store, { keyfile }), { code: 'ENCRYPT_LUKS' })
    await store.close()
    assert.ok(readFileSync(path).equals(before))
  }
})
