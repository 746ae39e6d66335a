// SPDX-License-Identifier: Apache-2.0
// Snapshots inside images, made, deleted and gone back to by lunkit and by qemu-img, and images that were not closed.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { StoreError } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { need } from '../../../../testing/peers.ts'
import { numbers, qemu, sound } from './qcow2.test-kit.ts'
import { openImage } from './store.ts'

const MIB = 2 ** 20
const SIZE = 3 * MIB
const STEPS = Number(process.env['LUNKIT_QCOW2_STEPS'] ?? 20)
const SEED = Number(process.env['LUNKIT_QCOW2_SEED'] ?? 1)

for (const words of [
  ['-o', 'cluster_size=512'],
  ['-o', 'cluster_size=4096'],
  [],
  ['-o', 'compat=0.10,cluster_size=2048'],
]) {
  test(`snapshots made and deleted at random: ${words.at(-1) ?? 'as qemu-img makes them'}`, async t => {
    if (!need(t, 'qemu-img')) return
    const path = join(await scratch(t), 'disk.qcow2')
    await qemu('qemu-img', 'create', '-f', 'qcow2', ...words, path, String(SIZE))
    const any = numbers(SEED + 7)
    let exchange = new StoreExchange(await openImage({ path }))
    let model = Buffer.alloc(SIZE)
    const snapshots = new Map<string, Buffer>()
    const control = async (name: string, ...given: string[]): Promise<void> => {
      if (any(3) === 0 && name !== 'revert') {
        // QEMU does the same, with lunkit out of the way.
        await exchange.close()
        await qemu('qemu-img', 'snapshot', name === 'snapshot' ? '-c' : '-d', given[0]!, path)
        exchange = new StoreExchange(await openImage({ path }))
      } else await exchange.store.controls![name]!.run(given, () => {})
    }
    for (let step = 0; step < STEPS; step++) {
      for (let i = 0; i < 8; i++) {
        const offset = any(SIZE / 512 - 1) * 512
        const length = Math.min(1 + any(20_000), SIZE - offset)
        if (any(5) === 0) {
          assert.equal((await exchange.range('discard', offset, length)).error, StoreError.none)
          model.fill(0, offset, offset + length)
        } else {
          const data = pattern(length, any(2 ** 31))
          await exchange.wrote(offset, data)
          data.copy(model, offset)
        }
      }
      const names = [...snapshots.keys()]
      const one = names[any(names.length || 1)]
      const act = any(6)
      if (act < 2 && names.length < 5) {
        await control('snapshot', `s${step}`)
        snapshots.set(`s${step}`, Buffer.from(model))
      } else if (act === 2 && one !== undefined) {
        await control('delete', one)
        snapshots.delete(one)
      } else if (act === 3 && one !== undefined) {
        await control('revert', one)
        model = Buffer.from(snapshots.get(one)!)
      }
      assert.ok((await exchange.bytes(0, SIZE)).equals(model), `step ${step}`)
      if (any(8) !== 0) continue
      await exchange.close()
      await sound(path)
      exchange = new StoreExchange(await openImage({ path }))
    }
    await exchange.close()
    await sound(path)
    const raw = `${path}.raw`
    for (const [name, bytes] of snapshots) {
      await qemu('qemu-img', 'convert', '-l', `snapshot.name=${name}`, '-O', 'raw', path, raw)
      assert.ok((await readFile(raw)).equals(bytes), name)
    }
  })
}

test('what cannot be a snapshot is refused, and nothing has changed', async t => {
  const path = join(await scratch(t), 'disk.qcow2')
  const store = await openImage({ path, size: SIZE })
  const { snapshot, delete: remove, revert, snapshots } = store.controls
  await snapshot!.run(['one'], () => {})
  for (const [control, words] of [
    [snapshot!, ['one']],
    [snapshot!, ['']],
    [snapshot!, []],
    [snapshot!, ['x'.repeat(300)]],
    [remove!, ['none']],
    [revert!, ['none']],
  ] as const) {
    await assert.rejects(
      control.run(words, () => {}),
      { name: 'OperatorError' },
    )
  }
  assert.deepEqual(await snapshots!.run([], () => {}), { one: SIZE })
  await store.close()
  const again = await openImage({ path, readonly: true })
  assert.deepEqual(Object.keys(again.controls), ['snapshots'])
  await again.close()
})

test('an image that QEMU left dirty is repaired', async t => {
  if (!need(t, 'qemu-img', 'qemu-io')) return
  const folder = await scratch(t)
  const path = join(folder, 'disk.qcow2')
  for (const cluster of ['512', '64k']) {
    await qemu(
      'qemu-img',
      'create',
      '-f',
      'qcow2',
      '-o',
      `lazy_refcounts=on,cluster_size=${cluster}`,
      path,
      '8M',
    )
    await qemu('qemu-io', '-f', 'qcow2', '-c', 'write -P 9 1M 100k', path)
    await qemu('qemu-img', 'snapshot', '-c', 'first', path)
    const commands = ['write -P 1 0 3M', 'write -P 2 5M 1M', 'write -z 1M 64k', 'flush', 'abort']
    await new Promise(resolve => {
      execFile('qemu-io', ['-f', 'qcow2', ...commands.flatMap(one => ['-c', one]), path], resolve)
    })
    const reading = await openImage({ path, readonly: true })
    const before = await new StoreExchange(reading).bytes(0, 8 * MIB)
    await reading.close()
    assert.equal(before[2 * MIB], 1)
    assert.equal(before[5 * MIB], 2)
    const info = async (): Promise<string> => qemu('qemu-img', 'info', '-U', '--output=json', path)
    assert.match(await info(), /"dirty-flag": true/)
    const exchange = new StoreExchange(await openImage({ path }))
    assert.ok((await exchange.bytes(0, 8 * MIB)).equals(before))
    await exchange.wrote(6 * MIB, pattern(MIB, 3))
    await exchange.close()
    assert.match(await info(), /"dirty-flag": false/)
    await sound(path)
    pattern(MIB, 3).copy(before, 6 * MIB)
    await writeFile(`${path}.raw`, before)
    await qemu('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', `${path}.raw`, path)
  }
})
