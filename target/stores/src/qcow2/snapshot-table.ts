// SPDX-License-Identifier: Apache-2.0
// The list of an image's internal snapshots.
import { corrupt, type Header } from './header.ts'
import type { HostFile } from './host-file.ts'
import { MOST_L1_BYTES, read64, write64 } from './layout.ts'

/** Longest that the table is read, whatever it says. */
const MOST_BYTES = 64 * 2 ** 20
const HEAD = 40
const MOST_EXTRA = 1024

export interface Snapshot {
  readonly id: string
  readonly name: string
  readonly l1Offset: number
  readonly l1Entries: number
  /** Bytes of the guest's disk then. */
  readonly size: number
  /** Of its entry in the table: begin, and bytes with padding. */
  readonly at: number
  readonly length: number
}

/** `bytes`: the table as it stands in the file. Rejects with OperatorError or Fault. */
export async function readSnapshots(
  path: string,
  header: Header,
  file: HostFile,
): Promise<{ readonly all: readonly Snapshot[]; readonly bytes: Buffer }> {
  const all: Snapshot[] = []
  if (header.snapshotCount === 0) return { all, bytes: Buffer.alloc(0) }
  const { clusterSize } = header.geometry
  const start = header.snapshotsOffset
  // As long as such a table may be, or the rest of the file.
  const table = Buffer.alloc(Math.min(MOST_BYTES, file.size - start, header.snapshotCount * 132_200))
  await file.read(start, table)
  let at = 0
  for (let i = 0; i < header.snapshotCount; i++) {
    if (at + HEAD > table.length) throw corrupt(path, `its table of snapshots ends before snapshot ${i + 1}`)
    const idLength = table.readUInt16BE(at + 12)
    const nameLength = table.readUInt16BE(at + 14)
    const extra = table.readUInt32BE(at + 36)
    const names = at + HEAD + extra
    const end = names + idLength + nameLength
    if (extra > MOST_EXTRA || end > table.length)
      throw corrupt(path, `snapshot ${i + 1} does not fit its table`)
    const l1Offset = read64(table, at)
    const l1Entries = table.readUInt32BE(at + 8)
    const outside =
      l1Entries * 8 > MOST_L1_BYTES || l1Offset % clusterSize !== 0 || l1Offset + l1Entries * 8 > file.size
    if (outside) throw corrupt(path, `snapshot ${i + 1} has its L1 table at ${l1Offset}`)
    all.push({
      id: table.toString('utf8', names, names + idLength),
      name: table.toString('utf8', names + idLength, end),
      l1Offset,
      l1Entries,
      size: extra >= 16 ? read64(table, at + HEAD + 8) : header.size,
      at,
      length: Math.ceil(end / 8) * 8 - at,
    })
    at = Math.ceil(end / 8) * 8
  }
  return { all, bytes: Buffer.from(table.subarray(0, Math.min(at, table.length))) }
}

/** What version 3 wants to be there: size of the state of a virtual machine, which is none, and of the disk. */
const EXTRA = 16

/** The entry of a snapshot that is made now. */
export function snapshotEntry(
  id: string,
  name: string,
  l1Offset: number,
  l1Entries: number,
  size: number,
): Buffer {
  const names = Buffer.from(id + name)
  const bytes = Buffer.alloc(Math.ceil((HEAD + EXTRA + names.length) / 8) * 8)
  const now = Date.now()
  write64(bytes, 0, l1Offset)
  bytes.writeUInt32BE(l1Entries, 8)
  bytes.writeUInt16BE(Buffer.byteLength(id), 12)
  bytes.writeUInt16BE(Buffer.byteLength(name), 14)
  bytes.writeUInt32BE(Math.floor(now / 1000), 16)
  bytes.writeUInt32BE((now % 1000) * 1_000_000, 20)
  bytes.writeUInt32BE(EXTRA, 36)
  write64(bytes, HEAD + 8, size)
  names.copy(bytes, HEAD + EXTRA)
  return bytes
}
