// SPDX-License-Identifier: Apache-2.0
// Where the persistent reservations of a unit are: asked at once, changed later. A cluster would have a store of its own.
import type { PersistentState, UnitRecords } from '@lunkit/target-api'
import { NOTHING_RESERVED } from './persistent.ts'
import { formatRecord, parseRecord } from './record.ts'

export interface ReservationStore {
  /** What counts now: looked at for each command, so it is at hand. */
  readonly state: PersistentState
  /** What was kept cannot be read: nobody knows who is registered. */
  readonly lost: boolean
  /** A state with `aptpl` can be kept. */
  readonly canPersist: boolean
  /**
   * Puts `next` in place of the state. `done` is called once, at once or later, when it counts (and is durable, where APTPL asks for
   * that), or with what went wrong, and then the old state stands. One call at a time.
   */
  commit(next: PersistentState, done: (error: Error | null) => void): void
}

/** In this process, and in the unit's records where APTPL asks for that. */
export class LocalReservations implements ReservationStore {
  state = NOTHING_RESERVED
  lost = false
  readonly #records: UnitRecords | null

  /** `warn` is told if the record of the unit with that NAA cannot be read. */
  constructor(records: UnitRecords | null, naa: Uint8Array, warn: (reason: string) => void) {
    this.#records = records
    try {
      const text = records?.read('reservations') ?? null
      if (text !== null) this.state = parseRecord(text)
    } catch (error) {
      this.lost = true
      const name = Buffer.from(naa).toString('hex')
      const cause = (error as Error).message
      warn(
        `The reservations of unit ${name} are lost (${cause}): it is not ready until 'lunkit state' has repaired or forgotten them and the target is started again`,
      )
    }
  }

  get canPersist(): boolean {
    return this.#records !== null
  }

  commit(next: PersistentState, done: (error: Error | null) => void): void {
    const records = this.#records
    if (records === null || !(next.aptpl || this.state.aptpl || this.lost)) {
      this.#take(next)
      done(null)
      return
    }
    records.write('reservations', formatRecord(next), error => {
      if (error === null) this.#take(next)
      done(error)
    })
  }

  #take(next: PersistentState): void {
    this.state = next
    this.lost = false
  }
}
