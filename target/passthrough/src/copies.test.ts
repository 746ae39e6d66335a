// SPDX-License-Identifier: Apache-2.0
// EXTENDED COPY of a lunkit disk reads from and writes to a unit that is passed through beside it, by its own name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BLOCK_TO_BLOCK_SEGMENT,
  CopyDescriptor,
  EXTENDED_COPY_HEADER,
  EXTENDED_COPY_LID1,
  IDENTIFICATION_CSCD,
  READ_10,
  Status,
} from '@lunkit/spec'
import { cdbOf } from '@lunkit/testing/kit/device-bench.ts'
import { gatewayBench } from '@lunkit/testing/kit/gateway-bench.ts'

const PASSED = '5001020304050607'
const BESIDE = '3000000000000009'

const cscd = (naa: string): Uint8Array =>
  IDENTIFICATION_CSCD.write({
    type: CopyDescriptor.identification,
    codeSet: 1,
    designatorType: 3,
    designatorLength: 8,
    designator: Buffer.concat([Buffer.from(naa, 'hex'), Buffer.alloc(12)]),
    blockLength: 512,
  })

/** From `sourceLba` of the one to `destinationLba` of the other. */
function copy(from: string, to: string, sourceLba: number, destinationLba: number, blocks: number) {
  const units = Buffer.concat([cscd(from), cscd(to)])
  const segment = BLOCK_TO_BLOCK_SEGMENT.write({
    type: CopyDescriptor.blockToBlock,
    length: BLOCK_TO_BLOCK_SEGMENT.length - 4,
    source: 0,
    destination: 1,
    blocks,
    sourceLba,
    destinationLba,
  })
  const head = EXTENDED_COPY_HEADER.write({
    listId: 1,
    cscdLength: units.length,
    segmentLength: segment.length,
  })
  const dataOut = Buffer.concat([head, units, segment])
  return { lun: 1, cdb: cdbOf(EXTENDED_COPY_LID1, { parameterLength: dataOut.length }), dataOut }
}

test('blocks go to and fro', async () => {
  const { engine, bridge, connect } = await gatewayBench()
  const one = await connect('one')
  assert.equal((await one.execute(copy(PASSED, BESIDE, 300, 10, 100))).status, Status.good)
  const read = { lun: 1, cdb: cdbOf(READ_10, { lba: 10, blocks: 100 }), expectedIn: 51_200 }
  assert.ok((await one.execute(read)).dataIn.equals(bridge.store.bytes.subarray(300 * 512, 400 * 512)))
  assert.equal((await one.execute(copy(BESIDE, PASSED, 0, 1000, 20))).status, Status.good)
  const back = await one.execute({ lun: 1, cdb: cdbOf(READ_10, { lba: 0, blocks: 20 }), expectedIn: 10_240 })
  assert.ok(bridge.store.bytes.subarray(1000 * 512, 1020 * 512).equals(back.dataIn))
  await engine.close()
})
