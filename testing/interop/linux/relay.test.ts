// SPDX-License-Identifier: Apache-2.0
// The relay: what passes through it, what a cut does to both ends, and that nothing passes while it holds.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Relay } from './relay.ts'

/** Both ends of a connection through a relay. */
async function connected(
  t: TestContext,
): Promise<{ relay: Relay; server: Server; near: Socket; far: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const relay = await Relay.start((server.address() as AddressInfo).port)
  const near = connect({ port: relay.port, host: '127.0.0.1', allowHalfOpen: true })
  const [far] = (await once(server, 'connection')) as [Socket]
  t.after(async () => {
    near.destroy()
    far.destroy()
    await relay[Symbol.asyncDispose]()
    server.close()
  })
  return { relay, server, near, far }
}

test('bytes and ends pass both ways', async t => {
  const { near, far } = await connected(t)
  near.write('question')
  assert.equal(String(await once(far, 'data')), 'question')
  near.end()
  await once(far, 'end')
  far.end('answer')
  assert.equal(String(await once(near, 'data')), 'answer')
  await once(near, 'end')
})

test('a cut resets both ends', async t => {
  const { relay, near, far } = await connected(t)
  const errors = [near, far].map(async socket => (await once(socket, 'error'))[0].code)
  relay.cut()
  assert.deepEqual(await Promise.all(errors), ['ECONNRESET', 'ECONNRESET'])
})

test('stranded ends hear nothing of each other, not even an end, and new connections pass', async t => {
  const { relay, server, near, far } = await connected(t)
  let heard = 0
  for (const event of ['data', 'end', 'close']) far.on(event, () => heard++)
  relay.strand()
  near.write('lost')
  near.destroy()
  const again = connect({ port: relay.port, host: '127.0.0.1' })
  t.after(() => again.destroy())
  const [other] = (await once(server, 'connection')) as [Socket]
  t.after(() => other.destroy())
  again.write('new')
  assert.equal(String(await once(other, 'data')), 'new')
  await sleep(50)
  assert.equal(heard, 0)
})

test('while it is shut, connections are refused; afterwards they pass again', async t => {
  const { relay, server, near, far } = await connected(t)
  const errors = [near, far].map(async socket => (await once(socket, 'error'))[0].code)
  await relay.shut()
  assert.deepEqual(await Promise.all(errors), ['ECONNRESET', 'ECONNRESET'])
  const refused = connect({ port: relay.port, host: '127.0.0.1' })
  assert.equal((await once(refused, 'error'))[0].code, 'ECONNREFUSED')
  await relay.open()
  const again = connect({ port: relay.port, host: '127.0.0.1' })
  t.after(() => again.destroy())
  const [other] = (await once(server, 'connection')) as [Socket]
  for (const socket of [again, other]) socket.on('error', () => {})
  other.end('back')
  assert.equal(String(await once(again, 'data')), 'back')
})

test('what is sent while it holds arrives after the release', async t => {
  const { relay, near, far } = await connected(t)
  let received = ''
  far.on('data', data => {
    received += data
  })
  relay.hold()
  near.write('held')
  await sleep(50)
  assert.equal(received, '')
  relay.release()
  await once(far, 'data')
  assert.equal(received, 'held')
})
