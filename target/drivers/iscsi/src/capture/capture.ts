// SPDX-License-Identifier: Apache-2.0
// A capture: which connections are written to which files.
import { access, constants } from 'node:fs/promises'
import { dirname } from 'node:path'
import { matchesPattern, OperatorError } from '@lunkit/target-api'
import type { Connection } from '../connection.ts'
import { ConnectionCapture } from './connection-capture.ts'
import { FileList } from './file-list.ts'
import { FileSeries, type SeriesHost, WriteBudget } from './file-series.ts'
import type { OpenCaptureFile } from './open-file.ts'
import { type CaptureFacts, type CaptureOptions, type CaptureSettings, settleCapture } from './options.ts'

/** Packets that wait to be written, in bytes: beyond that they are left out. */
const WAITING_BYTES = 16 * 1024 * 1024

/** Where connections are captured; one may serve several ports. */
export class Capture implements SeriesHost {
  readonly settings: CaptureSettings
  readonly budget: WriteBudget = new WriteBudget(WAITING_BYTES)
  readonly list: FileList
  readonly opener: OpenCaptureFile | undefined
  readonly #warn: (reason: string) => void
  /** By path, with the connections that write there. */
  readonly #series: Map<string, { readonly series: FileSeries; users: number }> = new Map()
  /** Series that have ended, by path: how many files they had, and when the last was closed. */
  readonly #ended: Map<string, { readonly count: number; readonly closed: Promise<void> }> = new Map()
  readonly #closing: Set<Promise<void>> = new Set()
  readonly #isPattern: boolean
  #flows = 0

  private constructor(
    settings: CaptureSettings,
    isPattern: boolean,
    warn: (reason: string) => void,
    opener: OpenCaptureFile | undefined,
  ) {
    this.settings = settings
    this.opener = opener
    this.#isPattern = isPattern
    this.list = new FileList(settings.files)
    this.#warn = warn
  }

  /** Rejects with OperatorError: bad options, or a file or a folder that cannot be written. */
  static async open(options: CaptureOptions, warn: (reason: string) => void): Promise<Capture> {
    const capture = await Capture.prepare(options, warn)
    await capture.begin()
    return capture
  }

  /**
   * The same, but what is in the files stays until `begin`: a target that cannot be started must not cost the capture of
   * another one. `opener` keeps its files and those of others apart.
   */
  static async prepare(
    options: CaptureOptions,
    warn: (reason: string) => void,
    opener?: OpenCaptureFile,
  ): Promise<Capture> {
    const settings = settleCapture(options)
    const { file } = options
    if (typeof file === 'string') await named(file, () => access(dirname(file), constants.W_OK))
    return new Capture(settings, typeof file === 'string', warn, opener)
  }

  /** Opens the file that all connections share, if there is one; it is new then. Rejects with OperatorError. */
  async begin(): Promise<void> {
    const { common } = this.settings
    if (common === null || this.#series.has(common)) return
    const series = new FileSeries(this, common)
    await named(common, () => series.open())
    // It stays while nobody uses it.
    this.#series.set(common, { series, users: 1 })
  }

  get fileBytes(): number {
    return this.settings.fileBytes
  }

  get files(): number {
    return this.settings.files
  }

  warn(reason: string): void {
    this.#warn(reason)
  }

  connect(connection: Connection): ConnectionCapture {
    // Sequence numbers begin far apart, so that a port that is used again is another stream.
    const first = (this.#flows++ * 0x100_0000) >>> 0
    return new ConnectionCapture(this, connection, first)
  }

  /** The files for a connection, or null. To be followed by `leave` when it has ended. */
  seriesOf(facts: CaptureFacts): { readonly series: FileSeries; leave(): void } | null {
    const { initiators, common } = this.settings
    if (initiators !== null && !initiators.some(pattern => matchesPattern(pattern, facts.initiator)))
      return null
    const path = common ?? this.#nameFor(facts)
    if (path === null) return null
    let entry = this.#series.get(path)
    if (entry === undefined) {
      const before = this.#ended.get(path)
      const series = new FileSeries(this, path, before?.count, before?.closed)
      // The files of those who have not logged in are not ended each time that one of them goes.
      entry = { series, users: facts.tsih === 0 && this.#isPattern ? 1 : 0 }
      this.#series.set(path, entry)
    }
    const { series } = entry
    entry.users++
    return { series, leave: () => this.#leave(path) }
  }

  #nameFor(facts: CaptureFacts): string | null {
    try {
      return this.settings.fileOf(facts)
    } catch (error) {
      this.warn(`Capture has no file for ${facts.initiator}: ${String(error)}`)
      return null
    }
  }

  #leave(path: string): void {
    const entry = this.#series.get(path)!
    if (--entry.users > 0) return
    this.#series.delete(path)
    this.#close(path, entry.series)
  }

  #close(path: string, series: FileSeries): void {
    this.#ended.delete(path)
    this.#ended.set(path, { count: series.count, closed: series.close() })
    // No more are remembered than there may be files.
    for (const [oldest, { closed }] of this.#ended) {
      if (this.#ended.size <= this.files) break
      this.#ended.delete(oldest)
      this.#closing.add(closed)
      void closed.then(() => this.#closing.delete(closed))
    }
  }

  /** Writes what waits and ends all files. Its ports must have stopped. */
  async close(): Promise<void> {
    for (const [path, { series }] of this.#series) this.#close(path, series)
    this.#series.clear()
    await Promise.all([...this.#closing, ...[...this.#ended.values()].map(({ closed }) => closed)])
  }
}

async function named(file: string, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (error instanceof OperatorError) throw error
    throw new OperatorError(
      'CAPTURE_FILE',
      `Capture ${file} cannot be written: ${(error as Error).message}`,
      {
        hint: 'name a file in a folder that exists and may be written to',
        cause: error,
      },
    )
  }
}
