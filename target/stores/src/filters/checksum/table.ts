// SPDX-License-Identifier: Apache-2.0
// The checksum of each block, in memory: in groups, of which only those are there that know of some block.

/** Blocks of a group. */
export const GROUP = 16384

/** 0: the block is not known, and whatever it holds is right. */
export class ChecksumTable {
  readonly groups = new Map<number, Uint32Array>()
  /** Groups that are other than where they are kept. */
  readonly changed = new Set<number>()

  get(block: number): number {
    return this.groups.get(Math.floor(block / GROUP))?.[block % GROUP] ?? 0
  }

  set(block: number, sum: number): void {
    const number = Math.floor(block / GROUP)
    let group = this.groups.get(number)
    if (group === undefined) {
      group = new Uint32Array(GROUP)
      this.groups.set(number, group)
    }
    group[block % GROUP] = sum
    this.changed.add(number)
  }

  /** Nothing is known of these blocks any more, from `from` to, not including, `to`. */
  forget(from: number, to: number): void {
    for (const [number, group] of this.groups) {
      const first = Math.max(from - number * GROUP, 0)
      const last = Math.min(to - number * GROUP, GROUP)
      if (first >= last) continue
      if (last - first === GROUP) this.groups.delete(number)
      else group.fill(0, first, last)
      this.changed.add(number)
    }
  }

  /** Groups that know of some of these blocks. */
  knowing(from: number, to: number): number[] {
    return [...this.groups.keys()].filter(number => number * GROUP < to && (number + 1) * GROUP > from)
  }
}
