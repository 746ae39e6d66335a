// SPDX-License-Identifier: Apache-2.0
// One logical unit seen from the initiator: capacity, reads, writes, flush, discard, and any other command.
import { setTimeout as wait } from 'node:timers/promises'
import {
  CAPACITY_DATA_HAS_CHANGED,
  type Command,
  INQUIRY,
  INVALID_COMMAND_OPERATION_CODE,
  Qualifier,
  READ_10,
  READ_16,
  READ_CAPACITY_10,
  READ_CAPACITY_16,
  readSense,
  SenseKey,
  Status,
  SYNCHRONIZE_CACHE_10,
  TEST_UNIT_READY,
  UNMAP,
  UNMAP_DESCRIPTOR,
  UNMAP_HEADER,
  VpdCode,
  WRITE_10,
  WRITE_16,
} from '@lunkit/spec'
import { buildCdb, findCommand } from './command-builder.ts'
import { RequestError, ScsiError, TransportError } from './errors.ts'
import type { CommandRequest, CommandResult, InitiatorSession, Lun } from './initiator-driver.ts'
import {
  type Capacity,
  type InquiryAnswer,
  readCapacity10,
  readCapacity16,
  readInquiry,
  readLimits,
  readVpd,
  type UnitLimits,
} from './inquiry-answer.ts'
import { isRepeatable, retryDelay } from './retry.ts'

/** Longest piece of a transfer in bytes: several pieces under way hide the time that each takes. */
const PIECE_BYTES = 1 << 20
const MAX_BLOCKS_10 = 0xffff
const NO_FLAGS = {}
/** Additional sense codes after which it may be another medium, or another unit: medium changed, reset, target operating conditions changed. */
const RENEWED: ReadonlySet<number> = new Set([0x28, 0x29, 0x3f])

export interface CommandOptions {
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

export interface WriteOptions extends CommandOptions {
  /** Answered only when the data are on the medium. */
  readonly fua?: boolean
}

export interface ExecuteOptions extends CommandOptions {
  readonly dataOut?: Uint8Array
  /** Buffer to fill; or bytes that are expected. */
  readonly dataIn?: Uint8Array
  readonly expectedIn?: number
  readonly attribute?: number
}

type Move = Omit<CommandRequest, 'lun' | 'cdb' | 'repeatable'>

export class Unit {
  readonly session: InitiatorSession
  readonly lun: Lun
  #inquiry: InquiryAnswer | null = null
  #capacity: Capacity | null = null
  /** Bytes of a block as the caller knows them, whose LBAs count in them; 0: not told yet. */
  #blockSize = 0
  #limits: UnitLimits | null = null

  constructor(session: InitiatorSession, lun: Lun) {
    this.session = session
    this.lun = lun
  }

  /** How the unit is called in messages. */
  get name(): string {
    const lun = typeof this.lun === 'number' ? this.lun : Buffer.from(this.lun).toString('hex')
    return `LUN ${lun} of ${this.session.target}`
  }

  /** Asks who is there. Rejects with a RequestError (`LUN_MISSING`) where there is no unit. */
  async open(options: CommandOptions = {}): Promise<InquiryAnswer> {
    const answer = await this.inquiry(options)
    if (answer.qualifier === Qualifier.connected) return answer
    throw new RequestError('LUN_MISSING', `${this.name} does not exist`, {
      hint: 'list the units of the target',
    })
  }

  async inquiry(options: CommandOptions = {}): Promise<InquiryAnswer> {
    const { dataIn } = await this.#run(INQUIRY, { allocation: 255 }, { expectedIn: 255, ...options })
    this.#inquiry = readInquiry(dataIn)
    return this.#inquiry
  }

  /** A vital product data page, header included. Rejects with a ScsiError where the unit does not have it. */
  async vpd(pageCode: number, options: CommandOptions = {}): Promise<Uint8Array> {
    const values = { evpd: 1, pageCode, allocation: 4096 }
    const { dataIn } = await this.#run(INQUIRY, values, { expectedIn: 4096, ...options })
    return readVpd(pageCode, dataIn)
  }

  /** Codes of the vital product data pages that the unit has; none where it has not even the list. */
  async vpdPages(options: CommandOptions = {}): Promise<readonly number[]> {
    const page = await this.#optionalVpd(VpdCode.supportedPages, options)
    return page === null ? [] : [...page.subarray(4)]
  }

  async #optionalVpd(code: number, options: CommandOptions): Promise<Uint8Array | null> {
    try {
      return await this.vpd(code, options)
    } catch (error) {
      if (error instanceof ScsiError && error.senseKey === SenseKey.illegalRequest) return null
      throw error
    }
  }

  /** Resolves when the unit takes commands for its medium. */
  async testReady(options: CommandOptions = {}): Promise<void> {
    await this.#run(TEST_UNIT_READY, NO_FLAGS, options)
  }

  /** Asked once; again after a command has brought word that it changed: `testReady` is the cheapest. */
  async capacity(options: CommandOptions = {}): Promise<Capacity> {
    this.#capacity ??= await this.#askCapacity(options)
    this.#blockSize = this.#capacity.blockSize
    return this.#capacity
  }

  /** Without a question, where none is due. */
  get #known(): Capacity | null {
    return this.#capacity?.blockSize === this.#blockSize ? this.#capacity : null
  }

  /** The same for what names blocks. Rejects with a RequestError (`BLOCKS_CHANGED`) where they are not those that the caller knows. */
  async #blocksNow(options: CommandOptions): Promise<Capacity> {
    this.#capacity ??= await this.#askCapacity(options)
    const { blockSize } = this.#capacity
    this.#blockSize ||= blockSize
    if (blockSize === this.#blockSize) return this.#capacity
    // They may come back, too.
    this.#capacity = null
    throw new RequestError(
      'BLOCKS_CHANGED',
      `${this.name} has blocks of ${blockSize} bytes now, not ${this.#blockSize}: an LBA means another place`,
      { hint: 'ask for its capacity again' },
    )
  }

  async #askCapacity(options: CommandOptions): Promise<Capacity> {
    try {
      const answer = await this.#run(READ_CAPACITY_16, { allocation: 32 }, { expectedIn: 32, ...options })
      return readCapacity16(answer.dataIn)
    } catch (error) {
      if (!(error instanceof ScsiError) || !lacksCommand(error)) throw error
      const answer = await this.#run(READ_CAPACITY_10, NO_FLAGS, { expectedIn: 8, ...options })
      const capacity = readCapacity10(answer.dataIn)
      if (capacity === null) throw error
      return capacity
    }
  }

  /** What the unit says in the pages B0h and B2h. Asked once. */
  async limits(options: CommandOptions = {}): Promise<UnitLimits> {
    if (this.#limits !== null) return this.#limits
    const pages = await this.vpdPages(options)
    const page = (code: number): Promise<Uint8Array | null> =>
      pages.includes(code) ? this.#optionalVpd(code, options) : Promise.resolve(null)
    const [b0, b2] = await Promise.all([page(VpdCode.blockLimits), page(VpdCode.logicalBlockProvisioning)])
    this.#limits = readLimits(b0, b2)
    return this.#limits
  }

  async read(lba: number, blocks: number, options: CommandOptions = {}): Promise<Buffer> {
    const capacity = this.#known ?? (await this.#blocksNow(options))
    this.#check(lba, blocks, capacity)
    const buffer = Buffer.allocUnsafe(blocks * capacity.blockSize)
    await this.#transfer(READ_10, READ_16, lba, buffer, capacity.blockSize, options)
    return buffer
  }

  /** Fills the buffer, whose length is a multiple of the block size, from block `lba` on. */
  async readInto(lba: number, buffer: Uint8Array, options: CommandOptions = {}): Promise<void> {
    const capacity = this.#known ?? (await this.#blocksNow(options))
    this.#check(lba, this.#blocks(buffer, capacity), capacity)
    await this.#transfer(READ_10, READ_16, lba, buffer, capacity.blockSize, options)
  }

  /** Writes the data, whose length is a multiple of the block size. They must not change until it is done. */
  async write(lba: number, data: Uint8Array, options: WriteOptions = {}): Promise<void> {
    const capacity = this.#known ?? (await this.#blocksNow(options))
    this.#check(lba, this.#blocks(data, capacity), capacity)
    await this.#transfer(WRITE_10, WRITE_16, lba, data, capacity.blockSize, options)
  }

  #blocks(data: Uint8Array, { blockSize }: Capacity): number {
    if (data.length % blockSize === 0) return data.length / blockSize
    throw new RequestError(
      'ARGUMENT_INVALID',
      `${data.length} bytes are not a multiple of the block size of ${this.name}, ${blockSize}`,
    )
  }

  #check(lba: number, blocks: number, capacity: Capacity): void {
    if (!Number.isSafeInteger(lba) || lba < 0 || !Number.isSafeInteger(blocks) || blocks < 0) {
      throw new RequestError('ARGUMENT_INVALID', `${blocks} blocks from LBA ${lba} are no range of blocks`)
    }
    if (lba + blocks <= capacity.blocks) return
    const message = `Blocks ${lba} to ${lba + blocks - 1} are beyond the end of ${this.name}, which has ${capacity.blocks}`
    throw new RequestError('OUT_OF_RANGE', message)
  }

  async #transfer(
    short: typeof READ_10 | typeof WRITE_10,
    long: typeof READ_16 | typeof WRITE_16,
    lba: number,
    data: Uint8Array,
    blockSize: number,
    options: WriteOptions,
  ): Promise<void> {
    const { maxTransfer } = this.#limits ?? (await this.limits(options))
    const most = Math.max(
      1,
      Math.min(maxTransfer || Number.POSITIVE_INFINITY, Math.floor(PIECE_BYTES / blockSize)),
    )
    const blocks = data.length / blockSize
    if (blocks <= most) {
      if (blocks > 0) await this.#piece(short, long, lba, blocks, data, options)
      return
    }
    const pieces: Promise<void>[] = []
    for (let at = 0; at < blocks; at += most) {
      const count = Math.min(most, blocks - at)
      const part = data.subarray(at * blockSize, (at + count) * blockSize)
      pieces.push(this.#piece(short, long, lba + at, count, part, options))
    }
    // All must have ended before the caller may have the buffer back.
    for (const outcome of await Promise.allSettled(pieces)) {
      if (outcome.status === 'rejected') throw outcome.reason
    }
  }

  /** What is not moved as it was asked for has not been read, or not been written, whatever the status says. */
  async #piece(
    short: typeof READ_10 | typeof WRITE_10,
    long: typeof READ_16 | typeof WRITE_16,
    lba: number,
    blocks: number,
    data: Uint8Array,
    options: WriteOptions,
  ): Promise<void> {
    const { signal, timeoutMs, fua } = options
    const move =
      short.data === 'in' ? { dataIn: data, signal, timeoutMs } : { dataOut: data, signal, timeoutMs }
    const values = { lba, blocks, fua: fua ? 1 : 0 }
    const row = lba + blocks <= 0x1_0000_0000 && blocks <= MAX_BLOCKS_10 ? short : long
    const { underflow, overflow } = await this.#run(row, values, move, () => this.#blocksNow(options))
    if (underflow === 0 && overflow === 0) return
    const other = underflow > 0 ? `${underflow} bytes fewer` : `${overflow} bytes more`
    throw new TransportError(
      'TRANSPORT_DATA_MISSING',
      `${row.name} of ${blocks} blocks moved ${other} than their ${data.length}`,
      { hint: 'the unit may have blocks of another length now' },
    )
  }

  /** Makes all writes that have ended durable. */
  async flush(options: CommandOptions = {}): Promise<void> {
    await this.#run(SYNCHRONIZE_CACHE_10, NO_FLAGS, options)
  }

  /** Frees the storage behind the blocks (UNMAP). Rejects with a RequestError (`UNSUPPORTED`) where that cannot be. */
  async discard(lba: number, blocks: number, options: CommandOptions = {}): Promise<void> {
    this.#check(lba, blocks, await this.#blocksNow(options))
    const { canUnmap, maxUnmap } = await this.limits(options)
    if (!canUnmap) {
      throw new RequestError('UNSUPPORTED', `${this.name} cannot discard blocks: it has no UNMAP command`, {
        hint: 'write zeros instead',
      })
    }
    for (let at = 0; at < blocks; at += maxUnmap) {
      const dataOut = unmapList(lba + at, Math.min(maxUnmap, blocks - at))
      await this.#run(UNMAP, { parameterLength: dataOut.length }, { dataOut, ...options })
    }
  }

  /**
   * Sends any CDB and resolves with what came of it, whatever the status: nothing is repeated for its sake, and unit
   * attentions are the caller's. After a lost connection only commands that are known to be repeatable are sent again.
   */
  async execute(cdb: Uint8Array, options: ExecuteOptions = {}): Promise<CommandResult> {
    const deviceType = (this.#inquiry ?? (await this.inquiry())).deviceType
    const repeatable = isRepeatable(findCommand(cdb, deviceType), deviceType)
    return this.session.execute({ ...options, lun: this.lun, cdb, repeatable })
  }

  /**
   * Sends a command of this class's own until it is GOOD or must be given up. Rejects with a ScsiError. `again`: asked before it is repeated,
   * after which it need not mean what it did.
   */
  async #run(
    row: Command,
    values: Readonly<Record<string, number>>,
    move: Move,
    again?: () => Promise<unknown>,
  ): Promise<CommandResult> {
    const repeatable = isRepeatable(row, this.#inquiry?.deviceType ?? 0)
    const request = { ...move, lun: this.lun, cdb: buildCdb(row, values), repeatable }
    for (let attempt = 1; ; attempt++) {
      const result = await this.session.execute(request)
      const { status, sense } = result
      if (status === Status.good || status === Status.conditionMet) return result
      if (status === Status.checkCondition) this.#notice(sense)
      const delay = retryDelay(status, sense, attempt, repeatable)
      if (delay < 0) throw new ScsiError(status, sense, row.name)
      if (delay > 0) await wait(delay, undefined, move.signal ? { signal: move.signal } : {})
      await again?.()
    }
  }

  /** A unit attention may say that what is remembered has changed. */
  #notice(sense: Uint8Array): void {
    const report = readSense(sense)
    if (report?.key !== SenseKey.unitAttention) return
    const { asc, ascq } = CAPACITY_DATA_HAS_CHANGED
    if ((report.asc === asc && report.ascq === ascq) || RENEWED.has(report.asc)) this.#capacity = null
    if (report.asc === 0x3f) this.#limits = null
  }
}

function unmapList(lba: number, blocks: number): Uint8Array {
  const list = new Uint8Array(UNMAP_HEADER.length + UNMAP_DESCRIPTOR.length)
  UNMAP_HEADER.write({ dataLength: list.length - 2, descriptorLength: UNMAP_DESCRIPTOR.length }, list)
  UNMAP_DESCRIPTOR.write({ lba, blocks }, list, UNMAP_HEADER.length)
  return list
}

function lacksCommand(error: ScsiError): boolean {
  return error.senseKey === SenseKey.illegalRequest && error.asc === INVALID_COMMAND_OPERATION_CODE.asc
}
