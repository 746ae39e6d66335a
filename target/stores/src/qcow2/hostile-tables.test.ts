// SPDX-License-Identifier: Apache-2.0
// Images whose tables are made to be looked at for ever: opening them ends soon, whatever they say.
import assert from 'node:assert/strict'
import { open, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { OperatorError } from '@lunkit/target-api'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { fileCalls } from '../file/file-calls.ts'
import { At, read64, write64 } from './layout.ts'
import { MetadataClusters } from './metadata-clusters.ts'
import { openImage } from './store.ts'

const MIB = 2 ** 20

test('an L2 table that all L1 entries lead to is not read once for each', async t => {
  const path = join(await scratch(t), 'disk.qcow2')
  const made = new StoreExchange(await openImage({ path, size: 16 * MIB, cluster: 512 }))
  await made.wrote(0, pattern(512, 1))
  await made.close()
  const bytes = await readFile(path)
  const l1 = read64(bytes, At.l1Offset)
  const entries = bytes.readUInt32BE(At.l1Entries)
  assert.ok(entries >= 512)
  for (let i = 1; i < entries; i++) bytes.copy(bytes, l1 + i * 8, l1, l1 + 8)
  await writeFile(path, bytes)
  const counted = t.mock.fn(fileCalls.read)
  const calls = { ...fileCalls, read: counted as unknown as typeof fileCalls.read }
  await assert.rejects(
    openImage({ path, calls }),
    (error: OperatorError) => error.code === 'QCOW2_CORRUPT' && /two L1 entries/.test(error.message),
  )
  assert.ok(counted.mock.callCount() < 100, `${counted.mock.callCount()} reads`)
})

test('blocks that count clusters far beyond the file are left alone', async t => {
  const path = join(await scratch(t), 'disk.qcow2')
  const cluster = 2 * MIB
  await (await openImage({ path, size: 4 * MIB, cluster })).close()
  // Counts of one bit: sixteen million in a block, and two thousand blocks.
  const blocks = 2000
  const header = (await readFile(path)).subarray(0, cluster)
  header.writeUInt32BE(0, At.refcountOrder)
  const table = Buffer.alloc(cluster)
  const first = 4
  for (let i = 0; i < blocks; i++) write64(table, i * 8, (first + i) * cluster)
  const file = await open(path, 'r+')
  await file.write(header, 0, cluster, 0)
  await file.write(table, 0, cluster, read64(header, At.refcountTableOffset))
  await file.write(Buffer.alloc(cluster), 0, cluster, read64(header, At.l1Offset))
  const counts = Buffer.alloc((first + blocks) / 8 + 1, 0xff)
  await file.write(counts, 0, counts.length, first * cluster)
  await file.close()
  await truncate(path, (first + blocks) * cluster)
  const exchange = new StoreExchange(await openImage({ path }))
  assert.ok((await exchange.bytes(0, 512)).equals(Buffer.alloc(512)))
  await exchange.close()
})

test('clusters that were chosen to meet at one place of the set do not', () => {
  // Times 9e3779b1h, and then its upper bits over its lower ones: undone, for numbers whose lower bits are few.
  const inverse = 0x0e8b_2f51
  const clusters = new MetadataClusters()
  for (let i = 0; i < 400_000; i++) {
    const wanted = ((i << 23) | (i >>> 9)) >>> 0
    clusters.add(Math.imul(wanted ^ (wanted >>> 15) ^ (wanted >>> 30), inverse) >>> 0)
  }
  assert.ok(clusters.has(0) && !clusters.has(1))
})
