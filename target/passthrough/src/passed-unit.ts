// SPDX-License-Identifier: Apache-2.0
// A real unit as a device of the engine's: commands go to the bridge in their order, and wait for a limited time while the unit is away.
import { INVALID_COMMAND_OPERATION_CODE, LOGICAL_UNIT_NOT_READY_CAUSE_NOT_REPORTABLE } from '@lunkit/spec'
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
import type { BridgeAnswer, Direction } from './bridge.ts'
import { cdbOf } from './cdb.ts'
import type { OpenedBridge } from './opener.ts'
import { Passage, type PassageOwner } from './passage.ts'
import type { PassedCommand } from './passed-command.ts'
import { Presence } from './presence.ts'
import { type Ask, askMedium, askPolicies, type Facts, namesOf } from './questions.ts'
import { allowRemoval } from './removal.ts'

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
  readonly presence: Presence
  readonly #opened: OpenedBridge
  readonly #settings: UnitSettings
  readonly #clock: NodeJS.Timeout
  readonly #passages = new Set<Passage>()
  /** Commands that wait for the unit to be there, in their order; in front of them those that were lost and are sent again. */
  readonly #waiting: Waiting[] = []
  #complained = false

  constructor(type: DeviceType, opened: OpenedBridge, facts: Facts, settings: UnitSettings) {
    this.type = type
    this.facts = facts
    this.#opened = opened
    this.#settings = settings
    this.identity = opened.identity
    this.writable = !settings.readonly
    this.maxTransfer = opened.maxTransfer
    this.presence = new Presence(this, opened.bridge, () => this.#go())
    this.#clock = setInterval(() => this.#tick(performance.now()), LOOK_MS)
    this.#clock.unref()
  }

  get names(): Partial<Identity> {
    return namesOf(this.facts)
  }

  get isAway(): boolean {
    return this.presence.hold === 'away'
  }

  get ask(): Ask {
    return this.presence.ask
  }

  /** It is known now what the unit is. */
  become(type: DeviceType, facts: Facts): void {
    this.type = type
    this.facts = facts
  }

  attach(unit: LogicalUnit): void {
    this.unit = unit
    if (this.#opened.note !== undefined) unit.warn(this.#opened.note)
  }

  // ---- the road ----

  /** Sends a command of an initiator on, in its turn. */
  take(task: Task, command: PassedCommand): void {
    const { hold, awaySince } = this.presence
    if (hold === null) this.#send(task, command, 0)
    else if (hold === 'away' && performance.now() - awaySince >= this.#settings.wait) notThere(task)
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
    if (answer.outcome === 'lost') this.presence.lose(answer.reason)
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
    if (this.presence.hold === null) this.#send(passage.task!, passage.command!, passage.tries + 1)
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

  returned(news: string): void {
    this.#complained = false
    this.unit.warn(news)
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
    if (this.isAway) return
    try {
      this.#opened.bridge.reset()
    } catch (error) {
      this.misbehaved(`failed in a reset: ${String(error)}`)
    }
    this.presence.lookAgain(true)
  }

  nexusLost(nexus: Nexus): void {
    allowRemoval(this, nexus)
  }

  // ---- away, and back ----

  #tick(now: number): void {
    for (const passage of this.#passages) {
      if (now - passage.began >= passage.timeout + GRACE_MS) this.#giveUp(passage)
    }
    const { presence } = this
    if (presence.hold === 'away' && now - presence.awaySince >= this.#settings.wait)
      for (const { task } of this.#waiting.splice(0)) notThere(task)
    presence.look()
  }

  /** The bridge never answered: nobody knows what it still does with the buffers. */
  #giveUp(passage: Passage): void {
    const reason = `The bridge has not answered in ${passage.timeout + GRACE_MS} ms`
    passage.over = true
    this.#passages.delete(passage)
    this.presence.lose(reason)
    const { task } = passage
    if (task === null) return
    task.deviceData = null
    task.fault(new Error(reason))
  }

  /** What the device says of itself to the engine. */
  async learn(): Promise<void> {
    const medium = await askMedium(this.ask, this.facts.peripheralType)
    this.blockSize = medium.blockSize
    this.blocks = medium.blocks
    await askPolicies(this.ask, this.policies)
  }

  /** Those that waited go, in their order. */
  #go(): void {
    while (this.presence.hold === null) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#send(next.task, next.command, next.tries)
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#clock)
    await this.presence.close()
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

/**
 * Memory for what comes: the pool's where it is one piece of it, since a bridge fills one piece. With zeros: what a bridge says that it has
 * brought, and has not, must not be somebody else's data.
 */
function roomFor(task: Task, room: number, besides: boolean): Buffer {
  if (besides) return Buffer.alloc(room)
  if (room <= LARGEST) {
    task.reserve(room)
    task.segments[0]!.fill(0)
  } else task.segments.push(Buffer.alloc(room))
  return task.segments[0]!
}
