// SPDX-License-Identifier: Apache-2.0
// Servers that break the protocol, at each point where they can: a clear error, nothing held, and the next connection works.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { type BackingStore, readParameters, StoreError } from '@lunkit/target-api'
import {
  chunk,
  data,
  type NbdPeer,
  nbdPeer,
  optionReply,
  type PeerConnection,
  type PeerOptions,
  type PeerRequest,
  simple,
  uint32,
  uint64,
} from '@lunkit/testing/kit/nbd-peer.ts'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { store } from './store.ts'

const open = (uri: string, keys: Record<string, string> = {}): Promise<BackingStore> =>
  store.open(
    readParameters('nbd', store.parameters, { uri, timeout: '2', wait: keys['timeout'] ?? '2', ...keys }),
  )

async function peerOf(t: TestContext, options: PeerOptions): Promise<NbdPeer> {
  return nbdPeer(t, join(await scratch(t), 's'), options)
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const GREETING = '4e42444d4147494349484156454f50540003'
const NONE = Buffer.alloc(0)
const say =
  (reply: (option: number) => Buffer, end = false) =>
  (option: number, _: Buffer, peer: PeerConnection): boolean => {
    peer.send(reply(option))
    if (end) peer.socket.end()
    return true
  }
const info = (size: bigint, flags = 1): Buffer => {
  const bytes = Buffer.alloc(12)
  bytes.writeBigUInt64BE(size, 2)
  bytes.writeUInt16BE(flags, 10)
  return bytes
}
const go =
  (...replies: Buffer[]) =>
  (option: number, _: Buffer, peer: PeerConnection): boolean => {
    if (option === 7) peer.send(...replies)
    return option === 7
  }
const blockSizes = (...sizes: number[]): Buffer => Buffer.concat([hex('0003'), ...sizes.map(uint32)])

const HANDSHAKES: Record<string, [PeerOptions, string, RegExp]> = {
  'something else that speaks first': [
    { greeting: Buffer.from('220 mail.example ESMTP\r\n') },
    'NBD_PROTOCOL',
    /no NBD server/,
  ],
  'the oldstyle handshake': [
    { greeting: hex('4e42444d41474943000042028186125300000000') },
    'NBD_PROTOCOL',
    /oldstyle/,
  ],
  'half a greeting and silence': [{ greeting: hex('4e42444d41') }, 'NBD_TIMEOUT', /2 s/],
  'a flood in place of a greeting': [
    { greeting: Buffer.concat([hex(GREETING), Buffer.alloc(4 << 20)]) },
    'NBD_PROTOCOL|NBD_HANDSHAKE',
    /reply to an option is none|more than/,
  ],
  'options without end': [
    {
      option: (option, _, peer) => {
        const reply = optionReply(option, 3, info(1n << 20n))
        for (let i = 0; i < 3000; i++) peer.send(reply)
        return true
      },
    },
    'NBD_PROTOCOL',
    /come to an end/,
  ],
  'an option reply of 4 GiB': [
    {
      option: (option, _, peer) => {
        const reply = optionReply(option, 3)
        reply.writeUInt32BE(0xffff_ffff, 16)
        peer.send(reply)
        return true
      },
    },
    'NBD_PROTOCOL',
    /4294967295 bytes/,
  ],
  'a reply to another option': [
    { option: say(() => optionReply(99, 1)) },
    'NBD_PROTOCOL',
    /reply to an option/,
  ],
  'an end in the middle of an option': [
    { option: say(option => optionReply(option, 3, info(1n)).subarray(0, 25), true) },
    'NBD_HANDSHAKE',
    /closed/,
  ],
  'no description of the export': [{ option: go(optionReply(7, 1)) }, 'NBD_PROTOCOL', /not describe/],
  'an export that is listed and refused': [
    {
      option: (option, _, peer) => {
        if (option === 7) peer.send(optionReply(7, 2 ** 31 + 6))
        if (option === 3) peer.send(optionReply(3, 2, uint32(0)), optionReply(3, 1))
        return option === 7 || option === 3
      },
    },
    'NBD_EXPORT',
    /lists export '' and refuses it/,
  ],
  'a description of a wrong length': [
    { option: go(optionReply(7, 3, hex('000001'))) },
    'NBD_PROTOCOL',
    /wrong length/,
  ],
  'an export of nothing': [
    { option: go(optionReply(7, 3, info(0n)), optionReply(7, 1)) },
    'NBD_SIZE',
    /has 0 bytes/,
  ],
  'an export of 2^64 - 1 bytes': [
    { option: go(optionReply(7, 3, info(2n ** 64n - 1n)), optionReply(7, 1)) },
    'NBD_SIZE',
    /18446744073709551615/,
  ],
  'blocks of 3 bytes': [
    {
      option: go(
        optionReply(7, 3, info(512n)),
        optionReply(7, 3, blockSizes(3, 512, 512)),
        optionReply(7, 1),
      ),
    },
    'NBD_PROTOCOL',
    /block sizes 3/,
  ],
  'blocks of 1 GiB': [
    {
      option: go(
        optionReply(7, 3, info(2n ** 40n)),
        optionReply(7, 3, blockSizes(2 ** 30, 2 ** 30, 2 ** 31)),
        optionReply(7, 1),
      ),
    },
    'NBD_PROTOCOL',
    /block sizes/,
  ],
  'an error with its own words': [
    { option: go(optionReply(7, 0x80000002, Buffer.from('not\u001b[2J on sundays'))) },
    'NBD_REFUSED',
    /forbids it \(not\?\[2J on sundays\)/,
  ],
}

describe('a server that breaks the handshake', { concurrency: true }, () => {
  for (const [name, [options, code, message]] of Object.entries(HANDSHAKES)) {
    it(name, async t => {
      const peer = await peerOf(t, options)
      await assert.rejects(open(peer.uri), error => {
        assert.match((error as { code: string }).code, new RegExp(`^(${code})$`))
        assert.match((error as Error).message, message)
        return true
      })
    })
  }
})

type Reply = (request: PeerRequest, peer: PeerConnection) => void

/** What is sent in place of an answer to a read of 4096 bytes at 8192, or a write of them. */
const REPLIES: Record<string, [Reply, RegExp]> = {
  'a wrong magic': [(_, peer) => peer.send(Buffer.alloc(64, 0x55)), /begins with 55555555h/],
  'a wrong cookie': [(_, peer) => peer.send(simple(Buffer.alloc(8, 9))), /nobody asked/],
  'a read answered without chunks': [
    ({ cookie }, peer) => peer.send(simple(cookie, 0, Buffer.alloc(4096))),
    /without chunks/,
  ],
  'data of 4 GiB': [
    ({ cookie }, peer) => {
      const reply = chunk(cookie, 1, uint64(8192))
      reply.writeUInt32BE(0xffff_ffff, 16)
      peer.send(reply)
    },
    /4294967295 bytes/,
  ],
  'data before what was asked for': [
    ({ cookie }, peer) => peer.send(data(cookie, 8191, Buffer.alloc(10))),
    /8191 to 8201/,
  ],
  'data behind what was asked for': [
    ({ cookie }, peer) => peer.send(data(cookie, 12_287, Buffer.alloc(2))),
    /not asked for/,
  ],
  'data twice': [
    ({ cookie }, peer) =>
      peer.send(data(cookie, 8192, Buffer.alloc(1024), false), data(cookie, 9000, Buffer.alloc(1024), false)),
    /twice/,
  ],
  'pieces that overlap out of order': [
    ({ cookie }, peer) =>
      peer.send(data(cookie, 10_000, Buffer.alloc(100), false), data(cookie, 9950, Buffer.alloc(51), false)),
    /twice/,
  ],
  'an end before all is there': [
    ({ cookie }, peer) => peer.send(data(cookie, 8192, Buffer.alloc(4095))),
    /left out/,
  ],
  'a hole of no bytes': [
    ({ cookie }, peer) => peer.send(chunk(cookie, 2, Buffer.concat([uint64(8192), uint32(0)]))),
    /not asked for/,
  ],
  'a hole of 4 GiB': [
    ({ cookie }, peer) => peer.send(chunk(cookie, 2, Buffer.concat([uint64(8192), uint32(0xffff_ffff)]))),
    /not asked for/,
  ],
  'an empty chunk that is no end': [({ cookie }, peer) => peer.send(chunk(cookie, 0, NONE, false)), /no end/],
  'a chunk of an unknown type': [({ cookie }, peer) => peer.send(chunk(cookie, 77, NONE)), /type 77/],
  'block status for a read': [
    ({ cookie }, peer) => peer.send(chunk(cookie, 5, Buffer.concat([7, 4096, 0].map(uint32)))),
    /type 5/,
  ],
  'an error that is none': [({ cookie }, peer) => peer.send(chunk(cookie, 0x8001, Buffer.alloc(6))), /none/],
  'errors without end': [
    ({ cookie }, peer) => {
      for (let i = 0; i < 100; i++) peer.send(chunk(cookie, 0x8001, hex('000000050000'), false))
    },
    /one after another/,
  ],
  'an error of 1 GiB': [
    ({ cookie }, peer) => {
      const reply = chunk(cookie, 0x8001, hex('000000050000'))
      reply.writeUInt32BE(2 ** 30, 16)
      peer.send(reply)
    },
    /error of 1073741824 bytes/,
  ],
}

const collect = (bench: StoreExchange, call: 'read' | 'write') => {
  const io = bench.io()
  io.offset = 8192
  io.length = 4096
  io.segments.push(call === 'write' ? pattern(4096, 3) : Buffer.alloc(4096))
  return { io, answer: bench.put(call, io) }
}

describe('a server that breaks off its sense', { concurrency: true }, () => {
  for (const [name, [reply, reason]] of Object.entries(REPLIES)) {
    it(`${name}: the read is done by the next connection`, async t => {
      const peer = await peerOf(t, {
        request: (request, at) => {
          if (request.type === 0 && at.number === 1) reply(request, at)
          return request.type === 0 && at.number === 1
        },
      })
      pattern(1 << 20, 1).copy(peer.bytes)
      const exchange = new StoreExchange(await open(peer.uri, { timeout: '10' }))
      const told: string[] = []
      exchange.store.watch!((event, why) => told.push(`${event}: ${why}`))
      assert.ok((await exchange.bytes(8192, 4096)).equals(pattern(1 << 20, 1).subarray(8192, 12_288)))
      assert.match(told[0]!, reason)
      assert.match(told[1]!, /^returned/)
      assert.equal(peer.count, 2)
      await exchange.close()
    })
  }

  for (const [name, reply] of Object.entries({
    'a wrong magic': (_: PeerRequest, peer: PeerConnection) => peer.send(Buffer.alloc(64, 0x55)),
    'data for a write': ({ cookie }: PeerRequest, peer: PeerConnection) =>
      peer.send(data(cookie, 8192, Buffer.alloc(4096))),
  })) {
    it(`${name}: the write fails, and is not sent again`, async t => {
      const peer = await peerOf(t, {
        request: (request, at) => {
          if (request.type === 1 && at.number === 1) reply(request, at)
          return request.type === 1 && at.number === 1
        },
      })
      const exchange = new StoreExchange(await open(peer.uri, { timeout: '10' }))
      const { io, answer } = collect(exchange, 'write')
      assert.equal((await answer).error, StoreError.internal)
      assert.match(io.reason, /broke the protocol/)
      assert.equal(peer.requests.filter(({ type }) => type === 1).length, 1)
      await exchange.wrote(0, pattern(4096, 1))
      await exchange.close()
    })
  }

  it('a read answered twice: the connection is left', async t => {
    const peer = await peerOf(t, {
      request: (request, at) => {
        if (request.type === 0 && at.number === 1) at.answer(request)
        return false
      },
    })
    const exchange = new StoreExchange(await open(peer.uri, { timeout: '10' }))
    const told = new Promise<string>(resolve => exchange.store.watch!((_, why) => resolve(why!)))
    await exchange.bytes(8192, 4096)
    assert.match(await told, /nobody asked/)
    await exchange.bytes(8192, 4096)
    assert.equal(peer.count, 2)
    await exchange.close()
  })

  it('always: reads fail in the end, with the reason', async t => {
    const peer = await peerOf(t, {
      request: (request, at) => {
        if (request.type === 0) at.send(Buffer.alloc(64, 0x55))
        return request.type === 0
      },
    })
    const exchange = new StoreExchange(await open(peer.uri, { timeout: '30' }))
    const { io, answer } = collect(exchange, 'read')
    assert.equal((await answer).error, StoreError.medium)
    assert.match(io.reason, /begins with 55555555h/)
    assert.ok(peer.count <= 5, `${peer.count} connections`)
    await exchange.close()
  })
})

describe('a server that is merely odd', { concurrency: true }, () => {
  it('sends pieces in any order, with holes', async t => {
    const bytes = pattern(4096, 5)
    bytes.fill(0, 1000, 2000)
    const peer = await peerOf(t, {
      request: ({ type, cookie, offset }, at) => {
        if (type !== 0) return false
        const piece = (from: number, to: number, done = false): Buffer =>
          data(cookie, offset + from, bytes.subarray(from, to), done)
        at.send(piece(3000, 4096), piece(2000, 2500))
        setImmediate(() => {
          at.send(
            chunk(cookie, 2, Buffer.concat([uint64(offset + 1000), uint32(1000)]), false),
            piece(2500, 3000),
          )
          at.send(piece(0, 1000), chunk(cookie, 0, NONE))
        })
        return true
      },
    })
    const exchange = new StoreExchange(await open(peer.uri))
    assert.ok((await exchange.bytes(8192, 1, 4000, 95)).equals(bytes))
    await exchange.close()
  })

  it('sends its answers byte by byte', async t => {
    const peer = await peerOf(t, {
      request: ({ type, cookie, offset, length }, at) => {
        if (type !== 0) return false
        const all = data(cookie, offset, at.peer.bytes.subarray(offset, offset + length))
        for (const byte of all) at.socket.write(Buffer.from([byte]))
        return true
      },
    })
    pattern(1 << 20, 1).copy(peer.bytes)
    const exchange = new StoreExchange(await open(peer.uri))
    const both = await Promise.all([exchange.bytes(512, 700), exchange.bytes(5000, 300, 1)])
    assert.ok(both[0].equals(peer.bytes.subarray(512, 1212)))
    assert.ok(both[1].equals(peer.bytes.subarray(5000, 5301)))
    await exchange.close()
  })

  it('sends an error after data: the read fails where it says', async t => {
    const peer = await peerOf(t, {
      request: ({ type, cookie, offset, length }, at) => {
        if (type !== 0) return false
        const words = Buffer.from('bad block')
        const error = Buffer.concat([uint32(5), hex('0009'), words, uint64(offset + 512)])
        at.send(data(cookie, offset, Buffer.alloc(length), false), chunk(cookie, 0x8002, error))
        return true
      },
    })
    const exchange = new StoreExchange(await open(peer.uri))
    const { io, answer } = collect(exchange, 'read')
    assert.deepEqual(await answer, { error: StoreError.medium, failedAt: 8704 })
    assert.match(io.reason, /EIO: bad block/)
    await exchange.close()
  })

  it('knows neither NBD_OPT_GO nor structured replies', async t => {
    const peer = await peerOf(t, {
      structured: false,
      option: (option, _, at) => {
        if (option === 7) at.send(optionReply(7, 0x80000001))
        return option === 7
      },
    })
    const exchange = new StoreExchange(await open(peer.uri))
    assert.equal(exchange.store.map, undefined)
    await exchange.wrote(777, pattern(50_000, 1))
    assert.ok((await exchange.bytes(777, 50_000)).equals(pattern(50_000, 1)))
    assert.ok(peer.requests.every(({ type }) => type !== 7))
    await exchange.close()
  })

  it('answers a write before it has read it: its bytes stay until they have left', async t => {
    const peer = await peerOf(t, { size: 8 << 20 })
    const exchange = new StoreExchange(await open(peer.uri))
    await exchange.bytes(0, 512)
    const [connection] = peer.connections
    connection!.socket.pause()
    // The exchange spoils the buffers of a write that was answered.
    const big = pattern(4 << 20, 2)
    const answer = exchange.write(0, big)
    await new Promise(resolve => setTimeout(resolve, 50))
    // The first request had the cookie (1, 0); the slot is used again.
    connection!.send(simple(Buffer.concat([uint32(2), uint32(0)])))
    await new Promise(resolve => setTimeout(resolve, 50))
    connection!.socket.resume()
    await answer
    await exchange.bytes(0, 512)
    assert.ok(peer.bytes.subarray(0, big.length).equals(big))
    await exchange.close()
  })
})
