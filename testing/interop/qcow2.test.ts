// SPDX-License-Identifier: Apache-2.0
// qcow2 images over iSCSI: QEMU's own tools judge them, also after lunkit was killed amid writes.
import assert from 'node:assert/strict'
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'lunkit/initiator'
import { createTarget, qcow2 } from 'lunkit/target'
import { numbers, qemu, sound } from '../../target/stores/src/qcow2/qcow2.test-kit.ts'
import { scratch } from '../kit/scratch.ts'
import { serve } from '../kit/serve-process.ts'
import { pattern } from '../kit/store-exchange.ts'
import { need } from '../peers.ts'

const MIB = 2 ** 20
const BLOCK = 4096
const BLOCKS = (16 * MIB) / BLOCK
/** How often the target is killed; LUNKIT_QCOW2_KILLS=100 for many. */
const KILLS = Number(process.env['LUNKIT_QCOW2_KILLS'] ?? 4)
const SEED = Number(process.env['LUNKIT_QCOW2_SEED'] ?? 1)

test('a disk goes to a qcow2 image over iSCSI and comes back the same', async t => {
  if (!need(t, 'qemu-img', 'block-iscsi.so')) return
  const folder = await scratch(t)
  const [raw, image] = [join(folder, 'raw.img'), join(folder, 'disk.qcow2')]
  await writeFile(raw, Buffer.concat([pattern(5 * MIB, 1), Buffer.alloc(20 * MIB), pattern(7 * MIB, 2)]))
  {
    await using target = await createTarget({ luns: [qcow2(image, { size: '32M' })] })
    await qemu('qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', raw, target.url)
    await qemu('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', raw, target.url)
  }
  await sound(image)
  await qemu('qemu-img', 'compare', '-f', 'raw', '-F', 'qcow2', raw, image)
  const { 'actual-size': taken } = JSON.parse(await qemu('qemu-img', 'info', '--output=json', image))
  assert.ok(taken < 14 * MIB, `zeros take up no room, but the image has ${taken} bytes`)
})

test('snapshots inside an image, while an initiator uses it', async t => {
  if (!need(t, 'qemu-img')) return
  const image = join(await scratch(t), 'disk.qcow2')
  {
    await using target = await createTarget({ luns: [qcow2(image, { size: '4M' })] })
    await using disk = await connect(target.url)
    const [lun] = target.luns
    await disk.write(0, pattern(8192, 1))
    assert.deepEqual(await lun!.control('snapshot', 'before'), { snapshots: 1 })
    await disk.write(8, pattern(8192, 2))
    assert.ok((await disk.read(8, 16)).equals(pattern(8192, 2)))
    assert.deepEqual(await lun!.control('revert', 'before'), { snapshots: 1 })
    // The first command after it hears that the medium may have changed, and is sent again.
    assert.ok((await disk.read(0, 16)).equals(pattern(8192, 1)))
    assert.deepEqual(await lun!.control('snapshots'), { before: 4 * MIB })
    await assert.rejects(lun!.control('delete', 'after'), { code: 'QCOW2_SNAPSHOT' })
  }
  await sound(image)
  assert.match(await qemu('qemu-img', 'snapshot', '-l', image), /before/)
})

test('an image that is lost at the end is what the target says, and it ends', async t => {
  const image = join(await scratch(t), 'disk.qcow2')
  // Its standard input stays open.
  const target = await serve([`qcow2:${image},size=16M`, '--control'])
  t.after(() => target.stop('SIGKILL'))
  {
    await using disk = await connect(target.ready.luns[0]!.url)
    await disk.write(0, pattern(65_536, 1))
  }
  await truncate(image, 0)
  assert.equal(await target.stop(), 1)
  assert.match(target.stderr(), /QCOW2_LOST/)
  assert.doesNotMatch(target.stderr(), /in time/)
})

test('killed amid writes, the image is sound and has all that was flushed', async t => {
  if (!need(t, 'qemu-img', 'qemu-io')) return
  const folder = await scratch(t)
  const [base, image] = [join(folder, 'base.img'), join(folder, 'disk.qcow2')]
  await writeFile(base, Buffer.alloc(BLOCKS * BLOCK))
  const options = 'cluster_size=4096'
  await qemu('qemu-img', 'create', '-f', 'qcow2', '-b', base, '-F', 'raw', '-o', options, image)
  await qemu('qemu-img', 'snapshot', '-c', 'first', image)
  const any = numbers(SEED)
  const durable = new Array<number>(BLOCKS).fill(0)
  let seed = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const served = await serve([`qcow2:${image}`])
    const since = new Map<number, number[]>()
    const disk = await connect(served.ready.luns[0]!.url, { reconnect: { attempts: 0, delays: [] } })
    const { blockSize } = await disk.capacity()
    const perBlock = BLOCK / blockSize
    const end = 3 + any(20)
    const writing = async (): Promise<void> => {
      for (let round = 0; ; round++) {
        const blocks = [...new Set(Array.from({ length: 16 }, () => any(BLOCKS)))]
        const values = blocks.map(() => ++seed)
        for (const [i, block] of blocks.entries()) since.set(block, [...(since.get(block) ?? []), values[i]!])
        await Promise.all(blocks.map((block, i) => disk.write(block * perBlock, pattern(BLOCK, values[i]!))))
        if (round === end) setImmediate(() => process.kill(served.pid, 'SIGKILL'))
        if (any(3) !== 0) continue
        await disk.flush()
        for (const [block, all] of since) durable[block] = all.at(-1)!
        since.clear()
      }
    }
    await assert.rejects(writing())
    await served.stop('SIGKILL')
    await disk.close().catch(() => {})
    await sound(image, true)
    await qemu('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', image, join(folder, 'left.img'))
    const left = await readFile(join(folder, 'left.img'))
    for (let block = 0; block < BLOCKS; block++) {
      const bytes = left.subarray(block * BLOCK, (block + 1) * BLOCK)
      const values = [durable[block]!, ...(since.get(block) ?? [])]
      const found = values.find(value =>
        bytes.equals(value === 0 ? Buffer.alloc(BLOCK) : pattern(BLOCK, value)),
      )
      assert.notEqual(found, undefined, `block ${block} after kill ${kill} is none of ${values}`)
      durable[block] = found!
    }
  }
  await qemu('qemu-img', 'check', '-r', 'leaks', image)
  await sound(image)
})
