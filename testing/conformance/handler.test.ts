// SPDX-License-Identifier: Apache-2.0
// Handlers end to end: lunkit's initiator and libiscsi's suite on the handler in Python, which dies, hangs and comes back.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { SenseKey } from '@lunkit/spec'
import { connect, ScsiError } from 'lunkit/initiator'
import { createTarget, handler, memory, user } from 'lunkit/target'
import { PythonHandler } from '../kit/python-handler.ts'
import { scratch } from '../kit/scratch.ts'
import { pattern } from '../kit/store-exchange.ts'
import { need } from '../peers.ts'
import { runFamily } from './libiscsi-run.ts'

const MIB = 1 << 20
const INITIATOR = { initiatorName: 'iqn.2026-11.test.lunkit:handler' }

async function python(context: TestContext, size = 64 * MIB): Promise<PythonHandler> {
  const handler = new PythonHandler(await scratch(context), size)
  context.after(() => handler.kill())
  await handler.start()
  return handler
}

for (const kind of ['handler', 'user']) {
  test(`${kind}: what is written is read, and in the image`, async context => {
    if (!need(context, 'python3')) return
    const handler = await python(context)
    await using target = await createTarget({ luns: [`${kind}:${handler.path}`] })
    await using disk = await connect(target.url, INITIATOR)
    assert.equal((await disk.capacity()).bytes, 64 * MIB)
    const data = pattern(3 * MIB, 1)
    await disk.write(100, data)
    await disk.flush()
    assert.ok((await disk.read(100, data.length / 512)).equals(data))
    assert.ok(
      readFileSync(handler.image)
        .subarray(51200, 51200 + data.length)
        .equals(data),
    )
    const answer = await disk.inquiry()
    assert.equal(answer.product, kind === 'user' ? 'PYTHON HANDLER' : 'VIRTUAL-DISK')
  })
}

test('a handler that is killed comes back, and writes that wait for it go on', async context => {
  if (!need(context, 'python3')) return
  const handler = await python(context)
  await using target = await createTarget({ luns: [`handler:${handler.path},wait=60`, memory('1M')] })
  await using disk = await connect(target.url, INITIATOR)
  await using other = await connect(target.luns[1]!.url, INITIATOR)
  const data = pattern(MIB, 2)
  await disk.write(0, data)
  const away = once(target, 'warning')
  await handler.kill()
  await away
  const writing = disk.write(4096, data)
  await other.write(0, Buffer.alloc(512, 1))
  await handler.start()
  await writing
  for (const lba of [0, 4096]) assert.ok((await disk.read(lba, 2048)).equals(data))
})

for (const made of [handler, user]) {
  test(`${made.name}: one that hangs harms its own LUN only, and its commands can be aborted`, async context => {
    if (!need(context, 'python3')) return
    const frozen = await python(context)
    await using target = await createTarget({
      luns: [made(frozen.path), memory('1M')],
    })
    await using disk = await connect(target.url, INITIATOR)
    await using other = await connect(target.luns[1]!.url, INITIATOR)
    const data = pattern(4096, 5)
    await disk.write(0, data)
    const cutOff = once(target, 'warning')
    frozen.freeze()
    const read = (lba: number): Promise<string> =>
      disk.read(lba, 8, { timeoutMs: 300 }).then(
        () => 'read',
        () => 'given up',
      )
    // A signal takes its time on a busy machine.
    while ((await read(0)) === 'read');
    const stuck = [1, 2, 3].map(i => read(8 * i))
    for (let i = 0; i < 100; i++) await other.write(i, Buffer.alloc(512, i))
    assert.deepEqual(await Promise.all(stuck), ['given up', 'given up', 'given up'])
    // It is cut off for not answering what was aborted; another one takes its place.
    await cutOff
    await assert.rejects(new PythonHandler(frozen.folder, 1).start(), /did not start/, 'it only sleeps')
    await frozen.kill()
    await frozen.start()
    assert.ok((await disk.read(0, 8)).equals(data))
  })
}

test('without a wait the unit is not ready until the handler is back, which everybody hears', async context => {
  if (!need(context, 'python3')) return
  for (const kind of ['handler', 'user']) {
    const served = await python(context)
    await using target = await createTarget({
      luns: [kind === 'user' ? user(served.path, { wait: 0 }) : handler(served.path, { wait: 0 })],
    })
    await using disk = await connect(target.url, INITIATOR)
    await disk.read(0, 8)
    await served.kill()
    await assert.rejects(
      disk.read(0, 8),
      error => error instanceof ScsiError && error.senseKey === SenseKey.notReady,
    )
    const back = once(target, 'warning')
    await served.start()
    await back
  }
})

for (const [kind, families] of [
  ['handler', ['Read10', 'Write10', 'WriteSame10', 'Read16', 'CompareAndWrite', 'ProutReserve', 'OrWrite']],
  ['user', ['Read10', 'Write10', 'Read16', 'TestUnitReady', 'ProutReserve']],
] as const) {
  test(`libiscsi's suite on ${kind}:`, async context => {
    if (!need(context, 'python3', 'iscsi-test-cu')) return
    const handler = await python(context)
    await using target = await createTarget({ luns: [`${kind}:${handler.path}`] })
    for (const family of families) {
      const { output, outcomes } = await runFamily(`ALL.${family}`, target.url)
      assert.ok(outcomes.length > 0, output)
      const failed = outcomes.filter(({ passed, text }) => !passed && !text.includes('SKIPPED'))
      assert.deepEqual(failed, [], output)
    }
  })
}
