// SPDX-License-Identifier: Apache-2.0
// Example: a gzip file as a read-only disk. It has to be in blocks, as bgzip writes it (BGZF): then any byte is near a start.
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { inflateRaw } from 'node:zlib'
import type { ObjectStorage } from 'lunkit/target'

const HEADER = 18
const TRAILER = 8
const unpack = promisify<Buffer, Buffer>(inflateRaw)

/** Where a block is in the file, and in the disk. */
interface Block {
  readonly place: number
  readonly packed: number
  readonly offset: number
  readonly length: number
}

export async function gzipDisk(path: string): Promise<ObjectStorage> {
  const file = await open(path)
  const { size: end } = await file.stat()
  const blocks: Block[] = []
  let size = 0
  for (let place = 0; place < end; ) {
    const head = Buffer.alloc(HEADER)
    await file.read(head, 0, HEADER, place)
    // gzip with one extra field, BC: the size of this block less one.
    if (head.readUInt32BE(0) !== 0x1f8b0804 || head.toString('latin1', 12, 14) !== 'BC') {
      await file.close()
      throw new Error(`${path} is not in blocks: make it with bgzip`)
    }
    const packed = head.readUInt16LE(16) + 1
    const tail = Buffer.alloc(4)
    await file.read(tail, 0, 4, place + packed - 4)
    const length = tail.readUInt32LE(0)
    if (length > 0) blocks.push({ place, packed, offset: size, length })
    size += length
    place += packed
  }
  const inflate = async ({ place, packed }: Block): Promise<Buffer> => {
    const bytes = Buffer.alloc(packed - HEADER - TRAILER)
    await file.read(bytes, 0, bytes.length, place + HEADER)
    return unpack(bytes)
  }
  return {
    size: size - (size % 512),
    identity: `gzip:${path}`,
    async read(offset, buffer) {
      const first = blocks.findIndex(block => offset < block.offset + block.length)
      for (let i = first; i < blocks.length && blocks[i]!.offset < offset + buffer.length; i++) {
        const bytes = await inflate(blocks[i]!)
        const from = Math.max(offset - blocks[i]!.offset, 0)
        bytes.copy(buffer, Math.max(blocks[i]!.offset - offset, 0), from)
      }
    },
    close: () => file.close(),
  }
}
