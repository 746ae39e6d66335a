// SPDX-License-Identifier: Apache-2.0
// The file of a trace: nobody else's, of bounded length, with one before it.
import { constants } from 'node:fs'
import { rename, stat } from 'node:fs/promises'
import { OperatorError } from '@lunkit/target-api'
import { type OwnFile, openOwnFile } from '../../file/own-file.ts'

/** What a trace begins with: a line of a request, or of those that are lost. */
const START =
  /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (read|write|flush|discard|writeZeroes|anchor|map|copy)|\d+ lines are lost\n)/
const START_BYTES = 64

export class TraceFile {
  readonly #path: string
  readonly #most: number
  #own: OwnFile

  private constructor(path: string, most: number, own: OwnFile) {
    this.#path = path
    this.#most = most
    this.#own = own
  }

  /** Rejects with OperatorError TRACE_FILE, FILE_IN_USE or FILE_NOT_REGULAR, or with the system's error. */
  static async open(path: string, most: number): Promise<TraceFile> {
    const own = await openTrace(path)
    try {
      await lookAtOlder(path)
    } catch (error) {
      await own.close()
      throw error
    }
    return new TraceFile(path, most, own)
  }

  /** Rejects if the text cannot be written. */
  async put(text: string): Promise<void> {
    // Somebody may have put it away.
    const there = await stat(this.#path, { bigint: true }).catch(() => null)
    if (there?.ino !== this.#own.key.ino || there.dev !== this.#own.key.dev) await this.#begin()
    const { size } = await this.#own.file.stat()
    if (size > 0 && size + text.length > this.#most) {
      await lookAtOlder(this.#path)
      await rename(this.#path, olderOf(this.#path))
      await this.#begin()
    }
    await this.#own.file.appendFile(text)
  }

  close(): Promise<void> {
    return this.#own.close()
  }

  async #begin(): Promise<void> {
    const before = this.#own
    this.#own = await openTrace(this.#path)
    await before.close()
  }
}

const olderOf = (path: string): string => `${path}.1`

/** It will be replaced: it has to be a trace that nobody writes. */
async function lookAtOlder(path: string): Promise<void> {
  const exists = await stat(olderOf(path)).catch(() => null)
  if (exists !== null) await (await openTrace(olderOf(path))).close()
}

async function openTrace(path: string): Promise<OwnFile> {
  const own = await openOwnFile(path, { parameter: 'tracefile', flags: constants.O_APPEND })
  try {
    const { buffer, bytesRead } = await own.file.read(Buffer.alloc(START_BYTES), 0, START_BYTES, 0)
    if (bytesRead === 0 || START.test(buffer.toString('latin1'))) return own
    throw new OperatorError('TRACE_FILE', `'${path}' is not empty, and no trace`, {
      hint: 'name another file with tracefile=; this one stays as it is',
    })
  } catch (error) {
    await own.close()
    throw error
  }
}
