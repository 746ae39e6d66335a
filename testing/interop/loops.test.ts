// SPDX-License-Identifier: Apache-2.0
// LUNs that lead to themselves: refused where one process can see it; in a circle of two, each command ends, and so do both processes.
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSense, SenseKey, Status } from '@lunkit/spec'
import { connect } from 'lunkit/initiator'
import { createTarget, memory, type OperatorError } from 'lunkit/target'
import { until } from '../kit/gateway-bench.ts'
import { qemuNbd } from '../kit/nbd-servers.ts'
import { scratch } from '../kit/scratch.ts'
import { type ServedTarget, serve } from '../kit/serve-process.ts'
import { need } from '../peers.ts'

const NAME = 'iqn.2026-11.test:loop'
const loop = { name: 'OperatorError', code: 'LUN_LOOP' }
const portOf = (url: string): number => Number(/:(\d+)\//.exec(url)![1])

test('a LUN that leads to its own target is refused, however it is written', async () => {
  await using target = await createTarget({ luns: [memory('1M'), 'cdrom:'], name: NAME })
  const port = portOf(target.url)
  const before = JSON.stringify(target.luns)
  for (const host of ['127.0.0.1', 'localhost', 'LOCALHOST']) {
    const url = `iscsi://${host}:${port}/${NAME}/0`
    for (const layers of ['', 'readonly:', 'overlay:', 'passthrough:', 'cdrom:']) {
      await assert.rejects(target.addLun(`${layers}${url}`), loop, `${layers}${url}`)
      await assert.rejects(target.replaceLun(0, `${layers}${url}`), loop)
    }
    await assert.rejects(target.luns[1]!.insert(url), loop)
    await assert.rejects(target.addLun(`cdrom:,next=${url}`), loop)
  }
  assert.equal(JSON.stringify(target.luns), before)
  await using disk = await connect(target.url)
  await disk.read(0, 1)
})

test('so is one that has a wildcard address, or one that initiators are told', async () => {
  await using target = await createTarget({
    luns: [memory('1M')],
    name: NAME,
    portal: { host: '0.0.0.0', port: 0, advertise: 'storage.test:7000' },
    open: true,
  })
  const port = Number(/:(\d+)$/.exec(target.portals[0]!)![1])
  await assert.rejects(target.addLun(`iscsi://127.0.0.1:${port}/${NAME}/0`), loop)
  await assert.rejects(target.addLun(`iscsi://storage.test:7000/${NAME}/0`), loop)
  // Another port there is another target, whatever it is called.
  await assert.rejects(target.addLun(`iscsi://127.0.0.1:1/${NAME}/0`), { code: 'TRANSPORT_CONNECT_FAILED' })
})

test('and at the start, before anybody listens', async () => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  const options = { name: NAME, portal: `127.0.0.1:${port}` }
  for (const lun of [
    `iscsi://127.0.0.1:${port}/${NAME}/0`,
    `passthrough:iscsi://127.0.0.1:${port}/${NAME}/1`,
  ]) {
    await assert.rejects(createTarget({ ...options, luns: [memory('1M'), lun] }), loop)
  }
  const other = `iscsi://127.0.0.1:${port}/iqn.2026-11.test:other/0`
  await assert.rejects(createTarget({ ...options, luns: [other] }), { code: 'TRANSPORT_CONNECT_FAILED' })
})

const PATIENT = { reconnect: { attempts: 0, delays: [] }, commandTimeoutMs: 60_000 }

for (const layer of ['', 'passthrough:']) {
  test(`two processes that lead to each other (${layer || 'iscsi:'}): commands end with sense data, both stop`, async t => {
    const running: ServedTarget[] = []
    t.after(async () => {
      for (const one of running) await one.stop('SIGKILL')
    })
    const start = async (...words: string[]): Promise<ServedTarget> => {
      const one = await serve(words)
      running.push(one)
      return one
    }
    const keys = ',timeout=1,wait=1'
    const first = await start('memory:1M,serial=LOOP', '--name', `${NAME}-b`)
    const b = first.ready.luns[0]!.url
    const a = await start(`${layer}${b}${keys}`, '--name', `${NAME}-a`)
    await first.stop()
    const other = `${layer}${a.ready.luns[0]!.url}${keys}`
    const second = await start(other, '--name', `${NAME}-b`, '--portal', first.ready.portals[0]!)
    await using disk = await connect(a.ready.luns[0]!.url, PATIENT)
    const cdb = Uint8Array.of(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0)
    const keysSeen = new Set<number>()
    const probe = async (): Promise<boolean> => {
      const { status, sense } = await disk.execute(cdb, { expectedIn: 512 })
      assert.notEqual(status, Status.good, 'nobody has the bytes')
      const key = status === Status.checkCondition ? readSense(sense)!.key : -1
      keysSeen.add(key)
      return key !== SenseKey.unitAttention
    }
    await until(probe)
    // Many at once, as a host would: each of them ends.
    await Promise.all(Array.from({ length: 40 }, probe))
    assert.ok(!keysSeen.has(SenseKey.illegalRequest), [...keysSeen].join())
    await disk.close()
    assert.equal(await a.stop(), 0, a.stderr())
    assert.equal(await second.stop(), 0, second.stderr())
  })
}

test('a circle over an NBD server: commands end with sense data, and the target closes', async t => {
  if (!need(t, 'qemu-nbd', 'block-iscsi.so')) return
  const socket = join(await scratch(t), 's')
  const target = await createTarget({ luns: [memory('1M')] })
  // Its own last flush goes round, too: what it says of that is true, and it closes.
  const close = (): Promise<void> =>
    target.close().catch((error: OperatorError) => assert.equal(error.code, 'STORE_FLUSH'))
  t.after(close)
  await qemuNbd(t, socket, '-f', 'raw', target.url)
  await target.replaceLun(0, `nbd+unix:///?socket=${socket},timeout=1,wait=1`)
  await using disk = await connect(target.url, PATIENT)
  const cdb = Uint8Array.of(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0)
  const answers = await Promise.all(Array.from({ length: 20 }, () => disk.execute(cdb, { expectedIn: 512 })))
  for (const { status } of answers) assert.notEqual(status, Status.good)
  await disk.close()
  await close()
})
