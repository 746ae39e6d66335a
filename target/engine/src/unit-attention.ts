// SPDX-License-Identifier: Apache-2.0
// Pending unit attentions of one I_T_L nexus: each condition once, the most urgent first.
import {
  BUS_DEVICE_RESET_FUNCTION_OCCURRED,
  COMMANDS_CLEARED_BY_POWER_LOSS_NOTIFICATION,
  DEVICE_INTERNAL_RESET,
  I_T_NEXUS_LOSS_OCCURRED,
  MICROCODE_HAS_BEEN_CHANGED,
  POWER_ON_OCCURRED,
  POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED,
  SCSI_BUS_RESET_OCCURRED,
  type SenseCode,
} from '@lunkit/spec'

/** SAM-5, unit attention condition precedence level: the rows from the highest on; all others come after them. */
const PRECEDENCE: readonly (readonly SenseCode[])[] = [
  [POWER_ON_OCCURRED, DEVICE_INTERNAL_RESET],
  [POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED],
  [SCSI_BUS_RESET_OCCURRED, MICROCODE_HAS_BEEN_CHANGED],
  [BUS_DEVICE_RESET_FUNCTION_OCCURRED],
  [I_T_NEXUS_LOSS_OCCURRED],
  [COMMANDS_CLEARED_BY_POWER_LOSS_NOTIFICATION],
]

/** A device that keeps making up new conditions does not fill the memory: SAM-5 lets a full queue drop them. */
const MOST = 32

const same = (a: SenseCode, b: SenseCode): boolean => a.asc === b.asc && a.ascq === b.ascq

function rank(code: SenseCode): number {
  const row = PRECEDENCE.findIndex(codes => codes.some(one => same(one, code)))
  return row < 0 ? PRECEDENCE.length : row
}

export class UnitAttentions {
  readonly #pending: SenseCode[] = []
  /** Plain, because every command asks. */
  length = 0

  /** Whether it was not pending before. */
  add(code: SenseCode): boolean {
    if (this.length >= MOST || this.#pending.some(one => same(one, code))) return false
    const order = rank(code)
    const place = this.#pending.findIndex(one => rank(one) > order)
    this.#pending.splice(place < 0 ? this.length : place, 0, code)
    this.length = this.#pending.length
    return true
  }

  /** What `take` would give. */
  get next(): SenseCode | null {
    return this.#pending[0] ?? null
  }

  take(): SenseCode | null {
    const code = this.#pending.shift() ?? null
    this.length = this.#pending.length
    return code
  }

  /** The most urgent condition comes from a reset or a nexus loss: those are told before a reservation conflict. */
  get isReset(): boolean {
    return this.length > 0 && rank(this.#pending[0]!) < PRECEDENCE.length
  }

  remove(code: SenseCode): void {
    const at = this.#pending.findIndex(one => same(one, code))
    if (at >= 0) this.#pending.splice(at, 1)
    this.length = this.#pending.length
  }
}
