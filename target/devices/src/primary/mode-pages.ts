// SPDX-License-Identifier: Apache-2.0
// Mode pages as rows (layout, default values, what may be changed) and the values that one device has in them.
import type { FieldRows, Layout, Values } from '@lunkit/spec'
import type { Device } from '@lunkit/target-api'

/** One page of a device type. */
export interface ModePageRow {
  readonly code: number
  /** 0 for a page in page_0 format. */
  readonly subpage: number
  /** The whole page with its header. */
  readonly initial: (device: Device) => Uint8Array
  /** The same with ones where MODE SELECT may change a bit. */
  readonly changeable: (device: Device) => Uint8Array
}

/** One page of one device; the three arrays have the same length and start with the page's header. */
export interface ModePage {
  readonly code: number
  readonly subpage: number
  readonly current: Uint8Array
  readonly initial: Uint8Array
  readonly changeable: Uint8Array
}

/** Page from its layout: values that are not zero at first, and the fields that may be changed. */
export function modePage<D extends Device, const R extends FieldRows>(
  code: number,
  subpage: number,
  layout: Layout<R>,
  initial: (device: D) => Partial<Values<R>>,
  changeable: (device: D) => readonly (keyof R & string)[],
): ModePageRow {
  return Object.freeze({
    code,
    subpage,
    initial: (device: Device) => withHeader(code, subpage, layout.write(initial(device as D))),
    changeable: (device: Device) => {
      const mask = new Uint8Array(layout.length)
      for (const name of changeable(device as D)) {
        let { byte, bit } = layout.field[name]
        for (let left = layout.field[name].width; left > 0; left--) {
          mask[byte]! |= 1 << bit
          if (bit-- === 0) {
            bit = 7
            byte++
          }
        }
      }
      return withHeader(code, subpage, mask)
    },
  })
}

/** Page code, SPF and length (SPC-4, mode page and subpage formats and page codes); PS stays zero: nothing is saved. */
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

/** All pages of one device, ascending by code and subpage. */
export class ModePages {
  readonly all: readonly ModePage[]

  constructor(rows: readonly ModePageRow[], device: Device) {
    this.all = rows.map(({ code, subpage, initial, changeable }) => ({
      code,
      subpage,
      current: initial(device),
      initial: initial(device),
      changeable: changeable(device),
    }))
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

  /** Back to the default values. */
  reset(): void {
    for (const page of this.all) page.current.set(page.initial)
  }
}
