// SPDX-License-Identifier: Apache-2.0
// Whose changes a request meets: those of the unit, or those of its initiator port.
import type { BackingStore, Nexus, StoreIo, StoreUsage } from '@lunkit/target-api'
import type { Changes } from './changes.ts'
import { Budget, MemoryChanges } from './memory-changes.ts'
import type { View } from './view.ts'

export interface Views {
  /** For reads, and for what else changes nothing. */
  of(io: StoreIo): View
  /** Null: there is no room for changes of whoever sends it. */
  forChange(io: StoreIo): View | null
  nexusLost(nexus: Nexus): void
  /** Forgets all changes but frozen ones. No request is under way. */
  clear(): Promise<void>
  usage(): Promise<StoreUsage | null>
  close(): Promise<void>
}

/** One for all. */
export class SharedView implements Views {
  view: View

  constructor(view: View) {
    this.view = view
  }

  get top(): Changes {
    return this.view.layers[0]!
  }

  of(): View {
    return this.view
  }

  forChange(): View {
    return this.view
  }

  nexusLost(): void {}

  clear(): Promise<void> {
    return this.top.clear()
  }

  async usage(): Promise<StoreUsage | null> {
    const all = await Promise.all(this.view.layers.map(layer => layer.usage()))
    const top = all[0] ?? null
    if (top === null) return null
    return { used: all.reduce((sum, one) => sum + (one?.used ?? 0), 0), available: top.available }
  }

  async close(): Promise<void> {
    for (const layer of this.view.layers) await layer.close()
  }
}

/** What initiators may write, in bytes each, and how many of them. */
export interface PortLimits {
  readonly most: number
  readonly ports: number
}

interface Port {
  readonly view: View
  readonly changes: MemoryChanges
  /** Nexuses by which it comes: more than one where it uses several target ports. */
  readonly nexuses: Set<Nexus>
}

/** One for each initiator port, made by its first change, gone with its last nexus. */
export class PortViews implements Views {
  readonly #base: View
  readonly #limits: PortLimits
  readonly #ports = new Map<string, Port>()
  readonly #byNexus = new Map<Nexus, Port>()

  /** `below` and its facts; without layers. */
  constructor(base: View, limits: PortLimits) {
    this.#base = base
    this.#limits = limits
  }

  /** Initiator ports that have changes now. */
  get count(): number {
    return this.#ports.size
  }

  of(io: StoreIo): View {
    const { nexus } = io.task
    if (nexus === null || this.#ports.size === 0) return this.#base
    return (this.#byNexus.get(nexus) ?? this.#join(nexus))?.view ?? this.#base
  }

  forChange(io: StoreIo): View | null {
    const { nexus } = io.task
    if (nexus === null) return null
    const known = this.#byNexus.get(nexus) ?? this.#join(nexus)
    if (known !== null) return known.view
    // A nexus that is gone sees no units any more; its last commands may still come.
    if (this.#ports.size === this.#limits.ports || nexus.units().length === 0) return null
    const { grain } = this.#base
    const changes = new MemoryChanges(grain, new Budget(this.#limits.most, grain))
    const port = { changes, view: { ...this.#base, layers: [changes] }, nexuses: new Set([nexus]) }
    this.#ports.set(nameOf(nexus), port)
    this.#byNexus.set(nexus, port)
    return port.view
  }

  nexusLost(nexus: Nexus): void {
    const port = this.#byNexus.get(nexus)
    if (port === undefined) return
    this.#byNexus.delete(nexus)
    port.nexuses.delete(nexus)
    // Requests under way still hold its changes; their memory goes with the last of them.
    if (port.nexuses.size === 0) this.#ports.delete(nameOf(nexus))
  }

  async clear(): Promise<void> {
    this.#ports.clear()
    this.#byNexus.clear()
  }

  async usage(): Promise<StoreUsage> {
    let used = 0
    for (const { changes } of this.#ports.values()) used += (await changes.usage()).used
    return { used, available: Math.max(this.#limits.ports * this.#limits.most - used, 0) }
  }

  close(): Promise<void> {
    return this.clear()
  }

  /** The changes of a port that is known by another nexus. */
  #join(nexus: Nexus): Port | null {
    const port = this.#ports.get(nameOf(nexus))
    if (port === undefined || nexus.units().length === 0) return null
    port.nexuses.add(nexus)
    this.#byNexus.set(nexus, port)
    return port
  }
}

const nameOf = ({ initiator }: Nexus): string => `${initiator.name},${initiator.port}`

/** The view of a store that nobody has changed. */
export function baseView(below: BackingStore, grain: number): View {
  return { below, size: below.size, limit: below.size, grain, layers: [] }
}
