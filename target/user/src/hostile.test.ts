// SPDX-License-Identifier: Apache-2.0
// Handlers that lie, hang, die and flood: each costs its connection, nothing that was asked is lost, and it may come back.
import assert from 'node:assert/strict'
import { ftruncateSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { readParameters, StoreError, type StoreEvent } from '@lunkit/target-api'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { store } from './handler/store.ts'
import { CAPACITY, Flag, Kind } from './link/protocol.ts'
import { type Asked, blocksHandler, type Peer, type ScriptedHandler } from './scripted-handler.test-kit.ts'

const SIZE = 1 << 20

interface Subject {
  readonly handler: ScriptedHandler
  readonly exchange: StoreExchange
  /** What the store told, with reasons. */
  readonly told: string[]
  until(event: StoreEvent): Promise<void>
}

async function open(
  context: TestContext,
  keys: Record<string, string> = {},
  hello: Record<string, unknown> = {},
): Promise<Subject> {
  const handler = await blocksHandler(context, SIZE, hello)
  pattern(SIZE, 3).copy(handler.bytes)
  const opened = await store.open(
    readParameters('handler', store.parameters, { socket: handler.path, ...keys }),
  )
  const told: string[] = []
  let wake = (): void => {}
  opened.watch!((event, reason = '') => {
    told.push(`${event} ${reason}`)
    wake()
  })
  const until = async (event: StoreEvent): Promise<void> => {
    while (!told.some(one => one.startsWith(event))) await new Promise<void>(resolve => (wake = resolve))
  }
  const exchange = new StoreExchange(opened)
  context.after(() => exchange.close())
  return { handler, exchange, told, until }
}

type Misdeed = (asked: Asked, peer: Peer) => void
const tell = (peer: Peer, bytes: number[]): void => void peer.socket.write(Buffer.from(bytes))

/** What a handler does to a read of 4096 bytes, and how that is called. */
const MISDEEDS: readonly [string, RegExp, Misdeed][] = [
  ['answers what it was not asked', /does not have/, ({ tag }, peer) => peer.answer(tag ^ 1)],
  ['takes an old tag', /does not have/, ({ tag }, peer) => peer.answer(tag - 1024)],
  ['brings too much', /8192 bytes/, ({ tag }, peer) => peer.answer(tag, { data: Buffer.alloc(8192) })],
  [
    'brings too little',
    /512 bytes of 4096/,
    ({ tag }, peer) => peer.answer(tag, { data: Buffer.alloc(512) }),
  ],
  ['brings nothing', /0 bytes of 4096/, ({ tag }, peer) => peer.answer(tag)],
  [
    'says two lengths',
    /two lengths/,
    ({ tag }, peer) => peer.answer(tag, { data: Buffer.alloc(4096), count: 100 }),
  ],
  [
    'says that memory is shared, with data behind',
    /not shared/,
    ({ tag }, peer) => peer.answer(tag, { flags: Flag.shared, count: 4096, length: 4096 }),
  ],
  [
    'fails and brings data',
    /failed and/,
    ({ tag }, peer) => peer.answer(tag, { status: 1, data: Buffer.alloc(512) }),
  ],
  ['has a status of its own', /unknown status 77/, ({ tag }, peer) => peer.answer(tag, { status: 77 })],
  [
    'has sense data that are not there',
    /shorter than its sense/,
    (_, peer) => tell(peer, [0, 0, 0, 0, 0x80, 0, 0, 9, ...Array(8).fill(0)]),
  ],
  ['sends what is no message', /unknown kind|longer than/, (_, peer) => tell(peer, Array(64).fill(0xee))],
  ['sends another hello', /unknown kind 1/, (_, peer) => peer.notice(Kind.hello, Buffer.from('{}'))],
  [
    'sends a notice without end',
    /longer than 4096/,
    (_, peer) => tell(peer, [0xff, 0xff, 0xff, 0xff, 0x81, ...Array(11).fill(0)]),
  ],
  ['has no size', /has the size 0/, (_, peer) => peer.notice(Kind.capacity, CAPACITY.write({ size: 0 }))],
  [
    'floods',
    /floods/,
    (_, peer) => {
      for (let i = 0; i < 1000; i++) peer.notice(Kind.capacity, CAPACITY.write({ size: SIZE }))
    },
  ],
  ['closes the connection', /closed/, (_, peer) => peer.socket.end()],
  [
    'dies in the middle of an answer',
    /closed|ECONNRESET|EPIPE/,
    ({ tag }, peer) => {
      peer.socket.write(Buffer.alloc(0))
      peer.answer(tag, { data: Buffer.alloc(100), count: 4096, length: 4096 })
      setImmediate(() => peer.socket.destroy())
    },
  ],
  ['does nothing', /in 1 s/, () => {}],
]

for (const [name, why, misdeed] of MISDEEDS) {
  test(`a handler that ${name} loses its connection, and the request goes to the next`, async context => {
    const { handler, exchange, told, until } = await open(context, { timeout: '1', shared: 'no' })
    handler.otherwise = (asked, peer) => {
      if (asked.kind === Kind.hello) return false
      handler.otherwise = () => false
      misdeed(asked, peer)
      return true
    }
    assert.ok((await exchange.bytes(4096, 4096)).equals(handler.bytes.subarray(4096, 8192)))
    await until('returned')
    assert.match(told[0]!, why)
    assert.match(told[0]!, /^away handler /)
    assert.equal(handler.asked.filter(({ kind }) => kind === Kind.hello).length, 2)
  })
}

test('a handler that answers twice loses its connection, and nothing is answered twice', async context => {
  const { handler, exchange, told, until } = await open(context)
  handler.otherwise = (asked, peer) => {
    if (asked.kind !== Kind.write) return false
    peer.answer(asked.tag)
    peer.answer(asked.tag)
    return true
  }
  await exchange.wrote(0, pattern(512, 1))
  await until('returned')
  assert.match(told[0]!, /does not have|twice/)
  handler.otherwise = () => false
  await exchange.bytes(0, 4096)
})

test('a handler that cuts the shared memory off loses its connection', async context => {
  const { handler, exchange, told } = await open(context)
  handler.otherwise = (asked, peer) => {
    if (asked.kind !== Kind.read) return false
    handler.otherwise = () => false
    ftruncateSync(peer.memory, 0)
    peer.answer(asked.tag, { flags: Flag.shared, count: 4096 })
    // The count is of nothing that is behind.
    return true
  }
  assert.ok((await exchange.bytes(0, 4096)).equals(handler.bytes.subarray(0, 4096)))
  assert.match(told[0]!, /shorter/)
})

test('a handler that always lies ends requests, and its disk is not ready', async context => {
  const { handler, exchange } = await open(context, { wait: '1' })
  handler.otherwise = ({ kind, tag }, peer) => {
    if (kind !== Kind.hello) peer.answer(tag ^ 3)
    return kind !== Kind.hello
  }
  const answers = await Promise.all([exchange.read(0, 512), exchange.write(0, pattern(512, 1))])
  for (const { error } of answers) assert.equal(error, StoreError.gone)
})

test('requests wait for a handler that is away, for a time, and an abort ends the wait', async context => {
  const { handler, exchange, until } = await open(context, { wait: '1' })
  await handler.die()
  await until('away')
  const io = exchange.io()
  io.length = 512
  io.segments.push(Buffer.alloc(512))
  const given = exchange.put('read', io)
  exchange.store.abort!(io)
  assert.equal((await given).error, StoreError.aborted)
  const waiting = exchange.read(0, 512)
  assert.equal((await waiting).error, StoreError.gone)
  assert.equal((await exchange.read(0, 512)).error, StoreError.gone, 'nothing waits any more')
  await handler.listen()
  await until('returned')
  await exchange.bytes(0, 512)
})

/** Reads, of which the first that ends has the others aborted, as QERR of the Control mode page wants it. */
function readsThatEndEachOther({ exchange }: Subject, count: number) {
  const all = Array.from({ length: count }, (_, i) => {
    const io = exchange.io()
    Object.assign(io, { offset: 512 * i, length: 512, segments: [Buffer.alloc(512)] })
    return { io, answer: exchange.put('read', io) }
  })
  for (const { io } of all) {
    const { onFinish } = io
    io.onFinish = task => {
      onFinish(task)
      for (const other of all) if (other.io !== io) exchange.store.abort!(other.io)
    }
  }
  return all
}

test('requests whose end aborts the others, while they wait for a handler that is away, end once each', async context => {
  const subject = await open(context, { wait: '1' })
  await subject.handler.die()
  await subject.until('away')
  const all = readsThatEndEachOther(subject, 3)
  const errors = await Promise.all(all.map(async ({ answer }) => (await answer).error))
  assert.deepEqual(errors, [StoreError.gone, StoreError.aborted, StoreError.aborted])
  await subject.exchange.close()
})

test('so do those that a connection is lost with', async context => {
  const subject = await open(context)
  const { handler, exchange } = subject
  handler.otherwise = ({ kind }) => kind === Kind.read || kind === Kind.abort
  const all = readsThatEndEachOther(subject, 3)
  exchange.store.abort!(all[1]!.io)
  while (!handler.asked.some(({ kind }) => kind === Kind.abort)) await new Promise(setImmediate)
  handler.otherwise = () => false
  handler.peers[0]!.socket.destroy()
  for (const { answer } of all) assert.equal((await answer).error, StoreError.aborted)
  await exchange.close()
})

test('a handler that does not answer what is aborted is cut off, so that nothing can come late', async context => {
  const { handler, exchange, told } = await open(context)
  handler.otherwise = ({ kind }) => kind === Kind.write || kind === Kind.abort
  const io = exchange.io()
  io.length = 512
  io.segments.push(pattern(512, 9))
  const writing = exchange.put('write', io)
  exchange.store.abort!(io)
  assert.equal((await writing).error, StoreError.aborted)
  assert.match(told[0]!, /aborted/)
  assert.ok(handler.asked.some(({ kind }) => kind === Kind.abort))
})

test('writes that were answered and not flushed are told of when the handler has gone with them', async context => {
  for (const [hello, error] of [
    [{ cache: true }, StoreError.medium],
    [{ cache: true, keeps: true }, StoreError.none],
    [{}, StoreError.none],
  ] as const) {
    const { handler, exchange, until } = await open(context, {}, hello)
    await exchange.wrote(0, pattern(512, 1))
    await handler.die()
    await until('away')
    await handler.listen()
    await until('returned')
    assert.equal((await exchange.flush()).error, error, JSON.stringify(hello))
    assert.equal((await exchange.flush()).error, StoreError.none)
  }
})

test('a handler that comes back may have another size, and nothing else that is other', async context => {
  const { handler, exchange, told, until } = await open(context, { wait: '1' })
  const again = async (hello: Record<string, unknown>): Promise<void> => {
    told.length = 0
    await handler.die()
    Object.assign(handler.hello, hello)
    await handler.listen()
  }
  await again({ size: SIZE / 2 })
  await until('resized')
  assert.equal(exchange.store.size, SIZE / 2)
  await again({ identity: 'another' })
  while (!told.some(one => /another identity/.test(one)))
    await until('away').then(() => new Promise(setImmediate))
  assert.equal((await exchange.read(0, 512)).error, StoreError.gone)
  await again({ identity: undefined })
  await until('returned')
  await exchange.bytes(0, 512)
})

test('a capacity that the handler tells is the size', async context => {
  const { handler, exchange, until } = await open(context)
  handler.peers[0]!.notice(Kind.capacity, CAPACITY.write({ size: 4096 }))
  await until('resized')
  assert.equal(exchange.store.size, 4096)
  assert.notEqual((await exchange.read(4096, 512)).error, StoreError.none)
})
