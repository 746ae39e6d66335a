// SPDX-License-Identifier: Apache-2.0
// Random commands that change blocks, against an array of bytes: the disk holds what the array does, command by command.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  COMPARE_AND_WRITE,
  type Command,
  FORMAT_UNIT,
  ORWRITE_16,
  READ_16,
  Status,
  UNMAP,
  UNMAP_DESCRIPTOR,
  UNMAP_HEADER,
  WRITE_10,
  WRITE_32,
  WRITE_AND_VERIFY_16,
  WRITE_ATOMIC_16,
  WRITE_ATOMIC_32,
  WRITE_SAME_10,
  WRITE_SAME_16,
  WRITE_SAME_32,
} from '@lunkit/spec'
import { device } from '@lunkit/target-devices/disk'
import fc from 'fast-check'
import { Bench, cdbOf } from '../kit/device-bench.ts'
import { StandInStore } from '../kit/stand-in-store.ts'

const BLOCK = 512
const BLOCKS = 96

interface Step {
  readonly kind: 'write' | 'same' | 'unmap' | 'or' | 'swap' | 'format'
  readonly command: Command
  readonly lba: number
  readonly blocks: number
  readonly fill: number
  readonly unmap: number
  readonly ndob: number
  /** For UNMAP: a second range. */
  readonly other: number
}

const step: fc.Arbitrary<Step> = fc
  .record({
    choice: fc.constantFrom(
      ...([
        ['write', WRITE_10],
        ['write', WRITE_32],
        ['write', WRITE_AND_VERIFY_16],
        ['write', WRITE_ATOMIC_16],
        ['write', WRITE_ATOMIC_32],
        ['same', WRITE_SAME_10],
        ['same', WRITE_SAME_16],
        ['same', WRITE_SAME_32],
        ['unmap', UNMAP],
        ['or', ORWRITE_16],
        ['swap', COMPARE_AND_WRITE],
        ['format', FORMAT_UNIT],
      ] as const),
    ),
    lba: fc.nat(BLOCKS - 1),
    span: fc.nat(BLOCKS),
    fill: fc.constantFrom(0, 0, 1, 0x5a, 0xff),
    unmap: fc.nat(1),
    ndob: fc.nat(1),
    other: fc.nat(BLOCKS - 1),
  })
  .map(({ choice: [kind, command], span, ...rest }) => ({
    kind,
    command: command as unknown as Command,
    blocks: Math.min(span, BLOCKS - rest.lba),
    ...rest,
  }))

/** Sends it, and does the same to the array. */
async function take(bench: Bench, model: Buffer, one: Step): Promise<void> {
  const { kind, command, lba, blocks, fill } = one
  const start = lba * BLOCK
  const end = start + blocks * BLOCK
  const run = async (values: Record<string, number>, out: Buffer) => {
    const { status, sense } = await bench.run(cdbOf(command, values), { out })
    assert.equal(status, Status.good, `${command.name}: ${sense?.text}`)
  }
  if (kind === 'write') {
    await run({ lba, blocks }, Buffer.alloc(blocks * BLOCK, fill))
    model.fill(fill, start, end)
  } else if (kind === 'or') {
    await run({ lba, blocks }, Buffer.alloc(blocks * BLOCK, fill))
    for (let at = start; at < end; at++) model[at]! |= fill
  } else if (kind === 'swap') {
    const [old, fresh] = [Buffer.from(model.subarray(start, end)), Buffer.alloc(end - start, fill)]
    await run({ lba, blocks }, Buffer.concat([old, fresh]))
    model.fill(fill, start, end)
  } else if (kind === 'same') {
    const bare = one.ndob === 1 && command !== (WRITE_SAME_10 as unknown as Command)
    const values = { lba, blocks, unmap: one.unmap, ...(bare && { ndob: 1 }) }
    await run(values, Buffer.alloc(bare ? 0 : BLOCK, fill))
    model.fill(bare ? 0 : fill, start, blocks === 0 ? model.length : end)
  } else if (kind === 'unmap') {
    const ranges = [
      [lba, blocks],
      [one.other, Math.min(blocks, BLOCKS - one.other)],
    ] as const
    const length = ranges.length * UNMAP_DESCRIPTOR.length
    const list = ranges.map(([at, count]) => UNMAP_DESCRIPTOR.write({ lba: at, blocks: count }))
    const header = UNMAP_HEADER.write({ dataLength: length + 6, descriptorLength: length })
    const out = Buffer.concat([header, ...list])
    await run({ parameterLength: out.length }, out)
    for (const [at, count] of ranges) model.fill(0, at * BLOCK, (at + count) * BLOCK)
  } else {
    await run({}, Buffer.alloc(0))
    model.fill(0)
  }
}

for (const maps of [true, false]) {
  // Requirement: SBC-4, Direct access block device type model: a read returns what the last command left in the block, with LBPRZ
  // zeros after an unmap.
  test(`blocks against an array of bytes, ${maps ? 'with holes that read as zeros' : 'without any holes'}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
        const store = new StandInStore({ size: BLOCKS * BLOCK, maps, atomicWrite: BLOCKS * BLOCK })
        const bench = await Bench.open(device, store, { block: BLOCK })
        const model = Buffer.from(store.bytes)
        for (const one of steps) {
          if (!maps && one.kind === 'unmap') continue
          await take(bench, model, maps ? one : { ...one, unmap: 0 })
          const { data } = await bench.run(cdbOf(READ_16, { blocks: BLOCKS }))
          assert.ok(data.equals(model), `after ${one.command.name} of ${one.blocks} at ${one.lba}`)
        }
        await bench.device.close()
      }),
      { numRuns: 150, seed: 20_261_123 },
    )
  })
}
