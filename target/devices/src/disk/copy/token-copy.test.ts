// SPDX-License-Identifier: Apache-2.0
// Copies by token: what is copied, when a token is no good any more, and what is told about it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BLOCK_DEVICE_RANGE,
  COPY_OPERATION_ABORT,
  POPULATE_TOKEN,
  POPULATE_TOKEN_LIST,
  RECEIVE_ROD_TOKEN_INFORMATION,
  ROD_TOKEN,
  ROD_TOKEN_INFORMATION,
  RodType,
  SenseKey,
  Status,
  TokenStatus,
  UNMAP,
  WRITE_16,
  WRITE_USING_TOKEN,
  WRITE_USING_TOKEN_LIST,
} from '@lunkit/spec'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { copyBench } from './copy.test-kit.ts'

type Ranges = readonly (readonly [lba: number, blocks: number])[]

const rangesOf = (ranges: Ranges): Buffer =>
  Buffer.concat(ranges.map(([lba, blocks]) => BLOCK_DEVICE_RANGE.write({ lba, blocks })))

function populateList(ranges: Ranges, header = {}): Buffer {
  const tail = rangesOf(ranges)
  const dataLength = POPULATE_TOKEN_LIST.length + tail.length - 2
  return Buffer.concat([POPULATE_TOKEN_LIST.write({ dataLength, rangeLength: tail.length, ...header }), tail])
}

function useList(token: Uint8Array, ranges: Ranges, header = {}): Buffer {
  const tail = rangesOf(ranges)
  const dataLength = WRITE_USING_TOKEN_LIST.length + tail.length - 2
  const head = WRITE_USING_TOKEN_LIST.write({ dataLength, token, rangeLength: tail.length, ...header })
  return Buffer.concat([head, tail])
}

async function bench(blocks?: readonly number[]) {
  const one = await copyBench(blocks)
  const { send } = one
  const populate = (list: Buffer, lun = 0, listId = 5) =>
    send(cdbOf(POPULATE_TOKEN, { listId, parameterLength: list.length }), list, 0, lun)
  const use = (list: Buffer, lun = 1, listId = 6) =>
    send(cdbOf(WRITE_USING_TOKEN, { listId, parameterLength: list.length }), list, 0, lun)
  const ask = async (listId: number, lun: number) => {
    const { dataIn, status } = await send(
      cdbOf(RECEIVE_ROD_TOKEN_INFORMATION, { listId, allocation: 2000 }),
      undefined,
      2000,
      lun,
    )
    if (status !== Status.good) return null
    const information = ROD_TOKEN_INFORMATION.read(dataIn)
    assert.equal(information.available, dataIn.length - 4)
    const at = ROD_TOKEN_INFORMATION.length + information.senseFieldLength
    const length = dataIn.readUInt32BE(at)
    return { ...information, token: dataIn.subarray(at + 4 + 2, at + 4 + length) }
  }
  const tokenOf = async (ranges: Ranges, lun = 0) => {
    assert.equal((await populate(populateList(ranges), lun)).status, Status.good)
    return (await ask(5, lun))!.token
  }
  const close = async () => {
    await one.nexus.close()
    await one.engine.close()
  }
  return { ...one, populate, use, ask, tokenOf, close }
}

test('no token writes to a unit that the initiator may only read', async () => {
  const { target, send, stores, use, tokenOf, close } = await bench()
  const token = await tokenOf([[0, 8]])
  target.setReadonly(1, true)
  await send(new Uint8Array(6), undefined, 0, 1)
  stores[1]!.bytes.fill(2)
  const { report } = await use(useList(token, [[0, 8]]))
  assert.deepEqual([report?.key, report?.asc], [SenseKey.dataProtect, 0x27])
  assert.ok(stores[1]!.bytes.every(byte => byte === 2))
  await close()
})

// Requirement: SBC-4, WRITE USING TOKEN command: the data that the token represents is written to the ranges in order.
test('a token carries blocks from ranges of one unit to other ranges of another', async () => {
  const { stores, use, ask, tokenOf, close } = await bench()
  stores[0]!.bytes.fill(1, 0, 512 * 10)
  stores[0]!.bytes.fill(2, 512 * 100, 512 * 110)
  const token = await tokenOf([
    [0, 10],
    [100, 10],
  ])
  assert.equal(token.length, ROD_TOKEN.length)
  assert.equal(ROD_TOKEN.read(token).size, 20 * 512)
  const made = await ask(5, 0)
  assert.deepEqual([made?.responseTo, made?.status, made?.count], [0x10, TokenStatus.completed, 20])
  const list = useList(token, [
    [50, 5],
    [20, 12],
  ])
  assert.equal((await use(list)).status, Status.good)
  const blocks = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => stores[1]!.bytes[(from + i) * 512 + 511])
  assert.deepEqual(blocks(49, 7), [0, 1, 1, 1, 1, 1, 0])
  assert.deepEqual(blocks(19, 14), [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 0])
  const done = await ask(6, 1)
  assert.deepEqual([done?.responseTo, done?.status, done?.count], [0x11, TokenStatus.completed, 17])
  // OFFSET INTO ROD, and more room than data.
  assert.equal((await use(useList(token, [[200, 8]], { offset: 16 }))).status, Status.good)
  assert.deepEqual(blocks(199, 6), [0, 2, 2, 2, 2, 0])
  const rest = await ask(6, 1)
  assert.deepEqual([rest?.status, rest?.count], [TokenStatus.completedWithResidual, 4])
  await close()
})

// Requirement: SPC-4, ROD types: a change vulnerable point in time token is revoked by a change of its data.
test('a write to its ranges revokes a token, another write does not', async () => {
  const { send, use, tokenOf, close } = await bench()
  const write = (lba: number) => {
    const cdb = cdbOf(WRITE_16, { lba, blocks: 1 })
    return send(cdb, Buffer.alloc(512, 9))
  }
  const token = await tokenOf([[10, 10]])
  for (const lba of [9, 20]) assert.equal((await write(lba)).status, Status.good)
  assert.equal((await use(useList(token, [[0, 10]]))).status, Status.good)
  assert.equal((await write(19)).status, Status.good)
  const { report } = await use(useList(token, [[0, 10]]))
  assert.deepEqual([report?.key, report?.asc, report?.ascq], [SenseKey.illegalRequest, 0x23, 0x06])
  // A new one of the same ranges is good, until something may change everything.
  const again = await tokenOf([[10, 10]])
  assert.equal((await use(useList(again, [[0, 10]]))).status, Status.good)
  await send(cdbOf(UNMAP, { parameterLength: 8 }), Buffer.alloc(8))
  await close()
})

test('the token of zeros writes zeros, and DEL_TKN ends a token', async () => {
  const { stores, use, tokenOf, close } = await bench()
  stores[1]!.bytes.fill(7)
  const zeros = ROD_TOKEN.write({ type: RodType.blockZero, length: 504 })
  assert.equal((await use(useList(zeros, [[3, 2]]))).status, Status.good)
  assert.deepEqual(
    [1535, 1536, 2559, 2560].map(at => stores[1]!.bytes[at]),
    [7, 0, 0, 7],
  )
  const token = await tokenOf([[0, 1]])
  assert.equal((await use(useList(token, [[0, 1]], { deleteToken: 1 }))).status, Status.good)
  const { report } = await use(useList(token, [[0, 1]]))
  assert.deepEqual([report?.asc, report?.ascq], [0x23, 0x09])
  await close()
})

test('in the background: answered at once, asked for later, and can be aborted', async () => {
  const { stores, send, use, ask, tokenOf, close } = await bench()
  const token = await tokenOf([[0, 4096]])
  stores[1]!.held = true
  assert.equal((await use(useList(token, [[0, 4096]], { immed: 1 }))).status, Status.good)
  assert.equal((await ask(6, 1))?.status, TokenStatus.inBackground)
  const { report } = await use(useList(token, [[0, 1]]))
  assert.deepEqual([report?.asc, report?.ascq], [0x00, 0x16], 'the list identifier is in use')
  const abort = cdbOf(COPY_OPERATION_ABORT, { listId: 6 })
  assert.equal((await send(abort, undefined, 0, 1)).status, Status.good)
  stores[1]!.release()
  let status: number | undefined = TokenStatus.inBackground
  while (status === TokenStatus.inBackground) status = (await ask(6, 1))?.status
  assert.equal(status, TokenStatus.terminated)
  assert.equal((await send(abort, undefined, 0, 1)).status, Status.checkCondition)
  await close()
})

test('what is wrong with a list or a token is said, and nothing is written', async () => {
  const { stores, populate, use, ask, tokenOf, close } = await bench()
  const good = await tokenOf([[0, 8]])
  const changed = (at: number): Buffer => {
    const token = Buffer.from(good)
    token[at]! ^= 1
    return token
  }
  const populates: readonly [string, Buffer, number, number?][] = [
    ['no ranges', populateList([]), 0x2600, 14],
    ['a range behind the end', populateList([[8191, 2]]), 0x2100, 16],
    [
      'a block twice',
      populateList([
        [0, 8],
        [7, 1],
      ]),
      0x2600,
      32,
    ],
    ['too many ranges', populateList(Array.from({ length: 65 }, (_, i) => [i, 1] as const)), 0x1a00],
    ['another type', populateList([[0, 1]], { rodTypeValid: 1, rodType: 0x0080_0002 }), 0x2301],
    ['too long a timeout', populateList([[0, 1]], { inactivityTimeout: 100_000 }), 0x2600, 4],
    ['a data length behind the end', populateList([[0, 1]], { dataLength: 31 }), 0x1a00],
  ]
  const uses: readonly [string, Buffer, number, number?][] = [
    ['an unknown token', useList(changed(8), [[0, 8]]), 0x2304],
    ['a changed token', useList(changed(128), [[0, 8]]), 0x2305],
    ['a token of a unit that is not there', useList(changed(31), [[0, 8]]), 0x2304],
    ['a token of another length', useList(changed(7), [[0, 8]]), 0x230a],
    ['a token of another type', useList(changed(3), [[0, 8]]), 0x2301],
    ['an offset behind the data', useList(good, [[0, 8]], { offset: 8 }), 0x2600, 8],
    ['a range behind the end', useList(good, [[8192, 1]]), 0x2100, 536],
  ]
  for (const [cases, send] of [
    [populates, populate],
    [uses, use],
  ] as const) {
    for (const [what, list, asc, at] of cases) {
      const { report } = await send(list)
      assert.deepEqual(
        [report?.key, report?.asc, report?.ascq],
        [SenseKey.illegalRequest, asc >> 8, asc & 0xff],
        what,
      )
      if (at !== undefined) assert.equal(report?.fieldPointer?.byte, at, what)
    }
  }
  const whole = useList(good, [[0, 8]])
  for (let length = 1; length < whole.length; length++) {
    const { report } = await use(whole.subarray(0, length))
    assert.deepEqual([report?.asc, report?.ascq], [0x1a, 0], `cut at ${length}`)
  }
  assert.equal(await ask(99, 0), null)
  assert.ok(stores[1]!.bytes.every(byte => byte === 0))
  await close()
})

test('a token is made when the writes before it have ended', async () => {
  const { stores, nexus, populate, close } = await bench()
  stores[0]!.held = true
  const write = nexus.execute({
    lun: 0,
    cdb: cdbOf(WRITE_16, { lba: 0, blocks: 1 }),
    dataOut: Buffer.alloc(512, 1),
  })
  let made = false
  const token = populate(populateList([[0, 8]])).then(({ status }) => {
    made = true
    return status
  })
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.equal(made, false)
  stores[0]!.release()
  assert.equal((await write).status, Status.good)
  assert.equal(await token, Status.good)
  await close()
})
