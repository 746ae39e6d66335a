// SPDX-License-Identifier: Apache-2.0
// Writes an overlay's changes into the store below, while requests go on; what they change meanwhile is written again.
import { OperatorError, StoreError, type StoreIo } from '@lunkit/target-api'
import { ask } from './ask.ts'
import type { GrainLock } from './grain-lock.ts'
import { BELOW, GrainMap, KEPT } from './grain-map.ts'
import { findRun, newRun, type View } from './view.ts'

/** Bytes that are copied at once; so long do changes to them wait. */
const PIECE = 1 << 20

export class Commit {
  readonly #view: View
  readonly #lock: GrainLock
  /** Grains that are below as they are in the view. */
  readonly #copied = new GrainMap()
  #bytes = 0

  constructor(view: View, lock: GrainLock) {
    this.#view = view
    this.#lock = lock
  }

  /** Bytes written below. */
  get bytes(): number {
    return this.#bytes
  }

  changed(first: number, end: number): void {
    this.#copied.set(first, end, BELOW)
  }

  /** Copies all that is not there yet. Rejects with OperatorError; then a part of it is below, and the view is as it was. */
  async pass(): Promise<void> {
    const { layers, grain } = this.#view
    const most = Math.max(Math.floor(PIECE / grain), 1)
    for (const layer of layers) {
      for (const [first, end] of layer.changed(most)) await this.#copyGrains(first, end)
    }
  }

  async flush(): Promise<void> {
    this.#check(await ask(this.#view.below, 'flush'))
  }

  async #copyGrains(first: number, end: number): Promise<void> {
    let done = true
    for (let grain = first; grain < end; grain++) done &&= this.#copied.get(grain) === KEPT
    if (done) return
    await new Promise<void>((resolve, reject) => {
      const held = {
        start: first,
        end,
        entered: (): void => {
          const over = (): void => {
            this.#copied.set(first, end, KEPT)
            this.#lock.leave(held)
            resolve()
          }
          this.#copy(first, end).then(over, error => {
            this.#lock.leave(held)
            reject(error)
          })
        },
      }
      this.#lock.enter(held)
    })
  }

  async #copy(first: number, end: number): Promise<void> {
    const { grain, size, below } = this.#view
    const to = Math.min(end * grain, size)
    const run = newRun()
    for (let from = first * grain; from < to; from = run.end) {
      findRun(this.#view, from, to, run)
      const { store, at } = run
      const length = run.end - from
      if (store === below) continue
      this.#bytes += length
      if (store === null && below.writesZeroes === 'native') {
        this.#check(await ask(below, 'writeZeroes', { offset: from, length }))
        continue
      }
      const bytes = Buffer.alloc(length)
      if (store !== null) this.#check(await ask(store, 'read', { offset: at, bytes }))
      this.#check(await ask(below, 'write', { offset: from, bytes }))
    }
  }

  #check({ error, reason }: StoreIo): void {
    if (error === StoreError.none) return
    const what = error === StoreError.noSpace ? 'there is no room below' : 'a store failed'
    throw new OperatorError(
      'COMMIT',
      `Overlay: not all changes could be written into the store below: ${reason === '' ? what : reason}`,
      { hint: 'the overlay keeps all of them: mend the storage below, and commit again' },
    )
  }
}
