// SPDX-License-Identifier: Apache-2.0
// Compressed clusters: read, unpacked on a thread, and the last ones kept, because readers take them in pieces.
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { StoreError } from '@lunkit/target-api'
import type { Extent } from './clusters.ts'
import type { HostFile } from './host-file.ts'
import { Fault } from './parts.ts'

/** Bytes of unpacked clusters that are kept. */
const MOST_KEPT = 4 * 2 ** 20
/** Unpacked at once; the others wait. */
const AT_ONCE = 4

type Unpack = (packed: Buffer, length: number) => Promise<Buffer>

const inflate = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflateRaw)

export const hasZstd = typeof zlib.createZstdDecompress === 'function'

/** As a stream, because the one call takes what follows a frame for another one. */
function unzstd(packed: Buffer, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const bytes = Buffer.allocUnsafe(length)
    let got = 0
    const stream = zlib.createZstdDecompress({ chunkSize: Math.max(length, 1024) })
    const end = (): void => {
      stream.destroy()
      resolve(bytes.subarray(0, got))
    }
    stream.on('data', (chunk: Buffer) => {
      got += chunk.copy(bytes, got)
      if (got === length) end()
    })
    stream.on('end', end)
    stream.on('error', reject)
    stream.end(packed)
  })
}

/** What follows the compressed bytes in their last sector is not looked at. */
const UNPACK: Readonly<Record<'deflate' | 'zstd', Unpack>> = {
  deflate: (packed, length) =>
    inflate(packed, { maxOutputLength: length, finishFlush: zlib.constants.Z_SYNC_FLUSH }),
  zstd: unzstd,
}

export class CompressedClusters {
  readonly #file: HostFile
  readonly #clusterSize: number
  readonly #unpack: Unpack
  /** By place in the file. */
  readonly #kept = new Map<number, Promise<Buffer>>()
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(file: HostFile, clusterSize: number, compression: 'deflate' | 'zstd') {
    this.#file = file
    this.#clusterSize = clusterSize
    this.#unpack = UNPACK[compression]
  }

  /** The whole cluster, not to be changed. Rejects with Fault. */
  read(extent: Extent): Promise<Buffer> {
    const found = this.#kept.get(extent.offset)
    if (found !== undefined) return found
    const reading = this.#read(extent)
    this.#kept.set(extent.offset, reading)
    reading.catch(() => {
      if (this.#kept.get(extent.offset) === reading) this.#kept.delete(extent.offset)
    })
    const most = Math.max(1, MOST_KEPT / this.#clusterSize)
    for (const old of this.#kept.keys()) {
      if (this.#kept.size <= most) break
      this.#kept.delete(old)
    }
    return reading
  }

  /** These bytes of the file will be others. */
  forget(offset: number): void {
    if (this.#kept.size === 0) return
    for (const at of this.#kept.keys())
      if (at >= offset && at < offset + this.#clusterSize) this.#kept.delete(at)
  }

  async #read({ offset, length }: Extent): Promise<Buffer> {
    if (this.#running === AT_ONCE) await new Promise<void>(resolve => this.#waiting.push(resolve))
    else this.#running++
    try {
      const packed = Buffer.alloc(length)
      await this.#file.read(offset, packed)
      let bytes: Buffer
      try {
        bytes = await this.#unpack(packed, this.#clusterSize)
      } catch (error) {
        throw new Fault(StoreError.medium, `compressed bytes at ${offset} cannot be unpacked: ${error}`)
      }
      if (bytes.length === this.#clusterSize) return bytes
      throw new Fault(StoreError.medium, `compressed bytes at ${offset} unpack to ${bytes.length} bytes`)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}
