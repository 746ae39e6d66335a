// SPDX-License-Identifier: Apache-2.0
// Whether a unit is there: what is asked of it, looking for one that is away, and what its initiators hear when it is back.
import {
  CAPACITY_DATA_HAS_CHANGED,
  POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED,
  type SenseCode,
} from '@lunkit/spec'
import { isOfTheWay, isReset, isSame } from './attentions.ts'
import { type Bridge, unanswered } from './bridge.ts'
import { Passage, type PassageOwner } from './passage.ts'
import type { PassedUnit } from './passed-unit.ts'
import { type Ask, type Asked, Away, askFacts, isSameUnit, takeAttentions } from './questions.ts'
import { preventRemoval } from './removal.ts'

/** Time for a question, and how much later it is given up. */
const ASK_MS = 10_000
const GRACE_MS = 5000
/** An operator hears of another reason this late at the earliest. */
const TELL_MS = 5000

export class Presence {
  /** Why commands wait: the unit is away, or is asked how it is after a change; null: they do not. */
  hold: 'away' | 'asking' | null = null
  awaySince = 0
  readonly ask: Ask = (cdb, room) => this.#ask(cdb, room)
  readonly #device: PassedUnit
  readonly #bridge: Bridge
  readonly #go: () => void
  /** Questions under way. */
  readonly #questions = new Set<Passage>()
  #reason = ''
  #told = 0
  #work: Promise<void> | null = null
  #lookAgain = false
  #closed = false

  /** `go` is called when commands need not wait any more. */
  constructor(device: PassedUnit, bridge: Bridge, go: () => void) {
    this.#device = device
    this.#bridge = bridge
    this.#go = go
  }

  lose(reason: string): void {
    if (this.#closed) return
    const now = performance.now()
    if (this.hold !== 'away') this.awaySince = now
    else if (reason === this.#reason || now - this.#told < TELL_MS) return
    // It may be a connection alone that is lost: no initiator is to wait for the clock.
    if (this.hold !== 'away') setImmediate(() => this.look())
    this.hold = 'away'
    this.#reason = reason
    this.#told = now
    this.#device.unit?.warn(`${this.#device.identity} is away: ${reason}`)
  }

  /** Looks whether a unit that is away is there again; called now and then. */
  look(): void {
    if (this.hold === 'away' && this.#work === null && !this.#closed) this.#start(() => this.#comeBack())
  }

  /** Capacity, mode pages or names may be others: commands wait until that is known. `isKnown`: initiators know of a reset. */
  lookAgain(isKnown: boolean): void {
    if (this.hold === 'away' || this.#closed) return
    this.hold = 'asking'
    if (this.#work !== null) this.#lookAgain = true
    else this.#start(() => this.#inspect(isKnown))
  }

  #start(work: () => Promise<void>): void {
    this.#work = this.#carryOut(work)
  }

  /** Never rejects: nobody waits for it but `close`. */
  async #carryOut(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof Away)) this.#device.misbehaved(`led to a fault: ${describe(error)}`)
      this.lose(error instanceof Error ? error.message : String(error))
    }
    this.#work = null
    if (this.#closed || this.hold !== 'asking') return
    if (this.#lookAgain) {
      this.#lookAgain = false
      this.#start(() => this.#inspect(true))
    } else {
      this.hold = null
      this.#go()
    }
  }

  async #inspect(isKnown: boolean): Promise<void> {
    const codes = await takeAttentions(this.ask)
    this.#tell(codes, isKnown)
    await this.#learn(codes)
  }

  async #comeBack(): Promise<void> {
    const device = this.#device
    const facts = await askFacts(this.ask)
    if (!isSameUnit(facts, device.facts)) {
      device.misbehaved('leads to another unit now, which is not served in the place of the first')
      return
    }
    device.facts = facts
    const codes = await takeAttentions(this.ask)
    await this.#learn(codes)
    if (device.unit.removalPrevented) await preventRemoval(device)
    // Nobody can tell what the unit has been through, nor what others did to it.
    device.unit.attention(POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED, null)
    this.#tell(codes, true)
    const seconds = Math.round((performance.now() - this.awaySince) / 1000)
    device.returned(`${device.identity} is back after ${seconds} s`)
    this.hold = 'asking'
  }

  #tell(codes: readonly SenseCode[], isKnown: boolean): void {
    for (const code of codes) {
      if (!isOfTheWay(code) && !(isKnown && isReset(code))) this.#device.unit.attention(code, null)
    }
  }

  async #learn(codes: readonly SenseCode[]): Promise<void> {
    const device = this.#device
    const { blockSize, blocks } = device
    await device.learn()
    const changed = blockSize !== device.blockSize || blocks !== device.blocks
    const told = codes.some(code => isSame(code, CAPACITY_DATA_HAS_CHANGED))
    if (changed && !told && blockSize !== 0) device.unit.attention(CAPACITY_DATA_HAS_CHANGED, null)
  }

  #ask(cdb: Uint8Array, room: number): Promise<Asked> {
    return new Promise((resolve, reject) => {
      const data = Buffer.alloc(room)
      const owner: PassageOwner = {
        misbehaved: what => {
          if (!this.#closed) this.#device.misbehaved(what)
        },
        ended: (one, answer) => {
          clearTimeout(timer)
          this.#questions.delete(one)
          if (answer.outcome === 'lost') this.lose(answer.reason)
          if (answer.outcome !== 'done') reject(new Away(answer.reason))
          else resolve({ ...answer, data: data.subarray(0, answer.received) })
        },
      }
      const passage = new Passage(owner, cdb, room > 0 ? 'in' : 'none', null, data, ASK_MS)
      const giveUp = (): void => passage.finish(unanswered('lost', 'the bridge does not answer'))
      const timer = setTimeout(giveUp, ASK_MS + GRACE_MS)
      this.#questions.add(passage)
      passage.start(this.#bridge)
    })
  }

  /** Resolves when nothing is asked any more. */
  async close(): Promise<void> {
    this.#closed = true
    for (const question of this.#questions) question.finish(unanswered('lost', 'the target is closed'))
    await this.#work
  }
}

const describe = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error)
