// SPDX-License-Identifier: Apache-2.0
// Soft thresholds of a thin disk: mode page 1Ch/02h, and a look at the store now and then while one is set.
import {
  ERROR_RECOVERY,
  ModeCode,
  PROVISIONING_THRESHOLD,
  PROVISIONING_THRESHOLDS,
  type SenseCode,
  THIN_PROVISIONING_SOFT_THRESHOLD_REACHED,
} from '@lunkit/spec'
import type { LogicalUnit, StoreUsage } from '@lunkit/target-api'
import type { ModePageRow, ModePages } from '../primary/mode-pages.ts'
import type { Disk } from './disk.ts'
import { THRESHOLD_EXPONENT } from './limits.ts'

/** Subpage of page 1Ch. */
const SUBPAGE = 2
/** How often the store is asked; ms. */
const LOOK_EVERY = 5000

/** THRESHOLD RESOURCE: codes of the parameters of log page 0Ch. THRESHOLD ARMING: which way the resource goes (SBC-4). */
const AVAILABLE = { resource: 1, arming: 0 } as const
const USED = { resource: 2, arming: 1 } as const
/** What the page's descriptors are about; only whether and where is the initiator's to say. */
const DESCRIPTORS = [AVAILABLE, AVAILABLE, USED, USED] as const

const head = PROVISIONING_THRESHOLDS.length
const size = PROVISIONING_THRESHOLD.length
const { enabled, count } = PROVISIONING_THRESHOLD.field

const present = (disk: Disk): boolean => disk.thin && disk.store.usage !== undefined

/** A page with these descriptors; its length follows from them. */
function pageOf(descriptors: readonly Parameters<typeof PROVISIONING_THRESHOLD.write>[0][]): Uint8Array {
  const page = new Uint8Array(head + DESCRIPTORS.length * size)
  PROVISIONING_THRESHOLDS.write(
    { spf: 1, pageCode: ModeCode.exceptions, subpage: SUBPAGE, length: page.length - 4 },
    page,
  )
  descriptors.forEach((values, index) => void PROVISIONING_THRESHOLD.write(values, page, head + index * size))
  return page
}

const INITIAL = pageOf(DESCRIPTORS)

/** Where thresholds count from is page B2h: THRESHOLD EXPONENT. SITUA stays zero: every initiator is told. */
export const provisioningThresholds: ModePageRow = Object.freeze({
  code: ModeCode.exceptions,
  subpage: SUBPAGE,
  present: device => present(device as Disk),
  initial: () => pageOf(DESCRIPTORS),
  changeable: () => pageOf(DESCRIPTORS.map(() => ({ enabled: 1, count: 0xffff_ffff }))),
  unsaved: new Uint8Array(head + DESCRIPTORS.length * size),
  check: () => null,
} satisfies ModePageRow)

/** What page B2h says: 2 to this power blocks in a threshold set, or zero where there are no thresholds. */
export const thresholdExponent = (disk: Disk): number => (present(disk) ? THRESHOLD_EXPONENT : 0)

/**
 * Tells of a threshold once when it is crossed, and again only after the resource has been on the other side
 * (SBC-4, logical block provisioning thresholds). LBPERE of page 01h switches all of them.
 */
export class ProvisioningThresholds {
  readonly #disk: Disk
  #unit: LogicalUnit | null = null
  #page: Uint8Array = INITIAL
  #reports = false
  readonly #reached: boolean[] = DESCRIPTORS.map(() => false)
  #timer: ReturnType<typeof setInterval> | null = null
  #looking: Promise<void> | null = null

  constructor(disk: Disk) {
    this.#disk = disk
  }

  attach(unit: LogicalUnit): void {
    this.#unit = unit
  }

  /** Takes pages 01h and 1Ch/02h over; a threshold that was changed is armed anew. */
  configure(modes: ModePages): void {
    const page = modes.find(ModeCode.exceptions, SUBPAGE)?.current
    if (page === undefined) return
    DESCRIPTORS.forEach((_row, index) => {
      const at = head + index * size
      const same = page.subarray(at, at + size).every((byte, i) => byte === this.#page[at + i])
      if (!same) this.#reached[index] = false
    })
    this.#page = page
    this.#reports = ERROR_RECOVERY.field.lbpere.get(modes.get(ModeCode.errorRecovery), 0) === 1
    if (!this.#isSet()) {
      this.stop()
      return
    }
    this.#timer ??= setInterval(() => void this.look(), LOOK_EVERY).unref()
    void this.look()
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  /** Asks the store, unless it is being asked; a store that cannot tell now is asked again later. */
  look(): Promise<void> {
    this.#looking ??= this.#ask().finally(() => {
      this.#looking = null
    })
    return this.#looking
  }

  /** Resolves when the store is not being asked. */
  async idle(): Promise<void> {
    await this.#looking
  }

  async #ask(): Promise<void> {
    let usage: StoreUsage | null = null
    try {
      usage = (await this.#disk.store.usage?.()) ?? null
    } catch {
      return
    }
    if (usage === null || !this.#isSet()) return
    const set = 2 ** THRESHOLD_EXPONENT * this.#disk.blockSize
    const sets = [Math.floor(usage.available / set), Math.ceil(usage.used / set)]
    DESCRIPTORS.forEach(({ resource, arming }, index) => {
      const at = head + index * size
      const limit = count.get(this.#page, at)
      const value = sets[resource - 1]!
      const reached = enabled.get(this.#page, at) === 1 && (arming === 0 ? value <= limit : value >= limit)
      if (reached && !this.#reached[index]) this.#unit?.attention(noticeOf(at), null)
      this.#reached[index] = reached
    })
  }

  #isSet(): boolean {
    if (!this.#reports) return false
    return DESCRIPTORS.some((_row, index) => enabled.get(this.#page, head + index * size) === 1)
  }
}

/** INFORMATION is the place in the mode page of the descriptor that it is about. */
const noticeOf = (at: number): SenseCode =>
  Object.freeze({ ...THIN_PROVISIONING_SOFT_THRESHOLD_REACHED, information: at })
