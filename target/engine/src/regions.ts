// SPDX-License-Identifier: Apache-2.0
// A quick "nothing there": how many commands of a task set are in which part of the medium, coarsely.

/** Blocks of one region, as a power of two. */
const REGION = 6
const BLOCKS = 1 << REGION
const SLOTS = 512
const MASK = SLOTS - 1
/** Commands in more regions than this are counted as being everywhere. */
const SPAN = 8

/** Of a unit that nobody has written to: most of a large target's are that for long. Never written into. */
const UNTOUCHED = new Uint16Array(SLOTS)

/** May say "somebody is there" when nobody is; never the other way round. */
export class Regions {
  /** Commands in all, and those that are everywhere. */
  length = 0
  #everywhere = 0
  #slots = UNTOUCHED

  /** The low 32 bits of an LBA are enough: regions of different parts share slots in any case. */
  add(lba: number, end: number, sign: 1 | -1): void {
    this.length += sign
    const first = lba >>> REGION
    const count = spanOf(lba, end)
    if (count > SPAN) {
      this.#everywhere += sign
      return
    }
    if (this.#slots === UNTOUCHED) this.#slots = new Uint16Array(SLOTS)
    const slots = this.#slots
    for (let at = first; at < first + count; at++) slots[at & MASK]! += sign
  }

  isFree(lba: number, end: number): boolean {
    if (this.length === 0) return true
    const first = lba >>> REGION
    const count = spanOf(lba, end)
    if (this.#everywhere > 0 || count > SPAN) return false
    for (let at = first; at < first + count; at++) if (this.#slots[at & MASK] !== 0) return false
    return true
  }

  /** Adds the range if nobody is there. */
  tryAdd(lba: number, end: number): boolean {
    if (!this.isFree(lba, end)) return false
    this.add(lba, end, 1)
    return true
  }
}

/** How many regions a range touches; any number above SPAN for a long one. */
function spanOf(lba: number, end: number): number {
  const blocks = end - lba
  return blocks > SPAN << REGION ? SPAN + 1 : (((lba & (BLOCKS - 1)) + blocks - 1) >> REGION) + 1
}
