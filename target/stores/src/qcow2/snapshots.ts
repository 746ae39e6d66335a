// SPDX-License-Identifier: Apache-2.0
// Snapshots inside an image: making, deleting and going back to them, each at once or not at all.
import { OperatorError } from '@lunkit/target-api'
import type { OpenedImage } from './image.ts'
import { MOST_SNAPSHOTS } from './layout.ts'
import { Fault } from './parts.ts'
import { type Counts, l1Of, MOST_CLUSTERS, walk } from './references.ts'
import { rewriteTables } from './rewrite.ts'
import { type Snapshot, snapshotEntry } from './snapshot-table.ts'

const LONGEST_NAME = 255

const failed = (image: OpenedImage, what: string, hint: string, cause?: unknown): OperatorError =>
  new OperatorError('QCOW2_SNAPSHOT', `Image '${image.path}': ${what}`, { hint, cause })

/** By name, or else by identifier. Throws OperatorError. */
function find(image: OpenedImage, name: string): Snapshot {
  const all = image.tables.snapshots
  const found = all.find(one => one.name === name) ?? all.find(one => one.id === name)
  if (found !== undefined) return found
  const names = all.map(one => `'${one.name.replace(/\p{Cc}/gu, '?')}'`).join(', ')
  throw failed(image, `there is no snapshot '${name}'`, names === '' ? 'it has none' : `it has ${names}`)
}

/** Nothing may be under way. Rejects with OperatorError; the image is as it was then. */
export async function makeSnapshot(image: OpenedImage, name: string): Promise<void> {
  if (name === '' || Buffer.byteLength(name) > LONGEST_NAME)
    throw failed(image, `'${name}' is no name for a snapshot`, `give 1 to ${LONGEST_NAME} bytes`)
  await changed(image, async counts => {
    const { snapshots, snapshotTable, l1 } = image.tables
    if (snapshots.some(one => one.name === name))
      throw failed(
        image,
        `there is a snapshot '${name}' already`,
        'take another name, or delete that one first',
      )
    if (snapshots.length === MOST_SNAPSHOTS) throw failed(image, 'it has too many snapshots', 'delete some')
    const bad = await walk(image, l1.bytes, 1, counts)
    const id = 1 + snapshots.reduce((most, one) => Math.max(most, Number(one.id) || 0), 0)
    const entry = snapshotEntry(String(id), name, l1.offset, l1.bytes.length / 8, image.size)
    const table = Buffer.concat([snapshotTable, entry])
    return {
      bad,
      l1: Buffer.from(l1.bytes),
      table,
      count: snapshots.length + 1,
      size: image.size,
      dropsL1: false,
    }
  })
}

/** The same. */
export async function deleteSnapshot(image: OpenedImage, name: string): Promise<void> {
  await changed(image, async counts => {
    const { snapshots, snapshotTable, l1 } = image.tables
    const one = find(image, name)
    const bad = await walk(image, await l1Of(image, one), -1, counts)
    drop(image, one, counts)
    const table = Buffer.concat([
      snapshotTable.subarray(0, one.at),
      snapshotTable.subarray(one.at + one.length),
    ])
    return {
      bad,
      l1: Buffer.from(l1.bytes),
      table,
      count: snapshots.length - 1,
      size: image.size,
      dropsL1: true,
    }
  })
}

/** The same. The disk is as it was when the snapshot was made; what it was before is lost. */
export async function revertTo(image: OpenedImage, name: string): Promise<void> {
  await changed(image, async counts => {
    const { snapshots, snapshotTable, l1 } = image.tables
    const one = find(image, name)
    let bad = await walk(image, l1.bytes, -1, counts)
    const whole = await l1Of(image, one)
    const needed = Math.ceil(one.size / image.geometry.l2Span) * 8
    // What is behind the disk is the state of a virtual machine, of the snapshot alone.
    const back = Buffer.alloc(Math.max(needed, 8))
    whole.copy(back, 0, 0, needed)
    bad += await walk(image, back, 1, counts)
    return { bad, l1: back, table: snapshotTable, count: snapshots.length, size: one.size, dropsL1: true }
  })
}

function drop(image: OpenedImage, { l1Offset, l1Entries }: Snapshot, counts: Counts): void {
  const { clusterSize } = image.geometry
  const end = Math.ceil((l1Offset + l1Entries * 8) / clusterSize)
  for (let cluster = l1Offset / clusterSize; cluster < end; cluster++) counts[cluster]! -= 1
}

interface Change {
  readonly bad: number
  readonly l1: Buffer
  readonly table: Buffer
  readonly count: number
  readonly size: number
  readonly dropsL1: boolean
}

async function changed(image: OpenedImage, change: (counts: Counts) => Promise<Change>): Promise<void> {
  try {
    await image.reload()
    const clusters = Math.ceil(image.file.size / image.geometry.clusterSize) + 2
    if (clusters > MOST_CLUSTERS)
      throw failed(image, 'it is too large for that', 'stop lunkit, and use qemu-img snapshot')
    const counts: Counts = new Uint32Array(clusters)
    await image.refcounts.each(clusters, (cluster, count) => {
      counts[cluster] = count
    })
    const { bad, l1, table, count, size, dropsL1 } = await change(counts)
    if (bad > 0)
      throw failed(image, `${bad} of its entries lead nowhere`, `qemu-img check '${image.path}' tells more`)
    await rewriteTables(image, { counts, l1, snapshotTable: table, snapshotCount: count, size, dropsL1 })
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause
    throw failed(image, cause.message, image.broken ? 'open it anew' : 'the image is as it was', cause)
  }
}
