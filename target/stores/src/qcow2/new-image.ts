// SPDX-License-Identifier: Apache-2.0
// Makes an empty image of version 3: header, reference counts and an L1 table, the header last.
import { OperatorError } from '@lunkit/target-api'
import type { HostFile } from './host-file.ts'
import {
  At,
  Extension,
  geometryOf,
  MAGIC,
  MOST_L1_BYTES,
  MOST_REFCOUNT_TABLE_BYTES,
  write64,
} from './layout.ts'

export interface NewImage {
  /** Bytes of the guest's disk. */
  readonly size: number
  readonly clusterSize: number
  readonly backing: { readonly name: string; readonly format: string } | null
}

interface Plan {
  readonly l1Entries: number
  readonly tableClusters: number
  readonly blocks: number
  /** Of the whole file. */
  readonly clusters: number
}

const REFCOUNT_ORDER = 4
const HEADER_LENGTH = 112

/** Throws OperatorError QCOW2_SIZE or QCOW2_CLUSTER. */
export function planImage(path: string, { size, clusterSize }: NewImage): Plan {
  const bits = Math.log2(clusterSize)
  if (!Number.isInteger(bits) || bits < 9 || bits > 21) {
    throw new OperatorError('QCOW2_CLUSTER', `Image '${path}' cannot have clusters of ${clusterSize} bytes`, {
      hint: 'give a power of two from 512 to 2M, such as cluster=64K',
    })
  }
  const { l2Span, blockEntries } = geometryOf(3, bits, REFCOUNT_ORDER)
  const l1Entries = Math.ceil(size / l2Span)
  if (!Number.isSafeInteger(size) || size < 512 || size % 512 !== 0 || l1Entries * 8 > MOST_L1_BYTES) {
    throw new OperatorError('QCOW2_SIZE', `Image '${path}' cannot have a disk of ${size} bytes`, {
      hint: `give a multiple of 512, at most ${l2Span * (MOST_L1_BYTES / 8)} with clusters of ${clusterSize}`,
    })
  }
  const l1Clusters = Math.max(1, Math.ceil((l1Entries * 8) / clusterSize))
  for (let blocks = 1; ; ) {
    const tableClusters = Math.ceil((blocks * 8) / clusterSize)
    const clusters = 1 + tableClusters + blocks + l1Clusters
    const needed = Math.ceil(clusters / blockEntries)
    if (needed > blocks) blocks = needed
    else if (tableClusters * clusterSize > MOST_REFCOUNT_TABLE_BYTES) throw new RangeError('refcount table')
    else return { l1Entries, tableClusters, blocks, clusters }
  }
}

/** Into a file that is as long as the plan says, and zeros. Rejects with Fault. */
export async function writeImage(file: HostFile, image: NewImage, plan: Plan): Promise<void> {
  const { clusterSize, size, backing } = image
  const { l1Entries, tableClusters, blocks, clusters } = plan
  const table = Buffer.alloc(tableClusters * clusterSize)
  const counts = Buffer.alloc(blocks * clusterSize)
  for (let i = 0; i < blocks; i++) write64(table, i * 8, (1 + tableClusters + i) * clusterSize)
  for (let cluster = 0; cluster < clusters; cluster++) counts.writeUInt16BE(1, cluster * 2)
  await file.write(clusterSize, [table, counts])
  await file.flush()
  const header = Buffer.alloc(HEADER_LENGTH)
  header.writeUInt32BE(MAGIC, At.magic)
  header.writeUInt32BE(3, At.version)
  header.writeUInt32BE(Math.log2(clusterSize), At.clusterBits)
  write64(header, At.size, size)
  header.writeUInt32BE(l1Entries, At.l1Entries)
  write64(header, At.l1Offset, (1 + tableClusters + blocks) * clusterSize)
  write64(header, At.refcountTableOffset, clusterSize)
  header.writeUInt32BE(tableClusters, At.refcountTableClusters)
  header.writeUInt32BE(REFCOUNT_ORDER, At.refcountOrder)
  header.writeUInt32BE(HEADER_LENGTH, At.headerLength)
  const parts: Buffer[] = [header]
  if (backing !== null) parts.push(extension(Extension.backingFormat, Buffer.from(backing.format)))
  parts.push(extension(Extension.end, Buffer.alloc(0)))
  if (backing !== null) {
    const name = Buffer.from(backing.name)
    const at = parts.reduce((sum, { length }) => sum + length, 0)
    write64(header, At.backingOffset, at)
    header.writeUInt32BE(name.length, At.backingLength)
    parts.push(name)
  }
  await file.write(0, [Buffer.concat(parts)])
  await file.flush()
}

function extension(type: number, data: Buffer): Buffer {
  const bytes = Buffer.alloc(8 + Math.ceil(data.length / 8) * 8)
  bytes.writeUInt32BE(type, 0)
  bytes.writeUInt32BE(data.length, 4)
  data.copy(bytes, 8)
  return bytes
}
