// SPDX-License-Identifier: Apache-2.0
// UNMAP, WRITE SAME and WRITE at random, on stores that give room back, held against a byte array that does the same.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  GET_LBA_STATUS_32,
  LBA_STATUS_DESCRIPTOR,
  LBA_STATUS_HEADER,
  ProvisioningStatus,
  READ_16,
  Status,
  UNMAP,
  UNMAP_DESCRIPTOR,
  UNMAP_HEADER,
  WRITE_16,
  WRITE_SAME_16,
} from '@lunkit/spec'
import type { BackingStore } from '@lunkit/target-api'
import fc from 'fast-check'
import { openFile } from '../../../../../target/stores/src/file/open-file.ts'
import { MemoryStore } from '../../../../../target/stores/src/memory/store.ts'
import { Bench, cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { scratch } from '../../../../../testing/kit/scratch.ts'
import { absent } from '../../../../../testing/peers.ts'
import type { Disk } from '../disk.ts'
import { device } from '../index.ts'

const BLOCK = 512
const BLOCKS = 4096

interface Range {
  readonly lba: number
  readonly blocks: number
}

type Step =
  | { readonly call: 'write'; readonly range: Range; readonly byte: number }
  | { readonly call: 'fill'; readonly range: Range; readonly byte: number }
  | { readonly call: 'unmap'; readonly ranges: readonly Range[]; readonly anchor: boolean }
  | { readonly call: 'zero'; readonly range: Range; readonly unmap: boolean; readonly anchor: boolean }

const range: fc.Arbitrary<Range> = fc
  .record({
    // Often on a border of what stores give back.
    lba: fc.oneof(
      fc.nat(BLOCKS - 1),
      fc.nat(BLOCKS / 8 - 1).map(unit => unit * 8),
      fc.constantFrom(0, 512, 1024),
    ),
    blocks: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(8, 64, 512, 1024)),
  })
  .map(({ lba, blocks }) => ({ lba, blocks: Math.min(blocks, BLOCKS - lba) }))

const byte = fc.integer({ min: 1, max: 255 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ call: fc.constant('write' as const), range, byte }),
  fc.record({ call: fc.constant('fill' as const), range, byte }),
  fc.record({
    call: fc.constant('unmap' as const),
    ranges: fc.array(range, { maxLength: 4 }),
    anchor: fc.boolean(),
  }),
  fc.record({ call: fc.constant('zero' as const), range, unmap: fc.boolean(), anchor: fc.boolean() }),
)

function unmapList(ranges: readonly Range[]): Uint8Array {
  const head = UNMAP_HEADER.length
  const list = new Uint8Array(head + ranges.length * UNMAP_DESCRIPTOR.length)
  UNMAP_HEADER.write({ dataLength: list.length - 2, descriptorLength: list.length - head }, list)
  ranges.forEach(
    (one, index) => void UNMAP_DESCRIPTOR.write(one, list, head + index * UNMAP_DESCRIPTOR.length),
  )
  return list
}

async function good(bench: Bench, cdb: Uint8Array, out?: Uint8Array): Promise<Buffer> {
  const answer = await bench.run(cdb, { expectedIn: BLOCKS * BLOCK, ...(out !== undefined && { out }) })
  assert.equal(answer.status, Status.good, answer.sense?.text ?? '')
  return answer.data
}

async function take(bench: Bench, one: Step, model: Buffer): Promise<void> {
  const { anchors } = bench.device as Disk
  const fill = ({ lba, blocks }: Range, value: number): void => {
    model.fill(value, lba * BLOCK, (lba + blocks) * BLOCK)
  }
  if (one.call === 'unmap') {
    const list = unmapList(one.ranges)
    const anchor = one.anchor && anchors ? 1 : 0
    await good(bench, cdbOf(UNMAP, { parameterLength: list.length, anchor }), list)
    for (const each of one.ranges) fill(each, 0)
    return
  }
  const { lba, blocks } = one.range
  if (one.call === 'write') {
    await good(bench, cdbOf(WRITE_16, { lba, blocks }), Buffer.alloc(blocks * BLOCK, one.byte))
    fill(one.range, one.byte)
  } else if (one.call === 'fill') {
    await good(bench, cdbOf(WRITE_SAME_16, { lba, blocks, unmap: 1 }), Buffer.alloc(BLOCK, one.byte))
    fill(one.range, one.byte)
  } else {
    const unmap = one.unmap ? 1 : 0
    const anchor = one.unmap && one.anchor && anchors ? 1 : 0
    await good(bench, cdbOf(WRITE_SAME_16, { lba, blocks, unmap, anchor, ndob: 1 }))
    fill(one.range, 0)
  }
}

/** All bytes are the model's; all blocks are told of, once, and what is not mapped is zero. */
async function agree(bench: Bench, model: Buffer): Promise<void> {
  assert.ok((await good(bench, cdbOf(READ_16, { blocks: BLOCKS }))).equals(model), 'bytes')
  const data = await good(bench, cdbOf(GET_LBA_STATUS_32, { allocation: 1 << 20 }))
  const end = LBA_STATUS_HEADER.read(data).length + 4
  let at = 0
  for (let place = LBA_STATUS_HEADER.length; place < end; place += LBA_STATUS_DESCRIPTOR.length) {
    const { lba, blocks, provisioning } = LBA_STATUS_DESCRIPTOR.read(data, place)
    assert.equal(lba, at)
    at += blocks
    if (provisioning === ProvisioningStatus.mapped) continue
    const bytes = model.subarray(lba * BLOCK, at * BLOCK)
    assert.ok(
      bytes.every(each => each === 0),
      `blocks ${lba} to ${at - 1} have status ${provisioning}`,
    )
  }
  assert.equal(at, BLOCKS)
}

const STORES: [string, (context: TestContext) => Promise<BackingStore>][] = [
  ['memory', async () => new MemoryStore(BLOCKS * BLOCK)],
  [
    'a file',
    async context => openFile({ path: join(await scratch(context), 'disk.img'), size: BLOCKS * BLOCK }),
  ],
]

for (const [name, open] of STORES) {
  // Requirement: SBC-4, Logical block provisioning: reads of unmapped blocks give zeros, and of mapped ones what was written last.
  test(`unmapped, anchored and written blocks on ${name}`, async context => {
    const bench = await Bench.open(device, await open(context), {})
    const disk = bench.device as Disk
    if (!disk.thin) {
      await disk.close()
      return void absent(context, 'koffi, or a file system that makes holes,')
    }
    const model = Buffer.alloc(BLOCKS * BLOCK)
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 10 }), async steps => {
        for (const one of steps) await take(bench, one, model)
        await agree(bench, model)
      }),
      { numRuns: 40, seed: 5 },
    )
    await good(bench, cdbOf(WRITE_SAME_16, { blocks: BLOCKS, unmap: 1, ndob: 1 }))
    const data = await good(bench, cdbOf(GET_LBA_STATUS_32, { allocation: 1024 }))
    const { lba, blocks, provisioning } = LBA_STATUS_DESCRIPTOR.read(data, LBA_STATUS_HEADER.length)
    assert.deepEqual([lba, blocks, provisioning], [0, BLOCKS, ProvisioningStatus.deallocated])
    await disk.close()
  })
}
