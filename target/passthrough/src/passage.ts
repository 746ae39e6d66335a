// SPDX-License-Identifier: Apache-2.0
// One command on its way through the bridge. Each has an object of its own, so that a second answer meets nobody else's command.
import type { Task } from '@lunkit/target-api'
import type { Bridge, BridgeAnswer, BridgeRequest, Direction } from './bridge.ts'
import { unanswered } from './bridge.ts'
import type { PassedCommand } from './passed-command.ts'

/** Whom a passage comes back to. */
export interface PassageOwner {
  ended(passage: Passage, answer: BridgeAnswer): void
  /** The bridge broke its contract; the command is not concerned any more. */
  misbehaved(what: string): void
}

const NO_SLICES: readonly Buffer[] = []
const NO_ROOM = Buffer.alloc(0)

export class Passage implements BridgeRequest {
  readonly cdb: Uint8Array
  readonly direction: Direction
  readonly dataOut: readonly Buffer[]
  readonly dataIn: Buffer
  readonly timeout: number
  cancel: (() => void) | null = null
  /** Answered, or given up. */
  over = false
  /** The answer cannot be true. */
  isWrong = false
  readonly began = performance.now()
  /** The initiator's command, or null for one of pass-through's own. */
  readonly task: Task | null
  readonly command: PassedCommand | null
  /** Times that the command was sent before. */
  readonly tries: number
  readonly #owner: PassageOwner

  constructor(
    owner: PassageOwner,
    cdb: Uint8Array,
    direction: Direction,
    dataOut: readonly Buffer[] | null,
    dataIn: Buffer | null,
    timeout: number,
    task: Task | null = null,
    command: PassedCommand | null = null,
    tries = 0,
  ) {
    this.#owner = owner
    this.cdb = cdb
    this.direction = direction
    this.dataOut = dataOut ?? NO_SLICES
    this.dataIn = dataIn ?? NO_ROOM
    this.timeout = timeout
    this.task = task
    this.command = command
    this.tries = tries
  }

  start(bridge: Bridge): void {
    try {
      bridge.execute(this)
    } catch (error) {
      this.finish(unanswered('lost', `The bridge failed: ${String(error)}`))
    }
  }

  finish(answer: BridgeAnswer): void {
    if (this.over) {
      this.#owner.misbehaved('answered a command that it had answered already, or that was given up')
      return
    }
    this.over = true
    const wrong = faultOf(this, answer)
    this.isWrong = wrong !== null
    if (wrong !== null) this.#owner.misbehaved(wrong)
    this.#owner.ended(this, wrong === null ? answer : unanswered('ended', wrong))
  }
}

const isCount = (value: number, most: number): boolean =>
  Number.isInteger(value) && value >= 0 && value <= most

/** What cannot be true of an answer, or null. */
function faultOf({ dataIn, dataOut }: Passage, answer: BridgeAnswer): string | null {
  if (answer.outcome !== 'done') return null
  const { status, received, excess, outResidual, sense } = answer
  if (!isCount(status, 0xff)) return `answered with the status ${status}`
  if (!isCount(received, dataIn.length)) return `says that it brought ${received} bytes into ${dataIn.length}`
  if (!isCount(excess, Number.MAX_SAFE_INTEGER)) return `says that ${excess} bytes were too many`
  const sent = dataOut.reduce((sum, { length }) => sum + length, 0)
  if (!isCount(outResidual, sent)) return `says that ${outResidual} bytes of ${sent} were not taken`
  return sense instanceof Uint8Array ? null : 'answered without sense data where there must be some'
}
