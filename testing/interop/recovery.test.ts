// SPDX-License-Identifier: Apache-2.0
// Error recovery end to end: two initiators and a target with a bad network between; all data right, nothing done twice.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import {
  COMPARE_AND_WRITE,
  type Command,
  READ_10,
  readSense,
  Status,
  TEST_UNIT_READY,
  WRITE_10,
} from '@lunkit/spec'
import { openSession, type SessionEvent } from 'lunkit/initiator'
import { createTarget, type ObjectStorage } from 'lunkit/target'
import { type FaultRates, FaultyProxy, seeded } from '../kit/faulty-proxy.ts'

const BLOCK = 512
const BLOCKS = 16_384
/** Commands of each of the two initiators: more with LUNKIT_RECOVERY_COMMANDS. */
const COMMANDS = Math.ceil(Number(process.env['LUNKIT_RECOVERY_COMMANDS'] ?? 10_000) / 2)
const SEED = Number(process.env['LUNKIT_RECOVERY_SEED'] ?? Math.floor(Math.random() * 0x1_0000_0000))
const IN_FLIGHT = 24
const GIVEN_UP = new Error('given up')
const LONGEST_BLOCKS = 96
/** Header faults and cuts need level 2; the others are mended within a connection. */
const RATES: FaultRates = {
  data: 0.02,
  header: 0.002,
  omit: 0.01,
  cut: 0.002,
  cutAll: 0.0002,
  delay: 0.03,
  latestMs: 12,
}
const DATA_RATES: FaultRates = { ...RATES, data: 0.04, header: 0, cut: 0, cutAll: 0 }

/** Bytes that count how often each block of each write came: a block begins with the write's number and its own. */
class CountingStorage implements ObjectStorage {
  readonly size = BLOCKS * BLOCK
  readonly bytes = Buffer.alloc(BLOCKS * BLOCK)
  readonly runs = new Map<string, number>()

  read(offset: number, buffer: Buffer): void {
    this.bytes.copy(buffer, 0, offset, offset + buffer.length)
  }

  async write(offset: number, buffer: Buffer): Promise<void> {
    for (let at = 0; at < buffer.length; at += BLOCK) {
      const key = `${buffer.readUInt32BE(at)}:${buffer.readUInt32BE(at + 4)}`
      this.runs.set(key, (this.runs.get(key) ?? 0) + 1)
    }
    // Some are slow, so that connections are lost while they run.
    if ((offset / BLOCK) % 5 === 0) await new Promise(resolve => setTimeout(resolve, 3))
    buffer.copy(this.bytes, offset)
  }
}

/** What the disk holds, and which blocks a command is using at present. */
class Model {
  readonly bytes = Buffer.alloc(BLOCKS * BLOCK)
  readonly written: { readonly id: number; readonly blocks: number }[] = []
  readonly #busy = new Uint8Array(BLOCKS)

  lock(lba: number, blocks: number): boolean {
    if (this.#busy.subarray(lba, lba + blocks).some(one => one !== 0)) return false
    this.#busy.fill(1, lba, lba + blocks)
    return true
  }

  unlock(lba: number, blocks: number): void {
    this.#busy.fill(0, lba, lba + blocks)
  }

  at(lba: number, blocks: number): Buffer {
    return this.bytes.subarray(lba * BLOCK, (lba + blocks) * BLOCK)
  }

  /** Data of a write that no other has. */
  fresh(blocks: number, random: () => number): Buffer {
    const id = this.written.push({ id: this.written.length + 1, blocks })
    const data = Buffer.alloc(blocks * BLOCK, Math.floor(random() * 256))
    for (let i = 0; i < blocks; i++) {
      data.writeUInt32BE(id, i * BLOCK)
      data.writeUInt32BE(i, i * BLOCK + 4)
    }
    return data
  }
}

function cdbOf(row: Command, values: Record<string, number>): Uint8Array {
  return row.cdb.write({ opcode: row.opcode, ...values } as never)
}

/** The commands of a run have ended. */
let done = false

type Session = Awaited<ReturnType<typeof openSession>>

/** Runs commands of its own until so many are done; ranges in use are left alone. */
async function work(session: Session, model: Model, random: () => number, commands: number): Promise<void> {
  let left = commands
  const check = ({ status, sense }: { status: number; sense: Uint8Array }, what: string): void => {
    assert.equal(status, Status.good, `${what}: ${JSON.stringify(readSense(sense))}`)
  }
  const one = async (): Promise<void> => {
    const short = random() < 0.7
    const blocks = 1 + Math.floor(random() * (short ? 8 : LONGEST_BLOCKS))
    const lba = Math.floor(random() * (BLOCKS - blocks))
    if (!model.lock(lba, blocks)) return
    left--
    const kind = random()
    const what = `seed ${SEED}: ${blocks} blocks at ${lba}`
    if (kind < 0.05) {
      // One that is given up, perhaps while its connection is lost, ends in one of two ways.
      const stop = new AbortController()
      const timer = setTimeout(() => stop.abort(GIVEN_UP), random() * 20)
      const read = { lun: 0, cdb: cdbOf(READ_10, { lba, blocks }), dataIn: Buffer.alloc(blocks * BLOCK) }
      await session.execute({ ...read, signal: stop.signal }).then(
        result => assert.ok(model.at(lba, blocks).equals(result.dataIn), `${what}: wrong data`),
        error => assert.equal(error, GIVEN_UP, what),
      )
      clearTimeout(timer)
    } else if (kind < 0.5) {
      const cdb = cdbOf(READ_10, { lba, blocks })
      const result = await session.execute({ lun: 0, cdb, dataIn: Buffer.alloc(blocks * BLOCK) })
      check(result, what)
      assert.ok(model.at(lba, blocks).equals(result.dataIn), `${what}: wrong data`)
    } else if (kind < 0.9) {
      const data = model.fresh(blocks, random)
      check(await session.execute({ lun: 0, cdb: cdbOf(WRITE_10, { lba, blocks }), dataOut: data }), what)
      data.copy(model.bytes, lba * BLOCK)
    } else {
      // Done twice it would find its own data, and fail.
      const count = Math.min(blocks, 8)
      const data = model.fresh(count, random)
      const dataOut = Buffer.concat([model.at(lba, count), data])
      check(
        await session.execute({ lun: 0, cdb: cdbOf(COMPARE_AND_WRITE, { lba, blocks: count }), dataOut }),
        what,
      )
      data.copy(model.bytes, lba * BLOCK)
    }
    model.unlock(lba, blocks)
  }
  const worker = async (): Promise<void> => {
    while (left > 0) await one()
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
}

/** Two sessions at this level run so many commands each, with `meanwhile` beside; all must be right, and none done twice. */
async function run(
  t: TestContext,
  level: 1 | 2,
  connections: number,
  rates: FaultRates,
  commands: number,
  meanwhile: (sessions: readonly Session[]) => Promise<void> = async () => {},
): Promise<{ proxy: FaultyProxy; events: readonly SessionEvent[] }> {
  t.diagnostic(`LUNKIT_RECOVERY_SEED=${SEED} repeats it, LUNKIT_RECOVERY_COMMANDS=… makes it longer`)
  const storage = new CountingStorage()
  await using target = await createTarget({ luns: [storage] })
  const port = Number(target.portals[0]!.split(':').at(-1))
  await using proxy = await FaultyProxy.to(port, SEED, rates)
  const url = target.url.replace(`:${port}`, `:${proxy.port}`)
  const events: SessionEvent[] = []
  proxy.calm = true
  const login = async (i: number): Promise<Session> => {
    const session = await openSession(url, {
      connections,
      errorRecoveryLevel: level,
      headerDigest: 'require',
      dataDigest: 'require',
      initiatorName: `iqn.2026-11.test.lunkit:recovery-${i}`,
      maxRecvDataSegmentLength: 4096,
      maxBurstLength: 16_384,
      firstBurstLength: 8192,
      initialR2T: i === 0,
      queueDepth: IN_FLIGHT,
      nopIntervalMs: 2000,
      onEvent: event => void events.push(event),
    })
    assert.equal(session.connections.length, connections)
    assert.equal(session.settings.errorRecoveryLevel, level)
    // It tells of the unit attention of a new nexus.
    await session.execute({ lun: 0, cdb: cdbOf(TEST_UNIT_READY, {}) })
    return session
  }
  const sessions = await Promise.all([login(0), login(1)])
  proxy.calm = false
  const model = new Model()
  const random = seeded(SEED)
  const works = Promise.all(sessions.map(session => work(session, model, random, commands))).finally(() => {
    done = true
  })
  await Promise.all([works, meanwhile(sessions)])
  proxy.calm = true
  const lost = events.filter(({ type }) => type === 'lost')
  assert.deepEqual(lost, [], `seed ${SEED}: sessions were lost`)
  t.diagnostic(`faults ${JSON.stringify(proxy.faults)}`)
  assert.ok(storage.bytes.equals(model.bytes), `seed ${SEED}: the disk does not hold what was acknowledged`)
  for (const { id, blocks } of model.written) {
    for (let i = 0; i < blocks; i++)
      assert.equal(storage.runs.get(`${id}:${i}`), 1, `seed ${SEED}: write ${id}, block ${i}`)
  }
  await Promise.all(sessions.map(session => session.close()))
  return { proxy, events }
}

// Requirement: RFC 7143, Error Recovery Hierarchy: at level 2 damaged PDUs and lost connections are recovered from within the
// session, each command runs once, and no wrong data is delivered.
test(`level 2: ${2 * COMMANDS} commands over a bad network, seed ${SEED}`, async t => {
  const { proxy, events } = await run(t, 2, 4, RATES, COMMANDS)
  const count = (type: SessionEvent['type']): number => events.filter(event => event.type === type).length
  t.diagnostic(`connections lost ${count('connection-lost')}, recovered ${count('connection-recovered')}`)
  for (const fault of ['data', 'header', 'omit', 'cut', 'delay'] as const)
    assert.ok(proxy.faults[fault] > 0, `no ${fault} was tried`)
})

// Requirement: RFC 7143, Resegmentation: data of before a change of segment lengths are recovered as well.
test(`level 1: damaged and missing PDUs while the segment lengths change, seed ${SEED}`, async t => {
  const random = seeded(SEED + 1)
  done = false
  const { proxy, events } = await run(t, 1, 2, DATA_RATES, Math.ceil(COMMANDS / 5), async sessions => {
    while (!done) {
      for (const session of sessions) await session.renegotiate(1024 * (1 + Math.floor(random() * 8)))
      await wait(10)
    }
  })
  assert.equal(proxy.taken, 4)
  assert.ok(!events.some(({ type }) => type === 'connection-lost'))
  assert.ok(proxy.faults.data > 0 && proxy.faults.omit > 0)
})
