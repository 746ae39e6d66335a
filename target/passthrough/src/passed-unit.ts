// SPDX-License-Identifier: Apache-2.0
// A real unit as a device of the engine's: commands go to the bridge in their order, and wait for a limited time while the unit is away.
import {
  CAPACITY_DATA_HAS_CHANGED,
  INVALID_COMMAND_OPERATION_CODE,
  LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE,
  POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED,
  type SenseCode,
} from '@lunkit/spec'
import {
  type ControlPolicies,
  type Device,
  type DeviceType,
  defaultPolicies,
  fail,
  type Identity,
  LARGEST,
  type LogicalUnit,
  type Nexus,
  type Task,
} from '@lunkit/target-api'
import { answerTask } from './answer-task.ts'
import { isOfTheWay, isReset, isSame } from './attentions.ts'
import { type BridgeAnswer, type Direction, unanswered } from './bridge.ts'
import { cdbOf } from './cdb.ts'
import type { OpenedBridge } from './opener.ts'
import { Passage, type PassageOwner } from './passage.ts'
import type { PassedCommand } from './passed-command.ts'
import {
  type Ask,
  type Asked,
  Away,
  askFacts,
  askMedium,
  askPolicies,
  type Facts,
  isSameUnit,
  namesOf,
  takeAttentions,
} from './questions.ts'
import { allowRemoval, preventRemoval } from './removal.ts'

export interface UnitSettings {
  /** Time for a usual command, ms. */
  readonly timeout: number
  /** How long commands wait for a unit that is away, ms. */
  readonly wait: number
  readonly readonly: boolean
}

/** Time for commands that may take hours, at least. */
const LONG_MS = 4 * 3600 * 1000
/** A bridge answers this much later than it was told at the latest. */
const GRACE_MS = 5000
/** Time for questions of pass-through's own. */
const ASK_MS = 10_000
/** How often a unit that is away is looked for. */
const LOOK_MS = 500
/** Times that a command is sent for one answer. */
const MOST_TRIES = 8

interface Waiting {
  readonly task: Task
  readonly command: PassedCommand
  readonly tries: number
}

export class PassedUnit implements Device, PassageOwner {
  type: DeviceType
  readonly writable: boolean
  readonly maxTransfer: number
  readonly identity: string
  readonly notReady = null
  readonly occupied = null
  readonly policies: ControlPolicies = defaultPolicies()
  blockSize = 0
  blocks = 0
  facts: Facts
  unit: LogicalUnit = null as unknown as LogicalUnit
  /** The unit was told to keep its medium. */
  prevented = false
  readonly ask: Ask = (cdb, room) => this.#ask(cdb, room)
  readonly #opened: OpenedBridge
  readonly #settings: UnitSettings
  readonly #clock: NodeJS.Timeout
  readonly #passages = new Set<Passage>()
  /** Questions of its own under way. */
  readonly #questions = new Set<Passage>()
  /** Commands that wait for the unit to be there, in their order; in front of them those that were lost and are sent again. */
  readonly #waiting: Waiting[] = []
  /** Why commands wait: the unit is away, or is asked how it is after a change; null: they do not. */
  #hold: 'away' | 'asking' | null = null
  #awaySince = 0
  #asking: Promise<void> | null = null
  #askAgain = false
  #complained = false
  #closed = false

  constructor(type: DeviceType, opened: OpenedBridge, facts: Facts, settings: UnitSettings) {
    this.type = type
    this.facts = facts
    this.#opened = opened
    this.#settings = settings
    this.identity = opened.identity
    this.writable = !settings.readonly
    this.maxTransfer = opened.maxTransfer
    this.#clock = setInterval(() => this.#tick(performance.now()), LOOK_MS)
    this.#clock.unref()
  }

  get names(): Partial<Identity> {
    return namesOf(this.facts)
  }

  get isAway(): boolean {
    return this.#hold === 'away'
  }

  /** It is known now what the unit is. */
  become(type: DeviceType, facts: Facts): void {
    this.type = type
    this.facts = facts
  }

  attach(unit: LogicalUnit): void {
    this.unit = unit
  }

  // ---- the road ----

  /** Sends a command of an initiator on, in its turn. */
  take(task: Task, command: PassedCommand): void {
    if (this.#hold === null) this.#send(task, command, 0)
    else if (this.#hold === 'away' && performance.now() - this.#awaySince >= this.#settings.wait)
      notThere(task)
    else this.#waiting.push({ task, command, tries: 0 })
  }

  #send(task: Task, command: PassedCommand, tries: number): void {
    const cdb = cdbOf(task.cdb)
    if (cdb.length > this.#opened.longestCdb) {
      fail(task, INVALID_COMMAND_OPERATION_CODE)
      return
    }
    const { timeout } = this.#settings
    const limit = command.isLong ? Math.max(timeout, LONG_MS) : timeout
    const room = roomOf(task, command, this)
    const out = task.received > 0 && task.outLength > 0 ? task.segments : null
    const direction: Direction = out === null ? (room > 0 ? 'in' : 'none') : room > 0 ? 'both' : 'out'
    // Both at once is rare: what goes out keeps its slices until the answer is there.
    const dataOut = direction === 'both' ? task.segments.slice() : out
    const dataIn = room > 0 ? roomFor(task, room, direction === 'both') : null
    const passage = new Passage(this, cdb, direction, dataOut, dataIn, limit, task, command, tries)
    task.deviceData = passage
    this.#passages.add(passage)
    passage.start(this.#opened.bridge)
  }

  ended(passage: Passage, answer: BridgeAnswer): void {
    this.#passages.delete(passage)
    const { task, command, tries } = passage
    if (answer.outcome === 'lost') this.#lose(answer.reason)
    if (task === null || command === null) return
    task.deviceData = null
    if (task.aborted) {
      task.releaseData()
      task.inLength = 0
      task.done()
    } else if (answer.outcome === 'lost' && command.isRepeatable && tries < MOST_TRIES) {
      this.#repeat(task, command, tries)
    } else answerTask(this, passage, answer)
  }

  /** The unit did not run it: once more, ahead of those that wait. */
  repeat(passage: Passage): boolean {
    if (passage.tries >= MOST_TRIES) return false
    dropDataIn(passage.task!)
    if (this.#hold === null) this.#send(passage.task!, passage.command!, passage.tries + 1)
    else this.#repeat(passage.task!, passage.command!, passage.tries)
    return true
  }

  #repeat(task: Task, command: PassedCommand, tries: number): void {
    dropDataIn(task)
    const at = this.#waiting.findIndex(one => one.tries === 0)
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, { task, command, tries: tries + 1 })
  }

  misbehaved(what: string): void {
    if (this.#complained) return
    this.#complained = true
    this.unit?.warn(`The bridge of ${this.identity} ${what}`)
  }

  // ---- task management ----

  abort(task: Task): void {
    const at = this.#waiting.findIndex(one => one.task === task)
    if (at >= 0) {
      this.#waiting.splice(at, 1)
      task.done()
      return
    }
    const passage = task.deviceData as Passage | null
    const cancel = passage?.cancel ?? null
    if (passage === null || cancel === null) return
    passage.cancel = null
    cancel()
  }

  reset(): void {
    this.prevented = false
    if (this.#hold === 'away') return
    try {
      this.#opened.bridge.reset()
    } catch (error) {
      this.misbehaved(`failed in a reset: ${String(error)}`)
    }
    this.lookAgain(true)
  }

  nexusLost(nexus: Nexus): void {
    allowRemoval(this, nexus)
  }

  // ---- away, and back ----

  #lose(reason: string): void {
    if (this.#hold === 'away' || this.#closed) return
    this.#hold = 'away'
    this.#awaySince = performance.now()
    this.unit?.warn(`${this.identity} is away: ${reason}`)
  }

  #tick(now: number): void {
    for (const passage of this.#passages) {
      if (now - passage.began >= passage.timeout + GRACE_MS) this.#giveUp(passage)
    }
    if (this.#hold !== 'away') return
    if (now - this.#awaySince >= this.#settings.wait)
      for (const { task } of this.#waiting.splice(0)) notThere(task)
    if (this.#asking === null) this.#start(() => this.#comeBack())
  }

  /** The bridge never answered: nobody knows what it still does with the buffers. */
  #giveUp(passage: Passage): void {
    const reason = `The bridge has not answered in ${passage.timeout + GRACE_MS} ms`
    passage.over = true
    this.#passages.delete(passage)
    this.#lose(reason)
    const { task } = passage
    if (task === null) return
    task.deviceData = null
    task.fault(new Error(reason))
  }

  /** Capacity, mode pages or names may be others: commands wait until that is known. `isKnown`: initiators know of a reset. */
  lookAgain(isKnown: boolean): void {
    if (this.#hold === 'away' || this.#closed) return
    this.#hold = 'asking'
    if (this.#asking !== null) this.#askAgain = true
    else this.#start(() => this.#look(isKnown))
  }

  #start(work: () => Promise<void>): void {
    this.#asking = work()
      .catch((error: unknown) => {
        if (!(error instanceof Away)) this.unit.warn(`${this.identity}: ${String(error)}`)
        this.#lose(String(error instanceof Error ? error.message : error))
      })
      .finally(() => {
        this.#asking = null
        if (this.#closed) return
        if (this.#askAgain && this.#hold === 'asking') {
          this.#askAgain = false
          this.#start(() => this.#look(true))
        } else if (this.#hold === 'asking') this.#go()
      })
  }

  async #look(reset: boolean): Promise<void> {
    const codes = await takeAttentions(this.ask)
    this.#tell(codes, reset)
    await this.#learn(codes)
  }

  async #comeBack(): Promise<void> {
    const facts = await askFacts(this.ask)
    if (!isSameUnit(facts, this.facts)) {
      this.misbehaved('leads to another unit now, which is not served in the place of the first')
      return
    }
    this.facts = facts
    const codes = await takeAttentions(this.ask)
    await this.#learn(codes)
    if (this.unit.removalPrevented) await preventRemoval(this)
    // Nobody can tell what the unit has been through, nor what others did to it.
    this.unit.attention(POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED, null)
    this.#tell(codes, true)
    this.#complained = false
    this.unit.warn(
      `${this.identity} is back after ${Math.round((performance.now() - this.#awaySince) / 1000)} s`,
    )
    this.#hold = 'asking'
  }

  #tell(codes: readonly SenseCode[], reset: boolean): void {
    for (const code of codes) {
      if (!isOfTheWay(code) && !(reset && isReset(code))) this.unit.attention(code, null)
    }
  }

  /** What the device says of itself to the engine. */
  async #learn(codes: readonly SenseCode[]): Promise<void> {
    const { blockSize, blocks } = this
    await this.learn()
    const changed = blockSize !== this.blockSize || blocks !== this.blocks
    const told = codes.some(code => isSame(code, CAPACITY_DATA_HAS_CHANGED))
    if (changed && !told && blockSize !== 0) this.unit.attention(CAPACITY_DATA_HAS_CHANGED, null)
  }

  async learn(): Promise<void> {
    const medium = await askMedium(this.ask, this.facts.peripheralType)
    this.blockSize = medium.blockSize
    this.blocks = medium.blocks
    await askPolicies(this.ask, this.policies)
  }

  #go(): void {
    this.#hold = null
    while (this.#hold === null) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#send(next.task, next.command, next.tries)
    }
  }

  #ask(cdb: Uint8Array, room: number): Promise<Asked> {
    return new Promise((resolve, reject) => {
      const data = Buffer.alloc(room)
      const owner: PassageOwner = {
        misbehaved: what => this.misbehaved(what),
        ended: (one, answer) => {
          clearTimeout(timer)
          this.#questions.delete(one)
          if (answer.outcome === 'lost') this.#lose(answer.reason)
          if (answer.outcome !== 'done') reject(new Away(answer.reason))
          else resolve({ ...answer, data: data.subarray(0, answer.received) })
        },
      }
      const passage = new Passage(owner, cdb, room > 0 ? 'in' : 'none', null, data, ASK_MS)
      const timer = setTimeout(
        () => passage.finish(unanswered('lost', 'the bridge does not answer')),
        ASK_MS + GRACE_MS,
      )
      this.#questions.add(passage)
      passage.start(this.#opened.bridge)
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#clock)
    for (const question of this.#questions) question.finish(unanswered('lost', 'the target is closed'))
    await this.#asking
    await this.#opened.close()
  }
}

/** What came for a command that is sent again; what goes out stays. */
function dropDataIn(task: Task): void {
  if (task.received === 0) task.releaseData()
}

function notThere(task: Task): void {
  fail(task, LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE)
}

/** Bytes that may come. */
const roomOf = (task: Task, command: PassedCommand, device: PassedUnit): number =>
  Math.min(command.bytesIn(task, device), device.maxTransfer)

/** Memory for what comes: the pool's where it is one piece of it, since a bridge fills one piece. */
function roomFor(task: Task, room: number, besides: boolean): Buffer {
  if (besides) return Buffer.allocUnsafeSlow(room)
  if (room <= LARGEST) task.reserve(room)
  else task.segments.push(Buffer.allocUnsafeSlow(room))
  return task.segments[0]!
}
