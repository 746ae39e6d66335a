// SPDX-License-Identifier: Apache-2.0
// Bytes that a command allocates in steady state, from the socket to the store and back: a table, and a rise above it fails.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Load, LoadClient } from '../kit/load-client.ts'
import { workFolder } from '../kit/serve-process.ts'
import { type CountedProcess, startCounted } from './counted-process.ts'

interface Row extends Omit<Load, 'lun'> {
  readonly store: 'null' | 'file'
  readonly digests: boolean
  /** Bytes of the heap, and of buffers beside it, a command. */
  readonly heap: number
  readonly buffers: number
}

const KIB = 1024
/** Runs differ by what the compiler has done so far: above this a figure has risen, and as far below it has fallen. */
const room = (figure: number): number => 24 + figure / 10
/** The same for data that comes in several pieces: into how many, the system decides, and small ones are put together. */
const roomForPieces = (figure: number): number => 300 + figure / 2
const NAME = 'iqn.2026-11.test.lunkit:counted'
const LUNS = { null: 0, file: 1 } as const

const row = (
  store: Row['store'],
  kind: Row['kind'],
  bytes: number,
  depth: number,
  digests: boolean,
  heap: number,
  buffers: number,
): Row => ({ store, kind, bytes, depth, digests, heap, buffers })

/** Half of the heap at depth 1 is Node's own: objects of its streams for each read and each write of the socket. */
const ROWS: readonly Row[] = [
  row('null', 'ready', 0, 1, false, 640, 0),
  row('null', 'ready', 0, 32, false, 20, 0),
  row('null', 'read', 4 * KIB, 1, false, 650, 0),
  row('null', 'read', 4 * KIB, 32, false, 130, 0),
  row('null', 'write', 4 * KIB, 1, false, 1010, 0),
  row('null', 'write', 4 * KIB, 32, false, 315, 40),
  row('null', 'read', 128 * KIB, 1, false, 650, 0),
  row('null', 'read', 128 * KIB, 32, false, 210, 0),
  row('null', 'write', 128 * KIB, 1, false, 1775, 0),
  row('null', 'write', 128 * KIB, 32, false, 1060, 480),
  row('file', 'read', 4 * KIB, 1, false, 650, 0),
  row('file', 'read', 4 * KIB, 32, false, 125, 0),
  row('file', 'write', 4 * KIB, 1, false, 1130, 0),
  row('file', 'write', 4 * KIB, 32, false, 365, 40),
  row('file', 'write', 128 * KIB, 1, false, 1715, 0),
  row('file', 'write', 128 * KIB, 32, false, 1150, 480),
  row('null', 'ready', 0, 1, true, 655, 0),
  row('null', 'read', 4 * KIB, 1, true, 680, 0),
  row('null', 'read', 4 * KIB, 32, true, 160, 0),
  row('null', 'write', 4 * KIB, 1, true, 1040, 0),
  row('null', 'write', 4 * KIB, 32, true, 345, 44),
  row('null', 'read', 128 * KIB, 32, true, 655, 0),
  row('null', 'write', 128 * KIB, 1, true, 2130, 0),
  row('file', 'read', 4 * KIB, 32, true, 150, 0),
  row('file', 'write', 4 * KIB, 32, true, 400, 44),
]

/**
 * Runs before the figures are taken, and runs of which the lowest counts: more of them where it is above its row, as on a
 * busy machine writes are sent to threads for a while, which takes objects of its own.
 */
const WARM = 3
const ROUNDS = 4
const MOST_ROUNDS = 24

const folder = workFolder()
let target: CountedProcess
/** The client under way: one at a time, since one that does nothing does not answer pings either, and is dropped. */
let client: LoadClient | null = null
let withDigests = false

before(async () => {
  const image = join(folder.path, 'image')
  writeFileSync(image, Buffer.alloc(4096 * KIB, 1))
  target = await startCounted(image, NAME)
})
after(async () => {
  await client?.close()
  await target.stop()
  folder.dispose()
})

async function clientWith(digests: boolean): Promise<LoadClient> {
  if (client !== null && withDigests === digests) return client
  await client?.close()
  client = await LoadClient.open(target.port, NAME, digests)
  withDigests = digests
  // Unit attentions are through.
  for (const lun of Object.values(LUNS)) await client.run({ kind: 'ready', lun, bytes: 0, depth: 1 }, 3, true)
  return client
}

async function measure(
  { store, digests, ...load }: Row,
  most: number,
): Promise<{ heap: number; buffers: number }> {
  const client = await clientWith(digests)
  const one = { ...load, lun: LUNS[store] }
  const count = load.bytes > 64 * KIB ? 512 : 2048
  for (let i = 0; i < WARM; i++) await client.run(one, count)
  let heap = Number.POSITIVE_INFINITY
  let buffers = Number.POSITIVE_INFINITY
  for (let round = 0; round < (heap > most ? MOST_ROUNDS : ROUNDS); round++) {
    await target.mark()
    // What it takes to be asked is no part of the figure.
    const asked = await target.mark()
    await client.run(one, count)
    const growth = await target.mark()
    if (growth.collections + asked.collections > 0) continue
    heap = Math.min(heap, (growth.heap - asked.heap) / count)
    buffers = Math.min(buffers, (growth.buffers - asked.buffers) / count)
  }
  return { heap: Math.round(heap), buffers: Math.round(buffers) }
}

const isMeasured = process.versions.node.startsWith('24.')

for (const one of ROWS) {
  const { store, kind, bytes, depth, digests } = one
  const title = `${kind} ${bytes / KIB} KiB, depth ${depth}, ${store} store${digests ? ', digests' : ''}`
  test(`allocations of a command: ${title}`, {
    skip: isMeasured ? false : 'the table is that of Node 24',
  }, async t => {
    const spare = kind === 'write' && bytes > 64 * KIB ? roomForPieces : room
    const mostHeap = one.heap + spare(one.heap)
    const { heap, buffers } = await measure(one, mostHeap)
    t.diagnostic(`${heap} bytes of the heap (${one.heap}), ${buffers} of buffers (${one.buffers})`)
    assert.ok(heap <= mostHeap, `${heap} bytes of the heap a command instead of ${one.heap}`)
    const most = one.buffers === 0 && spare === room ? 0 : one.buffers + spare(one.buffers)
    assert.ok(buffers <= most, `${buffers} bytes of buffers a command instead of ${one.buffers}`)
    if (heap < one.heap - spare(one.heap)) t.diagnostic('The heap is spared: lower the row')
  })
}
