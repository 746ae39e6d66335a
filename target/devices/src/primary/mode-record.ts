// SPDX-License-Identifier: Apache-2.0
// Saved mode pages as a text that people can read: a line for each page that can be changed.
import { DamagedRecord, type LogicalUnit } from '@lunkit/target-api'
import { headOf, type ModePage, type ModePages } from './mode-pages.ts'

const hex = (value: number): string => value.toString(16).padStart(2, '0')
const nameOf = ({ code, subpage }: ModePage): string => `page ${hex(code)}/${hex(subpage)}`

/** `page 08/00: 08 12 04 …`: the whole page, its header included. */
const LINE = /^page ([0-9a-f]{2})\/([0-9a-f]{2}): ((?:[0-9a-f]{2} ?)+)$/

/** `page` with the bits of `values` that are saved: those that MODE SELECT may change, but for what happens once. */
function merge(page: ModePage, values: Uint8Array): Uint8Array {
  const head = headOf(page)
  return page.initial.map((byte, index) => {
    if (index < head) return byte
    const mask = page.changeable[index]! & ~page.row.unsaved[index]!
    return (byte & ~mask) | (values[index]! & mask)
  })
}

/** Saves one after the other: what an earlier one changed is in the text of the next. */
export class ModeSaver {
  readonly #modes: ModePages
  readonly #waiting: (() => void)[] = []
  #busy = false

  constructor(modes: ModePages) {
    this.#modes = modes
  }

  /**
   * Writes all pages, with these values in the place of current ones. `done` is called once, when they are durable, to
   * take the values over, or with what went wrong; what the current values are then, a reset goes back to.
   */
  save(unit: LogicalUnit, values: ReadonlyMap<ModePage, Uint8Array>, done: (error: Error | null) => void) {
    if (this.#busy) {
      this.#waiting.push(() => this.save(unit, values, done))
      return
    }
    this.#busy = true
    const kept = new Map<ModePage, Uint8Array>()
    for (const page of this.#modes.all) {
      if (page.variable) kept.set(page, merge(page, values.get(page) ?? page.current))
    }
    unit.records!.write('modes', textOf(kept), error => {
      this.#busy = false
      if (error === null) for (const [page, bytes] of kept) page.saved = bytes
      done(error)
      this.#waiting.shift()?.()
    })
  }
}

/** Only bits that can be changed are written: the others may differ when the record is read. */
function textOf(kept: ReadonlyMap<ModePage, Uint8Array>): string {
  let text = ''
  for (const [page, bytes] of kept) {
    const head = headOf(page)
    const shown = bytes.map((byte, index) => (index < head ? byte : byte & page.changeable[index]!))
    text += `${nameOf(page)}: ${Array.from(shown, hex).join(' ')}\n`
  }
  return text
}

/**
 * Takes over what was saved, as saved and as current values. What does not fit this device any more, or was never
 * whole, is told to the operator, and the default values stand: mode pages guard nothing that would be worth a unit
 * that cannot be used.
 */
export function loadModes(modes: ModePages, unit: LogicalUnit): void {
  if (unit.records === null) return
  let text: string | null
  try {
    text = unit.records.read('modes')
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error
    unit.warn(
      `${nameOfUnit(unit)}: the saved mode pages are damaged, default values are used: ${error.message}`,
    )
    return
  }
  for (const line of (text ?? '').split('\n')) {
    if (line !== '' && !loadLine(modes, line)) {
      unit.warn(`${nameOfUnit(unit)}: a saved mode page does not fit and is ignored: ${line.slice(0, 200)}`)
    }
  }
}

const nameOfUnit = ({ identity }: LogicalUnit): string => `Unit ${identity.serial}`

function loadLine(modes: ModePages, line: string): boolean {
  const found = LINE.exec(line)
  if (found === null) return false
  const page = modes.find(Number.parseInt(found[1]!, 16), Number.parseInt(found[2]!, 16))
  const values = Buffer.from(found[3]!.replaceAll(' ', ''), 'hex')
  if (page === null || values.length !== page.current.length) return false
  // A header that differs belongs to another form of the page.
  const head = headOf(page)
  if (!values.subarray(0, head).equals(page.initial.subarray(0, head))) return false
  if (values.some((byte, index) => index >= head && (byte & ~page.changeable[index]!) !== 0)) return false
  const whole = merge(page, values)
  if (modes.check(page, whole) !== null) return false
  page.saved = whole
  page.current = whole
  return true
}
