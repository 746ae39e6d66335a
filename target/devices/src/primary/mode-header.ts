// SPDX-License-Identifier: Apache-2.0
// The two forms of the mode parameter list: MODE SENSE and MODE SELECT with 6 and with 10 bytes.
import { MODE_HEADER_6, MODE_HEADER_10 } from '@lunkit/spec'

/** One form: its header, and where a block descriptor of either length may stand. */
export interface ModeForm {
  readonly header: typeof MODE_HEADER_6 | typeof MODE_HEADER_10
  /** Bytes of the header that MODE DATA LENGTH does not count. */
  readonly uncounted: number
  /** Whether the list is one with long LBA block descriptors. */
  isLong(list: Uint8Array): boolean
  setLong(list: Uint8Array): void
}

export const FORM_6: ModeForm = {
  header: MODE_HEADER_6,
  uncounted: 1,
  isLong: () => false,
  setLong: () => {},
}

export const FORM_10: ModeForm = {
  header: MODE_HEADER_10,
  uncounted: 2,
  isLong: list => MODE_HEADER_10.field.longlba.get(list, 0) === 1,
  setLong: list => MODE_HEADER_10.field.longlba.set(list, 0, 1),
}
