// SPDX-License-Identifier: Apache-2.0
// Units over a session that is a table of blocks: splitting, limits, retries, discovery, and answers that lie.
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import {
  BLOCK_LIMITS,
  CAPACITY_10,
  CAPACITY_16,
  COMPARE_AND_WRITE,
  encodeLun,
  INQUIRY,
  LOGICAL_BLOCK_PROVISIONING,
  READ_10,
  READ_16,
  STANDARD_INQUIRY,
  Status,
  UNMAP,
  UNMAP_DESCRIPTOR,
  WRITE_10,
  writeSense,
} from '@lunkit/spec'
import { buildCdb, findCommand } from './command-builder.ts'
import { discoverUnits, reportLuns } from './discover.ts'
import type { RequestError, ScsiError } from './errors.ts'
import type { CommandRequest, CommandResult, InitiatorSession } from './initiator-driver.ts'
import { Unit } from './unit.ts'

const BLOCK = 512

type Answer = Partial<CommandResult>

/** A session with a disk in memory, whose answers a test may replace. */
class TableSession implements InitiatorSession {
  readonly target = 'iqn.2000-01.org.example:table'
  readonly queueDepth = 4
  readonly seen: CommandRequest[] = []
  /** Answers that come before the disk's own, by command name. */
  readonly first = new Map<string, Answer[]>()
  bytes = Buffer.alloc(4096 * BLOCK)
  blocks = 4096
  blockLength = BLOCK
  limits: Record<string, number> = { maxTransfer: 8, maxUnmap: 16, maxUnmapDescriptors: 1 }
  thin = 1
  has16 = true

  names(): string[] {
    return this.seen.map(({ cdb }) => findCommand(cdb, 0)!.name)
  }

  async execute(request: CommandRequest): Promise<CommandResult> {
    this.seen.push(request)
    await null
    const { name } = findCommand(request.cdb, 0)!
    const answer = this.first.get(name)?.shift() ?? this.#answer(name, request)
    return {
      status: Status.good,
      sense: new Uint8Array(0),
      dataIn: new Uint8Array(0),
      underflow: 0,
      overflow: 0,
      ...answer,
    }
  }

  #answer(name: string, { cdb, dataIn, dataOut }: CommandRequest): Answer {
    if (name === 'INQUIRY') return { dataIn: this.#inquiry(INQUIRY.cdb.read(cdb)) }
    if (name === 'READ CAPACITY (16)') {
      if (!this.has16) return check(5, 0x2000)
      return {
        dataIn: CAPACITY_16.write({
          lastLba: this.blocks - 1,
          blockLength: this.blockLength,
          physicalExponent: 3,
        }),
      }
    }
    if (name === 'READ CAPACITY (10)') {
      return {
        dataIn: CAPACITY_10.write({ lastLba: Math.min(0xffff_ffff, this.blocks - 1), blockLength: BLOCK }),
      }
    }
    if (name.startsWith('READ (')) {
      const { lba } = (cdb[0] === READ_16.opcode ? READ_16 : READ_10).cdb.read(cdb)
      dataIn!.set(this.bytes.subarray(lba * BLOCK, lba * BLOCK + dataIn!.length))
    }
    if (name.startsWith('WRITE (')) this.bytes.set(dataOut as Uint8Array, WRITE_10.cdb.read(cdb).lba * BLOCK)
    return {}
  }

  #inquiry({ evpd, pageCode }: { evpd: number; pageCode: number }): Uint8Array {
    if (evpd === 0) return STANDARD_INQUIRY.write({ vendor: 'LUNKIT', product: 'TABLE' })
    if (pageCode === 0) return Uint8Array.of(0, 0, 0, 4, 0x00, 0x83, 0xb0, 0xb2)
    if (pageCode === 0xb0) return BLOCK_LIMITS.write({ pageCode, length: 60, ...this.limits })
    return LOGICAL_BLOCK_PROVISIONING.write({ pageCode, length: 4, lbpu: this.thin })
  }

  manage(): never {
    throw new Error('not asked for')
  }

  async close(): Promise<void> {}
}

function check(key: number, code: number): Answer {
  const sense = new Uint8Array(18)
  writeSense(sense, false, { key, asc: code >> 8, ascq: code & 0xff, text: '' })
  return { status: Status.checkCondition, sense }
}

let session = new TableSession()
let unit = new Unit(session, 0)
beforeEach(() => {
  session = new TableSession()
  unit = new Unit(session, 0)
})

test('a long transfer goes in pieces of the limit, and every byte to its place', async () => {
  const data = Buffer.from(Array.from({ length: 50 * BLOCK }, (_, i) => (i * 7) & 0xff))
  await unit.write(3, data)
  assert.ok((await unit.read(3, 50)).equals(data))
  const writes = session.seen.filter(({ cdb }) => cdb[0] === WRITE_10.opcode)
  assert.deepEqual(
    writes.map(({ cdb }) => [WRITE_10.cdb.read(cdb).lba, WRITE_10.cdb.read(cdb).blocks]),
    [0, 8, 16, 24, 32, 40, 48].map(at => [3 + at, Math.min(8, 50 - at)]),
  )
})

test('without a limit the pieces are a MiB', async () => {
  session.limits = {}
  session.bytes = Buffer.alloc(4096 * BLOCK)
  await unit.read(0, 4096)
  assert.equal(session.names().filter(name => name === 'READ (10)').length, 2)
})

test('blocks beyond 32 bits are read with READ (16)', async () => {
  session.blocks = 2 ** 33
  session.bytes = Buffer.alloc(0)
  await unit.read(2 ** 32 - 4, 8)
  await unit.read(2 ** 32 - 8, 8)
  assert.deepEqual(session.names().slice(-2), ['READ (16)', 'READ (10)'])
})

test('capacity is asked once, with READ CAPACITY (10) where the other is not there', async () => {
  session.has16 = false
  assert.deepEqual(await unit.capacity(), {
    blocks: 4096,
    blockSize: BLOCK,
    bytes: 4096 * BLOCK,
    physicalBlockSize: BLOCK,
    thin: false,
    protection: 0,
  })
  await unit.capacity()
  assert.deepEqual(session.names(), ['READ CAPACITY (16)', 'READ CAPACITY (10)'])
})

test('a unit attention is passed over, and one about the capacity asks for it again', async () => {
  await unit.read(0, 1)
  session.first.set('READ (10)', [check(6, 0x2900), check(6, 0x2a09)])
  session.blocks = 100
  await unit.read(0, 1)
  await assert.rejects(unit.read(100, 1), { code: 'OUT_OF_RANGE' })
})

test('bytes that were not moved, or too many, are an error, whatever the status says', async () => {
  await unit.read(0, 1)
  for (const residual of [{ underflow: BLOCK }, { underflow: 2 * BLOCK }, { overflow: 14 * BLOCK }]) {
    session.first.set('READ (10)', [residual])
    await assert.rejects(unit.read(0, 2), { code: 'TRANSPORT_DATA_MISSING' }, JSON.stringify(residual))
    session.first.set('WRITE (10)', [residual])
    await assert.rejects(unit.write(0, Buffer.alloc(2 * BLOCK)), { code: 'TRANSPORT_DATA_MISSING' })
  }
})

test('a unit that has blocks of another length is not read nor written by LBAs of before', async () => {
  await unit.read(0, 1)
  for (const code of [0x2900, 0x2a09, 0x2800]) {
    session.blockLength = BLOCK
    assert.equal((await unit.capacity()).blockSize, BLOCK)
    session.blockLength = 8 * BLOCK
    session.first.set('WRITE (10)', [check(6, code)])
    const sent = session.seen.length
    await assert.rejects(unit.write(8, Buffer.alloc(8 * BLOCK)), { code: 'BLOCKS_CHANGED' })
    await assert.rejects(unit.readInto(8, Buffer.alloc(8 * BLOCK)), { code: 'BLOCKS_CHANGED' })
    await assert.rejects(unit.discard(8, 1), { code: 'BLOCKS_CHANGED' })
    assert.deepEqual(new Set(session.names().slice(sent + 1)), new Set(['READ CAPACITY (16)']))
    assert.equal((await unit.capacity()).blockSize, 8 * BLOCK)
    assert.equal((await unit.read(8, 1)).length, 8 * BLOCK)
    session.first.set('READ (10)', [check(6, 0x2900)])
    await unit.read(0, 1)
    session.blockLength = BLOCK
    session.first.set('TEST UNIT READY', [check(6, 0x2900)])
    await unit.testReady()
  }
})

test('BUSY is waited for; an error of the medium is told with its block', async () => {
  await unit.read(0, 1)
  session.first.set('READ (10)', [{ status: Status.busy }, { status: Status.taskSetFull }])
  await unit.read(0, 1)
  const sense = new Uint8Array(18)
  writeSense(sense, false, { key: 3, asc: 0x11, ascq: 0, text: '' }, { information: 77 })
  session.first.set('READ (10)', [{ status: Status.checkCondition, sense }])
  await assert.rejects(unit.read(70, 8), (error: ScsiError) => {
    assert.equal(error.code, 'SCSI_CHECK_CONDITION')
    assert.match(error.message, /READ \(10\) .* at LBA 77$/)
    return true
  })
})

test('a failed piece fails the transfer only when all pieces have ended', async () => {
  await unit.read(0, 1)
  session.first.set('READ (10)', [check(3, 0x1100)])
  const before = session.seen.length
  await assert.rejects(unit.read(0, 64), { code: 'SCSI_CHECK_CONDITION' })
  assert.equal(session.seen.length - before, 8)
})

test('ranges and lengths that cannot be are refused before anything is sent', async () => {
  await unit.capacity()
  const sent = session.seen.length
  const wrong: readonly (readonly [Promise<unknown>, string])[] = [
    [unit.read(4096, 1), 'OUT_OF_RANGE'],
    [unit.read(0, 4097), 'OUT_OF_RANGE'],
    [unit.read(-1, 1), 'ARGUMENT_INVALID'],
    [unit.read(0.5, 1), 'ARGUMENT_INVALID'],
    [unit.read(0, Number.NaN), 'ARGUMENT_INVALID'],
    [unit.write(0, Buffer.alloc(511)), 'ARGUMENT_INVALID'],
    [unit.readInto(4095, Buffer.alloc(1024)), 'OUT_OF_RANGE'],
    [unit.discard(4095, 2), 'OUT_OF_RANGE'],
  ]
  for (const [promise, code] of wrong) {
    await assert.rejects(promise, (error: RequestError) => error.code === code)
  }
  assert.equal(session.seen.length, sent)
  assert.equal((await unit.read(4096, 0)).length, 0)
})

test('discard goes in UNMAPs of the limit, and is refused where there is none', async () => {
  await unit.discard(5, 40)
  const ranges = session.seen
    .filter(({ cdb }) => cdb[0] === UNMAP.opcode)
    .map(({ dataOut }) => UNMAP_DESCRIPTOR.read(dataOut as Uint8Array, 8))
  assert.deepEqual(
    ranges.map(({ lba, blocks }) => [lba, blocks]),
    [
      [5, 16],
      [21, 16],
      [37, 8],
    ],
  )
  session = new TableSession()
  session.thin = 0
  await assert.rejects(new Unit(session, 0).discard(0, 1), { code: 'UNSUPPORTED' })
})

test('what may be repeated after a lost connection is marked', async () => {
  await unit.write(0, Buffer.alloc(BLOCK))
  await unit.flush()
  assert.ok(session.seen.every(({ repeatable }) => repeatable === true))
  await unit.execute(buildCdb(COMPARE_AND_WRITE, { blocks: 1 }), { dataOut: Buffer.alloc(2 * BLOCK) })
  assert.equal(session.seen.at(-1)!.repeatable, false)
})

test('execute gives the status as it came', async () => {
  session.first.set('READ (10)', [check(6, 0x2900)])
  const result = await unit.execute(buildCdb(READ_10, { blocks: 1 }), { expectedIn: BLOCK })
  assert.equal(result.status, Status.checkCondition)
})

test('answers that are too short, of another page or senseless are refused', async () => {
  const answers: readonly (readonly [string, Uint8Array, () => Promise<unknown>])[] = [
    ['INQUIRY', new Uint8Array(35), () => unit.inquiry()],
    ['INQUIRY', new Uint8Array(3), () => unit.vpd(0x80)],
    ['INQUIRY', Uint8Array.of(0, 0x83, 0, 0), () => unit.vpd(0x80)],
    ['READ CAPACITY (16)', new Uint8Array(11), () => unit.capacity()],
    ['READ CAPACITY (16)', new Uint8Array(32), () => unit.capacity()],
    ['READ CAPACITY (16)', new Uint8Array(32).fill(0xff), () => unit.capacity()],
  ]
  for (const [name, dataIn, ask] of answers) {
    session.first.set(name, [{ dataIn }])
    await assert.rejects(ask(), { code: 'TRANSPORT_PROTOCOL' }, name)
  }
  // A page that says to be longer than what came is cut, not read beyond.
  session.first.set('INQUIRY', [{ dataIn: Uint8Array.of(0, 0x80, 0xff, 0xff, 1, 2) }])
  assert.deepEqual([...(await unit.vpd(0x80))], [0, 0x80, 0xff, 0xff, 1, 2])
})

test('a unit that is not there is said to be missing', async () => {
  session.first.set('INQUIRY', [{ dataIn: STANDARD_INQUIRY.write({ qualifier: 3, deviceType: 0x1f }) }])
  await assert.rejects(unit.open(), { code: 'LUN_MISSING' })
})

function lunList(luns: readonly number[], length = luns.length * 8): Uint8Array {
  const list = Buffer.alloc(8 + luns.length * 8)
  list.writeUInt32BE(length)
  for (const [i, lun] of luns.entries()) encodeLun(lun, list, 8 + i * 8)
  return list
}

test('discovery asks each LUN of the list, and again for a longer list', async () => {
  const many = Array.from({ length: 300 }, (_, i) => i)
  session.first.set('REPORT LUNS', [
    { dataIn: lunList(many).subarray(0, 8 + 256 * 8) },
    { dataIn: lunList(many) },
  ])
  const found = await discoverUnits(session)
  assert.deepEqual(
    found.map(({ lun }) => lun),
    many,
  )
  assert.equal(found[0]!.inquiry.vendor, 'LUNKIT')
})

test('lists of LUNs that lie about their length are read as far as they go', async () => {
  session.first.set('REPORT LUNS', [{ dataIn: lunList([1, 2], 800) }])
  assert.deepEqual(await reportLuns(session), [1, 2])
  session.first.set('REPORT LUNS', [{ dataIn: lunList([1, 2], 12) }])
  assert.deepEqual(await reportLuns(session), [1])
  session.first.set('REPORT LUNS', [{ dataIn: lunList([], 0xffff_fff8) }])
  await assert.rejects(reportLuns(session), { code: 'TRANSPORT_PROTOCOL' })
  session.first.set('REPORT LUNS', [{ dataIn: new Uint8Array(7) }])
  await assert.rejects(reportLuns(session), { code: 'TRANSPORT_PROTOCOL' })
})
