// SPDX-License-Identifier: Apache-2.0
// A vital product data page as a row: its code, and what a device says in it.
import type { FieldRows, Layout, Values } from '@lunkit/spec'
import type { Device, Task } from '@lunkit/target-api'

export interface VpdPage {
  readonly code: number
  /** The whole page as a new array; INQUIRY fills in the first four bytes. */
  readonly build: (device: Device, task: Task) => Uint8Array
  /** Whether there is such a page, where that depends on how the unit is set up; or null, always. */
  readonly offered: ((device: Device) => boolean) | null
}

/** A page of one layout, from values by field name. */
export function vpdPage<D extends Device, const R extends FieldRows>(
  code: number,
  layout: Layout<R>,
  values: (device: D, task: Task) => Partial<Values<R>>,
  offered?: (device: D) => boolean,
): VpdPage {
  return Object.freeze({
    code,
    build: (device: Device, task: Task) => layout.write(values(device as D, task)),
    offered: (offered as VpdPage['offered'] | undefined) ?? null,
  })
}

/** A page of any shape: `build` gives what follows the four-byte header. */
export function vpdBytes<D extends Device>(
  code: number,
  build: (device: D, task: Task) => Uint8Array,
  offered?: (device: D) => boolean,
): VpdPage {
  return Object.freeze({
    code,
    build: (device: Device, task: Task) => {
      const bytes = build(device as D, task)
      const page = new Uint8Array(4 + bytes.length)
      page.set(bytes, 4)
      return page
    },
    offered: (offered as VpdPage['offered'] | undefined) ?? null,
  })
}
