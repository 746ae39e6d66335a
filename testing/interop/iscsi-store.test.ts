// SPDX-License-Identifier: Apache-2.0
// Disks of iSCSI targets as bytes: the contract of a store, filters in front, and a target that goes away.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { SenseKey } from '@lunkit/spec'
import type { BackingStore } from '@lunkit/target-api'
import { connect, type ScsiError } from 'lunkit/initiator'
import { createTarget, file, iscsi, memory, OperatorError } from 'lunkit/target'
import { store } from '../../cli/src/bridges/iscsi/store.ts'
import { TARGET, Tgtd } from '../../initiator/drivers/iscsi/src/tgtd.test-kit.ts'
import { until } from '../kit/gateway-bench.ts'
import { scratch } from '../kit/scratch.ts'
import { storeSuite } from '../kit/store-suite.ts'
import { need } from '../peers.ts'

const VALUES = { wait: 20, readonly: false }
const BLOCKS = [512, 4096] as const

for (const block of BLOCKS) {
  describe(`blocks of ${block}`, () => {
    storeSuite('iscsi', async (context: TestContext): Promise<BackingStore> => {
      const target = await createTarget({ luns: [memory('2M', { block })] })
      context.after(() => target.close())
      return store.open({ ...VALUES, url: target.url })
    })
  })
}

test('a cache and an overlay in front of tgtd: what is read is its, what is written is not', async t => {
  if (!need(t, 'tgtd')) return
  await using tgtd = await Tgtd.start()
  const url = `iscsi://127.0.0.1:${tgtd.port}/${TARGET}/1`
  const data = randomBytes(64 * 1024)
  {
    await using direct = await connect(url)
    await direct.write(100, data)
  }
  const upper = join(await scratch(t), 'upper')
  await using gateway = await createTarget({ luns: [`overlay:cache:${url},upper=${upper}`] })
  await using disk = await connect(gateway.url)
  assert.ok((await disk.read(100, 128)).equals(data))
  await disk.write(100, Buffer.alloc(512, 1))
  assert.ok((await disk.read(100, 1)).equals(Buffer.alloc(512, 1)))
  await using direct = await connect(url)
  assert.ok((await direct.read(100, 128)).equals(data))
})

test('blocks of 512 bytes on a disk of 4096, and a write that is shorter than a block there', async () => {
  await using array = await createTarget({ luns: [memory('4M', { block: 4096 })] })
  await using gateway = await createTarget({ luns: [`${array.url},block=512`] })
  await using disk = await connect(gateway.url)
  const model = randomBytes(1 << 20)
  await disk.write(0, model)
  for (const [lba, blocks] of [
    [3, 1],
    [7, 3],
    [15, 20],
  ] as const) {
    const data = randomBytes(512 * blocks)
    data.copy(model, 512 * lba)
    await disk.write(lba, data)
  }
  assert.ok((await disk.read(0, 2048)).equals(model))
})

test('a target that goes away holds up writes; beyond the time they fail, and it is used again when it is back', async t => {
  const image = join(await scratch(t), 'disk.img')
  const luns = [file(image, { size: '16M', serial: 'STAYS' })]
  const name = 'iqn.2026-11.test:array'
  let array = await createTarget({ luns, name })
  const portal = `127.0.0.1:${new URL(array.url.replace('iscsi:', 'http:')).port}`
  await using gateway = await createTarget({ luns: [iscsi(array.url, { wait: 1 })] })
  await using disk = await connect(gateway.url)
  const first = randomBytes(4096)
  await disk.write(0, first)
  await array.close()
  await assert.rejects(disk.write(8, first))
  array = await createTarget({ luns, name, portal })
  await until(() =>
    disk.write(8, first).then(
      () => true,
      () => false,
    ),
  )
  assert.ok((await disk.read(0, 16)).equals(Buffer.concat([first, first])))
  await array.close()
})

test('another disk in its place, or one of other blocks, is not used', async () => {
  const name = 'iqn.2026-11.test:array'
  const serve = (serial: string, portal?: string, block = 512) =>
    createTarget({ luns: [memory('2M', { serial, block })], name, ...(portal !== undefined && { portal }) })
  let array = await serve('FIRST')
  const [portal] = array.portals
  await using gateway = await createTarget({ luns: [iscsi(array.url, { wait: 20 })] })
  await using disk = await connect(gateway.url)
  const data = randomBytes(4096)
  const notReady = (error: ScsiError): boolean => error.senseKey === SenseKey.notReady
  await disk.write(8, data)
  for (const [serial, block] of [
    ['FIRST', 4096],
    ['SECOND', 512],
  ] as const) {
    await array.close()
    array = await serve(serial, portal, block)
    await assert.rejects(disk.write(0, data), notReady)
    await assert.rejects(disk.read(8, 8), notReady)
    await using direct = await connect(array.url)
    assert.ok(
      (await direct.read(0, 16)).every(byte => byte === 0),
      'nothing was written there',
    )
  }
  // The session stays.
  await array.replaceLun(0, memory('2M', { serial: 'FIRST' }))
  await until(() =>
    disk.write(8, data).then(
      () => true,
      () => false,
    ),
  )
  assert.ok((await disk.read(8, 8)).equals(data))
  await array.close()
})

test('what is no disk, or not there, is told at the start', async () => {
  await using array = await createTarget({ luns: ['cdrom:'] })
  const wrong: Record<string, string> = {
    [array.url]: 'ISCSI_DISK',
    [array.url.replace(/0$/, '5')]: 'LUN_MISSING',
    'iscsi://127.0.0.1:1/iqn.2026-11.test:x/0': 'TRANSPORT_CONNECT_FAILED',
    'iscsi://127.0.0.1': 'URL_INVALID',
  }
  for (const [lun, code] of Object.entries(wrong)) {
    await assert.rejects(
      createTarget({ luns: [lun] }),
      (error: OperatorError) => error instanceof OperatorError && error.code === code,
      `${lun} ${code}`,
    )
  }
})
