// SPDX-License-Identifier: Apache-2.0
// The store handler against the contract of a store, with data by shared memory, behind the messages, and from Python.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { readParameters } from '@lunkit/target-api'
import { PythonHandler } from '@lunkit/testing/kit/python-handler.ts'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { storeSuite } from '@lunkit/testing/kit/store-suite.ts'
import { need } from '@lunkit/testing/peers.ts'
import { blocksHandler } from '../scripted-handler.test-kit.ts'
import { store } from './store.ts'

const MIB = 1 << 20

const open = (socket: string, keys: Record<string, string> = {}) =>
  store.open(readParameters('handler', store.parameters, { socket, ...keys }))

const THIN = { cache: true, discard: true, discardedReadsZero: true, zero: true, copy: true }

storeSuite('handler, data by shared memory', async context => {
  const { path } = await blocksHandler(context, 8 * MIB, THIN)
  return open(path)
})

storeSuite('handler, data behind the messages', async context => {
  const { path } = await blocksHandler(context, 8 * MIB)
  return open(path, { shared: 'no' })
})

storeSuite('handler, read only', async context => {
  const { path } = await blocksHandler(context, 8 * MIB, { ...THIN, readonly: true, depth: 2 })
  return open(path)
})

if (spawnSync('python3', ['--version']).status === 0) {
  describe('handler in Python', () => {
    // One process for all cases: each connection takes the place of the one before.
    const folder = mkdtempSync(join(tmpdir(), 'lunkit-'))
    const handler = new PythonHandler(folder, 8 * MIB)
    before(() => handler.start())
    after(async () => {
      await handler.kill()
      rmSync(folder, { recursive: true, force: true })
    })
    storeSuite('it', () => open(handler.path))
  })
} else test('handler in Python', t => void need(t, 'python3'))

test('a handler that is not there, or is none, is told apart when the store is opened', async context => {
  await assert.rejects(open(join(await scratch(context), 'none.sock')), { code: 'HANDLER_AWAY' })
  for (const hello of [
    {},
    { size: 0 },
    { size: 'big' },
    { size: 512, version: 3 },
    { size: 512, depth: 0 },
    { size: 512, depth: 5000 },
    { size: 512, block: 1000 },
    { size: 512, identity: 'a\nb' },
    { error: 'no such unit' },
  ]) {
    const handler = await blocksHandler(context, 0, { size: undefined, ...hello })
    await assert.rejects(open(handler.path), { code: 'HANDLER_WRONG' }, JSON.stringify(hello))
  }
})

test('it says which unit it wants, and its error, place and FUA pass', async context => {
  const handler = await blocksHandler(context, MIB)
  const exchange = new StoreExchange(await open(handler.path, { unit: 'b', shared: 'no' }))
  const hello = JSON.parse(handler.asked[0]!.body.toString()) as Record<string, unknown>
  assert.deepEqual([hello['level'], hello['unit'], hello['version']], ['blocks', 'b', 2])
  assert.equal(exchange.store.identity, `handler:${handler.path}#b`)
  await exchange.wrote(0, pattern(512, 1), [], true)
  assert.equal(handler.asked.at(-1)!.flags, 2)
  handler.otherwise = ({ tag }, peer) => {
    peer.answer(tag, { status: 2, count: 512 })
    return true
  }
  assert.deepEqual(await exchange.write(4096, pattern(1024, 1)), { error: 2, failedAt: 4608 })
  await exchange.close()
})
