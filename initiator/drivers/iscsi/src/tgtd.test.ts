// SPDX-License-Identifier: Apache-2.0
// The initiator against a target of other people: Debian's tgtd.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { buildCdb } from '@lunkit/initiator-core'
import { INQUIRY, READ_CAPACITY_10, Status } from '@lunkit/spec'
import {
  connect,
  discover,
  discoverUnits,
  LoginError,
  openSession,
  RequestError,
  ScsiError,
  type SessionEvent,
  type SessionOptions,
} from './index.ts'
import { Relay } from './relay.test-kit.ts'
import { DISK_BYTES, hasTgtd, TARGET, Tgtd } from './tgtd.test-kit.ts'

const missing = !hasTgtd()
if (missing && process.env['CI'] === 'true') throw new Error('tgtd is missing: install Debian package tgt')

describe('against tgtd', { skip: missing ? 'tgtd is not installed (Debian package tgt)' : false }, () => {
  let tgtd: Tgtd
  let url = ''
  before(async () => {
    tgtd = await Tgtd.start()
    url = `iscsi://127.0.0.1:${tgtd.port}/${TARGET}/1`
  })
  after(() => tgtd?.[Symbol.asyncDispose]())

  test('discovery names the target and its portal', async () => {
    const found = await discover(`iscsi://127.0.0.1:${tgtd.port}`)
    assert.deepEqual(found, [{ name: TARGET, portals: [{ host: '127.0.0.1', port: tgtd.port, group: 1 }] }])
  })

  test('the units of the target are found: a controller and a disk', async () => {
    await using session = await openSession(url)
    const units = await discoverUnits(session)
    assert.deepEqual(
      units.map(({ lun, inquiry }) => [lun, inquiry.deviceType, inquiry.vendor]),
      [
        [0, 12, 'IET'],
        [1, 0, 'IET'],
      ],
    )
  })

  test('capacity, limits, pages and raw commands', async () => {
    await using disk = await connect(url)
    const { bytes, blockSize, blocks } = await disk.capacity()
    assert.equal(bytes, DISK_BYTES)
    assert.equal(blocks * blockSize, DISK_BYTES)
    assert.ok((await disk.vpdPages()).includes(0x83))
    const raw = await disk.execute(buildCdb(READ_CAPACITY_10, {}), { expectedIn: 8 })
    assert.equal(raw.status, Status.good)
    assert.equal(Buffer.from(raw.dataIn).readUInt32BE(0), blocks - 1)
    const long = await disk.execute(buildCdb(INQUIRY, { allocation: 200 }), { expectedIn: 200 })
    assert.equal(long.dataIn.length + long.underflow, 200)
    assert.ok(long.underflow > 0)
    assert.ok((await disk.ping()) > 0)
  })

  test('a wrong target, a wrong LUN and a wrong address say what is wrong', async () => {
    await assert.rejects(connect(url.replace(':disk', ':none')), { code: 'LOGIN_NOT_FOUND' })
    await assert.rejects(connect(url.replace(/1$/, '7')), { code: 'LUN_MISSING' })
    await assert.rejects(connect(`iscsi://127.0.0.1:1/${TARGET}/1`), { code: 'TRANSPORT_CONNECT_FAILED' })
    await using disk = await connect(url)
    const { blocks } = await disk.capacity()
    await assert.rejects(disk.read(blocks, 1), RequestError)
    await assert.rejects(disk.write(0, Buffer.alloc(100)), { code: 'ARGUMENT_INVALID' })
    await assert.rejects(disk.vpd(0x99), (error: ScsiError) => {
      assert.ok(error instanceof ScsiError)
      assert.match(
        error.message,
        /^INQUIRY ended with CHECK CONDITION: ILLEGAL REQUEST: INVALID FIELD IN CDB/,
      )
      return true
    })
  })

  const ways: Readonly<Record<string, SessionOptions>> = {
    'with all defaults': {},
    'without immediate data': { immediateData: false },
    'with data on request only': { immediateData: false, initialR2T: true },
    'with short segments and bursts': {
      maxRecvDataSegmentLength: 512,
      firstBurstLength: 1024,
      maxBurstLength: 4096,
    },
    'with a single command at a time': { queueDepth: 1 },
  }
  for (const [name, options] of Object.entries(ways)) {
    test(`data come back as written, ${name}`, () => roundTrip(url, options))
  }

  test('unsolicited data, and digests both ways', async () => {
    await assert.rejects(connect(url, { headerDigest: 'require' }), { code: 'LOGIN_REFUSED' })
    for (const key of ['HeaderDigest', 'DataDigest']) await tgtd.set(key, 'CRC32C,None')
    await tgtd.set('InitialR2T', 'No')
    const session = await openSession(url, { headerDigest: 'require', dataDigest: 'require' })
    const { headerDigest, dataDigest, initialR2T } = session.settings
    await session.close()
    assert.deepEqual(
      { headerDigest, dataDigest, initialR2T },
      { headerDigest: true, dataDigest: true, initialR2T: false },
    )
    await roundTrip(url, { headerDigest: 'require', dataDigest: 'require' })
    await roundTrip(url, { headerDigest: 'require', dataDigest: 'refuse', immediateData: false })
    await roundTrip(url, { headerDigest: 'refuse', dataDigest: 'require', maxRecvDataSegmentLength: 516 })
  })

  test('discarded blocks read zeros', async () => {
    await using disk = await connect(url)
    const { blockSize } = await disk.capacity()
    await disk.write(64, Buffer.alloc(64 * blockSize, 0xee))
    await disk.discard(80, 32)
    const back = await disk.read(64, 64)
    const half = 16 * blockSize
    assert.ok(back.subarray(0, half).every(byte => byte === 0xee))
    assert.ok(back.subarray(half, 3 * half).every(byte => byte === 0))
    assert.ok(back.subarray(3 * half).every(byte => byte === 0xee))
  })

  test('32 commands at once, in any order, each with its own data', async () => {
    await using disk = await connect(url, { queueDepth: 32 })
    const { blockSize } = await disk.capacity()
    const blocks = Array.from({ length: 400 }, (_, i) => (i * 37) % 4000)
    await Promise.all(blocks.map(lba => disk.write(lba, Buffer.alloc(blockSize, `block ${lba};`))))
    const buffer = Buffer.alloc(blocks.length * blockSize)
    const part = (i: number): Buffer => buffer.subarray(i * blockSize, (i + 1) * blockSize)
    await Promise.all(blocks.map((lba, i) => disk.readInto(lba, part(i))))
    for (const [i, lba] of blocks.entries())
      assert.ok(part(i).equals(Buffer.alloc(blockSize, `block ${lba};`)))
  })

  test('CHAP, one-way and mutual', async () => {
    await tgtd.account('anna', 'secret-of-anna-12')
    try {
      const wrong = { chap: { user: 'anna', secret: 'wrong-secret-123' } }
      await assert.rejects(connect(url), LoginError)
      await assert.rejects(connect(url, wrong), { code: 'LOGIN_AUTHENTICATION' })
      await roundTrip(url, { chap: { user: 'anna', secret: 'secret-of-anna-12' } })
      await roundTrip(url.replace('//', '//anna%secret-of-anna-12@'), {})
      const mutual = { user: 'disk', secret: 'secret-of-disk-34' }
      const both = { chap: { user: 'anna', secret: 'secret-of-anna-12' }, mutual }
      await assert.rejects(connect(url, both), LoginError)
      await tgtd.account('disk', 'secret-of-disk-34', true)
      await roundTrip(url, both)
      const other = { ...both, mutual: { ...mutual, secret: 'another-secret-56' } }
      await assert.rejects(connect(url, other), { code: 'LOGIN_AUTHENTICATION' })
      await tgtd.dropAccount('disk')
    } finally {
      await tgtd.dropAccount('anna')
    }
  })

  test('a connection cut in the middle of writes: reconnected, and every byte right', async () => {
    await using relay = await Relay.to(tgtd.port)
    const events: SessionEvent['type'][] = []
    const delays = [0, 50, 100]
    await using disk = await connect(url.replace(String(tgtd.port), String(relay.port)), {
      reconnect: { attempts: 20, delays },
      onEvent: event => events.push(event.type),
    })
    const { blockSize } = await disk.capacity()
    let cuts = 3
    relay.onBytes = bytes => {
      if (cuts === 0 || bytes < 3_000_000) return
      cuts--
      relay.cut()
    }
    const pieces = Array.from({ length: 32 }, () => randomBytes(256 * blockSize))
    await Promise.all(pieces.map((piece, i) => disk.write(i * 256, piece)))
    await disk.flush()
    relay.onBytes = () => {}
    assert.equal(cuts, 0)
    assert.equal(relay.taken, 4)
    assert.equal(events.filter(type => type === 'reconnected').length, 3)
    for (const [i, piece] of pieces.entries())
      assert.ok((await disk.read(i * 256, 256)).equals(piece), `piece ${i}`)
  })

  test('an abort ends a command and leaves the session', async () => {
    await using disk = await connect(url)
    const stop = new AbortController()
    const reads = Array.from({ length: 64 }, (_, i) => disk.read(i * 2048, 2048, { signal: stop.signal }))
    setImmediate(() => stop.abort(new Error('enough')))
    const outcomes = await Promise.allSettled(reads)
    const aborted = outcomes.filter(one => one.status === 'rejected')
    assert.ok(aborted.length > 0)
    for (const { reason } of aborted) assert.equal((reason as Error).message, 'enough')
    assert.equal((await disk.read(0, 8)).length, 8 * 512)
  })

  test('a target that goes away fails what is in flight and says so', async () => {
    const relay = await Relay.to(tgtd.port)
    const disk = await connect(url.replace(String(tgtd.port), String(relay.port)), {
      reconnect: { attempts: 2, delays: [0, 10] },
    })
    await disk.capacity()
    await relay[Symbol.asyncDispose]()
    await assert.rejects(disk.read(0, 1), { code: 'TRANSPORT_CLOSED' })
    await disk.close()
  })
})

async function roundTrip(url: string, options: SessionOptions): Promise<void> {
  await using disk = await connect(url, options)
  const { blockSize, blocks } = await disk.capacity()
  for (const [lba, count] of [
    [0, 1],
    [7, 3],
    [1000, 17],
    [2048, 4099],
    [blocks - 5, 5],
  ] as const) {
    const data = randomBytes(count * blockSize)
    await disk.write(lba, data)
    assert.ok((await disk.read(lba, count)).equals(data), `${count} blocks from LBA ${lba}`)
  }
  await disk.flush()
}
