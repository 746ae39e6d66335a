// SPDX-License-Identifier: Apache-2.0
// RFC 7143, 4.2.2.1 and 4.2.5.2: unsolicited data of commands that wait for a lower CmdSN on another connection.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DATA_OUT, NOP_OUT, Opcode, RESERVED_TAG, SCSI_RESPONSE, Status } from '@lunkit/spec'
import type { IscsiTargetPort } from '../../../target/drivers/iscsi/src/port.ts'
import {
  type BenchOptions,
  BLOCK,
  type IscsiBench,
  testUnitReady,
  withBench,
  write10,
} from '../../kit/iscsi-bench.ts'
import { fieldsOf, type RawPeer } from '../../kit/raw-peer.ts'
import { dataOut, ping, sendFunction, write } from '../../kit/raw-requests.ts'
import { RawSession } from '../../kit/raw-session.ts'

const FIRST_BURST = 262_144
const KEYS = {
  InitialR2T: 'No',
  ImmediateData: 'Yes',
  FirstBurstLength: String(FIRST_BURST),
  MaxBurstLength: String(FIRST_BURST),
}
const blocks = (count: number, fill: number): Buffer => Buffer.alloc(count * BLOCK, fill)

interface Pair {
  readonly bench: IscsiBench
  readonly session: RawSession
  readonly first: RawPeer
  readonly second: RawPeer
  /** Sends the command that the others wait for. */
  readonly go: () => void
}

/** Two connections; the number of the next command is kept back, so that all behind it wait. */
const withGap = (
  run: (pair: Pair) => Promise<void>,
  keys: Readonly<Record<string, string>> = {},
  limits: BenchOptions['limits'] = { earlyDataBytes: 4096 },
): Promise<void> =>
  withBench({ limits: { firstBurst: FIRST_BURST, ...limits } }, async bench => {
    const { session, first } = await RawSession.open(bench, { ...KEYS, ...keys })
    const second = await session.join(2)
    const { cmdSn } = session.next(first)
    const go = (): void => void first.command(testUnitReady(), { cmdSn, itt: 0x77 })
    await run({ bench, session, first, second, go })
    const { sessions, early } = bench.port as IscsiTargetPort
    for (const { window } of sessions.values()) assert.equal(window.parkedBytes, 0)
    assert.equal(early.parked.bytes, 0)
  })

const statusOf = async (peer: RawPeer): Promise<number> =>
  fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status

describe('unsolicited data of a command whose turn has not come', () => {
  // Requirement: RFC 7143, 11.7/15 and 4.2.2.1/1.
  test('is kept with it, and written when the commands before it have come', () =>
    withGap(async ({ bench, session, first, second, go }) => {
      const itt = write(session.next(second), 3, 3, blocks(1, 1), { final: 0 })
      dataOut(second, { itt, bufferOffset: BLOCK, final: 0 }, blocks(1, 2))
      dataOut(second, { itt, dataSn: 1, bufferOffset: 2 * BLOCK }, blocks(1, 3))
      await ping(second)
      bench.store.takeCalls()
      go()
      assert.equal(await statusOf(first), Status.good)
      assert.equal(await statusOf(second), Status.good)
      const wanted = Buffer.concat([blocks(1, 1), blocks(1, 2), blocks(1, 3)])
      assert.ok(bench.store.bytes.subarray(3 * BLOCK, 6 * BLOCK).equals(wanted))
      assert.equal(bench.of('peer-fault').length, 0)
    }))

  // Requirement: RFC 7143, 11.7/15.
  test('goes on when the turn has come in its midst', () =>
    withGap(async ({ bench, session, first, second, go }) => {
      const itt = write(session.next(second), 3, 2, undefined, { final: 0 })
      dataOut(second, { itt, final: 0 }, blocks(1, 4))
      await ping(second)
      go()
      assert.equal(await statusOf(first), Status.good)
      dataOut(second, { itt, dataSn: 1, bufferOffset: BLOCK }, blocks(1, 5))
      assert.equal(await statusOf(second), Status.good)
      const wanted = Buffer.concat([blocks(1, 4), blocks(1, 5)])
      assert.ok(bench.store.bytes.subarray(3 * BLOCK, 5 * BLOCK).equals(wanted))
    }))

  test('is judged like all data: with a gap the command fails, and nothing is written', () =>
    withGap(async ({ bench, session, first, second, go }) => {
      const itt = write(session.next(second), 3, 2, undefined, { final: 0 })
      dataOut(second, { itt, bufferOffset: BLOCK }, blocks(1, 4))
      await ping(second)
      bench.store.takeCalls()
      go()
      assert.equal(await statusOf(first), Status.good)
      assert.equal((await second.receive()).opcode, Opcode.reject)
      assert.equal(await statusOf(second), Status.checkCondition)
      assert.deepEqual(bench.store.takeCalls(), [])
    }))

  test('with a wrong digest is judged, too', () =>
    withGap(
      async ({ bench, session, first, second, go }) => {
        const itt = write(session.next(second), 3, 1, undefined, { final: 0 })
        const bytes = Buffer.from(blocks(1, 4))
        second.dataDigest = false
        dataOut(second, { itt }, Buffer.concat([bytes, Buffer.alloc(4)]).subarray(0, BLOCK))
        second.send(Buffer.alloc(4))
        second.dataDigest = true
        await ping(second)
        go()
        assert.equal(await statusOf(first), Status.good)
        assert.equal((await second.receive()).opcode, Opcode.reject)
        assert.equal(await statusOf(second), Status.checkCondition)
        assert.equal(bench.of('peer-fault').length, 1)
      },
      { DataDigest: 'CRC32C' },
    ))

  test('of a command that was aborted meanwhile is dropped without a word', () =>
    withGap(async ({ bench, session, first, second, go }) => {
      const number = session.cmdSn
      const itt = write(session.next(second), 3, 2, undefined, { final: 0 })
      dataOut(second, { itt, final: 0 }, blocks(1, 4))
      await ping(second)
      second.cmdSn = session.cmdSn
      sendFunction(second, { function: 1, referencedTaskTag: itt, refCmdSn: number, cmdSn: session.cmdSn })
      await second.receive(Opcode.taskManagementResponse)
      dataOut(second, { itt, dataSn: 1, bufferOffset: BLOCK }, blocks(1, 5))
      bench.store.takeCalls()
      go()
      assert.equal(await statusOf(first), Status.good)
      await ping(second)
      assert.deepEqual(bench.store.takeCalls(), [])
      assert.equal(bench.of('peer-fault').length, 0)
    }))

  test('that needs too much room is dropped, and its commands answered as too many; the others run', () =>
    withGap(async ({ bench, session, first, second, go }) => {
      for (let at = 0; at < 6; at++) {
        const half = Buffer.alloc(131_072, at + 1)
        const itt = write(session.next(second), at * 512, 512, half, { final: 0 })
        dataOut(second, { itt, bufferOffset: half.length }, half)
      }
      const small = session.next(second).command(testUnitReady())
      await ping(second)
      go()
      assert.equal(await statusOf(first), Status.good)
      const seen: number[] = []
      for (let at = 0; at < 7; at++) {
        const { itt, status } = fieldsOf(SCSI_RESPONSE, await second.receive(Opcode.scsiResponse))
        if (itt !== small) seen.push(status)
        else assert.equal(status, Status.good)
      }
      assert.deepEqual(
        seen.toSorted((one, other) => one - other),
        [...Array(3).fill(Status.good), ...Array(3).fill(Status.taskSetFull)],
      )
      assert.equal(bench.of('peer-fault').length, 0)
    }))

  test('is counted no longer when there was no room for it with its command, or its session ends', () =>
    withGap(async ({ bench, session, first, second, go }) => {
      for (let at = 0; at < 6; at++) {
        const fields = { write: 1, expectedDataTransferLength: 262_144 }
        session.next(second).command(write10(at * 512, 512), fields, Buffer.alloc(262_144, at))
      }
      await ping(second)
      const { early } = bench.port as IscsiTargetPort
      assert.equal(early.parked.bytes, 4 * 262_144)
      go()
      await statusOf(first)
      const seen: number[] = []
      for (let at = 0; at < 6; at++) seen.push(await statusOf(second))
      assert.equal(seen.filter(status => status === Status.taskSetFull).length, 2)
      assert.equal(early.parked.bytes, 0)
      session.next(first)
      write(session.next(second), 3, 2, blocks(1, 1), { final: 0 })
      await ping(second)
      assert.equal(early.parked.bytes, BLOCK)
      await second.close()
      await bench.until(() => early.parked.bytes === 0)
    }))

  /** Six writes of 256 KiB that wait; then, when `ready` has come, how many of them were well. */
  const six = async (pair: Pair, ready: () => Promise<void>): Promise<number> => {
    const { session, first, second, go } = pair
    for (let at = 0; at < 6; at++) {
      const fields = { write: 1, expectedDataTransferLength: 262_144 }
      session.next(second).command(write10(at * 512, 512), fields, Buffer.alloc(262_144, at))
    }
    await ping(second)
    await ready()
    go()
    await statusOf(first)
    const seen: number[] = []
    for (let at = 0; at < 6; at++) seen.push(await statusOf(second))
    assert.ok(seen.every(status => status === Status.good || status === Status.taskSetFull))
    return seen.filter(status => status === Status.good).length
  }

  test('keeps nothing alive that came between it', () =>
    withGap(
      async ({ bench, session, second, go }) => {
        const itt = write(session.next(second), 0, 52, blocks(4, 1), { final: 0 })
        const ignored = {
          opcode: Opcode.nopOut,
          final: 1,
          itt: 1,
          ttt: RESERVED_TAG,
          cmdSn: second.cmdSn + 999,
        }
        const between = second.build(NOP_OUT, ignored, Buffer.alloc(24_000))
        const fields = { opcode: Opcode.dataOut, itt, ttt: RESERVED_TAG }
        for (let dataSn = 0; dataSn < 6; dataSn++) {
          const values = {
            ...fields,
            dataSn,
            bufferOffset: (4 + 8 * dataSn) * BLOCK,
            final: dataSn === 5 ? 1 : 0,
          }
          second.send(Buffer.concat([between, second.build(DATA_OUT, values, blocks(8, 2)), between]))
        }
        await ping(second)
        const [{ window } = assert.fail()] = (bench.port as IscsiTargetPort).sessions.values()
        const pieces = [...window.parked()].flatMap(([, { data, behind }]) => [
          ...data,
          ...behind.flatMap(one => one.data),
        ])
        assert.equal(Buffer.concat(pieces).length, 52 * BLOCK)
        const alive = new Set(pieces.map(({ buffer }) => buffer))
        assert.ok([...alive].reduce((sum, { byteLength }) => sum + byteLength, 0) <= 2 * 52 * BLOCK)
        go()
        assert.equal(await statusOf(second), Status.good)
      },
      {},
      {},
    ))

  test('shares the room of all sessions', () =>
    withGap(
      async pair => {
        const { early } = pair.bench.port as IscsiTargetPort
        const ready = async (): Promise<void> => assert.equal(early.parked.bytes, 6 * 262_144)
        assert.equal(await six(pair, ready), 6)
      },
      {},
      {},
    ))

  test('does so for no longer than data may take to come', () =>
    withGap(
      async pair => {
        const { early } = pair.bench.port as IscsiTargetPort
        const ready = (): Promise<void> => pair.bench.until(() => early.parked.bytes === 4 * 262_144)
        assert.equal(await six(pair, ready), 4)
      },
      {},
      { dataTimeoutMs: 400 },
    ))

  test('that belongs to no command is rejected as before', () =>
    withGap(async ({ session, second, go }) => {
      write(session.next(second), 3, 1, blocks(1, 1))
      dataOut(second, { itt: second.itt - 1 }, blocks(1, 4))
      assert.equal((await second.receive()).opcode, Opcode.reject)
      go()
      assert.equal(await statusOf(second), Status.good)
    }))
})
