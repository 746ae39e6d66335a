// SPDX-License-Identifier: Apache-2.0
// Copies that hold memory while a large write to their destination waits for some: all of them end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BLOCK_TO_BLOCK_SEGMENT,
  CopyDescriptor,
  EXTENDED_COPY_HEADER,
  EXTENDED_COPY_LID1,
  Status,
  WRITE_16,
} from '@lunkit/spec'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { localBench } from '../../../../../testing/kit/local-bench.ts'

const MIB = 1024 * 1024
const BLOCKS = MIB / 512
/** CSCD DESCRIPTOR ID of the unit that the copy is sent to. */
const THIS_UNIT = 0xffff

/** A MiB from the first half of 16 MiB to the second. */
function copyList(number: number): Buffer {
  const move = BLOCK_TO_BLOCK_SEGMENT.write({
    type: CopyDescriptor.blockToBlock,
    length: BLOCK_TO_BLOCK_SEGMENT.length - 4,
    source: THIS_UNIT,
    destination: THIS_UNIT,
    blocks: BLOCKS,
    sourceLba: number * BLOCKS,
    destinationLba: (8 + number) * BLOCKS,
  })
  const head = EXTENDED_COPY_HEADER.write({ listId: number + 1, segmentLength: move.length })
  return Buffer.concat([head, move])
}

test('a write that is short of memory and the copies to its blocks do not wait for each other', async () => {
  const limits = { memoryPerSessionAtUnit: 4 * MIB + 65_536 }
  const { engine, store, connect } = await localBench({ size: 16 * MIB, later: true }, limits)
  const nexus = await connect('initiator')
  store.held = true
  const commands = [0, 1, 2, 3].map(number => {
    const dataOut = copyList(number)
    return nexus.execute({
      lun: 0,
      cdb: cdbOf(EXTENDED_COPY_LID1, { parameterLength: dataOut.length }),
      dataOut,
    })
  })
  const dataOut = Buffer.alloc(4 * MIB, 1)
  commands.push(
    nexus.execute({ lun: 0, cdb: cdbOf(WRITE_16, { lba: 8 * BLOCKS, blocks: 4 * BLOCKS }), dataOut }),
  )
  store.release()
  for (const { status } of await Promise.all(commands)) assert.equal(status, Status.good)
  await nexus.close()
  await engine.close()
})
