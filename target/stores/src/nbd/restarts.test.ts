// SPDX-License-Identifier: Apache-2.0
// A server that crashes, falls silent, shuts down or comes back as another one: what waits, what is sent again, and what is told.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BackingStore, readParameters, StoreError, type StoreIo } from '@lunkit/target-api'
import {
  data,
  type NbdPeer,
  nbdPeer,
  PEER_FLAGS,
  type PeerConnection,
  type PeerOptions,
  type PeerRequest,
  simple,
  uint32,
} from '@lunkit/testing/kit/nbd-peer.ts'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { type Answer, pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { store } from './store.ts'

const MULTI_CONN = 0x100
const open = (uri: string, keys: Record<string, string> = {}): Promise<BackingStore> =>
  store.open(
    readParameters('nbd', store.parameters, { uri, timeout: '1', wait: keys['timeout'] ?? '1', ...keys }),
  )

interface Bench {
  readonly peer: NbdPeer
  readonly exchange: StoreExchange
  /** What the store told unasked. */
  readonly told: string[]
}

async function bench(
  t: TestContext,
  options: PeerOptions = {},
  keys: Record<string, string> = {},
): Promise<Bench> {
  const peer = await nbdPeer(t, join(await scratch(t), 's'), options)
  const exchange = new StoreExchange(await open(peer.uri, keys))
  const told: string[] = []
  exchange.store.watch!((event, reason) => told.push(`${event}: ${reason}`))
  t.after(() => exchange.close())
  return { peer, exchange, told }
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await sleep(5)
}

/** Waits until it answers again. */
async function recovered(exchange: StoreExchange): Promise<void> {
  while ((await exchange.read(0, 512)).error !== StoreError.none) await sleep(5)
}

const writes = ({ requests }: NbdPeer): PeerRequest[] => requests.filter(({ type }) => type === 1)

/** A request of the initiator of that name, by a session of its own. */
function by(name: string, exchange: StoreExchange): StoreIo {
  const io = exchange.io()
  io.task.nexusUnit = { nexus: { initiator: { name } } } as unknown as typeof io.task.nexusUnit
  return io
}

function writeBy(who: string, exchange: StoreExchange, offset: number): Promise<Answer> {
  const io = by(who, exchange)
  io.offset = offset
  io.length = 4096
  io.segments.push(pattern(4096, offset))
  return exchange.put('write', io)
}

/** Answers nothing of these types on the first connection. */
const deaf =
  (...types: number[]) =>
  ({ type }: PeerRequest, at: PeerConnection): boolean =>
    types.includes(type) && at.number === 1

describe('a server that crashes', { concurrency: true }, () => {
  it('is waited for, and what it had not answered is done by its successor', async t => {
    const { peer, exchange, told } = await bench(t, { request: deaf(0, 1, 6) }, { timeout: '10' })
    pattern(1 << 20, 1).copy(peer.durable)
    const all = [
      exchange.write(4096, pattern(8192, 2)),
      exchange.read(65_536, 4096),
      exchange.range('writeZeroes', 131_072, 4096),
    ]
    await until(() => peer.requests.length === 3)
    await peer.crash()
    const later = exchange.read(131_072, 4096)
    await peer.listen()
    for (const { error } of await Promise.all(all)) assert.equal(error, StoreError.none)
    const [, read] = (await Promise.all(all)) as [unknown, { bytes: Buffer }, unknown]
    assert.ok(read.bytes.equals(pattern(1 << 20, 1).subarray(65_536, 69_632)))
    assert.ok((await later).bytes.equals(Buffer.alloc(4096)), 'what came later was done later')
    assert.ok((await exchange.bytes(4096, 8192)).equals(pattern(8192, 2)))
    assert.match(told[0]!, /^away: .*lost/)
    assert.match(told[1]!, /^returned/)
  })

  it('and stays away: commands wait so long and no longer, then none does', async t => {
    const { peer, exchange } = await bench(t)
    await peer.crash()
    const io = exchange.io()
    io.length = 512
    io.segments.push(Buffer.alloc(512))
    const answers = await Promise.all([
      exchange.put('read', io),
      exchange.write(0, pattern(512, 1)),
      exchange.flush(),
    ])
    for (const { error } of answers) assert.equal(error, StoreError.gone)
    assert.match(io.reason, /nbd\+unix/)
    let inside = true
    const again = exchange.read(0, 512).then(({ error }) => [error, inside])
    await Promise.resolve()
    await Promise.resolve()
    inside = false
    assert.equal((await again)[0], StoreError.gone)
    await peer.listen()
    await recovered(exchange)
    await exchange.wrote(0, pattern(512, 1))
  })

  it('is waited for by wait, however long a request may take', async t => {
    const { peer, exchange } = await bench(t, {}, { timeout: '3600', wait: '1' })
    await peer.crash()
    assert.equal((await exchange.read(0, 512)).error, StoreError.gone)
    await peer.listen()
    await recovered(exchange)
  })

  it('has everybody with answered and unflushed writes told by one flush that fails', async t => {
    const { peer, exchange } = await bench(t, {}, { timeout: '10' })
    const [alice, bob, carol] = ['alice', 'bob', 'carol'] as const
    const flushBy = async (who: string): Promise<StoreError> =>
      (await exchange.put('flush', by(who, exchange))).error
    await writeBy(alice, exchange, 0)
    assert.equal(await flushBy(bob), StoreError.none, 'a flush covers the writes of all')
    await writeBy(bob, exchange, 4096)
    const io = by(carol, exchange)
    io.length = 512
    io.forceUnitAccess = true
    io.segments.push(pattern(512, 9))
    await exchange.put('write', io)
    await peer.crash()
    await peer.listen()
    assert.equal(await flushBy(alice), StoreError.none)
    assert.equal(await flushBy(carol), StoreError.none, 'what was forced is durable')
    assert.equal(await flushBy(bob), StoreError.medium)
    assert.equal(await flushBy(bob), StoreError.none)
    for (let i = 0; i < 1100; i++) await writeBy(`host ${i}`, exchange, 0)
    await peer.crash()
    await peer.listen()
    assert.equal(await flushBy('host 0'), StoreError.medium)
    assert.equal(await flushBy('host 1023'), StoreError.medium)
    assert.equal(await flushBy('host 1024'), StoreError.medium, 'one of those too many')
    assert.equal(await flushBy('host 1025'), StoreError.none)
  })

  it('between the pieces of a write has all of them written again', async t => {
    let crash = true
    const { peer, exchange } = await bench(
      t,
      {
        blocks: [512, 4096, 65_536],
        request: ({ type, offset }) => type === 1 && offset === 131_072 && crash,
      },
      { timeout: '10' },
    )
    const written = exchange.write(0, pattern(262_144, 1))
    await until(() => writes(peer).length === 3)
    crash = false
    await peer.crash()
    await peer.listen()
    assert.equal((await written).error, StoreError.none)
    assert.ok((await exchange.bytes(0, 262_144)).equals(pattern(262_144, 1)))
    assert.deepEqual(
      writes(peer).map(({ offset }) => offset / 65_536),
      [0, 1, 2, 0, 1, 2, 3],
    )
  })

  it('between a write and the flush that makes it durable has both done again', async t => {
    let crash = true
    const { peer, exchange } = await bench(
      t,
      { flags: PEER_FLAGS & ~8, request: ({ type }) => type === 3 && crash },
      { timeout: '10' },
    )
    const written = exchange.write(0, pattern(4096, 1), [], true)
    await until(() => peer.requests.some(({ type }) => type === 3))
    crash = false
    await peer.crash()
    await peer.listen()
    assert.equal((await written).error, StoreError.none)
    assert.ok(peer.durable.subarray(0, 4096).equals(pattern(4096, 1)))
  })

  it('by the same write again and again is not given it for ever', async t => {
    const { peer, exchange } = await bench(
      t,
      {
        request: ({ type, offset }, at) => {
          const poison = type === 1 && offset === 8192
          if (poison) at.socket.destroy()
          return poison
        },
      },
      { timeout: '20' },
    )
    assert.equal((await exchange.write(8192, pattern(512, 1))).error, StoreError.medium)
    assert.equal(writes(peer).length, 9)
    await exchange.wrote(0, pattern(512, 1))
  })

  it('with all of its connections: what was sent over one after the other counts as lost once', async t => {
    let crash = true
    const { peer, exchange } = await bench(
      t,
      {
        flags: PEER_FLAGS | MULTI_CONN,
        request: ({ type }, at) => {
          const drop = type === 1 && crash
          if (drop) at.socket.destroy()
          return drop
        },
      },
      { timeout: '20' },
    )
    // Others come behind the first; while a lost one is sent over the next, that one is lost, too.
    await until(() => peer.connections.size === 4)
    await exchange.bytes(0, 512)
    const written = exchange.write(0, pattern(512, 1))
    await until(() => writes(peer).length >= 4)
    crash = false
    assert.equal((await written).error, StoreError.none)
  })

  it('under load, again and again: nothing that a good flush covered is lost', async t => {
    const { peer, exchange } = await bench(t, { size: 256 * 4096 }, { timeout: '20' })
    // Of each block: the last version that is sure to be durable, and all that were written later.
    const sure = new Array<number>(256).fill(0)
    const maybe = sure.map(() => new Set<number>())
    let version = 0
    let flushes = 0
    let failed = 0
    let over = false
    const writer = async (first: number): Promise<void> => {
      // Each has blocks and a name of its own, as initiators have.
      const me = `writer ${first}`
      for (let round = 0; !over; round++) {
        const acknowledged = new Map<number, number>()
        for (let i = 0; i < 4; i++) {
          const block = first + ((round * 5 + i * 3) % 32)
          const value = ++version
          maybe[block]!.add(value)
          const io = by(me, exchange)
          io.offset = block * 4096
          io.length = 4096
          io.segments.push(Buffer.alloc(4096, uint32(value)))
          assert.equal((await exchange.put('write', io)).error, StoreError.none)
          acknowledged.set(block, value)
        }
        const { error } = await exchange.put('flush', by(me, exchange))
        if (error !== StoreError.none) {
          assert.equal(error, StoreError.medium)
          failed++
          continue
        }
        flushes++
        for (const [block, value] of acknowledged) {
          sure[block] = value
          for (const older of [...maybe[block]!]) if (older <= value) maybe[block]!.delete(older)
        }
      }
    }
    const writers = Promise.all(Array.from({ length: 8 }, (_, i) => writer(i * 32))).finally(() => {
      over = true
    })
    for (let crash = 0; crash < 8; crash++) {
      const before = flushes
      await until(() => flushes > before + 20 || over)
      await peer.crash()
      await sleep(crash * 10)
      await peer.listen()
    }
    over = true
    await writers
    assert.ok(failed > 0, 'no crash lost anything, so nothing was shown')
    await peer.crash()
    for (let block = 0; block < 256; block++) {
      const value = peer.bytes.readUInt32BE(block * 4096)
      assert.ok(
        value === sure[block] || maybe[block]!.has(value),
        `block ${block} holds ${value}, not ${sure[block]}`,
      )
    }
    await peer.listen()
  })
})

describe('a server that falls silent', { concurrency: true }, () => {
  it('with reads alone is left for a new connection', async t => {
    const { peer, exchange } = await bench(t, { request: deaf(0) })
    assert.equal((await exchange.read(0, 4096)).error, StoreError.gone)
    await recovered(exchange)
    await exchange.bytes(0, 4096)
    assert.equal(peer.count, 2)
  })

  it('with reads that are late and a write that is not yet keeps its connection for the write', async t => {
    const { peer, exchange } = await bench(t, { request: deaf(0, 1) })
    const read = exchange.read(0, 4096)
    await sleep(700)
    const write = exchange.write(0, pattern(4096, 1))
    assert.equal((await read).error, StoreError.gone)
    assert.equal((await write).error, StoreError.gone)
    assert.equal((await exchange.read(0, 512)).error, StoreError.gone)
    assert.equal(peer.count, 1)
    for (const { socket } of peer.connections) socket.destroy()
    await recovered(exchange)
    assert.equal(writes(peer).length, 1)
  })

  it('in the middle of a reply leaves no byte behind that comes later', async t => {
    const { peer, exchange } = await bench(t, {
      request: ({ type, cookie, offset, length }, at) => {
        if (type !== 0 || at.number !== 1) return false
        at.send(data(cookie, offset, Buffer.alloc(length, 0xee)).subarray(0, 3000))
        return true
      },
    })
    assert.equal((await exchange.read(0, 4096)).error, StoreError.gone)
    await recovered(exchange)
    assert.equal(peer.count, 2)
    assert.ok((await exchange.bytes(0, 4096)).equals(Buffer.alloc(4096)))
  })

  it('with a write keeps the unit not ready until it answers, so that no late write undoes a later one', async t => {
    let late: (() => void) | null = null
    const { peer, exchange } = await bench(t, {
      request: (request, at) => {
        if (request.type !== 1 || late !== null) return false
        late = () => at.answer(request)
        return true
      },
    })
    assert.equal((await exchange.write(0, pattern(4096, 1))).error, StoreError.gone)
    assert.equal((await exchange.write(0, pattern(4096, 2))).error, StoreError.gone)
    assert.equal((await exchange.read(0, 512)).error, StoreError.gone)
    assert.equal((await exchange.flush()).error, StoreError.gone)
    assert.equal(peer.count, 1)
    assert.equal(writes(peer).length, 1)
    late!()
    await recovered(exchange)
    await exchange.wrote(0, pattern(4096, 2))
    assert.ok((await exchange.bytes(0, 4096)).equals(pattern(4096, 2)))
    assert.equal(peer.count, 1)
  })

  it('with a write, and then lets go: its successor is asked, and not for that write', async t => {
    const { peer, exchange } = await bench(t, { request: deaf(1) })
    assert.equal((await exchange.write(0, pattern(4096, 1))).error, StoreError.gone)
    for (const { socket } of peer.connections) socket.destroy()
    await recovered(exchange)
    assert.equal(peer.count, 2)
    assert.equal(writes(peer).length, 1)
  })

  it('and reads nothing more: the write whose bytes are still here waits, the others do not', async t => {
    const { peer, exchange } = await bench(t, { size: 32 << 20 })
    await exchange.bytes(0, 512)
    const [connection] = peer.connections
    connection!.socket.pause()
    const stuck = exchange.write(0, pattern(8 << 20, 1))
    const other = await exchange.read(0, 512)
    assert.equal(other.error, StoreError.gone)
    assert.equal((await exchange.read(0, 512)).error, StoreError.gone)
    connection!.socket.resume()
    // Late as it is, it may be given up when its last byte has left, or be answered before that.
    const { error } = await stuck
    assert.ok(error === StoreError.none || error === StoreError.gone, `${error}`)
    await recovered(exchange)
    assert.equal(peer.count, 1)
    assert.ok(peer.bytes.subarray(0, 8 << 20).equals(pattern(8 << 20, 1)))
  })
})

describe('requests that are given up', { concurrency: true }, () => {
  it('end at once where they only read, or were not sent; a write that was sent ends with its answer', async t => {
    let late: (() => void)[] = []
    const { peer, exchange } = await bench(
      t,
      {
        request: (request, at) => {
          late.push(() => at.answer(request))
          return request.type < 2
        },
      },
      { timeout: '10' },
    )
    const [reading, writing] = [exchange.io(), exchange.io()]
    for (const io of [reading, writing]) {
      io.length = 4096
      io.segments.push(pattern(4096, 4))
    }
    const read = exchange.put('read', reading)
    let written = false
    const write = exchange.put('write', writing).then(answer => {
      written = true
      return answer
    })
    await until(() => late.length === 2)
    exchange.store.abort!(reading)
    exchange.store.abort!(writing)
    assert.equal((await read).error, StoreError.aborted)
    reading.segments[0]!.fill(0x77)
    await sleep(20)
    assert.equal(written, false)
    for (const answer of late) answer()
    assert.equal((await write).error, StoreError.none)
    assert.ok(
      reading.segments[0]!.every(byte => byte === 0x77),
      'what came late touched nothing',
    )
    await peer.crash()
    const parked = exchange.io()
    parked.length = 512
    parked.segments.push(Buffer.alloc(512))
    const waiting = exchange.put('write', parked)
    await sleep(20)
    exchange.store.abort!(parked)
    assert.equal((await waiting).error, StoreError.aborted)
    late = []
    await peer.listen()
  })
})

describe('a server that comes back as another one', { concurrency: true }, () => {
  it('with another size is told to the disk', async t => {
    const { peer, exchange, told } = await bench(t, {}, { timeout: '10' })
    await peer.crash()
    peer.bytes = Buffer.alloc(2 << 20)
    peer.durable = Buffer.alloc(2 << 20)
    await peer.listen()
    await exchange.bytes(0, 512)
    assert.equal(exchange.store.size, 2 << 20)
    assert.match(told[1]!, /^resized: .*2097152/)
    await exchange.bytes((2 << 20) - 512, 512)
  })

  for (const [name, change, reason] of [
    ['read-only', { flags: PEER_FLAGS | 2 }, /read-only/],
    ['without flush', { flags: PEER_FLAGS & ~4 }, /less than before/],
    ['with larger blocks', { blocks: [4096, 4096, 1 << 20] }, /blocks of 4096/],
  ] as const) {
    it(`${name} is not used, and asked again`, async t => {
      const { peer, exchange } = await bench(t, { blocks: [512, 4096, 1 << 20] })
      const { options } = peer
      await peer.crash()
      peer.options = { ...options, ...change }
      await peer.listen()
      const io = exchange.io()
      io.length = 512
      io.segments.push(Buffer.alloc(512))
      assert.equal((await exchange.put('read', io)).error, StoreError.gone)
      assert.match(io.reason, reason)
      await peer.crash()
      peer.options = options
      const { count } = peer
      await peer.listen()
      await recovered(exchange)
      assert.ok(peer.count > count)
    })
  }

  it('shutting down: what it refused is done by its successor', async t => {
    const { peer, exchange } = await bench(
      t,
      {
        request: ({ type, cookie }, at) => {
          const refused = type < 2 && at.number === 1
          if (refused) at.send(type === 0 ? data(cookie, 0, Buffer.alloc(0)) : simple(cookie, 108))
          return refused
        },
        structured: false,
      },
      { timeout: '10' },
    )
    await exchange.wrote(0, pattern(4096, 1))
    assert.ok((await exchange.bytes(0, 4096)).equals(pattern(4096, 1)))
    assert.equal(peer.requests.filter(({ type }) => type === 2).length, 1, 'it was left in good order')
  })
})

describe('several connections', { concurrency: true }, () => {
  it('share the load where the server says that they share its cache, else there is one', async t => {
    const { peer, exchange } = await bench(t, { flags: PEER_FLAGS | MULTI_CONN }, { timeout: '20' })
    const used = new Set<number>()
    peer.options = {
      ...peer.options,
      request: (_, at) => {
        used.add(at.number)
        return false
      },
    }
    // They come one after the other, behind the first.
    while (used.size < 4)
      await Promise.all(Array.from({ length: 64 }, (_, i) => exchange.wrote(i * 4096, pattern(4096, i))))
    assert.equal(peer.connections.size, 4)
    assert.equal((await exchange.flush()).error, StoreError.none)
    const alone = await bench(t)
    await alone.exchange.bytes(0, 512)
    await sleep(50)
    assert.equal(alone.peer.count, 1)
  })

  it('go on when one of them is lost', async t => {
    const { peer, exchange, told } = await bench(
      t,
      { flags: PEER_FLAGS | MULTI_CONN },
      { connections: '2', timeout: '20' },
    )
    let dropped = false
    peer.options = {
      ...peer.options,
      request: ({ type }, at) => {
        const drop = type === 1 && at.number === 2
        if (drop) at.socket.destroy()
        dropped ||= drop
        return drop
      },
    }
    while (!dropped)
      await Promise.all(Array.from({ length: 16 }, (_, i) => exchange.wrote(i * 4096, pattern(4096, i))))
    assert.deepEqual(told, [], 'it was never away')
    for (let i = 0; i < 16; i++) assert.ok((await exchange.bytes(i * 4096, 4096)).equals(pattern(4096, i)))
  })
})

describe('a look at the size', { concurrency: true }, () => {
  const grow = (peer: NbdPeer, size: number): void => {
    for (const kept of ['bytes', 'durable'] as const) peer[kept] = Buffer.concat([peer[kept]], size)
  }

  it('replaces the connections that know the old one, without losing anything', async t => {
    const held: (() => void)[] = []
    const { peer, exchange, told } = await bench(
      t,
      {
        flags: PEER_FLAGS | MULTI_CONN,
        request: (request, at) => {
          if (request.offset !== 8192 || request.type !== 1) return false
          held.push(() => at.answer(request))
          return true
        },
      },
      { connections: '2', timeout: '20' },
    )
    await exchange.wrote(0, pattern(4096, 1))
    await exchange.store.rescan!()
    assert.equal(exchange.store.size, 1 << 20)
    const written = exchange.write(8192, pattern(4096, 2))
    await until(() => held.length === 1)
    grow(peer, 2 << 20)
    await exchange.store.rescan!()
    assert.equal(exchange.store.size, 2 << 20)
    await exchange.wrote((2 << 20) - 4096, pattern(4096, 3))
    held[0]!()
    assert.equal((await written).error, StoreError.none)
    assert.equal((await exchange.flush()).error, StoreError.none)
    assert.ok((await exchange.bytes(8192, 4096)).equals(pattern(4096, 2)))
    assert.deepEqual(told, [], 'it was never away')
    // The look, its successor and one more: all that knew the old size have left in good order.
    await until(() => peer.requests.filter(({ type }) => type === 2).length >= 3)
    await until(() => peer.connections.size === 2)
  })

  it('is not had of a server that takes one connection, until that is made anew', async t => {
    const { peer, exchange } = await bench(t)
    grow(peer, 2 << 20)
    await exchange.store.rescan!()
    assert.equal(exchange.store.size, 1 << 20)
    assert.equal(peer.count, 1)
  })
})

describe('writes narrower than the block of the server', { concurrency: true }, () => {
  it('side by side in one block all stay', async t => {
    const { peer, exchange } = await bench(t, { blocks: [4096, 4096, 65_536] }, { timeout: '10' })
    const wanted = pattern(65_536, 1)
    const parts = Array.from({ length: 128 }, (_, i) => i * 512)
    await Promise.all(parts.map(at => exchange.wrote(at, wanted.subarray(at, at + 512))))
    assert.ok((await exchange.bytes(0, 65_536)).equals(wanted))
    assert.ok(peer.requests.every(({ offset, length }) => offset % 4096 === 0 && length % 4096 === 0))
    await Promise.all([
      exchange.range('writeZeroes', 100, 5000),
      exchange.wrote(5100, pattern(10_000, 2)),
      exchange.wrote(15_100, pattern(77, 3), [], true),
    ])
    wanted.fill(0, 100, 5100)
    pattern(10_000, 2).copy(wanted, 5100)
    pattern(77, 3).copy(wanted, 15_100)
    assert.ok((await exchange.bytes(0, 65_536)).equals(wanted))
  })
})
