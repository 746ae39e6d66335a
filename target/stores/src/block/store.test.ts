// SPDX-License-Identifier: Apache-2.0
// The block store against the contract on loop devices, and what it opens and refuses.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { constants, mkdir, open, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { OperatorError, readParameters, StoreError } from '@lunkit/target-api'
import { lookAgain, loopDevice, mayMakeLoops, needLoops } from '@lunkit/testing/kit/loop-device.ts'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { need } from '../../../../testing/peers.ts'
import { linuxCalls, type SpaceCalls } from '../file/linux-calls.ts'
import { type BlockOptions, openBlock, store } from './store.ts'

const SIZE = 8 * 2 ** 20
const MIB = 2 ** 20

const KINDS: readonly [string, number, Partial<BlockOptions>][] = [
  ['block of 512-byte sectors', 512, {}],
  ['block of 4096-byte sectors', 4096, {}],
  ['block without koffi', 512, { linux: null }],
  ['block that is read-only', 512, { readonly: true }],
]
for (const [name, sector, options] of KINDS) {
  if (!mayMakeLoops) test(name, t => void needLoops(t))
  else {
    storeSuite(name, async context => {
      const { path } = await loopDevice(context, SIZE, { sector })
      return openBlock({ path, ...options })
    })
  }
}

function refusal(code: string, text: RegExp): (error: unknown) => true {
  return error => {
    assert.ok(error instanceof OperatorError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, text)
    assert.notEqual(error.hint, '')
    return true
  }
}

async function opened(t: TestContext, options: Partial<BlockOptions> = {}, sector = 512) {
  const device = await loopDevice(t, SIZE, { sector })
  const exchange = new StoreExchange(await openBlock({ path: device.path, ...options }))
  return { device, exchange }
}

test('it says what the device says', async t => {
  if (!needLoops(t)) return
  for (const sector of [512, 4096]) {
    const { device, exchange } = await opened(t, {}, sector)
    const { size, preferredBlock, volatileCache, discards, discardedReadsZero, identity } = exchange.store
    assert.deepEqual([size, volatileCache, discards, discardedReadsZero], [SIZE, true, 'native', true])
    assert.ok(preferredBlock >= sector)
    assert.equal(identity, `block:${device.backing}`)
    await exchange.close()
  }
})

test('what is written is on the device, and what is given back is gone from its file', async t => {
  if (!needLoops(t)) return
  const { device, exchange } = await opened(t)
  await exchange.wrote(4096, pattern(MIB, 1), [100])
  const file = await open(device.backing)
  const bytes = Buffer.alloc(MIB)
  await file.read(bytes, 0, MIB, 4096)
  assert.ok(bytes.equals(pattern(MIB, 1)), 'before any flush')
  const before = (await file.stat()).blocks
  assert.equal((await exchange.range('discard', 4096, MIB)).error, StoreError.none)
  assert.ok((await file.stat()).blocks < before)
  await file.close()
  await exchange.close()
})

test('a device that reads anything where it discards is asked by ioctl, for whole blocks', async t => {
  const linux = await linuxCalls()
  if (!needLoops(t) || linux === null) return
  const device = await loopDevice(t, SIZE)
  // A loop device makes holes, and this is what one would do that cannot promise zeros.
  const asked: string[] = []
  const space: SpaceCalls = {
    ...linux.space,
    punch: (_fd, offset, length, answer) => {
      asked.push(`${offset}+${length}`)
      linux.space.discard(fd, offset, length, answer)
    },
  }
  const exchange = new StoreExchange(await openBlock({ path: device.path, linux: { ...linux, space } }))
  const fd = openSync(device.path, 'r+')
  t.after(() => closeSync(fd))
  await exchange.wrote(0, pattern(MIB, 1))
  const before = (await stat(device.backing)).blocks
  assert.equal((await exchange.range('discard', 100, MIB - 200)).error, StoreError.none)
  assert.deepEqual(asked, [`512+${MIB - 1024}`])
  assert.ok((await stat(device.backing)).blocks < before)
  assert.ok((await exchange.bytes(0, 100)).equals(pattern(MIB, 1).subarray(0, 100)))
  assert.ok((await exchange.bytes(100, 412)).equals(Buffer.alloc(412)))
  assert.equal(linux.deviceSize(fd), SIZE)
  await exchange.close()
})

test('one writer, or several readers', async t => {
  if (!needLoops(t)) return
  const { path } = await loopDevice(t, SIZE)
  const writer = await openBlock({ path })
  for (const readonly of [false, true]) {
    await assert.rejects(openBlock({ path, readonly }), refusal('BLOCK_IN_USE', /this lunkit/))
  }
  await writer.close()
  const readers = [await openBlock({ path, readonly: true }), await openBlock({ path, readonly: true })]
  await assert.rejects(openBlock({ path }), refusal('BLOCK_IN_USE', /this lunkit/))
  for (const reader of readers) await reader.close()
})

test('what another program has to itself is refused, and forced', async t => {
  if (!needLoops(t)) return
  const { path } = await loopDevice(t, SIZE)
  const { O_RDWR, O_EXCL } = constants
  const held = await open(path, O_RDWR | O_EXCL)
  await assert.rejects(openBlock({ path }), refusal('BLOCK_IN_USE', /something uses it/))
  const forced = await openBlock({ path, force: true })
  await forced.close()
  await held.close()
  await (await openBlock({ path })).close()
})

test('a mounted device is refused, to readers too, and forced', async t => {
  if (!needLoops(t) || !need(t, 'mkfs.ext4')) return
  const folder = await scratch(t)
  const { path } = await loopDevice(t, SIZE)
  execFileSync('mkfs.ext4', ['-q', path])
  const place = join(folder, 'mounted')
  await mkdir(place)
  execFileSync('mount', [path, place])
  try {
    for (const readonly of [false, true]) {
      await assert.rejects(openBlock({ path, readonly }), refusal('BLOCK_IN_USE', /is mounted at .*mounted/))
    }
    await writeFile(join(place, 'a'), 'a')
    const forced = await openBlock({ path, force: true, readonly: true })
    await forced.close()
  } finally {
    execFileSync('umount', [place])
  }
  await (await openBlock({ path })).close()
})

test('what is no block device is refused with its reason', async t => {
  const folder = await scratch(t)
  const path = join(folder, 'disk.img')
  await writeFile(path, 'x')
  await assert.rejects(openBlock({ path }), error => {
    refusal('BLOCK_NOT_DEVICE', /no block device/)(error)
    assert.equal((error as OperatorError).hint, `write file:${path}`)
    return true
  })
  for (const [other, code] of [
    [folder, 'BLOCK_NOT_DEVICE'],
    ['/dev/null', 'BLOCK_NOT_DEVICE'],
    [join(folder, 'none'), 'BLOCK_MISSING'],
    [join(path, 'x'), 'BLOCK_MISSING'],
  ] as const) {
    await assert.rejects(openBlock({ path: other }), refusal(code, /./))
  }
  assert.throws(() => readParameters('block', store.parameters, {}), { code: 'PARAMETER_MISSING' })
  assert.throws(() => readParameters('block', store.parameters, { path: 'x', force: 'maybe' }), {
    code: 'PARAMETER_VALUE',
  })
})

test('a loop device without a file is refused', async t => {
  if (!needLoops(t)) return
  const { path, detach } = await loopDevice(t, SIZE)
  detach()
  await assert.rejects(openBlock({ path }), error => {
    assert.ok(error instanceof OperatorError)
    assert.match(error.code, /^BLOCK_(EMPTY|MISSING)$/)
    return true
  })
})

test('another size is noticed when it is told to look', async t => {
  if (!needLoops(t)) return
  const { device, exchange } = await opened(t)
  await truncate(device.backing, 2 * SIZE)
  lookAgain(device)
  assert.equal(exchange.store.size, SIZE)
  assert.notEqual((await exchange.read(SIZE, 512)).error, StoreError.none)
  await exchange.store.rescan!()
  assert.equal(exchange.store.size, 2 * SIZE)
  await exchange.wrote(2 * SIZE - 4096, pattern(4096, 3))
  await truncate(device.backing, SIZE)
  lookAgain(device)
  for (const answer of [
    await exchange.read(SIZE - 4096, 8192),
    await exchange.write(SIZE - 4096, pattern(8192, 4)),
  ]) {
    assert.deepEqual([answer.error, answer.failedAt], [StoreError.medium, SIZE])
  }
  await exchange.store.rescan!()
  assert.equal(exchange.store.size, SIZE)
  await exchange.close()
})

test('a file that ends under the device is a medium error, not zeros', async t => {
  if (!needLoops(t)) return
  const { device, exchange } = await opened(t)
  await exchange.wrote(0, pattern(SIZE, 1))
  await truncate(device.backing, MIB)
  const { error } = await exchange.read(2 * MIB, 4096)
  assert.equal(error, StoreError.medium)
  assert.ok((await exchange.bytes(0, MIB)).equals(pattern(SIZE, 1).subarray(0, MIB)))
  await exchange.close()
  assert.equal((await readFile(device.backing)).length, MIB)
})
