// SPDX-License-Identifier: Apache-2.0
// Block devices that fill up, change their size, fail or vanish while they are served.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { StoreError } from '@lunkit/target-api'
import { lookAgain, loopDevice, needLoops } from '@lunkit/testing/kit/loop-device.ts'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { need } from '../../../../testing/peers.ts'
import { fileCalls } from '../file/file-calls.ts'
import { BlockStore, type OpenedDevice } from './block-store.ts'
import { openBlock } from './open-block.ts'

const MIB = 2 ** 20

test('a pool that is full under the device is no space, and what was written before stays', async t => {
  if (!needLoops(t) || !need(t, 'mkfs.ext4')) return
  const folder = join(await scratch(t), 'mounted')
  const outer = await loopDevice(t, 32 * MIB)
  execFileSync('mkfs.ext4', ['-q', outer.path])
  await mkdir(folder)
  execFileSync('mount', [outer.path, folder])
  try {
    const inner = await loopDevice(t, 64 * MIB, { folder })
    const exchange = new StoreExchange(await openBlock({ path: inner.path }))
    await exchange.wrote(0, pattern(MIB, 1))
    let error: number = StoreError.none
    for (let at = MIB; error === StoreError.none; at += MIB) {
      assert.ok(at < 64 * MIB, 'the pool is full at last')
      error = (await exchange.write(at, pattern(MIB, at))).error
    }
    assert.equal(error, StoreError.noSpace)
    assert.ok((await exchange.bytes(0, MIB)).equals(pattern(MIB, 1)))
    assert.equal((await exchange.range('discard', 0, 32 * MIB)).error, StoreError.none)
    await exchange.wrote(60 * MIB, pattern(4096, 2))
    await exchange.close()
    inner.detach()
  } finally {
    execFileSync('umount', [folder])
  }
})

test('a device that is detached while it is served goes on until it is let go', async t => {
  if (!needLoops(t)) return
  const device = await loopDevice(t, 8 * MIB)
  const exchange = new StoreExchange(await openBlock({ path: device.path }))
  device.detach()
  await exchange.wrote(0, pattern(4096, 1))
  assert.ok((await exchange.bytes(0, 4096)).equals(pattern(4096, 1)))
  await exchange.close()
})

test('another size is noticed unasked, and told once', async t => {
  if (!needLoops(t)) return
  t.mock.timers.enable({ apis: ['setInterval'] })
  const device = await loopDevice(t, 8 * MIB)
  const store = await openBlock({ path: device.path })
  const told: string[] = []
  store.watch((event, reason) => told.push(`${event} ${store.size} ${/\d+ bytes/.exec(reason!)}`))
  const look = async (): Promise<void> => {
    t.mock.timers.tick(5000)
    for (let i = 0; i < 10; i++) await Promise.resolve()
  }
  await look()
  for (const size of [16 * MIB, 4 * MIB]) {
    await truncate(device.backing, size)
    lookAgain(device)
    await look()
    await look()
  }
  assert.deepEqual(told, [`resized ${16 * MIB} ${16 * MIB} bytes`, `resized ${4 * MIB} ${4 * MIB} bytes`])
  await store.close()
})

/** A device of which only the calls are there. */
function pretended(t: TestContext, code: string) {
  const device = { size: (8 * MIB) as number | null }
  const failing = ((...given: unknown[]) => {
    const done = given.at(-1) as (error: Error) => void
    setImmediate(() => done(Object.assign(new Error(code), { code })))
  }) as never
  const opened: OpenedDevice = {
    fd: -1,
    durableFd: -1,
    block: 512,
    path: '/dev/pretended',
    identity: 'block:pretended',
    size: 8 * MIB,
    physical: 512,
    canWrite: true,
    volatileCache: true,
    space: null,
    discards: 'none',
    discardGranularity: 512,
    note: '',
    sizeNow: async () => device.size,
    unlock: async () => {},
  }
  const store = new BlockStore(opened, { ...fileCalls, read: failing, write: failing, fdatasync: failing })
  t.after(() => store.close())
  return { device, store, exchange: new StoreExchange(store) }
}

test('an error of a device that is gone says so, any other is what it is', async t => {
  for (const [code, size, error] of [
    ['EIO', 8 * MIB, StoreError.medium],
    ['EIO', null, StoreError.gone],
    ['EIO', 0, StoreError.gone],
    ['ENODEV', 8 * MIB, StoreError.gone],
    ['ENOSPC', 8 * MIB, StoreError.noSpace],
    ['ENOSPC', 4096, StoreError.medium],
    ['EREMOTEIO', 8 * MIB, StoreError.medium],
  ] as const) {
    const { device, exchange } = pretended(t, code)
    device.size = size
    assert.equal((await exchange.write(4096, pattern(4096, 1))).error, error, `${code} ${size}`)
    exchange.settled()
  }
})

test('a flush that failed once stays failed', async t => {
  const { exchange } = pretended(t, 'EIO')
  assert.equal((await exchange.flush()).error, StoreError.medium)
  assert.equal((await exchange.flush()).error, StoreError.medium)
})

test('a device that goes and comes back is told of', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { device, store } = pretended(t, 'EIO')
  const told: string[] = []
  store.watch(event => told.push(event))
  for (const size of [8 * MIB, null, null, 8 * MIB, 8 * MIB]) {
    device.size = size
    t.mock.timers.tick(5000)
    for (let i = 0; i < 5; i++) await Promise.resolve()
  }
  assert.deepEqual(told, ['away', 'returned'])
  device.size = null
  await assert.rejects(store.rescan(), { name: 'OperatorError', code: 'BLOCK_GONE' })
})
