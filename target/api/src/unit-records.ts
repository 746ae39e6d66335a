// SPDX-License-Identifier: Apache-2.0
// What a logical unit keeps beyond the life of the process: a few short texts under fixed names.

/** reservations: PERSISTENT RESERVE OUT with APTPL; modes: saved mode pages; unit: names and clock set by initiators. */
export type RecordName = 'reservations' | 'modes' | 'unit'

/** Neither copy of a record is whole: what it said is not known. */
export class DamagedRecord extends Error {
  override readonly name = 'DamagedRecord'
}

/** The records of one unit, read into memory before the unit is made. */
export interface UnitRecords {
  /** What was kept under that name, or null if nothing was. Throws DamagedRecord. */
  read(name: RecordName): string | null
  /**
   * Keeps `text`, or forgets the record if it is null. `done` is called once, later, when that is durable, or with what
   * went wrong, and then the old text still stands. Writes of one record are done in their order.
   */
  write(name: RecordName, text: string | null, done: (error: Error | null) => void): void
}
