// SPDX-License-Identifier: Apache-2.0
// Capture files: their number and length stay within bounds, what is left out is counted, and errors end no target.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { FileList } from './file-list.ts'
import { FileSeries, type SeriesHost, WriteBudget } from './file-series.ts'
import { packetBlock } from './pcapng.ts'

const LIMIT = 10_000

interface Bench extends SeriesHost {
  readonly said: string[]
}

function host(files: number, budget = 1024 * 1024): Bench {
  const said: string[] = []
  const warn = (reason: string): void => void said.push(reason)
  return { budget: new WriteBudget(budget), list: new FileList(files), fileBytes: LIMIT, files, warn, said }
}

function add(series: FileSeries, time: number): boolean {
  const block = packetBlock(time, 900, 900, true)
  if (!series.hasRoom(block.length)) return false
  series.add(block)
  return true
}

/** Types and lengths of a file's blocks; fails if they do not follow each other to the end. */
function blocksOf(path: string): { type: number; bytes: Buffer }[] {
  const bytes = readFileSync(path)
  const blocks: { type: number; bytes: Buffer }[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at + 4)
    assert.equal(bytes.readUInt32LE(at + length - 4), length)
    blocks.push({ type: bytes.readUInt32LE(at), bytes: bytes.subarray(at, at + length) })
    at += length
  }
  return blocks
}

/** Times of the packets in a file. */
const timesOf = (path: string): number[] =>
  blocksOf(path)
    .filter(({ type }) => type === 6)
    .map(({ bytes }) => bytes.readUInt32LE(16))

const settled = () => new Promise(resolve => setTimeout(resolve, 5))

test('a full file is followed by others, and the oldest of too many goes', async t => {
  const folder = await scratch(t)
  const one = host(3)
  const series = new FileSeries(one, join(folder, 'a.pcapng'))
  await series.open()
  for (let i = 0; i < 60; i++) add(series, i)
  await series.close()
  const names = readdirSync(folder).sort()
  assert.equal(names.length, 3)
  assert.ok(
    names.every(name => /^a(\.[12])?\.pcapng$/.test(name)),
    names.join(),
  )
  const times = names.flatMap(name => timesOf(join(folder, name))).sort((a, b) => a - b)
  // The last packets are all there.
  assert.deepEqual(
    times,
    Array.from(times, (_, i) => 60 - times.length + i),
  )
  assert.ok(times.length >= 20)
  for (const name of names) {
    const path = join(folder, name)
    // With the statistics at its end.
    assert.ok(statSync(path).size <= LIMIT + 64)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const types = blocksOf(path).map(({ type }) => type)
    assert.deepEqual([types[0], types[1], types.at(-1)], [0x0a0d_0d0a, 1, 5])
  }
  assert.equal(one.budget.left, 1024 * 1024)
  assert.deepEqual(one.said, [])
})

test('what the disk is too slow for is left out, counted and said', async t => {
  const folder = await scratch(t)
  const one = host(1, 2500)
  const path = join(folder, 'a.pcapng')
  const series = new FileSeries(one, path)
  await series.open()
  const taken = Array.from({ length: 6 }, (_, i) => add(series, i))
  assert.deepEqual(taken, [true, true, false, false, false, false])
  while (one.budget.left < 2500) await settled()
  assert.ok(add(series, 6))
  await series.close()
  assert.deepEqual(timesOf(path), [0, 1, 6])
  const last = blocksOf(path).filter(({ type }) => type === 6)[2]!.bytes
  assert.equal(last.readUInt32LE(last.length - 16), 4)
  const statistics = blocksOf(path).at(-1)!.bytes
  assert.deepEqual([statistics.readUInt32LE(24), statistics.readUInt32LE(36)], [7, 4])
  assert.equal(one.said.length, 2)
  assert.match(one.said[0]!, /slower than the traffic/)
  assert.match(one.said[1]!, /lacks 4 of 7 packets/)
})

test('a file that cannot be written ends the capture, says so once, and holds no memory', async t => {
  const folder = await scratch(t)
  mkdirSync(join(folder, 'a.1.pcapng'))
  const one = host(2)
  const series = new FileSeries(one, join(folder, 'a.pcapng'))
  await series.open()
  for (let i = 0; i < 30; i++) add(series, i)
  while (one.budget.left < 1024 * 1024) await settled()
  assert.equal(add(series, 30), false)
  await series.close()
  assert.match(one.said[0]!, /has ended: EISDIR/)
  assert.match(one.said[1]!, /lacks \d+ of 31 packets/)
  assert.equal(one.said.length, 2)
})

test('where all files are in use, another series is left out', async t => {
  const folder = await scratch(t)
  const one = host(1)
  const first = new FileSeries(one, join(folder, 'a.pcapng'))
  const second = new FileSeries(one, join(folder, 'b.pcapng'))
  await first.open()
  add(second, 1)
  await second.close()
  assert.match(one.said[0]!, /b\.pcapng is left out: there are 1 files already/)
  await first.close()
  // Now there is room, and the ended file makes it.
  const third = new FileSeries(one, join(folder, 'c.pcapng'))
  add(third, 3)
  await third.close()
  assert.deepEqual(readdirSync(folder), ['c.pcapng'])
  assert.deepEqual(timesOf(join(folder, 'c.pcapng')), [3])
})
