// SPDX-License-Identifier: Apache-2.0
// The eight bytes of each LUN of a session, made once.
import { type Lun, RequestError } from '@lunkit/initiator-core'
import { encodeLun, LUN_MAX } from '@lunkit/spec'

export class LunAddresses {
  readonly #known = new Map<number, Uint8Array>()

  /** Throws a RequestError for what is no LUN. */
  bytes(lun: Lun): Uint8Array {
    if (typeof lun !== 'number') {
      if (lun.length === 8) return lun
      throw new RequestError('ARGUMENT_INVALID', `A LUN has 8 bytes, not ${lun.length}`)
    }
    const known = this.#known.get(lun)
    if (known !== undefined) return known
    if (!Number.isInteger(lun) || lun < 0 || lun > LUN_MAX) {
      throw new RequestError('ARGUMENT_INVALID', `LUN ${lun} is not a whole number from 0 to ${LUN_MAX}`)
    }
    const bytes = new Uint8Array(8)
    encodeLun(lun, bytes, 0)
    this.#known.set(lun, bytes)
    return bytes
  }
}
