// SPDX-License-Identifier: Apache-2.0
// Resets of connections in each state: the peer learns of it and the descriptor is closed.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { resetSocket } from './reset-socket.ts'

async function connected(t: TestContext): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const near = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  })
  const [far] = (await once(server, 'connection')) as [Socket]
  near.on('error', error => assert.fail(error))
  far.on('error', () => {})
  far.resume()
  return { near, far }
}

test('an open connection is reset', async t => {
  const { near, far } = await connected(t)
  const told = assert.rejects(once(far, 'close'), { code: 'ECONNRESET' })
  const closed = once(near, 'close')
  resetSocket(near)
  await Promise.all([closed, told])
})

for (const [state, prepare] of [
  ['being shut down', (near: Socket) => near.end()],
  ['with data to send and an end after it', (near: Socket) => near.end(Buffer.alloc(64))],
  ['closed', (near: Socket) => near.destroy()],
] as const) {
  test(`a connection ${state} is closed at both ends`, async t => {
    const { near, far } = await connected(t)
    const told = once(far, 'close')
    far.on('end', () => far.destroy())
    const closed = once(near, 'close')
    prepare(near)
    resetSocket(near)
    await Promise.all([closed, told])
  })
}
