// SPDX-License-Identifier: Apache-2.0
// A disk of an iSCSI target as a backing store: reads, writes that are durable when they are answered, and time limits while it is away.
import { setMaxListeners } from 'node:events'
import { ScsiError, type Session, type SessionEvent, type Unit } from '@lunkit/initiator-driver-iscsi'
import { SenseKey } from '@lunkit/spec'
import {
  type Ability,
  type BackingStore,
  StoreError,
  type StoreIo,
  type StoreWatcher,
} from '@lunkit/target-api'
import { type BlockCalls, Blockwise } from '@lunkit/target-stores/blockwise'
import { nameOf } from './unit-name.ts'

/** A disk that is not used is asked so often whether it is the right one now. */
const ASK_AGAIN_MS = 1000

/** Writes as they are, where there is no volatile cache; with FUA; or each followed by SYNCHRONIZE CACHE. */
export type WriteMode = 'plain' | 'fua' | 'flush'

export interface IscsiDisk {
  readonly unit: Unit
  readonly session: Session
  readonly identity: string
  /** What it calls itself (`nameOf`). */
  readonly name: string
  readonly blockSize: number
  readonly size: number
  readonly preferredBlock: number
  readonly canWrite: boolean
  readonly canUnmap: boolean
  readonly mode: WriteMode
  /** How long requests wait for a target that is away. */
  readonly patienceMs: number
}

export class IscsiStore implements BackingStore, BlockCalls {
  readonly size: number
  readonly preferredBlock: number
  readonly canWrite: boolean
  readonly volatileCache = false
  readonly discards: Ability
  readonly writesZeroes: Ability
  readonly discardGranularity: number
  readonly identity: string
  readonly #disk: IscsiDisk
  readonly #blockwise: Blockwise
  #told: StoreWatcher = () => {}
  /** What ends each request under way. */
  readonly #under = new Map<StoreIo, AbortController>()
  /** Why there is nobody to ask: the target has been away for too long. */
  #lost: Error | null = null
  #timer: NodeJS.Timeout | null = null
  #losses = 0
  /** From a loss of the session until it is known which disk is there now: requests wait for that. */
  #unknown: PromiseWithResolvers<void> | null = null
  /** Why the disk that is there is not used, and when it is asked again. */
  #refusal = ''
  #retry: NodeJS.Timeout | undefined

  constructor(disk: IscsiDisk) {
    this.#disk = disk
    this.size = disk.size
    this.preferredBlock = Math.max(disk.blockSize, disk.preferredBlock)
    this.discardGranularity = disk.blockSize
    this.canWrite = disk.canWrite
    this.discards = disk.canUnmap ? 'native' : 'none'
    this.writesZeroes = disk.canWrite ? 'emulated' : 'none'
    this.identity = disk.identity
    this.#blockwise = new Blockwise(disk.blockSize, this)
  }

  watch(told: StoreWatcher): void {
    this.#told = told
  }

  heard(event: SessionEvent): void {
    if (event.type === 'lost') {
      this.#losses++
      clearTimeout(this.#retry)
      this.#unknown ??= Promise.withResolvers()
      if (this.#timer !== null) return
      this.#told('away', event.error.message)
      const giveUp = (): void => this.#giveUp(new Error(`${this.identity} is away`))
      this.#timer = setTimeout(giveUp, this.#disk.patienceMs)
    } else if (event.type === 'reconnected') void this.#askName(this.#losses)
    else if (event.type === 'gave-up') this.#giveUp(event.error)
  }

  #giveUp(why: Error): void {
    this.#lost = why
    for (const limit of this.#under.values()) limit.abort(why)
    this.#goOn()
  }

  #goOn(): void {
    this.#unknown?.resolve()
    this.#unknown = null
  }

  /** Never rejects. After another loss there is another question. */
  async #askName(loss: number): Promise<void> {
    const { unit, name, identity } = this.#disk
    let refusal = ''
    try {
      if ((await nameOf(unit)) !== name) refusal = `${identity} leads to another disk now`
    } catch (error) {
      refusal = `${identity} does not say which disk it is: ${error instanceof Error ? error.message : error}`
    }
    if (loss !== this.#losses) return
    this.#settle()
    // It may come back without another loss, and what it says be right the next time.
    if (refusal !== '') this.#retry = setTimeout(() => void this.#askName(loss), ASK_AGAIN_MS).unref()
    const isNews = refusal !== this.#refusal
    this.#refusal = refusal
    if (refusal === '') this.#told('returned')
    else if (isNews) this.#told('away', refusal)
    this.#goOn()
  }

  #settle(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#lost = null
  }

  read(io: StoreIo): void {
    if (this.#isInside(io) && sumsUp(io)) this.#blockwise.read(io)
    else io.finish(StoreError.internal)
  }

  write(io: StoreIo): void {
    if (!this.canWrite) io.finish(StoreError.readOnly)
    else if (this.#isInside(io) && sumsUp(io)) this.#blockwise.write(io)
    else io.finish(StoreError.internal)
  }

  #isInside({ offset, length }: StoreIo): boolean {
    return offset >= 0 && offset + length <= this.size
  }

  /** What was answered is durable. */
  flush(io: StoreIo): void {
    io.finish(StoreError.none)
  }

  discard(io: StoreIo): void {
    if (!this.canWrite) io.finish(StoreError.readOnly)
    else if (this.discards === 'none' || !this.#isInside(io)) io.finish(StoreError.internal)
    else this.#blockwise.inner(io, whole => this.#run(whole, signal => this.#discard(whole, signal)))
  }

  readBlocks(io: StoreIo): void {
    this.#run(io, signal => this.#read(io, signal))
  }

  writeBlocks(io: StoreIo): void {
    this.#run(io, signal => this.#write(io, signal))
  }

  /** ABORT TASK at the target, too: what nobody waits for must not go on there, least of all in a circle. */
  abortBlocks(io: StoreIo): void {
    this.#under.get(io)?.abort(new Aborted())
  }

  abort(io: StoreIo): void {
    this.#blockwise.abort(io)
  }

  /** Pieces of whole blocks are filled where they are; others by way of one that is. */
  async #read({ offset, length, segments }: StoreIo, signal: AbortSignal): Promise<void> {
    const { unit, blockSize } = this.#disk
    const isWhole = segments.every(segment => segment.length % blockSize === 0)
    const pieces = isWhole ? segments.slice() : [Buffer.allocUnsafe(length)]
    const reads: Promise<void>[] = []
    let at = offset
    for (const piece of pieces) {
      reads.push(unit.readInto(at / blockSize, piece, { signal }))
      at += piece.length
    }
    await all(reads)
    if (isWhole) return
    let from = 0
    for (const segment of segments) from += pieces[0]!.copy(segment, 0, from, from + segment.length)
  }

  async #write({ offset, length, segments }: StoreIo, signal: AbortSignal): Promise<void> {
    const { unit, blockSize, mode } = this.#disk
    const data = segments.length === 1 ? segments[0]! : Buffer.concat(segments, length)
    await unit.write(offset / blockSize, data, { signal, fua: mode === 'fua' })
    if (mode === 'flush') await unit.flush({ signal })
  }

  async #discard({ offset, length }: StoreIo, signal: AbortSignal): Promise<void> {
    const { unit, blockSize } = this.#disk
    await unit.discard(offset / blockSize, length / blockSize, { signal })
  }

  #run(io: StoreIo, work: (signal: AbortSignal) => Promise<void>): void {
    if (this.#lost !== null) {
      io.reason = this.#lost.message
      io.finish(StoreError.gone)
      return
    }
    const limit = new AbortController()
    // As many as there are pieces.
    setMaxListeners(0, limit.signal)
    this.#under.set(io, limit)
    const isKnown = this.#unknown === null && this.#refusal === ''
    const under = isKnown ? work(limit.signal) : this.#whenKnown(limit.signal, work)
    under.then(
      () => this.#end(io, StoreError.none),
      (error: unknown) => {
        io.reason = error instanceof Error ? error.message : String(error)
        this.#end(io, storeErrorOf(error))
      },
    )
  }

  async #whenKnown(signal: AbortSignal, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    await Promise.race([this.#unknown?.promise, aborted(signal)])
    if (this.#refusal !== '') throw new Error(this.#refusal)
    await work(signal)
  }

  #end(io: StoreIo, error: StoreError): void {
    this.#under.delete(io)
    io.finish(error)
  }

  /** What is under way yet has no initiator any more. */
  async close(): Promise<void> {
    this.#losses++
    clearTimeout(this.#retry)
    this.#settle()
    this.#giveUp(new Error(`${this.identity} is closed`))
    await this.#disk.session.close()
  }
}

const sumsUp = ({ segments, length }: StoreIo): boolean =>
  segments.reduce((sum, segment) => sum + segment.length, 0) === length

/** Nobody waits for the request. */
class Aborted extends Error {}

/** Rejects when the signal fires. */
const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
  )

/** Waits for all, as their memory is in use until the last has ended; rejects with the first failure. */
async function all(works: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(works))
    if (outcome.status === 'rejected') throw outcome.reason
}

const ERRORS: Readonly<Record<number, StoreError>> = {
  [SenseKey.mediumError]: StoreError.medium,
  [SenseKey.hardwareError]: StoreError.medium,
  [SenseKey.dataProtect]: StoreError.readOnly,
  [SenseKey.notReady]: StoreError.gone,
}

/** What the target said, or that it said nothing. */
function storeErrorOf(error: unknown): StoreError {
  if (error instanceof Aborted) return StoreError.aborted
  if (!(error instanceof ScsiError)) return StoreError.gone
  return ERRORS[error.senseKey] ?? StoreError.internal
}
