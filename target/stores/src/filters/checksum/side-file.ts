// SPDX-License-Identifier: Apache-2.0
// The file that keeps checksums from one run to the next, and knows which of them a crash has made worthless.
import type { FileHandle } from 'node:fs/promises'
import { fileTrouble, OperatorError } from '@lunkit/target-api'
import { type OwnFile, openOwnFile } from '../../file/own-file.ts'
import { ChecksumTable, GROUP } from './table.ts'

const MAGIC = 'lunkit checksums 1'
const HEAD = 4096
/** Bytes of the name of what is below; a longer one is not kept, and not looked at. */
const MOST_NAME = 4000
/** A group's mark has a page of its own before the checksums, so that it is written alone. */
const MARK = 4096
const SUMS = GROUP * 4
const RECORD = MARK + SUMS

export interface SideOptions {
  /** Bytes that have one checksum. */
  readonly block: number
  /** The identity of the store below; empty where it has none, and then it is not looked at. */
  readonly of?: string
  /** The store below has another identity now. */
  readonly moved?: boolean
}

/**
 * A group is marked, durably, before the first of its blocks is written, and from then on its checksums here are old. They are
 * written with each flush; but that a crash comes between block and checksum cannot be told from damage, so a group that
 * is still marked when the file is opened is not known. Closing writes everything and takes the marks away.
 */
export class SideFile {
  readonly table: ChecksumTable
  /** Groups that a crash has made unknown. */
  readonly lost: number
  readonly #own: OwnFile
  readonly #file: FileHandle
  readonly #marked = new Set<number>()
  #marking: Promise<void> = Promise.resolve()

  private constructor(own: OwnFile, table: ChecksumTable, lost: number) {
    this.#own = own
    this.#file = own.file
    this.table = table
    this.lost = lost
  }

  /** Makes the file where there is none. Rejects with OperatorError CHECKSUM_FILE, FILE_IN_USE or FILE_NOT_REGULAR. */
  static async open(path: string, options: SideOptions): Promise<SideFile> {
    try {
      const own = await openOwnFile(path, { parameter: 'checksums', mode: 0o600 })
      try {
        return await SideFile.#read(path, own, options)
      } catch (error) {
        await own.close()
        throw error
      }
    } catch (error) {
      if (error instanceof OperatorError) throw error
      const hint = 'name a file that may be written, or a new one in a folder that may be'
      throw refused(path, `cannot be used: ${fileTrouble(error, true)}`, hint, error)
    }
  }

  static async #read(path: string, own: OwnFile, options: SideOptions): Promise<SideFile> {
    const { file } = own
    const { size } = await file.stat()
    const { block, of = '', moved = false } = options
    const head = Buffer.alloc(HEAD)
    if (size > 0) await readAll(file, head, 0)
    else head.write(`${MAGIC}\nblock ${block}\n`)
    const found = new RegExp(`^${MAGIC}\nblock (\\d+)\n(?:of (".*")\n)?`).exec(head.toString())
    if (found === null) throw refused(path, 'is no file of checksums', 'name another one, or a new one')
    if (Number(found[1]) !== block) {
      throw refused(
        path,
        `is of blocks of ${found[1]} bytes`,
        `give checksumblock=${found[1]}, or a new file`,
      )
    }
    const name = JSON.stringify(of)
    const other = of !== '' && found[2] !== name
    if (other && found[2] !== undefined && !moved) {
      const hint = 'name another file; if it is the same data at another place, add checksumsmoved=yes'
      throw refused(path, `belongs to ${found[2]}, not to ${name}`, hint)
    }
    const line = other && Buffer.byteLength(name) <= MOST_NAME ? `of ${name}\n` : ''
    if (size === 0 || line !== '') {
      // Whatever is cut short here begins as before.
      head.fill(0).write(`${MAGIC}\nblock ${block}\n${line}`)
      await file.write(head, 0, HEAD, 0)
      await file.datasync()
    }
    const table = new ChecksumTable()
    let lost = 0
    for (let at = HEAD; at < size; at += RECORD) {
      const record = Buffer.alloc(RECORD)
      await readAll(file, record, at)
      const sums = new Uint32Array(record.buffer, record.byteOffset + MARK, GROUP)
      if (record[0] !== 0) lost++
      if (record[0] === 0 && sums.some(sum => sum !== 0)) table.groups.set((at - HEAD) / RECORD, sums)
      if (record[0] !== 0) table.changed.add((at - HEAD) / RECORD)
    }
    return new SideFile(own, table, lost)
  }

  /** All of these groups are marked durably: nobody has to wait for `mark`. */
  has(groups: readonly number[]): boolean {
    return groups.every(group => this.#marked.has(group))
  }

  mark(groups: readonly number[]): Promise<void> {
    const marking = this.#marking
      .catch(() => {})
      .then(async () => {
        const missing = groups.filter(group => !this.#marked.has(group))
        if (missing.length === 0) return
        for (const group of missing) await this.#file.write(Buffer.of(1), 0, 1, HEAD + group * RECORD)
        await this.#file.datasync()
        for (const group of missing) this.#marked.add(group)
      })
    this.#marking = marking
    return marking
  }

  /** Writes what is other here than in memory; not durably. */
  async save(): Promise<void> {
    const { table } = this
    const changed = [...table.changed]
    table.changed.clear()
    try {
      for (const group of changed) {
        const sums = table.groups.get(group) ?? new Uint32Array(GROUP)
        const bytes = Buffer.from(sums.buffer, sums.byteOffset, SUMS)
        await this.#file.write(bytes, 0, SUMS, HEAD + group * RECORD + MARK)
        this.#marked.add(group)
      }
    } catch (error) {
      for (const group of changed) table.changed.add(group)
      throw error
    }
  }

  /** `durable`: all blocks are; then all groups are known when it is opened again. */
  async close(durable: boolean): Promise<void> {
    try {
      if (!durable) return
      await this.save()
      await this.#file.datasync()
      for (const group of this.#marked) await this.#file.write(Buffer.of(0), 0, 1, HEAD + group * RECORD)
      await this.#file.datasync()
    } finally {
      await this.#own.close()
    }
  }
}

const refused = (path: string, why: string, hint: string, cause?: unknown): OperatorError =>
  new OperatorError('CHECKSUM_FILE', `The file of checksums '${path}' ${why}`, { hint, cause })

/** What lies behind the file's end is zeros. */
async function readAll(file: FileHandle, into: Buffer, at: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, into.length - done, at + done)
    if (bytesRead === 0) return
    done += bytesRead
  }
}
