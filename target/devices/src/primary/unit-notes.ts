// SPDX-License-Identifier: Apache-2.0
// What initiators wrote on a unit: its identifying information and its clock, kept in the unit's records where it has any.
import { TimestampOrigin } from '@lunkit/spec'
import type { LogicalUnit, UnitRecords } from '@lunkit/target-api'

interface Notes {
  /** Identifying information by INFORMATION TYPE. */
  readonly information: Readonly<Record<number, Uint8Array>>
  /** Milliseconds by which the unit's clock is ahead of the machine's; null: nobody has set it. */
  readonly clockAhead: number | null
}

const NOTHING: Notes = Object.freeze({ information: {}, clockAhead: null })

export class UnitNotes {
  #notes: Notes = NOTHING
  #records: UnitRecords | null = null

  /** Reads what was kept. A record that cannot be read is told, and counts as empty: nothing depends on it. */
  attach(unit: LogicalUnit): void {
    this.#records = unit.records
    try {
      const text = unit.records?.read('unit') ?? null
      if (text !== null) this.#notes = parse(text)
    } catch (error) {
      unit.warn(`What initiators wrote on the unit cannot be read: ${(error as Error).message}`)
    }
  }

  information(type: number): Uint8Array {
    return this.#notes.information[type] ?? new Uint8Array(0)
  }

  /** Milliseconds since 1970 by the unit's clock. */
  get timestamp(): number {
    return Math.max(0, Date.now() + (this.#notes.clockAhead ?? 0))
  }

  get timestampOrigin(): number {
    return this.#notes.clockAhead === null ? TimestampOrigin.outside : TimestampOrigin.setTimestamp
  }

  /** `done` is told once whether it is kept; without records that is at once, and until the process ends. */
  setInformation(type: number, bytes: Uint8Array, done: (error: Error | null) => void): void {
    this.#keep({ ...this.#notes, information: { ...this.#notes.information, [type]: bytes } }, done)
  }

  setTimestamp(timestamp: number, done: (error: Error | null) => void): void {
    this.#keep({ ...this.#notes, clockAhead: timestamp - Date.now() }, done)
  }

  #keep(notes: Notes, done: (error: Error | null) => void): void {
    const before = this.#notes
    this.#notes = notes
    if (this.#records === null) {
      done(null)
      return
    }
    this.#records.write('unit', format(notes), error => {
      if (error !== null && this.#notes === notes) this.#notes = before
      done(error)
    })
  }
}

function format({ information, clockAhead }: Notes): string {
  const texts = Object.entries(information).map(([type, bytes]) => [type, Buffer.from(bytes).toString('hex')])
  return JSON.stringify({ information: Object.fromEntries(texts), clockAhead })
}

function parse(text: string): Notes {
  const { information, clockAhead } = JSON.parse(text) as {
    information: Record<string, string>
    clockAhead: number | null
  }
  const bytes = Object.entries(information).map(([type, hex]) => [type, Buffer.from(hex, 'hex')])
  return {
    information: Object.fromEntries(bytes),
    clockAhead: typeof clockAhead === 'number' ? clockAhead : null,
  }
}
