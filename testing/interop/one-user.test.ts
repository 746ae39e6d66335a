// SPDX-License-Identifier: Apache-2.0
// Storage without locks of its own, such as an NBD export, is held while it is served: one writer, or several readers, as with files.
import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect } from 'lunkit/initiator'
import { createTarget, memory } from 'lunkit/target'
import { ScriptedHandler } from '../../target/user/src/scripted-handler.test-kit.ts'
import { nbdPeer } from '../kit/nbd-peer.ts'
import { scratch } from '../kit/scratch.ts'
import { serve } from '../kit/serve-process.ts'

const inUse = { name: 'OperatorError', code: 'STORAGE_IN_USE' }
const refused = (...luns: string[]) => assert.rejects(createTarget({ luns }), inUse, luns.join(' '))

/** `one` and `same` are names of one storage, `other` of another; `readonly` where it can be opened so. */
async function holds(one: string, same: string, other: string, readonly: boolean): Promise<void> {
  await refused(one, same)
  {
    await using target = await createTarget({ luns: [one, other] })
    await assert.rejects(target.addLun(same), inUse)
    await refused(same)
    await assert.rejects(serve([same]), /in use by another lunkit \(pid \d+\)/)
    await using disk = await connect(target.url)
    await disk.testReady()
    if (!readonly) return
    await assert.rejects(target.addLun(`${same},readonly=yes`), inUse)
    await target.removeLun(0)
    const [first, second] = [
      await target.addLun(`${one},readonly=yes`),
      await target.addLun(`${same},readonly=yes`),
    ]
    await assert.rejects(target.addLun(one), inUse)
    await target.removeLun(first)
    await target.removeLun(second)
    await target.addLun(same)
  }
  await (await createTarget({ luns: [one] })).close()
}

test('an NBD export', async t => {
  const folder = await scratch(t)
  const [socket, link] = [join(folder, 's'), join(folder, 'link')]
  await nbdPeer(t, socket)
  symlinkSync(socket, link)
  const uri = (name: string, path: string): string => `nbd+unix:///${name}?socket=${path}`
  await holds(uri('a', socket), `overlay:${uri('a', link)}`, uri('b', socket), false)
  await holds(uri('a', socket), uri('a', link), uri('b', socket), true)
})

test('the bytes of a disk of another target', async () => {
  await using array = await createTarget({ luns: [memory('1M'), memory('2M')] })
  const { url } = array
  await holds(url, url.replace('127.0.0.1', 'localhost'), array.luns[1]!.url, true)
})

async function handlerAt(context: TestContext, path: string, hello: object): Promise<void> {
  const handler = new ScriptedHandler(path, { size: 1 << 20, ...hello }, 1 << 20)
  await handler.listen()
  context.after(() => handler.die())
}

test('a handler, which would be taken from one LUN by the other without end', async t => {
  const folder = await scratch(t)
  const [one, link, other] = ['one', 'link', 'other'].map(name => join(folder, name)) as [
    string,
    string,
    string,
  ]
  await handlerAt(t, one, {})
  await handlerAt(t, other, {})
  symlinkSync(one, link)
  await refused(`handler:${one}`, `handler:${link}`)
  await refused(`handler:${one}`, `user:${link}`)
  await using target = await createTarget({
    luns: [`handler:${one}`, `handler:${other}`, `handler:${one},unit=2`],
  })
  await assert.rejects(target.addLun(`handler:${link}`), inUse)
  await target.removeLun(0)
  await target.addLun(`handler:${link}`)
})

test('a unit of a handler', async t => {
  const path = join(await scratch(t), 'unit')
  await handlerAt(t, path, { type: 0, block: 512, blocks: 2048 })
  await refused(`user:${path}`, `user:${path}`)
  await using target = await createTarget({ luns: [`user:${path}`] })
  await refused(`handler:${path}`)
  assert.equal(target.luns.length, 1)
})
