// SPDX-License-Identifier: Apache-2.0
// QEMU's own initiator: images there and back, patterns, CHAP, digests.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { type ServedTarget, serve, workFolder } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const execute = promisify(execFile)
const run = async (program: string, ...words: string[]): Promise<string> =>
  (await execute(program, words, { timeout: 60_000 })).stdout

const SECRET = 'correct horse battery'
const MIB = 1 << 20
const folder = workFolder()
const at = (name: string): string => join(folder.path, name)
let plain: ServedTarget | null = null
let guarded: ServedTarget | null = null

before(async () => {
  plain = await serve([at('disk.img,size=96M')])
  guarded = await serve(['memory:64M', '--chap-user', 'alice'], { LUNKIT_CHAP_SECRET: SECRET })
})
after(async () => {
  await plain?.stop()
  await guarded?.stop()
  folder.dispose()
})

async function sha(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

test('qemu-img convert of an image to the target and back is byte-identical', async t => {
  if (!need(t, 'qemu-img')) return
  const source = Buffer.alloc(96 * MIB)
  for (let offset = 0; offset < source.length; offset += 5 * MIB) randomBytes(2 * MIB).copy(source, offset)
  writeFileSync(at('source.raw'), source)
  const url = plain!.ready.luns[0]!.url
  await run('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', at('source.raw'), url)
  await run('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', url, at('back.raw'))
  assert.equal(await sha(at('back.raw')), await sha(at('source.raw')))
  assert.equal(await sha(at('disk.img')), await sha(at('source.raw')))
})

test('qemu-io patterns verify, and a wrong pattern is found', async t => {
  if (!need(t, 'qemu-io')) return
  const url = plain!.ready.luns[0]!.url
  const commands = [
    'write -P 0xab 0 16M',
    'write -P 0xcd 3584 1536',
    'aio_write -P 0x11 40M 8M',
    'aio_flush',
    'flush',
  ]
  const checks = ['read -P 0xcd 3584 1536', 'read -P 0xab 5120 1M', 'read -P 0x11 40M 8M']
  const output = await run(
    'qemu-io',
    '-f',
    'raw',
    ...[...commands, ...checks].flatMap(one => ['-c', one]),
    url,
  )
  assert.doesNotMatch(output, /Pattern verification failed/)
  const wrong = await execute('qemu-io', ['-f', 'raw', '-c', 'read -P 0x77 0 4k', url]).then(
    ({ stdout }) => stdout,
    error => String(error.stdout),
  )
  assert.match(wrong, /Pattern verification failed/)
})

function qemuIo(
  target: ServedTarget,
  options: Record<string, string>,
  secret: string | null,
): Promise<string> {
  const [, portal, name] = /^iscsi:\/\/([^/]+)\/([^/]+)\//.exec(target.ready.luns[0]!.url)!
  const image = { driver: 'iscsi', transport: 'tcp', portal, target: name, lun: '0', ...options }
  const words = Object.entries(image).map(([key, value]) => `${key}=${value}`)
  const secrets = secret === null ? [] : ['--object', `secret,id=s0,data=${secret}`]
  return run(
    'qemu-io',
    ...secrets,
    '--image-opts',
    words.join(','),
    '-c',
    'write -P 0x5a 0 4M',
    '-c',
    'read -P 0x5a 0 4M',
  )
}

test('a CHAP-protected target refuses a wrong password and serves the right one', async t => {
  if (!need(t, 'qemu-io')) return
  const login = { user: 'alice', 'password-secret': 's0' }
  await assert.rejects(qemuIo(guarded!, {}, null), /(Authentication|auth|login)/i)
  await assert.rejects(qemuIo(guarded!, login, 'wrong horse battery'), /(Authentication|auth|login)/i)
  assert.match(await qemuIo(guarded!, login, SECRET), /wrote 4194304/)
  assert.ok(guarded!.events.some(({ event }) => event === 'login-failed'))
  assert.ok(!JSON.stringify(guarded!.events).includes(SECRET))
})

for (const digest of ['none', 'crc32c', 'crc32c-none', 'none-crc32c']) {
  test(`header digest ${digest}`, async t => {
    if (!need(t, 'qemu-io')) return
    assert.match(await qemuIo(plain!, { 'header-digest': digest }, null), /read 4194304/)
  })
}
