// SPDX-License-Identifier: Apache-2.0
// The base of filters: a store that passes every request on to the one below, and offers what that one offers.
import type {
  Ability,
  BackingStore,
  Control,
  Controls,
  Nexus,
  StoreIo,
  StoreUsage,
  StoreWatcher,
} from '@lunkit/target-api'

/** Calls that are answered by `finish`; `copy` takes more and is beside them. */
export type Call = 'read' | 'write' | 'flush' | 'discard' | 'writeZeroes' | 'anchor' | 'map'

const REQUESTS = ['discard', 'writeZeroes', 'anchor', 'map'] as const
const FACTS = [
  'atomicWrite',
  'discardGranularity',
  'discardedReadsZero',
  'discardDestroys',
  'grownReadsAnything',
  'perNexus',
] as const

/** What the contract calls MAY, and a filter may leave out. */
export type Optional =
  | (typeof REQUESTS)[number]
  | (typeof FACTS)[number]
  | 'usage'
  | 'copy'
  | 'resize'
  | 'rescan'

/**
 * A filter extends this and overrides `pass`, or the calls that concern it. Whatever is optional is there only if the store below
 * has it and `without` does not name it. The request that `pass` is given may go on as it is, then the store below answers
 * it; one that has to be looked at again is asked for by one of the filter's own.
 */
export class PassingStore implements BackingStore {
  readonly below: BackingStore
  readonly discards: Ability
  readonly writesZeroes: Ability
  readonly discard?: (io: StoreIo) => void
  readonly writeZeroes?: (io: StoreIo) => void
  readonly anchor?: (io: StoreIo) => void
  readonly map?: (io: StoreIo) => void
  readonly atomicWrite?: number
  readonly discardGranularity?: number
  readonly discardedReadsZero?: boolean
  readonly discardDestroys?: boolean
  readonly grownReadsAnything?: boolean
  readonly perNexus?: boolean
  readonly nexusLost?: (nexus: Nexus) => void
  readonly usage?: () => Promise<StoreUsage | null>
  readonly copiesFrom?: (source: BackingStore) => boolean
  readonly copy?: (io: StoreIo, source: BackingStore, sourceOffset: number) => void
  readonly resize?: (size: number) => Promise<void>
  readonly rescan?: () => Promise<void>
  readonly watch?: (told: StoreWatcher) => void
  /** Set anew by a filter that holds requests itself. */
  abort?: (io: StoreIo) => void

  constructor(below: BackingStore, without: readonly Optional[] = []) {
    this.below = below
    const has = (name: Optional): boolean => below[name] !== undefined && !without.includes(name)
    for (const call of REQUESTS) if (has(call)) this[call] = io => this.pass(call, io)
    for (const fact of FACTS) if (has(fact)) Object.assign(this, { [fact]: below[fact] })
    this.discards = has('discard') ? below.discards : 'none'
    this.writesZeroes = has('writeZeroes') ? below.writesZeroes : this.canWrite ? 'emulated' : 'none'
    if (has('usage')) this.usage = () => below.usage!()
    if (has('resize')) this.resize = size => below.resize!(size)
    if (has('rescan')) this.rescan = () => below.rescan!()
    if (has('copy')) {
      this.copiesFrom = source => below.copiesFrom?.(source) === true
      this.copy = (io, source, from) => this.passCopy(io, source, from)
    }
    if (below.nexusLost !== undefined) this.nexusLost = nexus => below.nexusLost!(nexus)
    if (below.watch !== undefined) this.watch = told => below.watch!(told)
    if (below.abort !== undefined) this.abort = io => below.abort!(io)
  }

  get size(): number {
    return this.below.size
  }
  get preferredBlock(): number {
    return this.below.preferredBlock
  }
  get canWrite(): boolean {
    return this.below.canWrite
  }
  get volatileCache(): boolean {
    return this.below.volatileCache
  }
  get identity(): string {
    return this.below.identity
  }
  get note(): string {
    return this.below.note ?? ''
  }

  get controls(): Controls {
    const below = Object.entries(this.below.controls ?? {})
      .filter(([, control]) => this.passesControl(control))
      .map(([name, control]) => [name, this.#heard(control)])
    return { ...Object.fromEntries(below), ...this.ownControls() }
  }

  #heard(control: Control): Control {
    if (control.changes === 'nothing') return control
    const run: Control['run'] = (words, changed) =>
      control.run(words, () => {
        this.mediumChanged()
        changed()
      })
    return { ...control, run }
  }

  /** Whether an operator may tell the store below that: not where this filter could not keep up. */
  protected passesControl(_control: Control): boolean {
    return true
  }

  /** An operator has put another medium below, as by a reset: what is kept of its bytes counts no more. */
  protected mediumChanged(): void {}

  /** What this filter itself can be told while it is used. */
  protected ownControls(): Controls {
    return {}
  }

  read(io: StoreIo): void {
    this.pass('read', io)
  }

  write(io: StoreIo): void {
    this.pass('write', io)
  }

  flush(io: StoreIo): void {
    this.pass('flush', io)
  }

  close(): Promise<void> {
    return this.below.close()
  }

  /** Each request but copies. */
  protected pass(call: Call, io: StoreIo): void {
    this.below[call]!(io)
  }

  protected passCopy(io: StoreIo, source: BackingStore, sourceOffset: number): void {
    this.below.copy!(io, source, sourceOffset)
  }
}
