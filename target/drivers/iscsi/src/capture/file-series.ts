// SPDX-License-Identifier: Apache-2.0
// One capture file and those that follow it when it is full: written behind the traffic, never faster than the disk takes it.
import { join, parse } from 'node:path'
import type { FileList } from './file-list.ts'
import { type CaptureFile, type OpenCaptureFile, openCaptureFile } from './open-file.ts'
import { fileHead, fileStatistics, setDrops } from './pcapng.ts'

/** What waits to be written, in bytes, for all files of a capture together. */
export class WriteBudget {
  left: number

  constructor(bytes: number) {
    this.left = bytes
  }
}

/** Most bytes of one write. */
const BATCH_BYTES = 1024 * 1024

export interface SeriesHost {
  readonly budget: WriteBudget
  readonly list: FileList
  readonly fileBytes: number
  readonly files: number
  readonly opener?: OpenCaptureFile | undefined
  warn(reason: string): void
}

/** Microseconds since 1970. */
export const microseconds = (): number => Math.floor((performance.timeOrigin + performance.now()) * 1000)

export class FileSeries {
  readonly #host: SeriesHost
  readonly #path: string
  readonly #after: Promise<void>
  #queue: Buffer[] = []
  #file: CaptureFile | null = null
  #current = ''
  #size = 0
  /** Files so far, with those of earlier series of this name. */
  count: number
  #writing: Promise<void> | null = null
  #failed = false
  #received = 0
  #dropped = 0
  /** Since the last packet that was taken. */
  #droppedSince = 0

  /** `count` files of this name have been written before, the last of them until `after`. */
  constructor(host: SeriesHost, path: string, count = 0, after: Promise<void> = Promise.resolve()) {
    this.#host = host
    this.#path = path
    this.count = count
    this.#after = after
  }

  /** Opens the first file. Rejects with OperatorError or the system's error. */
  async open(): Promise<void> {
    try {
      await this.#next()
    } catch (error) {
      await this.#file?.close()
      throw error
    }
  }

  /** Whether a block of this length can wait; if not, the packet is counted as dropped. */
  hasRoom(bytes: number): boolean {
    this.#received++
    if (!this.#failed && bytes <= this.#host.budget.left) return true
    if (this.#dropped === 0 && !this.#failed)
      this.#host.warn(`Capture ${this.#path} is slower than the traffic: packets are left out`)
    this.#dropped++
    this.#droppedSince++
    return false
  }

  /** Takes a packet's block, for which there is room. */
  add(packet: Buffer): void {
    this.#host.budget.left -= packet.length
    if (this.#droppedSince > 0) setDrops(packet, this.#droppedSince)
    this.#droppedSince = 0
    this.#queue.push(packet)
    this.#writing ??= this.#write()
  }

  /** Writes what waits, ends the file, and says what is missing. */
  close(): Promise<void> {
    const end = this.#close()
    this.#host.list.ending(end)
    return end
  }

  async #close(): Promise<void> {
    while (this.#writing !== null) await this.#writing
    if (this.#dropped > 0)
      this.#host.warn(`Capture ${this.#path} lacks ${this.#dropped} of ${this.#received} packets`)
    await this.#end().catch((error: unknown) => this.#fail(error))
  }

  async #write(): Promise<void> {
    // With whatever else comes in this turn.
    await new Promise<void>(resolve => setImmediate(resolve))
    try {
      while (this.#queue.length > 0) await this.#writeBatch()
    } catch (error) {
      this.#fail(error)
    }
    this.#writing = null
  }

  async #writeBatch(): Promise<void> {
    if (this.#file === null) await this.#next()
    if (this.#failed) return this.#discard()
    const { fileBytes } = this.#host
    let bytes = 0
    let count = 0
    for (const { length } of this.#queue) {
      if (count > 0 && (bytes + length > BATCH_BYTES || this.#size + bytes + length > fileBytes)) break
      bytes += length
      count++
    }
    const batch = this.#queue.splice(0, count)
    try {
      await this.#file!.file.appendFile(batch.length === 1 ? batch[0]! : Buffer.concat(batch))
    } finally {
      this.#host.budget.left += bytes
    }
    this.#size += bytes
    const [following] = this.#queue
    if (following !== undefined && this.#size + following.length > fileBytes) await this.#end()
  }

  /** The first file has the name itself; the others count up to as many as there may be, and begin again. */
  async #next(): Promise<void> {
    await this.#after
    const number = this.count++ % this.#host.files
    const { dir, name, ext } = parse(this.#path)
    this.#current = number === 0 ? this.#path : join(dir, `${name}.${number}${ext}`)
    if (!(await this.#host.list.open(this.#current))) {
      this.#failed = true
      this.#host.warn(`Capture ${this.#path} is left out: there are ${this.#host.files} files already`)
      return
    }
    this.#file = await openCaptureFile(this.#current, this.#host.opener)
    const head = fileHead()
    await this.#file.file.appendFile(head)
    this.#size = head.length
  }

  async #end(): Promise<void> {
    const file = this.#file
    this.#file = null
    if (file === null) return
    try {
      await file.file.appendFile(fileStatistics(microseconds(), this.#received, this.#dropped))
    } finally {
      await file.close()
      this.#host.list.end(this.#current)
    }
  }

  #fail(error: unknown): void {
    if (!this.#failed) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#host.warn(`Capture ${this.#path} has ended: ${reason}`)
    }
    this.#failed = true
    this.#discard()
    const file = this.#file
    this.#file = null
    this.#host.list.end(this.#current)
    void file?.close().catch(() => undefined)
  }

  #discard(): void {
    for (const { length } of this.#queue) this.#host.budget.left += length
    this.#dropped += this.#queue.length
    this.#queue = []
  }
}
