// SPDX-License-Identifier: Apache-2.0
// Mode pages as rows (layout, default values, what may be changed and to what) and the values that one device has in them.
import type { FieldRows, Layout, Values } from '@lunkit/spec'
import type { Device, FieldPlace } from '@lunkit/target-api'
import { ModeSaver } from './mode-record.ts'

/** One page of a device type. */
export interface ModePageRow {
  readonly code: number
  /** 0 for a page in page_0 format. */
  readonly subpage: number
  /** Whether this device has it. */
  readonly present: (device: Device) => boolean
  /** The whole page with its header. */
  readonly initial: (device: Device) => Uint8Array
  /** The same with ones where MODE SELECT may change a bit. */
  readonly changeable: (device: Device) => Uint8Array
  /** Ones where values are not saved: those that make something happen once. */
  readonly unsaved: Uint8Array
  /** The first field whose value this device does not do, or null. `page` fits the changeable mask. */
  readonly check: (page: Uint8Array, device: Device) => FieldPlace | null
}

/**
 * One page of one device; the arrays have the same length and start with the page's header. Nobody writes into them: they are
 * replaced, and those that are alike are one, whatever devices they are of.
 */
export interface ModePage {
  readonly row: ModePageRow
  readonly code: number
  readonly subpage: number
  current: Uint8Array
  initial: Uint8Array
  saved: Uint8Array
  readonly changeable: Uint8Array
  /** Some bit can be changed, so there is something to save (PS). */
  readonly variable: boolean
}

/** What MODE SELECT may do to a page, where that is anything. */
interface Rules<D, R extends FieldRows> {
  readonly present?: (device: D) => boolean
  readonly changeable?: (device: D) => readonly (keyof R & string)[]
  /** Values that a changeable field may have; all of them if it is not named. */
  readonly values?: Readonly<Partial<Record<keyof R & string, readonly number[]>>>
  readonly unsaved?: readonly (keyof R & string)[]
  /** What the values of single fields cannot tell. */
  readonly check?: (page: Uint8Array, device: D) => FieldPlace | null
}

/** Page from its layout: values that are not zero at first, and what MODE SELECT may do. */
export function modePage<D extends Device, const R extends FieldRows>(
  code: number,
  subpage: number,
  layout: Layout<R>,
  initial: (device: D) => Partial<Values<R>>,
  rules: Rules<D, R> = {},
): ModePageRow {
  const { present, changeable, values = {}, unsaved, check } = rules
  const limited = Object.entries(values) as [keyof R & string, readonly number[]][]
  return Object.freeze({
    code,
    subpage,
    present: (device: Device) => present?.(device as D) ?? true,
    initial: (device: Device) => withHeader(code, subpage, layout.write(initial(device as D))),
    changeable: (device: Device) =>
      withHeader(code, subpage, maskOf(layout, changeable?.(device as D) ?? [])),
    unsaved: maskOf(layout, unsaved ?? []),
    check: (page: Uint8Array, device: Device) => {
      for (const [name, allowed] of limited) {
        const field = layout.field[name]
        if (!allowed.includes(field.get(page, 0) as number)) return field
      }
      return check?.(page, device as D) ?? null
    },
  })
}

function maskOf<R extends FieldRows>(layout: Layout<R>, names: readonly (keyof R & string)[]): Uint8Array {
  const mask = new Uint8Array(layout.length)
  for (const name of names) {
    let { byte, bit } = layout.field[name]
    for (let left = layout.field[name].width; left > 0; left--) {
      mask[byte]! |= 1 << bit
      if (bit-- === 0) {
        bit = 7
        byte++
      }
    }
  }
  return mask
}

/** Page code, SPF and length (SPC-4, mode page and subpage formats and page codes). */
function withHeader(code: number, subpage: number, page: Uint8Array): Uint8Array {
  if (subpage === 0) {
    page[0] = code
    page[1] = page.length - 2
  } else {
    page[0] = 0x40 | code
    page[1] = subpage
    page[2] = (page.length - 4) >> 8
    page[3] = page.length - 4
  }
  return page
}

/** Bytes of a page's header. */
export const headOf = (page: Pick<ModePage, 'subpage'>): number => (page.subpage > 0 ? 4 : 2)

interface Start {
  readonly initial: Uint8Array
  readonly changeable: Uint8Array
}

/** What was made last of each row: most devices of a process are alike. */
const latest = new WeakMap<ModePageRow, Start>()

function startOf(row: ModePageRow, device: Device): Start {
  const initial = row.initial(device)
  const changeable = row.changeable(device)
  const last = latest.get(row)
  if (last !== undefined && isSame(last.initial, initial) && isSame(last.changeable, changeable)) return last
  const start = { initial, changeable }
  latest.set(row, start)
  return start
}

/** Whether two pages of one length have the same values. */
export const isSame = (one: Uint8Array, other: Uint8Array): boolean =>
  one === other || one.every((byte, index) => byte === other[index])

/** All pages of one device, ascending by code and subpage. */
export class ModePages {
  readonly all: readonly ModePage[]
  readonly saver = new ModeSaver(this)
  readonly #device: Device

  constructor(rows: readonly ModePageRow[], device: Device) {
    this.#device = device
    this.all = rows
      .filter(row => row.present(device))
      .map(row => {
        const { code, subpage } = row
        const { initial, changeable } = startOf(row, device)
        const variable = changeable.some((bits, index) => index >= headOf(row) && bits !== 0)
        return { row, code, subpage, current: initial, initial, saved: initial, changeable, variable }
      })
  }

  find(code: number, subpage: number): ModePage | null {
    for (const page of this.all) if (page.code === code && page.subpage === subpage) return page
    return null
  }

  /** Current values of a page that is known to be there. */
  get(code: number, subpage = 0): Uint8Array {
    return this.find(code, subpage)!.current
  }

  /** Pages that a MODE SENSE asks for (SPC-4, mode page code usage); empty if there is no such page. */
  select(code: number, subpage: number): readonly ModePage[] {
    if (subpage !== 0 && subpage !== 0xff)
      return this.all.filter(page => page.code === code && page.subpage === subpage)
    return this.all.filter(
      page => (code === 0x3f || page.code === code) && (subpage === 0xff || page.subpage === 0),
    )
  }

  /** Where `values`, a whole page with its header, say what `page` cannot be; or null. */
  check(page: ModePage, values: Uint8Array): FieldPlace | null {
    for (let byte = headOf(page); byte < page.current.length; byte++) {
      const fixed = (values[byte]! ^ page.current[byte]!) & ~page.changeable[byte]!
      if (fixed !== 0) return { byte, bit: 31 - Math.clz32(fixed) }
    }
    return page.row.check(values, this.#device)
  }

  /** Takes values over that were checked; whether any is new. The header stays: PS is for MODE SENSE alone. */
  set(page: ModePage, values: Uint8Array): boolean {
    const head = headOf(page)
    const next = Uint8Array.from(page.current)
    next.set(values.subarray(head, next.length), head)
    if (isSame(next, page.current)) return false
    page.current = next
    return true
  }

  /** The device has changed: what no MODE SELECT can change follows it (capacity, geometry). */
  refresh(): void {
    for (const page of this.all) {
      const fresh = page.row.initial(this.#device)
      if (isSame(fresh, page.initial)) continue
      const head = headOf(page)
      const followed = (values: Uint8Array): Uint8Array =>
        values.map((byte, index) => {
          const mask = page.changeable[index]!
          return index < head ? byte : (byte & mask) | (fresh[index]! & ~mask)
        })
      const { current, initial, saved } = page
      page.initial = followed(initial)
      page.current = current === initial ? page.initial : followed(current)
      page.saved = saved === initial ? page.initial : followed(saved)
    }
  }

  /** Back to the saved values, which are the defaults where nothing was saved. */
  reset(): void {
    for (const page of this.all) page.current = page.saved
  }
}
