// SPDX-License-Identifier: Apache-2.0
// The memory of one command under way: the header that the kernel reads, CDB, sense data and scatter-gather list.
import type { BridgeRequest } from '../bridge.ts'
import { HEADER_LENGTH, SENSE_LENGTH, VECTOR_LENGTH, writeAddress, writeHeader } from './header.ts'
import type { SgCalls } from './linux-sg.ts'

const CDB_AT = 96
const SENSE_AT = 352
const VECTORS_AT = 448
/** Longer lists are gathered into one piece of memory. */
const VECTORS = 100
const SLOT_LENGTH = VECTORS_AT + VECTORS * VECTOR_LENGTH

/** The kernel ends a command that is out of time by aborts and resets, which take time themselves, ms. */
const PATIENCE = 2000

export class Slot {
  readonly id: number
  readonly header: Buffer
  readonly sense: Buffer
  request: BridgeRequest | null = null
  /** When the kernel must have ended it, and has a little time more, on the clock of `performance`. */
  deadline = 0
  /** Bytes of data that the unit is to bring or take. */
  length = 0
  readonly #memory = Buffer.allocUnsafeSlow(SLOT_LENGTH)
  readonly #address: number
  readonly #addressOf: (part: Buffer) => number
  /** Data out in one piece, where the pieces were too many. */
  #gathered: Buffer | null = null
  constructor(id: number, addressOf: (part: Buffer) => number) {
    this.id = id
    this.header = this.#memory.subarray(0, HEADER_LENGTH)
    this.sense = this.#memory.subarray(SENSE_AT, SENSE_AT + SENSE_LENGTH)
    this.#addressOf = addressOf
    this.#address = addressOf(this.#memory)
  }

  /** Takes a request whose CDB is not longer than the interface's and whose data go one way. */
  fill(request: BridgeRequest): void {
    this.request = request
    this.deadline = performance.now() + request.timeout + PATIENCE
    const { cdb, direction } = request
    this.#memory.set(cdb, CDB_AT)
    const vectorCount =
      direction === 'out'
        ? this.#vectors(request.dataOut)
        : direction === 'in'
          ? this.#vector(request.dataIn)
          : 0
    if (vectorCount === 0) this.length = 0
    const transfer = vectorCount === 0 || direction === 'both' ? 'none' : direction
    writeHeader(this.header, {
      id: this.id,
      cdb: this.#address + CDB_AT,
      cdbLength: cdb.length,
      sense: this.#address + SENSE_AT,
      transfer,
      vectors: this.#address + VECTORS_AT,
      vectorCount,
      length: this.length,
      timeout: request.timeout,
    })
  }

  #vector(part: Buffer): number {
    this.length = part.length
    if (part.length === 0) return 0
    this.#point(0, part)
    return 1
  }

  /** The list; returns how many elements it has. */
  #vectors(parts: readonly Buffer[]): number {
    this.length = 0
    let count = 0
    for (const part of parts) {
      if (part.length === 0) continue
      this.length += part.length
      if (count < VECTORS) this.#point(count, part)
      count++
    }
    if (count <= VECTORS) return count
    this.#gathered = Buffer.concat(parts)
    this.#point(0, this.#gathered)
    return 1
  }

  #point(index: number, part: Buffer): void {
    const at = VECTORS_AT + index * VECTOR_LENGTH
    writeAddress(this.#memory, this.#addressOf(part), at)
    writeAddress(this.#memory, part.length, at + 8)
  }

  release(): BridgeRequest {
    const request = this.request!
    this.request = null
    this.#gathered = null
    return request
  }
}

/** Slots for so many commands under way. */
export function makeSlots(count: number, calls: Pick<SgCalls, 'addressOf'>): Slot[] {
  const bases = new WeakMap<ArrayBufferLike, number>()
  const addressOf = (part: Buffer): number => {
    let base = bases.get(part.buffer)
    if (base === undefined) {
      base = calls.addressOf(part.buffer)
      bases.set(part.buffer, base)
    }
    return base + part.byteOffset
  }
  return Array.from({ length: count }, (_, id) => new Slot(id, addressOf))
}
