// SPDX-License-Identifier: Apache-2.0
// One SCSI command on its way: what was asked, how far it came, and who waits for it.
import type { CommandRequest, CommandResult } from '@lunkit/initiator-core'
import { RESERVED_TAG, TaskAttribute } from '@lunkit/spec'
import type { DataRecovery } from './data-recovery.ts'
import type { FullFeature } from './full-feature.ts'

const NOTHING = new Uint8Array(0)
const NO_PIECES: readonly Uint8Array[] = []

/** Bytes of data that come in one piece or in several. */
export function lengthOf(data: CommandRequest['dataOut']): number {
  if (data === undefined) return 0
  return data instanceof Uint8Array ? data.length : data.reduce((sum, { length }) => sum + length, 0)
}

/** Where a task is. `ending` waits for the answer to its ABORT TASK. */
export type TaskState = 'waiting' | 'sent' | 'ending' | 'done'

export class Task {
  readonly lun: Uint8Array
  readonly cdb: Uint8Array
  /** Pieces of the data to send, and their length together. */
  readonly dataOut: readonly Uint8Array[]
  readonly outLength: number
  readonly dataIn: Uint8Array
  readonly attribute: number
  readonly repeatable: boolean
  readonly timeoutMs: number
  readonly signal: AbortSignal | null
  state: TaskState = 'waiting'
  itt = RESERVED_TAG
  cmdSn = 0
  /** Where it was sent, and so the only connection on which something may come for it (RFC 7143, 4.2.5.1). */
  link: FullFeature | null = null
  /** Clock of the session when the command was sent, in ms. */
  sentAt = 0
  /** Bytes of `dataIn` up to which it is filled, without gaps but for those in `recovery`. */
  received = 0
  /** Bytes of `dataOut` sent or asked for, without gaps. */
  solicited = 0
  dataInPdus = 0
  r2ts = 0
  /** What is known of PDUs that did not come whole; null while all did. */
  recovery: DataRecovery | null = null
  /** Its allegiance was reassigned: the target may ask for any of its data again under any R2TSN. */
  reassigned = false
  /** Bytes that were asked for again. */
  askedAgain = 0
  /** Times that it was sent again under its number. */
  retries = 0
  /** Times that an ABORT TASK was sent for it. */
  aborts = 0
  /** `declarations` of its connection when it was sent there. */
  declarations = 0
  /** Times it was the oldest command in flight when a connection was lost. */
  repeats = 0
  /** What the promise rejects with when the ABORT TASK under way is done. */
  reason: unknown = null
  onAbort: (() => void) | null = null
  readonly #resolve: (result: CommandResult) => void
  readonly #reject: (reason: unknown) => void

  constructor(
    request: CommandRequest,
    lun: Uint8Array,
    timeoutMs: number,
    resolve: (result: CommandResult) => void,
    reject: (reason: unknown) => void,
  ) {
    this.lun = lun
    this.cdb = request.cdb
    const { dataOut } = request
    this.dataOut = dataOut === undefined ? NO_PIECES : dataOut instanceof Uint8Array ? [dataOut] : dataOut
    this.outLength = lengthOf(dataOut)
    this.dataIn = request.dataIn ?? (request.expectedIn ? new Uint8Array(request.expectedIn) : NOTHING)
    this.attribute = request.attribute ?? TaskAttribute.simple
    this.repeatable = request.repeatable ?? false
    this.timeoutMs = timeoutMs
    this.signal = request.signal ?? null
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Forgets that it was sent, to send it as a new command. */
  restart(): void {
    this.state = 'waiting'
    this.itt = RESERVED_TAG
    this.link = null
    this.retries = 0
    this.aborts = 0
    this.rewind()
  }

  /** Forgets what was moved, to send the same command again under its number and tag. */
  rewind(): void {
    this.received = 0
    this.solicited = 0
    this.dataInPdus = 0
    this.r2ts = 0
    this.recovery = null
    this.reassigned = false
    this.askedAgain = 0
  }

  finish(status: number, sense: Uint8Array, underflow: number, overflow: number): void {
    if (!this.#settle()) return
    const { dataIn, received } = this
    this.#resolve({
      status,
      sense,
      dataIn: received === dataIn.length ? dataIn : dataIn.subarray(0, received),
      underflow,
      overflow,
    })
  }

  fail(reason: unknown): void {
    if (this.#settle()) this.#reject(reason)
  }

  #settle(): boolean {
    if (this.state === 'done') return false
    this.state = 'done'
    if (this.onAbort !== null) this.signal?.removeEventListener('abort', this.onAbort)
    return true
  }
}
