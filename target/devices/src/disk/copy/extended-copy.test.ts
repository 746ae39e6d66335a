// SPDX-License-Identifier: Apache-2.0
// EXTENDED COPY (LID1) between units of one engine: what is copied, what is refused, and what is told about it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BLOCK_TO_BLOCK_OFFSET_SEGMENT,
  BLOCK_TO_BLOCK_SEGMENT,
  CopyDescriptor,
  EXTENDED_COPY_HEADER,
  EXTENDED_COPY_LID1,
  IDENTIFICATION_CSCD,
  ListIdUsage,
  RECEIVE_COPY_FAILURE_DETAILS_LID1,
  RECEIVE_COPY_OPERATING_PARAMETERS,
  RECEIVE_COPY_STATUS_LID1,
  readSense,
  SenseKey,
  Status,
  VERIFY_SEGMENT,
} from '@lunkit/spec'
import { StoreError, type StoreIo } from '@lunkit/target-api'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import type { StandInStore } from '../../../../../testing/kit/stand-in-store.ts'
import { copyBench, MIB, naa } from './copy.test-kit.ts'

const cscd = (lun: number, blockLength = 512, more = {}): Uint8Array =>
  IDENTIFICATION_CSCD.write({
    type: CopyDescriptor.identification,
    codeSet: 1,
    designatorType: 3,
    designatorLength: 8,
    designator: Buffer.concat([naa(lun), Buffer.alloc(12)]),
    blockLength,
    ...more,
  })

const segment = (source: number, destination: number, more = {}): Uint8Array =>
  BLOCK_TO_BLOCK_SEGMENT.write({
    type: CopyDescriptor.blockToBlock,
    length: BLOCK_TO_BLOCK_SEGMENT.length - 4,
    source,
    destination,
    ...more,
  })

function list(cscds: readonly Uint8Array[], segments: readonly Uint8Array[], header = {}): Buffer {
  const targets = Buffer.concat(cscds)
  const moves = Buffer.concat(segments)
  const head = EXTENDED_COPY_HEADER.write({
    listId: 7,
    cscdLength: targets.length,
    segmentLength: moves.length,
    ...header,
  })
  return Buffer.concat([head, targets, moves])
}

const copyCdb = (parameterLength: number): Uint8Array => cdbOf(EXTENDED_COPY_LID1, { parameterLength })

const statusCdb = (listId: number): Uint8Array => cdbOf(RECEIVE_COPY_STATUS_LID1, { listId, allocation: 255 })

const pattern = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 7 + 13) % 251))

test('blocks go from one unit to the other, and the results say so', async () => {
  const { engine, nexus, stores, send, read } = await copyBench()
  const data = pattern(3 * MIB)
  stores[0]!.bytes.set(data, 512 * 5)
  const parameters = list(
    [cscd(0), cscd(1)],
    [
      segment(0, 1, { blocks: 6000, sourceLba: 5, destinationLba: 10 }),
      segment(0, 1, { blocks: 144, sourceLba: 6005, destinationLba: 6010 }),
    ],
  )
  assert.equal((await send(statusCdb(7), undefined, 255)).status, Status.checkCondition, 'no such list yet')
  const answer = await send(copyCdb(parameters.length), parameters)
  assert.equal(answer.status, Status.good)
  const copied = await read(10, 6144, 1)
  assert.ok(copied.dataIn.equals(data.subarray(0, 6144 * 512)))
  const result = (await send(statusCdb(7), undefined, 255)).dataIn
  assert.deepEqual([...result], [0, 0, 0, 8, 1, 0, 2, 0, 0, 0x30, 0, 0])
  await nexus.close()
  await engine.close()
})

test('a unit that the initiator may only read is copied from, and not to', async () => {
  const { engine, nexus, target, stores, send } = await copyBench()
  stores[0]!.bytes.fill(1)
  stores[1]!.bytes.fill(2)
  target.setReadonly(1, true)
  await send(new Uint8Array(6), undefined, 0, 1)
  const into = list([cscd(0), cscd(1)], [segment(0, 1, { blocks: 16 })])
  const refused = await send(copyCdb(into.length), into)
  assert.equal(refused.report?.key, SenseKey.copyAborted)
  assert.ok(stores[1]!.bytes.every(byte => byte === 2))
  const from = list([cscd(0), cscd(1)], [segment(1, 0, { blocks: 16 })])
  assert.equal((await send(copyCdb(from.length), from)).status, Status.good)
  assert.equal(stores[0]!.bytes[0], 2)
  await nexus.close()
  await engine.close()
})

test('overlapping ranges of one unit keep their data', async () => {
  const { engine, nexus, stores, send } = await copyBench([512])
  const data = pattern(2 * MIB)
  for (const [from, to] of [
    [0, 100],
    [100, 0],
  ] as const) {
    stores[0]!.bytes.fill(0)
    stores[0]!.bytes.set(data, from * 512)
    const parameters = list([cscd(0)], [segment(0, 0, { blocks: 4096, sourceLba: from, destinationLba: to })])
    assert.equal((await send(copyCdb(parameters.length), parameters)).status, Status.good)
    assert.ok(Buffer.from(stores[0]!.bytes.subarray(to * 512, to * 512 + data.length)).equals(data))
  }
  await nexus.close()
  await engine.close()
})

test('block sizes may differ; what does not fill a block needs PAD', async () => {
  const { engine, nexus, stores, send } = await copyBench([512, 4096])
  stores[0]!.bytes.fill(0xaa)
  stores[1]!.bytes.fill(0xbb)
  const exact = list(
    [cscd(0), cscd(1, 4096)],
    [segment(0, 1, { blocks: 16, sourceLba: 3, destinationLba: 2 })],
  )
  assert.equal((await send(copyCdb(exact.length), exact)).status, Status.good)
  assert.deepEqual(
    [8191, 8192, 16383, 16384].map(at => stores[1]!.bytes[at]),
    [0xbb, 0xaa, 0xaa, 0xbb],
  )
  const inexact = (pad: number): Buffer =>
    list([cscd(0), cscd(1, 4096, { pad })], [segment(0, 1, { blocks: 9, destinationLba: 10 })])
  const refused = await send(copyCdb(inexact(0).length), inexact(0))
  assert.deepEqual(
    [refused.report?.key, refused.report?.asc, refused.report?.ascq],
    [SenseKey.copyAborted, 0x26, 0x0a],
  )
  assert.equal((await send(copyCdb(inexact(1).length), inexact(1))).status, Status.good)
  assert.deepEqual(
    [40960, 45567, 45568, 49151, 49152].map(at => stores[1]!.bytes[at]),
    [0xaa, 0xaa, 0, 0, 0xbb],
  )
  // DC: blocks of the destination are counted.
  const counted = list(
    [cscd(0), cscd(1, 4096)],
    [segment(0, 1, { destinationCount: 1, blocks: 2, destinationLba: 20 })],
  )
  assert.equal((await send(copyCdb(counted.length), counted)).status, Status.good)
  assert.deepEqual(
    [90111, 90112].map(at => stores[1]!.bytes[at]),
    [0xaa, 0xbb],
  )
  await nexus.close()
  await engine.close()
})

test('a byte count is copied where it falls on blocks, and a verify segment asks the unit', async () => {
  const { engine, nexus, stores, send } = await copyBench()
  stores[0]!.bytes.fill(0xcc, 0, 4096)
  const offset = (sourceOffset: number) =>
    list(
      [cscd(0), cscd(1)],
      [
        VERIFY_SEGMENT.write({ type: CopyDescriptor.verify, length: 8, source: 1, testUnitReady: 1 }),
        BLOCK_TO_BLOCK_OFFSET_SEGMENT.write({
          type: CopyDescriptor.blockToBlockWithOffset,
          length: BLOCK_TO_BLOCK_OFFSET_SEGMENT.length - 4,
          source: 0,
          destination: 0xffff,
          bytes: 2048,
          sourceOffset,
          destinationLba: 100,
        }),
      ],
    )
  assert.equal((await send(copyCdb(offset(0).length), offset(0), 0, 1)).status, Status.good)
  assert.deepEqual(
    [51199, 51200, 53247, 53248].map(at => stores[1]!.bytes[at]),
    [0, 0xcc, 0xcc, 0],
  )
  const violation = await send(copyCdb(offset(3).length), offset(3), 0, 1)
  assert.deepEqual(
    [violation.report?.key, violation.report?.asc, violation.report?.ascq],
    [SenseKey.copyAborted, 0x26, 0x0d],
  )
  assert.equal(violation.report?.commandSpecific, 1, 'the second segment')
  await nexus.close()
  await engine.close()
})

const REFUSALS: readonly [string, Buffer, key: number, asc: number, at?: number][] = [
  ['no such unit', list([cscd(9)], [segment(0, 0, { blocks: 1 })]), SenseKey.copyAborted, 0x0d02],
  ['no such index', list([cscd(0)], [segment(0, 1, { blocks: 1 })]), SenseKey.copyAborted, 0x0804],
  [
    'a tape',
    list([cscd(0, 512, { peripheralType: 1 })], [segment(0, 0, { blocks: 1 })]),
    SenseKey.copyAborted,
    0x0d03,
  ],
  [
    'another block length',
    list([cscd(0, 4096)], [segment(0, 0, { blocks: 1 })]),
    SenseKey.copyAborted,
    0x2600,
  ],
  [
    'a source behind the end',
    list([cscd(0)], [segment(0, 0, { blocks: 2, sourceLba: 8191 })]),
    SenseKey.copyAborted,
    0,
  ],
  [
    'a destination behind the end',
    list([cscd(0)], [segment(0, 0, { blocks: 2, destinationLba: 8191 })]),
    SenseKey.copyAborted,
    0,
  ],
  [
    'another CSCD descriptor type',
    list([cscd(0, 512, { type: 0xe0 })], []),
    SenseKey.illegalRequest,
    0x2607,
    16,
  ],
  [
    'another segment descriptor type',
    list([cscd(0)], [segment(0, 0, { type: 3 })]),
    SenseKey.illegalRequest,
    0x2609,
    48,
  ],
  [
    'another segment length',
    list([cscd(0)], [segment(0, 0, { length: 20 })]),
    SenseKey.illegalRequest,
    0x2600,
    50,
  ],
  ['too many CSCDs', list(Array(17).fill(cscd(0)), []), SenseKey.illegalRequest, 0x2606],
  ['too many segments', list([cscd(0)], Array(65).fill(segment(0, 0))), SenseKey.illegalRequest, 0x2608],
  [
    'too long a list',
    list(Array(20).fill(cscd(0)), Array(80).fill(segment(0, 0))),
    SenseKey.illegalRequest,
    0x1a00,
  ],
  [
    'inline data',
    list([cscd(0)], [Buffer.alloc(4)], { segmentLength: 0, inlineLength: 4 }),
    SenseKey.illegalRequest,
    0x260b,
    12,
  ],
  [
    'a list identifier where none is used',
    list([], [], { listIdUsage: ListIdUsage.none }),
    SenseKey.illegalRequest,
    0x2600,
    0,
  ],
  ['a reserved usage', list([], [], { listIdUsage: 1 }), SenseKey.illegalRequest, 0x2600, 1],
  [
    'a long designator',
    list([cscd(0, 512, { designatorLength: 21 })], []),
    SenseKey.illegalRequest,
    0x2600,
    23,
  ],
]

test('what is wrong with a list is said, and nothing is written', async () => {
  const { engine, nexus, stores, send } = await copyBench()
  stores[0]!.bytes.fill(0x11)
  for (const [what, parameters, key, asc, at] of REFUSALS) {
    const { report } = await send(copyCdb(parameters.length), parameters)
    assert.deepEqual([report?.key, report?.asc, report?.ascq], [key, asc >> 8, asc & 0xff], what)
    if (at !== undefined) assert.equal(report?.fieldPointer?.byte, at, what)
  }
  const whole = list([cscd(0), cscd(1)], [segment(0, 1, { blocks: 8 })])
  for (let length = 1; length < whole.length; length++) {
    const { report } = await send(copyCdb(length), whole.subarray(0, length))
    assert.deepEqual(
      [report?.key, report?.asc, report?.ascq],
      [SenseKey.illegalRequest, 0x1a, 0],
      `cut at ${length}`,
    )
  }
  assert.equal((await send(copyCdb(0))).status, Status.good, 'no list, nothing to do')
  assert.ok(stores[1]!.bytes.every(byte => byte === 0))
  await nexus.close()
  await engine.close()
})

test('a failing store ends the copy, with details to be had once', async () => {
  const { engine, nexus, stores, send } = await copyBench()
  stores[1]!.failures.push({ call: 'write', error: 1, failedAt: -1 })
  const parameters = list([cscd(0), cscd(1)], [segment(0, 1, { blocks: 8 })])
  const { report } = await send(copyCdb(parameters.length), parameters)
  assert.deepEqual([report?.key, report?.asc, report?.ascq], [SenseKey.copyAborted, 0x0d, 1])
  const details = cdbOf(RECEIVE_COPY_FAILURE_DETAILS_LID1, { listId: 7, allocation: 255 })
  const told = (await send(details, undefined, 255)).dataIn
  assert.equal(told.readUInt32BE(0), told.length - 4)
  assert.equal(readSense(told.subarray(60))?.key, SenseKey.copyAborted)
  assert.equal((await send(details, undefined, 255)).status, Status.checkCondition)
  await nexus.close()
  await engine.close()
})

test('operating parameters list what is taken', async () => {
  const { engine, nexus, send } = await copyBench([4096])
  const cdb = cdbOf(RECEIVE_COPY_OPERATING_PARAMETERS, { allocation: 255 })
  const { dataIn } = await send(cdb, undefined, 255)
  assert.equal(dataIn.readUInt32BE(0), dataIn.length - 4)
  assert.deepEqual([...dataIn.subarray(43)], [4, 0x02, 0x07, 0x0a, 0xe4])
  assert.equal(dataIn[37], 12)
  await nexus.close()
  await engine.close()
})

test('a copy under way is seen, keeps its list identifier, and ends with an abort', async () => {
  const { engine, nexus, stores, send } = await copyBench()
  const parameters = list([cscd(0), cscd(1)], [segment(0, 1, { blocks: 4096 })])
  stores[1]!.held = true
  const abort = new AbortController()
  const copy = nexus.execute({
    lun: 0,
    cdb: copyCdb(parameters.length),
    dataOut: parameters,
    signal: abort.signal,
  })
  const status = (await send(statusCdb(7), undefined, 255)).dataIn
  assert.equal(status[4], 0, 'in progress')
  const same = await send(copyCdb(parameters.length), parameters)
  assert.deepEqual([same.report?.asc, same.report?.ascq], [0x00, 0x16])
  // The unit answers others meanwhile.
  assert.equal((await send(statusCdb(7), undefined, 255, 0)).status, Status.good)
  const gone = assert.rejects(copy)
  abort.abort(new Error('Changed my mind'))
  stores[1]!.release()
  await gone
  await nexus.close()
  await engine.close()
})

test('an initiator that goes away takes its copies along', async () => {
  const { engine, nexus, stores } = await copyBench()
  const parameters = list([cscd(0), cscd(1)], [segment(0, 1, { blocks: 4096 })])
  stores[0]!.held = true
  const copy = nexus.execute({ lun: 0, cdb: copyCdb(parameters.length), dataOut: parameters })
  const gone = assert.rejects(copy)
  const closed = nexus.close()
  stores[0]!.release()
  await closed
  await gone
  await engine.close()
  assert.ok(stores[1]!.bytes.every(byte => byte === 0))
})

test('where the store can copy by itself, nothing is read', async () => {
  const { engine, nexus, stores, send } = await copyBench()
  const [source, destination] = stores as [StandInStore, StandInStore]
  source.bytes.fill(0x5a)
  const copies: number[][] = []
  Object.assign(destination, {
    copiesFrom: (store: unknown) => store === source,
    copy(io: StoreIo, store: unknown, at: number) {
      assert.equal(store, source)
      copies.push([io.offset, io.length, at])
      source.bytes.copy(destination.bytes, io.offset, at, at + io.length)
      io.finish(StoreError.none)
    },
  })
  source.takeCalls()
  const parameters = list(
    [cscd(0), cscd(1)],
    [segment(0, 1, { blocks: 100, sourceLba: 4, destinationLba: 8 })],
  )
  assert.equal((await send(copyCdb(parameters.length), parameters)).status, Status.good)
  assert.deepEqual(copies, [[4096, 51200, 2048]])
  assert.deepEqual(source.takeCalls(), [])
  assert.deepEqual(
    [4095, 4096, 55295, 55296].map(at => destination.bytes[at]),
    [0, 0x5a, 0x5a, 0],
  )
  await nexus.close()
  await engine.close()
})
