// SPDX-License-Identifier: Apache-2.0
// Which clusters of the file hold the image's own tables: no guest data may ever lie there.
import { randomBytes } from 'node:crypto'

/** Nobody who makes an image can know which clusters meet at one place. */
const CHANCE = randomBytes(8)
const [XORED, TIMES] = [CHANCE.readInt32LE(0), CHANCE.readInt32LE(4) | 1]

/** An open-addressed set of cluster numbers: 16 bytes a cluster at most, for tables of millions of them. */
export class MetadataClusters {
  #slots = new Float64Array(64).fill(-1)
  #taken = 0

  has(cluster: number): boolean {
    return this.#slots[this.#find(cluster)] === cluster
  }

  add(cluster: number): void {
    const at = this.#find(cluster)
    if (this.#slots[at] === cluster) return
    this.#slots[at] = cluster
    this.#taken++
    if (this.#taken * 2 > this.#slots.length) this.#grow()
  }

  addRun(offset: number, bytes: number, clusterSize: number): void {
    const end = Math.ceil((offset + bytes) / clusterSize)
    for (let cluster = Math.floor(offset / clusterSize); cluster < end; cluster++) this.add(cluster)
  }

  delete(cluster: number): void {
    let hole = this.#find(cluster)
    if (this.#slots[hole] !== cluster) return
    const slots = this.#slots
    const mask = slots.length - 1
    this.#taken--
    // What follows moves up, so that no search ends too early.
    for (let at = (hole + 1) & mask; slots[at] !== -1; at = (at + 1) & mask) {
      const home = this.#home(slots[at]!)
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      slots[hole] = slots[at]!
      hole = at
    }
    slots[hole] = -1
  }

  /** Holds from now on what the other one holds. */
  become(other: MetadataClusters): void {
    this.#slots = other.#slots
    this.#taken = other.#taken
  }

  #home(cluster: number): number {
    const first = Math.imul((cluster % 2 ** 32) ^ XORED, 0x9e37_79b1)
    const mixed = Math.imul(first ^ (first >>> 15) ^ Math.floor(cluster / 2 ** 32), TIMES)
    return (mixed ^ (mixed >>> 15)) & (this.#slots.length - 1)
  }

  #find(cluster: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    let at = this.#home(cluster)
    while (slots[at] !== -1 && slots[at] !== cluster) at = (at + 1) & mask
    return at
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Float64Array(old.length * 2).fill(-1)
    for (const cluster of old) if (cluster !== -1) this.#slots[this.#find(cluster)] = cluster
  }
}
