// SPDX-License-Identifier: Apache-2.0
// A unit that is replaced while a copy is under way: what was meant for the old one does not reach the new one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BLOCK_TO_BLOCK_SEGMENT,
  CopyDescriptor,
  EXTENDED_COPY_HEADER,
  EXTENDED_COPY_LID1,
  IDENTIFICATION_CSCD,
  SenseKey,
} from '@lunkit/spec'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { StandInStore } from '../../../../../testing/kit/stand-in-store.ts'
import { device as disk } from '../index.ts'
import { copyBench, MIB, naa } from './copy.test-kit.ts'

const cscd = (lun: number): Uint8Array =>
  IDENTIFICATION_CSCD.write({
    type: CopyDescriptor.identification,
    codeSet: 1,
    designatorType: 3,
    designatorLength: 8,
    designator: Buffer.concat([naa(lun), Buffer.alloc(12)]),
    blockLength: 512,
  })

/** All of LUN 1 to LUN 2. */
function copyList(): Buffer {
  const targets = Buffer.concat([cscd(1), cscd(2)])
  const move = BLOCK_TO_BLOCK_SEGMENT.write({
    type: CopyDescriptor.blockToBlock,
    length: BLOCK_TO_BLOCK_SEGMENT.length - 4,
    source: 0,
    destination: 1,
    blocks: (4 * MIB) / 512,
  })
  const head = EXTENDED_COPY_HEADER.write({
    listId: 7,
    cscdLength: targets.length,
    segmentLength: move.length,
  })
  return Buffer.concat([head, targets, move])
}

for (const lun of [1, 2]) {
  test(`a copy ends when its ${lun === 1 ? 'source' : 'destination'} is another unit`, async () => {
    const { engine, target, nexus, stores, send } = await copyBench([512, 512, 512])
    stores[1]!.bytes.fill(0x11)
    const store = new StandInStore({ size: 4 * MIB })
    store.bytes.fill(0x99)
    const identity = { vendor: 'L', product: 'P', revision: '1', serial: 'new', naa: naa(9) }
    const unit = engine.addUnit(await disk.open(store, { block: 512, physical: 4096 }), identity)
    stores[1]!.held = true
    const list = copyList()
    const answer = send(cdbOf(EXTENDED_COPY_LID1, { parameterLength: list.length }), list)
    target.replace(lun, unit)
    stores[1]!.release()
    assert.equal((await answer).report?.key, SenseKey.copyAborted)
    assert.ok(
      store.bytes.every(byte => byte === 0x99),
      'the new unit was written to',
    )
    assert.ok(!stores[2]!.bytes.includes(0x99), 'the new unit was read')
    await nexus.close()
    await engine.close()
  })
}
