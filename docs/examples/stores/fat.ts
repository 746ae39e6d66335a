// SPDX-License-Identifier: Apache-2.0
// A read-only FAT32 disk made of a list of files whose bytes are asked for when they are read: for git.ts and generated.ts.
import type { ObjectStorage } from 'lunkit/target'

export interface FatFile {
  /** With slashes between folders. */
  readonly path: string
  readonly size: number
  /** All of its bytes; what is more or less than `size` is cut off, or zeros. */
  read(): Buffer | Promise<Buffer>
}

interface Entry {
  readonly name: string
  readonly size: number
  readonly read: FatFile['read']
  readonly folder: Map<string, Entry> | null
  cluster: number
}

const SECTOR = 512
const CLUSTER = 4096
/** A FAT32 has at least so many clusters. */
const LEAST = 65536
const RESERVED = 32
const ENTRY = 32
const FOLDER = 0x10
const LONG_NAME = 0x0f
const LAST = 0x0fffffff

const folderOf = (name: string): Entry => ({
  name,
  size: 0,
  read: () => Buffer.alloc(0),
  folder: new Map(),
  cluster: 0,
})
const bytesOf = ({ folder, size }: Entry): number =>
  folder === null
    ? size
    : [...folder.values()].reduce((sum, { name }) => sum + ENTRY * (1 + Math.ceil(name.length / 13)), 64)
const clustersOf = (entry: Entry): number => Math.ceil(bytesOf(entry) / CLUSTER)

export function fatDisk(files: readonly FatFile[]): ObjectStorage {
  const root = folderOf('')
  for (const file of files) {
    const names = file.path.split('/')
    let at = root
    for (const name of names.slice(0, -1)) {
      if (!at.folder!.has(name)) at.folder!.set(name, folderOf(name))
      at = at.folder!.get(name)!
    }
    at.folder!.set(names.at(-1)!, {
      name: names.at(-1)!,
      size: file.size,
      read: file.read,
      folder: null,
      cluster: 0,
    })
  }
  const all: Entry[] = []
  const visit = (entry: Entry): void => {
    all.push(entry)
    for (const one of entry.folder?.values() ?? []) visit(one)
  }
  visit(root)

  // Everything lies in one piece, from cluster 2 on.
  let next = 2
  for (const entry of all) {
    if (clustersOf(entry) > 0) entry.cluster = next
    next += clustersOf(entry)
  }
  const clusters = Math.max(next - 2, LEAST)
  const fat = Buffer.alloc(Math.ceil(((clusters + 2) * 4) / SECTOR) * SECTOR)
  fat.writeUInt32LE(0x0ffffff8, 0)
  fat.writeUInt32LE(LAST, 4)
  for (const entry of all) {
    const end = entry.cluster + clustersOf(entry)
    for (let one = entry.cluster; one < end; one++) fat.writeUInt32LE(one + 1 < end ? one + 1 : LAST, one * 4)
  }
  const dataAt = RESERVED * SECTOR + fat.length
  const size = dataAt + clusters * CLUSTER
  /** What is where: the rest is zeros. */
  const pieces = [
    { at: 0, length: SECTOR, read: () => bootSector(size / SECTOR, fat.length / SECTOR) },
    { at: RESERVED * SECTOR, length: fat.length, read: () => fat },
    ...all.map(entry => ({
      at: dataAt + (entry.cluster - 2) * CLUSTER,
      length: bytesOf(entry),
      read: entry.folder === null ? entry.read : () => directory(entry, root),
    })),
  ].filter(({ length }) => length > 0)

  return {
    size,
    async read(offset, buffer) {
      for (const { at, length, read } of pieces) {
        if (at >= offset + buffer.length || at + length <= offset) continue
        const bytes = (await read()).subarray(0, length)
        bytes.copy(buffer, Math.max(at - offset, 0), Math.max(offset - at, 0))
      }
    },
  }
}

function bootSector(sectors: number, fatSectors: number): Buffer {
  const boot = Buffer.alloc(SECTOR)
  boot.set([0xeb, 0x58, 0x90], 0)
  boot.write('LUNKIT  ', 3, 'latin1')
  boot.writeUInt16LE(SECTOR, 11)
  boot[13] = CLUSTER / SECTOR
  boot.writeUInt16LE(RESERVED, 14)
  boot[16] = 1 // one FAT
  boot[21] = 0xf8
  boot.writeUInt16LE(63, 24)
  boot.writeUInt16LE(255, 26)
  boot.writeUInt32LE(sectors, 32)
  boot.writeUInt32LE(fatSectors, 36)
  boot.writeUInt32LE(2, 44) // the root's cluster
  boot[66] = 0x29
  boot.write('NO NAME    FAT32   ', 71, 'latin1')
  boot.writeUInt16LE(0xaa55, 510)
  return boot
}

/** The root has no entries for itself and for what is above it. */
function directory({ folder, cluster }: Entry, root: Entry): Buffer {
  const entries = [...folder!.values()].flatMap((entry, index) => namedEntry(entry, index))
  if (folder === root.folder) return Buffer.concat(entries)
  return Buffer.concat([
    shortEntry('.          ', FOLDER, cluster, 0),
    shortEntry('..         ', FOLDER, 0, 0),
    ...entries,
  ])
}

/** The long name in pieces of 13 characters, the last first, and a short one that is a number. */
function namedEntry({ name, folder, cluster, size }: Entry, index: number): Buffer[] {
  const short = `${String(index).padStart(8, '0')}   `
  const checksum = [...short].reduce(
    (sum, char) => ((((sum & 1) << 7) | (sum >> 1)) + char.charCodeAt(0)) & 0xff,
    0,
  )
  const parts = Math.ceil(name.length / 13)
  const long = Array.from({ length: parts }, (_, i) => {
    const number = parts - i
    const text = Buffer.alloc(26, 0xff)
    const piece = name.slice((number - 1) * 13, number * 13)
    text.write(piece, 0, 'utf16le')
    if (piece.length < 13) text.writeUInt16LE(0, piece.length * 2)
    const entry = Buffer.alloc(ENTRY)
    entry[0] = number | (i === 0 ? 0x40 : 0)
    entry[11] = LONG_NAME
    entry[13] = checksum
    text.copy(entry, 1, 0, 10)
    text.copy(entry, 14, 10, 22)
    text.copy(entry, 28, 22, 26)
    return entry
  })
  return [...long, shortEntry(short, folder === null ? 0x01 : FOLDER, cluster, size)]
}

function shortEntry(name: string, attributes: number, cluster: number, size: number): Buffer {
  const entry = Buffer.alloc(ENTRY)
  entry.write(name, 0, 'latin1')
  entry[11] = attributes
  entry.writeUInt16LE(0x21, 24) // 1 January 1980
  entry.writeUInt16LE(cluster >>> 16, 20)
  entry.writeUInt16LE(cluster & 0xffff, 26)
  entry.writeUInt32LE(size, 28)
  return entry
}
