// SPDX-License-Identifier: Apache-2.0
// Stacked filters over iSCSI, by lunkit's own initiator: each does its part, and errors of one reach the initiator as they are.
import assert from 'node:assert/strict'
import { createDecipheriv, randomBytes } from 'node:crypto'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'lunkit/initiator'
import { createTarget } from 'lunkit/target'
import { scratch } from '../kit/scratch.ts'
import { pattern } from '../kit/store-exchange.ts'

const MIB = 2 ** 20

test('throttle:encrypt: over an image: slower, and unreadable without the key', async t => {
  const folder = await scratch(t)
  const [image, keyfile] = [join(folder, 'disk.img'), join(folder, 'key')]
  const key = randomBytes(64)
  await writeFile(keyfile, key, { mode: 0o600 })
  const lun = `throttle:encrypt:${image},size=16M,keyfile=${keyfile},rate=8M`
  const data = pattern(2 * MIB, 1)
  {
    await using target = await createTarget({ luns: [lun] })
    await using disk = await connect(target.url)
    const from = performance.now()
    await disk.write(1, data)
    assert.ok((await disk.read(1, data.length / 512)).equals(data))
    await disk.flush()
    // Of four mebibytes at eight a second, one request and a tenth of a second come at once.
    assert.ok(performance.now() - from > 100)
  }
  const bytes = await readFile(image)
  assert.ok(!bytes.includes(data.subarray(0, 64)))
  for (const sector of [1, 2, 4096]) {
    const tweak = Buffer.alloc(16)
    tweak.writeBigUInt64LE(BigInt(sector))
    const plain = createDecipheriv('aes-256-xts', key, tweak).update(
      bytes.subarray(512 * sector, 512 * (sector + 1)),
    )
    assert.ok(plain.equals(data.subarray(512 * (sector - 1), 512 * sector)))
  }
  await using target = await createTarget({ luns: [lun] })
  await using disk = await connect(target.url)
  assert.ok((await disk.read(1, data.length / 512)).equals(data), 'and in the next run')
})

test('trace:checksum:cache: over an image: a damaged block is a medium error at its place', async t => {
  const folder = await scratch(t)
  const image = join(folder, 'disk.img')
  const lun = `trace:checksum:cache:${image},size=16M,checksums=${image}.sum,tracefile=${image}.trace`
  const data = pattern(MIB, 2)
  {
    await using target = await createTarget({ luns: [lun] })
    await using disk = await connect(target.url)
    await disk.write(0, data)
    await disk.flush()
  }
  const file = await open(image, 'r+')
  await file.write(Buffer.of(data[100_000]! ^ 1), 0, 1, 100_000)
  await file.close()
  await using target = await createTarget({ luns: [lun] })
  await using disk = await connect(target.url)
  const damaged = Math.floor(100_000 / 4096) * 8
  assert.ok((await disk.read(0, damaged)).equals(data.subarray(0, damaged * 512)))
  await assert.rejects(disk.read(0, 2048), new RegExp(`MEDIUM ERROR.*at LBA ${damaged}$`))
  await disk.write(damaged, data.subarray(damaged * 512, damaged * 512 + 4096))
  assert.ok((await disk.read(0, 2048)).equals(data), 'written anew, it is good again')
  await target.close()
  const lines = (await readFile(`${image}.trace`, 'utf8')).trim().split('\n')
  assert.ok(lines.some(line => /write 0\+\d+ .* none$/.test(line)))
  assert.ok(lines.some(line => new RegExp(`read 0\\+.* medium at ${damaged * 512}$`).test(line)))
})

test('what is delayed when the target closes is given up, and never done', async t => {
  const folder = await scratch(t)
  const image = join(folder, 'disk.img')
  const target = await createTarget({ luns: [`delay:${image},size=1M,writedelay=2000`] })
  const disk = await connect(target.url, { reconnect: { attempts: 0, delays: [] } })
  const writing = disk.write(0, pattern(4096, 1)).catch(() => 'ended')
  await disk.read(1000, 1)
  await target.close({ graceMs: 0 })
  assert.equal(await writing, 'ended')
  await disk.close().catch(() => undefined)
  assert.ok((await readFile(image)).every(byte => byte === 0))
})

test('bad values are refused with the way out, and name the LUN', async t => {
  const folder = await scratch(t)
  const image = join(folder, 'disk.img')
  for (const [lun, code] of [
    [`throttle:${image},size=1M`, 'THROTTLE_NONE'],
    [`throttle:${image},size=1M,iops=many`, 'PARAMETER_VALUE'],
    [`delay:${image},size=1M`, 'DELAY_NONE'],
    [`encrypt:${image},size=1M`, 'PARAMETER_MISSING'],
    [`encrypt:${image},size=1M,keyfile=${image}`, 'ENCRYPT_KEY'],
    [`cache:${image},size=1M,cachesize=1K`, 'CACHE_SIZE'],
    [`checksum:${image},size=1M,checksumblock=1000`, 'PARAMETER_VALUE'],
    [`trace:${image},size=1M,tracefile=/nowhere/trace`, 'TRACE_FILE'],
    [`${image},size=1M,readahead=all`, 'PARAMETER_VALUE'],
    ['block:/nowhere/sda', 'BLOCK_MISSING'],
    ['null:1M,read_zero=2', 'PARAMETER_VALUE'],
  ] as const) {
    await assert.rejects(createTarget({ luns: [lun] }), { name: 'OperatorError', code }, lun)
  }
})

test('dummy: holds LUN 0, and the disk is LUN 1', async () => {
  await using target = await createTarget({ luns: ['dummy:', 'memory:1M'] })
  const url = new URL(target.url)
  await using disk = await connect(target.url.replace(/\/0$/, '/1'))
  assert.equal((await disk.capacity()).bytes, MIB)
  assert.ok(url.pathname.endsWith('/0'))
})
