// SPDX-License-Identifier: Apache-2.0
// A socket that reads into slabs is a socket: bytes, pauses, both ends, and a server that knows when it is gone.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { SlabPool } from './slab-pool.ts'
import { SlabSocket } from './slab-socket.ts'

interface Pair {
  readonly server: Server
  readonly peer: Socket
  readonly accepted: Socket
  readonly socket: SlabSocket
  readonly pool: SlabPool
}

async function withPair(act: (pair: Pair) => Promise<void>): Promise<void> {
  const pool = new SlabPool()
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const arrived = new Promise<[Socket, SlabSocket]>(resolve => {
    server.once('connection', accepted => {
      const socket = SlabSocket.over(accepted, pool)
      assert.ok(socket instanceof SlabSocket, 'this Node keeps its sockets otherwise than thought')
      socket.onBytes = () => undefined
      resolve([accepted, socket])
    })
  })
  const peer = connect((server.address() as { port: number }).port, '127.0.0.1')
  const [accepted, socket] = await arrived
  try {
    await act({ server, peer, accepted, socket, pool })
  } finally {
    peer.destroy()
    if (!socket.closed) {
      socket.destroy()
      await once(socket, 'close')
    }
    server.close()
    await once(server, 'close')
    assert.equal(pool.inUse, 0)
    assert.equal(pool.readers, 0)
  }
}

test('every byte comes, in order, while slices are held and given back', () =>
  withPair(async ({ peer, socket, pool }) => {
    pool.scrub = 0xa5
    const sent = randomBytes(3_000_000)
    const held: { bytes: Buffer; giveBack(): void }[] = []
    const got: Buffer[] = []
    let count = 0
    const done = new Promise<void>(resolve => {
      socket.onBytes = (bytes, room) => {
        const lease = room.lend(bytes.length)
        held.push({ bytes: lease === null ? Buffer.from(bytes) : bytes, giveBack: () => lease?.giveBack() })
        count += bytes.length
        while (held.length > (count === sent.length ? 0 : 5)) {
          const { bytes: oldest, giveBack } = held.shift()!
          got.push(Buffer.from(oldest))
          giveBack()
        }
        if (count === sent.length) resolve()
      }
    })
    peer.write(sent)
    await done
    assert.ok(Buffer.concat(got).equals(sent))
  }))

test('it is written to, paused and resumed like others', () =>
  withPair(async ({ peer, socket }) => {
    let count = 0
    socket.onBytes = bytes => {
      count += bytes.length
    }
    socket.pause()
    peer.write('hello')
    socket.write('there')
    const [text] = (await once(peer, 'data')) as [Buffer]
    assert.equal(text.toString(), 'there')
    assert.equal(count, 0)
    socket.resume()
    while (count < 5) await new Promise(resolve => setImmediate(resolve))
    assert.equal(socket.remotePort, peer.localPort)
  }))

test('it hears of the peer’s end, and whoever knew the accepted one hears of its close', () =>
  withPair(async ({ server, peer, accepted, socket }) => {
    const ended = once(socket, 'end')
    const closed = once(accepted, 'close')
    peer.end()
    await ended
    socket.end()
    await closed
    assert.equal(await new Promise(resolve => server.getConnections((_, count) => resolve(count))), 0)
  }))

test('one that has read already stays as it is', async () => {
  const peer = connect({ port: 1, host: '127.0.0.1' }).on('error', () => undefined)
  Object.defineProperty(peer, 'bytesRead', { value: 5 })
  assert.equal(SlabSocket.over(peer, new SlabPool()), peer)
  peer.destroy()
})
