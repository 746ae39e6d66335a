// SPDX-License-Identifier: Apache-2.0
// Protection information over iSCSI: lengths and residuals, tags in a file through restarts, and what is refused.
import assert from 'node:assert/strict'
import { stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  crc16t10dif,
  INQUIRY,
  READ_10,
  READ_16,
  READ_CAPACITY_16,
  readSense,
  Status,
  WRITE_16,
} from '@lunkit/spec'
import { connect } from 'lunkit/initiator'
import { createTarget, file, memory, OperatorError } from 'lunkit/target'
import { cdbOf } from '../kit/device-bench.ts'
import { scratch } from '../kit/scratch.ts'

function withTags(data: Buffer, lba: number): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < data.length; at += 512) {
    const tag = Buffer.alloc(8)
    tag.writeUInt16BE(crc16t10dif(data, at, at + 512))
    tag.writeUInt32BE(lba + at / 512, 4)
    parts.push(data.subarray(at, at + 512), tag)
  }
  return Buffer.concat(parts)
}

const data = Buffer.from(Array.from({ length: 300 * 512 }, (_, i) => (i * 11 + (i >> 9)) & 0xff))

/** A disk whose first unit attention has been taken. */
async function open(url: string) {
  const disk = await connect(url)
  await disk.capacity()
  return disk
}

test('blocks and tags go both ways, and residuals count the tags', async () => {
  await using target = await createTarget({ luns: [memory('4M', { protection: 1 })] })
  await using disk = await open(target.url)
  const wire = withTags(data, 40)
  const write = await disk.execute(cdbOf(WRITE_16, { protect: 1, lba: 40, blocks: 300 }), { dataOut: wire })
  assert.equal(write.status, Status.good)
  assert.deepEqual(await disk.read(40, 300), data)
  const read = cdbOf(READ_16, { protect: 1, lba: 40, blocks: 300 })
  const exact = await disk.execute(read, { expectedIn: wire.length })
  assert.deepEqual(Buffer.concat([exact.dataIn]), wire)
  assert.deepEqual([exact.underflow, exact.overflow], [0, 0])
  const less = await disk.execute(read, { expectedIn: 1000 })
  assert.deepEqual(
    [Buffer.concat([less.dataIn]), less.overflow],
    [wire.subarray(0, 1000), wire.length - 1000],
  )
  const more = await disk.execute(read, { expectedIn: wire.length + 100 })
  assert.deepEqual([more.dataIn.length, more.underflow], [wire.length, 100])
})

test('spoiled data is refused on its way in, with its LBA', async () => {
  await using target = await createTarget({ luns: [memory('4M', { protection: 1 })] })
  await using disk = await open(target.url)
  const wire = withTags(data, 40)
  wire[5 * 520 + 9]! ^= 1
  const { status, sense } = await disk.execute(cdbOf(WRITE_16, { protect: 1, lba: 40, blocks: 300 }), {
    dataOut: wire,
  })
  assert.equal(status, Status.checkCondition)
  const { key, asc, ascq, information } = readSense(sense)!
  assert.deepEqual([key, asc, ascq, Number(information)], [0x0b, 0x10, 0x01, 45])
  assert.deepEqual(await disk.read(40, 300), Buffer.alloc(300 * 512))
})

test('what the disk says of itself', async () => {
  for (const [protection, byte] of [
    [0, 0],
    [1, 1],
    [2, 3],
    [3, 5],
  ] as const) {
    await using target = await createTarget({ luns: [memory('4M', { protection })] })
    await using disk = await open(target.url)
    const capacity = await disk.execute(cdbOf(READ_CAPACITY_16, { allocation: 32 }), { expectedIn: 32 })
    assert.equal(capacity.dataIn[12], byte)
    const inquiry = await disk.execute(cdbOf(INQUIRY, { allocation: 96 }), { expectedIn: 96 })
    assert.equal(inquiry.dataIn[5]! & 1, 1)
    const page = await disk.execute(cdbOf(INQUIRY, { evpd: 1, pageCode: 0x86, allocation: 64 }), {
      expectedIn: 64,
    })
    assert.deepEqual([page.dataIn[4]! & 0x3f, page.dataIn[7]! & 0x20], [0x3f, 0x20])
  }
})

test('tags beside an image outlive the target, and find what was changed in between', async context => {
  const folder = await scratch(context)
  const path = join(folder, 'disk.img')
  {
    await using target = await createTarget({ luns: [file(path, { size: '4M', protection: 1 })] })
    await using disk = await open(target.url)
    await disk.write(7, data.subarray(0, 1024))
    await disk.flush()
  }
  assert.equal((await stat(`${path}.pi`)).size, 4096 + 8 * 8192)
  await assert.rejects(createTarget({ luns: [file(path)] }), (error: unknown) => {
    assert.ok(error instanceof OperatorError)
    assert.equal(error.code, 'TAGS_UNUSED')
    return true
  })
  {
    await using target = await createTarget({ luns: [file(path, { protection: 1 })] })
    await using disk = await open(target.url)
    assert.deepEqual(await disk.read(7, 2), data.subarray(0, 1024))
  }
  const spoiled = Buffer.from(data.subarray(0, 1024))
  spoiled[600]! ^= 4
  const image = Buffer.alloc(4 << 20)
  spoiled.copy(image, 7 * 512)
  await writeFile(path, image)
  {
    await using target = await createTarget({ luns: [file(path, { protection: 3 })] })
    const told: string[] = []
    target.on('command-failed', ({ reason }) => told.push(reason))
    await using disk = await open(target.url)
    const { sense } = await disk.execute(cdbOf(READ_10, { lba: 7, blocks: 2 }), { expectedIn: 1024 })
    const { asc, ascq, information } = readSense(sense)!
    assert.deepEqual([asc, ascq, Number(information)], [0x10, 0x01, 8])
    assert.match(
      told.join(),
      /^LOGICAL BLOCK GUARD CHECK FAILED: block 8 has [0-9a-f]+h where [0-9a-f]+h belongs$/,
    )
  }
  await truncate(path, 8 << 20)
  {
    await using target = await createTarget({ luns: [file(path, { protection: 1 })] })
    await using disk = await open(target.url)
    assert.deepEqual(await disk.read(16_000, 1), Buffer.alloc(512))
  }
  assert.equal((await stat(`${path}.pi`)).size, 4096 + 8 * 16_384)
})

test('tags elsewhere, and a file that holds none', async context => {
  const folder = await scratch(context)
  const path = join(folder, 'disk.img')
  const tags = join(folder, 'tags')
  await using target = await createTarget({ luns: [file(path, { size: '1M', protection: 2, tags })] })
  assert.equal((await stat(tags)).size, 4096 + 8 * 2048)
  await target.close()
  const other = join(folder, 'other')
  await writeFile(other, 'something else')
  await assert.rejects(createTarget({ luns: [file(path, { protection: 2, tags: other })] }), {
    code: 'TAGS_SIZE',
  })
  assert.equal((await stat(other)).size, 14)
})
