// SPDX-License-Identifier: Apache-2.0
// The two iSCSI drivers, which share no code, against each other: every way to log in, move data, fail and recover.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { type ConnectOptions, connect, openSession, type SessionEvent } from 'lunkit/initiator'
import { createTarget, memory } from 'lunkit/target'
import { Relay } from '../../initiator/drivers/iscsi/src/relay.test-kit.ts'

const ALGORITHMS = ['MD5', 'SHA-1', 'SHA-256', 'SHA3-256'] as const
const ANNA = { user: 'anna', secret: 'secret-of-anna-12' }
const DISK = { user: 'disk', secret: 'secret-of-disk-34' }
const NO_RECONNECT = { attempts: 0, delays: [] }

for (const algorithm of ALGORITHMS) {
  test(`CHAP with ${algorithm}, one-way and mutual`, async () => {
    await using target = await createTarget({ luns: [memory('1M')], chap: { ...ANNA, mutual: DISK } })
    const chap = { ...ANNA, algorithms: [algorithm] }
    for (const options of [{ chap }, { chap, mutual: DISK }]) {
      await using disk = await connect(target.url, options)
      assert.equal((await disk.capacity()).bytes, 1 << 20)
    }
    const refused: readonly ConnectOptions[] = [
      {},
      { chap: { ...chap, secret: 'wrong-secret-123' } },
      { chap: { ...chap, user: 'otto' } },
      { chap, mutual: { ...DISK, secret: 'wrong-secret-123' } },
      { chap, mutual: { ...DISK, user: 'otto' } },
    ]
    for (const options of refused) {
      await assert.rejects(
        connect(target.url, options),
        { code: 'LOGIN_AUTHENTICATION' },
        JSON.stringify(options),
      )
    }
  })
}

const WAYS: Readonly<Record<string, ConnectOptions>> = {
  defaults: {},
  'both digests': { headerDigest: 'require', dataDigest: 'require' },
  'a header digest': { headerDigest: 'require', dataDigest: 'refuse' },
  'a data digest': { headerDigest: 'refuse', dataDigest: 'require' },
  'no unsolicited data': { immediateData: false, initialR2T: true },
  'immediate data only': { immediateData: true, initialR2T: true },
  'unsolicited data without immediate': { immediateData: false, initialR2T: false },
  'the shortest bursts and segments': {
    firstBurstLength: 512,
    maxBurstLength: 512,
    maxRecvDataSegmentLength: 512,
    headerDigest: 'require',
    dataDigest: 'require',
  },
  'odd lengths': {
    firstBurstLength: 777,
    maxBurstLength: 5001,
    maxRecvDataSegmentLength: 1003,
    dataDigest: 'require',
  },
  'many R2Ts at once': { maxOutstandingR2T: 16, maxBurstLength: 4096, immediateData: false },
  'one command at a time': { queueDepth: 1 },
  'deep queues': { queueDepth: 256 },
}

for (const [name, options] of Object.entries(WAYS)) {
  test(`reads give what was written last, with ${name}`, async () => {
    await using target = await createTarget({ luns: [memory('4M')] })
    await using disk = await connect(target.url, options)
    const model = Buffer.alloc(4 << 20)
    for (let round = 0; round < 12; round++) {
      // Ranges of one round do not overlap, so that the order within it does not matter.
      const cut = 512 + Math.floor(Math.random() * 6000)
      const jobs: Promise<void>[] = []
      for (let lba = round % 2; lba + 1 < 8192; lba += cut) {
        const data = randomBytes(Math.min(cut, 8192 - lba, 1 + Math.floor(Math.random() * 600)) * 512)
        data.copy(model, lba * 512)
        jobs.push(disk.write(lba, data))
      }
      await Promise.all(jobs)
      assert.ok((await disk.read(0, 8192)).equals(model), `round ${round}`)
    }
    await disk.flush()
  })

  test(`data in pieces of any length are written as one, with ${name}`, async () => {
    await using target = await createTarget({ luns: [memory('1M')] })
    await using disk = await connect(target.url, options)
    const data = randomBytes(600 * 512)
    const pieces: Buffer[] = []
    for (let at = 0, length = 1; at < data.length; at += length, length = (length * 7 + 3) % 20_011)
      pieces.push(data.subarray(at, at + length))
    await disk.testReady()
    const cdb = Uint8Array.of(0x2a, 0, 0, 0, 0, 5, 0, 600 >> 8, 600 & 0xff, 0)
    const { status } = await disk.session.execute({ lun: 0, cdb, dataOut: pieces })
    assert.equal(status, 0)
    assert.ok((await disk.read(5, 600)).equals(data))
  })
}

test('connections cut again and again in the middle of writes: every byte right', async () => {
  await using target = await createTarget({ luns: [memory('16M')] })
  const port = Number(target.portals[0]!.split(':').at(-1))
  await using relay = await Relay.to(port)
  const events: SessionEvent[] = []
  await using disk = await connect(target.url.replace(String(port), String(relay.port)), {
    reconnect: { attempts: 50, delays: [0, 5] },
    headerDigest: 'require',
    dataDigest: 'require',
    onEvent: event => events.push(event),
  })
  await disk.capacity()
  let cuts = 12
  let limit = 700_000
  relay.onBytes = bytes => {
    if (cuts === 0 || bytes < limit) return
    cuts--
    // Each time elsewhere: in a header, in data, between commands.
    limit = 700_000 + cuts * 33_333 + (cuts % 5)
    relay.cut()
  }
  const pieces = Array.from({ length: 64 }, () => randomBytes(256 * 1024))
  await Promise.all(pieces.map((piece, i) => disk.write(i * 512, piece)))
  assert.equal(cuts, 0)
  relay.onBytes = () => {}
  for (const [i, piece] of pieces.entries())
    assert.ok((await disk.read(i * 512, 512)).equals(piece), `piece ${i}`)
  assert.equal(events.filter(({ type }) => type === 'reconnected').length, 12)
})

test('bytes that change on their way are found by the digests and read again', async () => {
  await using target = await createTarget({ luns: [memory('4M')] })
  const port = Number(target.portals[0]!.split(':').at(-1))
  await using relay = await Relay.to(port)
  const lost: string[] = []
  await using disk = await connect(target.url.replace(String(port), String(relay.port)), {
    reconnect: { attempts: 50, delays: [0] },
    headerDigest: 'require',
    dataDigest: 'require',
    onEvent: event => void (event.type === 'lost' && lost.push(event.error.code)),
  })
  const data = randomBytes(4 << 20)
  await disk.write(0, data)
  let flips = 8
  let bytes = 0
  relay.tamper = chunk => {
    bytes += chunk.length
    if (flips === 0 || bytes < 1_500_000) return chunk
    bytes = 0
    flips--
    const changed = Buffer.from(chunk)
    changed[Math.floor(changed.length / 2)]! ^= 1 << (flips % 8)
    return changed
  }
  for (let round = 0; round < 8; round++) assert.ok((await disk.read(0, 8192)).equals(data), `round ${round}`)
  assert.equal(flips, 0)
  // A flip may also meet the rest of a connection that is given up already.
  assert.ok(lost.length >= 3 && lost.length <= 8, `${lost.length} connections were lost`)
  assert.ok(lost.includes('TRANSPORT_DIGEST'))
})

test('a login with the same name and ISID takes the place of the session before', async () => {
  await using target = await createTarget({ luns: [memory('1M')] })
  const isid = Uint8Array.of(0x80, 1, 2, 3, 4, 5)
  const lost = Promise.withResolvers<void>()
  const first = await openSession(target.url, {
    isid,
    reconnect: NO_RECONNECT,
    onEvent: ({ type }) => (type === 'lost' ? lost.resolve() : undefined),
  })
  await using second = await connect(target.url, { isid })
  await lost.promise
  assert.equal((await second.read(0, 1)).length, 512)
  await first.close()
})

test('aborts in the middle of everything leave a session that works', async () => {
  await using target = await createTarget({ luns: [memory('16M')] })
  await using disk = await connect(target.url, { reconnect: NO_RECONNECT })
  for (let round = 0; round < 20; round++) {
    const stop = new AbortController()
    const jobs = Array.from({ length: 40 }, (_, i) =>
      i % 2 === 0
        ? disk.read(i * 512, 700, { signal: stop.signal })
        : disk.write(i * 512, Buffer.alloc(300 * 512, i), { signal: stop.signal }),
    )
    setTimeout(() => stop.abort(new Error('stop')), round % 4)
    for (const outcome of await Promise.allSettled(jobs)) {
      if (outcome.status === 'rejected') assert.equal((outcome.reason as Error).message, 'stop')
    }
    const data = randomBytes(4096)
    await disk.write(0, data)
    assert.ok((await disk.read(0, 8)).equals(data))
  }
})

test('a target that closes lets commands end, and a closed session says so', async () => {
  const target = await createTarget({ luns: [memory('4M')] })
  const disk = await connect(target.url, { reconnect: NO_RECONNECT })
  const writes = Array.from({ length: 16 }, (_, i) => disk.write(i * 512, Buffer.alloc(256 * 1024, i)))
  await Promise.all(writes)
  await target.close()
  await assert.rejects(disk.read(0, 1), { code: /^TRANSPORT_/ })
  await disk.close()
})
