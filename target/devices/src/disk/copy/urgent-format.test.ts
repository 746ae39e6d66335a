// SPDX-License-Identifier: Apache-2.0
// A copy under way and an urgent command for the whole medium: neither waits for the other for ever.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BLOCK_TO_BLOCK_SEGMENT,
  CopyDescriptor,
  EXTENDED_COPY_HEADER,
  EXTENDED_COPY_LID1,
  FORMAT_UNIT,
  Status,
  TaskAttribute,
} from '@lunkit/spec'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { copyBench, MIB } from './copy.test-kit.ts'

/** CSCD DESCRIPTOR ID of the unit that the copy is sent to. */
const THIS_UNIT = 0xffff

function copyList(): Buffer {
  const move = BLOCK_TO_BLOCK_SEGMENT.write({
    type: CopyDescriptor.blockToBlock,
    length: BLOCK_TO_BLOCK_SEGMENT.length - 4,
    source: THIS_UNIT,
    destination: THIS_UNIT,
    blocks: (2 * MIB) / 512,
    destinationLba: (2 * MIB) / 512,
  })
  return Buffer.concat([EXTENDED_COPY_HEADER.write({ listId: 7, segmentLength: move.length }), move])
}

for (const attribute of [TaskAttribute.simple, TaskAttribute.ordered, TaskAttribute.headOfQueue]) {
  test(`FORMAT UNIT with attribute ${attribute} comes while a copy is under way`, async () => {
    const { engine, nexus, stores, send } = await copyBench([512])
    stores[0]!.held = true
    const list = copyList()
    const copy = send(cdbOf(EXTENDED_COPY_LID1, { parameterLength: list.length }), list)
    const format = nexus.execute({ lun: 0, cdb: cdbOf(FORMAT_UNIT, {}), attribute })
    stores[0]!.release()
    assert.equal((await format).status, Status.good)
    await copy
    assert.ok(stores[0]!.bytes.every(byte => byte === 0))
    await nexus.close()
    await engine.close()
  })
}
