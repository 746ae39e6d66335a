// SPDX-License-Identifier: Apache-2.0
// The cases that every target driver passes.
import assert from 'node:assert/strict'
import {
  INQUIRY,
  MODE_SENSE_6,
  REPORT_LUNS,
  readSense,
  Status,
  TaskAttribute,
  TEST_UNIT_READY,
  WRITE_10,
} from '@lunkit/spec'
import { ManagementFunction, ManagementResponse, StoreError } from '@lunkit/target-api'
import { type Bench, BLOCK, endOf, type Limits, pattern, SIZE } from './driver-bench.ts'

/** A number that no standard has given away. */
const NO_FUNCTION = 13

export interface Case {
  readonly name: string
  readonly limits?: Limits
  readonly run: (bench: Bench) => Promise<void>
}

export const CASES: readonly Case[] = [
  {
    name: 'data of every length goes there and back',
    async run(bench) {
      const initiator = await bench.connect()
      for (const blocks of [1, 7, 16, 128, 129, 512, 1025, 4096]) {
        const data = pattern(blocks, blocks)
        const written = await initiator.write(3, data)
        assert.deepEqual([written.status, written.residual, written.dataIn.length], [Status.good, 0, 0])
        const back = await initiator.read(3, blocks)
        assert.deepEqual([back.status, back.residual], [Status.good, 0])
        assert.ok(data.equals(back.dataIn), `${blocks} blocks came back changed`)
      }
    },
  },
  {
    name: 'residuals of data-in are exact, both ways',
    async run(bench) {
      const initiator = await bench.connect()
      const read = async (blocks: number, expectedIn: number): Promise<[number, number, number]> => {
        const { status, dataIn, residual } = await initiator.read(0, blocks, { expectedIn })
        assert.ok(bench.stores[0]!.bytes.subarray(0, dataIn.length).equals(dataIn))
        return [status, dataIn.length, residual]
      }
      assert.deepEqual(await read(2, 2000), [Status.good, 1024, 976])
      assert.deepEqual(await read(2, 1000), [Status.good, 1000, -24])
      assert.deepEqual(await read(256, 512), [Status.good, 512, 512 - 256 * BLOCK])
      assert.deepEqual(await read(0, 512), [Status.good, 0, 512])
      assert.deepEqual(await read(2, 0), [Status.good, 0, -1024])
      const short = await initiator.send(INQUIRY, { allocation: 5 }, { expectedIn: 96 })
      assert.deepEqual([short.dataIn.length, short.residual], [5, 91])
    },
  },
  {
    name: 'residuals of data-out are exact, both ways',
    async run(bench) {
      const initiator = await bench.connect()
      const write = async (blocks: number, length: number): Promise<[number, number]> => {
        const dataOut = pattern(Math.ceil(length / BLOCK), 5).subarray(0, length)
        const { status, residual } = await initiator.send(WRITE_10, { lba: 8, blocks }, { dataOut })
        const taken = Math.min(blocks * BLOCK, length)
        const stored = bench.stores[0]!.bytes.subarray(8 * BLOCK, 8 * BLOCK + taken)
        assert.ok(stored.equals(dataOut.subarray(0, taken)))
        return [status, residual]
      }
      assert.deepEqual(await write(2, 1024), [Status.good, 0])
      assert.deepEqual(await write(2, 2048), [Status.good, 1024])
      assert.deepEqual(await write(2, 512), [Status.good, -512])
      assert.deepEqual(await write(300, 600 * BLOCK), [Status.good, 300 * BLOCK])
      const [status, residual] = await write(0, 512)
      assert.deepEqual([status, residual], [Status.good, 512])
    },
  },
  {
    name: 'sense comes as it is, and nothing was moved',
    async run(bench) {
      const initiator = await bench.connect()
      const outside = await initiator.read(SIZE / BLOCK, 4)
      assert.deepEqual([outside.status, outside.dataIn.length], [Status.checkCondition, 0])
      assert.equal(outside.residual, 4 * BLOCK)
      const report = readSense(outside.sense)!
      assert.deepEqual([report.key, report.asc, report.ascq], [5, 0x21, 0])
      bench.stores[0]!.failNext('read', StoreError.medium, 1024)
      const broken = await initiator.read(0, 8)
      const medium = readSense(broken.sense)!
      assert.deepEqual([medium.key, medium.asc, medium.information], [3, 0x11, 2])
      assert.equal(broken.dataIn.length, 0)
      const refused = await initiator.send(WRITE_10, { lba: 1e6, blocks: 600 }, { dataOut: pattern(600, 1) })
      assert.equal(readSense(refused.sense)!.asc, 0x21)
      assert.equal((await initiator.read(0, 1)).status, Status.good)
    },
  },
  {
    name: 'LUNs lead to their units, and an unknown one to none',
    async run(bench) {
      const initiator = await bench.connect()
      await initiator.write(0, pattern(1, 1), { lun: 0 })
      await initiator.write(0, pattern(1, 2), { lun: 1 })
      assert.ok(pattern(1, 1).equals(bench.stores[0]!.bytes.subarray(0, BLOCK)))
      assert.ok(pattern(1, 2).equals(bench.stores[1]!.bytes.subarray(0, BLOCK)))
      const missing = await initiator.send(TEST_UNIT_READY, {}, { lun: 300 })
      assert.equal(readSense(missing.sense)!.asc, 0x25)
      const { dataIn } = await initiator.send(REPORT_LUNS, { allocation: 64 }, { lun: 300, expectedIn: 64 })
      assert.deepEqual([...dataIn.subarray(0, 4), dataIn[17]], [0, 0, 0, 16, 1])
    },
  },
  {
    name: 'hundreds of commands at once are answered, each with its own data',
    limits: { tasksPerSession: 16, memory: 256 * 1024 },
    async run(bench) {
      const initiators = [await bench.connect(':a'), await bench.connect(':b')]
      const rounds = initiators.flatMap((initiator, who) =>
        Array.from({ length: 150 }, async (_, n) => {
          const blocks = 1 + (n % 40)
          const lba = (who * 150 + n) * 40
          const lun = n & 1
          const data = pattern(blocks, n + who)
          assert.equal((await initiator.write(lba, data, { lun })).status, Status.good)
          const { dataIn } = await initiator.read(lba, blocks, { lun })
          assert.ok(data.equals(dataIn))
        }),
      )
      await Promise.all(rounds)
    },
  },
  {
    name: 'attributes reach the engine',
    async run(bench) {
      const initiator = await bench.connect()
      const store = bench.stores[0]!
      store.takeCalls()
      store.held = true
      const older = initiator.read(0, 1)
      const ordered = initiator.read(1, 1, { attribute: TaskAttribute.ordered })
      const younger = initiator.read(2, 1)
      const urgent = initiator.read(3, 1, { attribute: TaskAttribute.headOfQueue })
      await bench.until(() => store.underWay === 2)
      assert.deepEqual(store.takeCalls(), ['read 0+512', 'read 1536+512'])
      store.release()
      for (const command of [older, ordered, younger, urgent]) assert.equal(await endOf(command), Status.good)
      assert.deepEqual(store.takeCalls(), ['read 512+512', 'read 1024+512'])
    },
  },
  {
    name: 'a hanging store holds up its own unit alone',
    async run(bench) {
      const initiator = await bench.connect()
      bench.stores[0]!.held = true
      const stuck = [initiator.read(0, 8), initiator.write(8, pattern(300, 1))]
      for (let n = 0; n < 20; n++) {
        assert.equal((await initiator.write(n, pattern(1, n), { lun: 1 })).status, Status.good)
      }
      bench.stores[0]!.release()
      for (const command of stuck) assert.equal(await endOf(command), Status.good)
    },
  },
  {
    name: 'an aborted command in a hanging store ends when the store does, and without an answer',
    async run(bench) {
      const initiator = await bench.connect()
      const store = bench.stores[0]!
      store.held = true
      const abort = new AbortController()
      const reads = endOf(initiator.read(0, 8, { signal: abort.signal }))
      await bench.until(() => store.underWay === 1)
      abort.abort()
      await bench.until(() => store.aborts === 1)
      assert.equal(bench.watched.abandoned, 0)
      store.release()
      assert.equal(await reads, 'rejected')
      assert.equal(bench.watched.abandoned, 1)
      assert.equal((await initiator.read(0, 8)).status, Status.good)
    },
  },
  {
    name: 'an aborted command that waits for its turn is let go at once',
    async run(bench) {
      const initiator = await bench.connect()
      const store = bench.stores[0]!
      store.held = true
      const older = initiator.read(0, 1)
      const abort = new AbortController()
      const dataOut = pattern(600, 3)
      const waits = initiator.write(0, dataOut, { attribute: TaskAttribute.ordered, signal: abort.signal })
      const end = endOf(waits)
      const younger = initiator.read(9, 1)
      await bench.until(() => store.underWay === 1)
      abort.abort()
      assert.equal(await end, 'rejected')
      await bench.until(() => store.underWay === 2)
      store.release()
      assert.deepEqual([await endOf(older), await endOf(younger)], [Status.good, Status.good])
    },
  },
  {
    name: 'a reset is answered when the last task has drained, and all hear of it',
    async run(bench) {
      const [initiator, other] = [await bench.connect(':a'), await bench.connect(':b')]
      const store = bench.stores[0]!
      store.held = true
      const ends = [endOf(initiator.read(0, 8)), endOf(other.write(0, pattern(700, 1)))]
      await bench.until(() => store.underWay === 2)
      let answered = false
      const reset = initiator.scripted.manage(ManagementFunction.logicalUnitReset, 0)
      void reset.then(() => (answered = true))
      await bench.until(() => store.aborts === 2)
      assert.equal((await initiator.read(0, 1, { lun: 1 })).status, Status.good)
      assert.equal(answered, false)
      store.release()
      assert.equal(await reset, ManagementResponse.complete)
      assert.equal(await ends[0], 'rejected')
      for (const one of [initiator, other]) {
        const { sense } = await one.send(TEST_UNIT_READY, {})
        assert.deepEqual([readSense(sense)!.asc, readSense(sense)!.ascq], [0x29, 3])
        assert.equal((await one.send(TEST_UNIT_READY, {})).status, Status.good)
      }
      // It was not the other one's wish (TAS).
      assert.equal(await ends[1], Status.taskAborted)
    },
  },
  {
    name: 'task management names what it cannot do',
    async run(bench) {
      const { scripted } = await bench.connect()
      const { logicalUnitReset, abortTaskSet, clearAca } = ManagementFunction
      assert.equal(await scripted.manage(logicalUnitReset, 9), ManagementResponse.lunDoesNotExist)
      assert.equal(await scripted.manage(clearAca, 0), ManagementResponse.complete)
      assert.equal(await scripted.manage(NO_FUNCTION, 0), ManagementResponse.notSupported)
      assert.equal(await scripted.manage(abortTaskSet, 0), ManagementResponse.complete)
    },
  },
  {
    name: 'a nexus that ends in the middle of everything leaves nothing behind',
    limits: { memory: 64 * 1024 },
    async run(bench) {
      const initiator = await bench.connect(':a')
      const store = bench.stores[0]!
      store.held = true
      const ends = [0, 1, 2, 3].map(n => endOf(initiator.write(n * 100, pattern(100, n))))
      ends.push(endOf(initiator.read(0, 8, { attribute: TaskAttribute.ordered })))
      await bench.until(() => store.underWay >= 1)
      const closed = initiator.scripted.close()
      await bench.until(() => bench.watched.nexuses.size === 0)
      store.release()
      await closed
      for (const end of ends) assert.equal(await end, 'rejected')
      await bench.until(() => store.underWay === 0)
      const next = await bench.connect(':a')
      assert.equal((await next.read(0, 8)).status, Status.good)
      bench.watched.check()
    },
  },
  {
    name: 'data is never more than the initiator takes, nor old bytes from elsewhere',
    async run(bench) {
      const initiator = await bench.connect()
      await initiator.write(0, Buffer.alloc(64 * 1024, 0xee))
      await initiator.read(0, 128)
      const page = await initiator.send(
        MODE_SENSE_6,
        { pageCode: 0x3f, allocation: 255 },
        { expectedIn: 255 },
      )
      assert.equal(page.dataIn.length, 255 - page.residual)
      assert.equal(page.dataIn.length, page.dataIn[0]! + 1)
      assert.ok(!page.dataIn.includes(0xee))
    },
  },
]
