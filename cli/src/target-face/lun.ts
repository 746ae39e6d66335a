// SPDX-License-Identifier: Apache-2.0
// A LUN of a running target, as its operator holds it: what it is, and what can be changed while it is used.
import { INQUIRY_DATA_HAS_CHANGED } from '@lunkit/spec'
import {
  type BackingStore,
  type ControlAnswer,
  type Controls,
  OperatorError,
  type ReferralSegment,
} from '@lunkit/target-api'
import type { MediumOptions, ResizeOptions, Unit } from '@lunkit/target-engine'
import { makeIdentity } from './identity.ts'
import { keysOf, parseSizeOf, UNIT_PARAMETERS } from './lun-spec.ts'
import { type LunSource, type OpenedLun, openSource } from './open-lun.ts'
import type { Here } from './own-portals.ts'
import { type AccessStateName, stateOf } from './port-groups.ts'
import type { ServedUnits } from './served-units.ts'

/** The plain facts of a LUN. */
export interface LunView {
  readonly lun: number
  /** Group of initiators that see it, or null: all that are in none. */
  readonly group: string | null
  readonly url: string
  readonly bytes: number
  /** Its device type. */
  readonly kind: string
  /** What stands between device and store, the one next to the device first. */
  readonly filters: readonly string[]
  /** Null: the device has none. */
  readonly store: string | null
  readonly serial: string
  /** NAA designator as hex digits; `lunkit state` names units by it. */
  readonly naa: string
}

/** Names of a unit, as the keys of a LUN argument. */
export type UnitNames = Partial<Record<keyof typeof UNIT_PARAMETERS, string>>

/** Blocks that target port groups lead to each in their own way. */
export interface Referral {
  readonly firstLba: number
  readonly lastLba: number
  readonly groups: readonly { readonly id: number; readonly state: AccessStateName }[]
}

/** What a LUN asks of its target. */
export interface LunHost {
  urlOf(lun: number): string
  /** Runs one change of the target at a time. */
  change<T>(act: () => Promise<T>): Promise<T>
  resize(unit: Unit, bytes: number, options: ResizeOptions): Promise<void>
  rescan(unit: Unit): Promise<boolean>
  controlsOf(unit: Unit): Controls
  control(unit: Unit, name: string, words: readonly string[]): Promise<ControlAnswer>
  insert(unit: Unit, medium: BackingStore, options: MediumOptions): Promise<void>
  eject(unit: Unit, options: MediumOptions): Promise<void>
  /** Opened units beside this one. */
  others(unit: Unit): ServedUnits
  /** Ids of its target port groups. */
  readonly groupIds: readonly number[]
  readonly here: Here
}

export class Lun implements LunView {
  readonly lun: number
  readonly group: string | null
  readonly #host: LunHost
  #opened: OpenedLun
  #unit: Unit

  constructor(host: LunHost, lun: number, group: string | null, opened: OpenedLun, unit: Unit) {
    this.#host = host
    this.lun = lun
    this.group = group
    this.#opened = opened
    this.#unit = unit
  }

  get url(): string {
    return this.#host.urlOf(this.lun)
  }
  get bytes(): number {
    const { device } = this.#unit
    return device.blocks * device.blockSize
  }
  get kind(): string {
    return this.#opened.spec.kind
  }
  get filters(): readonly string[] {
    return this.#opened.spec.filters ?? []
  }
  get store(): string | null {
    return this.#opened.spec.store
  }
  get serial(): string {
    return this.#unit.identity.serial
  }
  get naa(): string {
    return Buffer.from(this.#unit.identity.naa).toString('hex')
  }

  /**
   * Makes the storage `size` bytes long (a number, or a text such as 10G); initiators hear of it and ask anew. Less than
   * it is now needs `shrink`: what is behind the new end is lost. Rejects with OperatorError, and nothing has changed.
   */
  resize(size: number | string, options: ResizeOptions = {}): Promise<void> {
    return this.#host.change(async () => this.#host.resize(this.#unit, parseSizeOf(size), options))
  }

  /** Looks how long the storage is now, should somebody else have changed it; true if it is another size. */
  rescan(): Promise<boolean> {
    return this.#host.change(() => this.#host.rescan(this.#unit))
  }

  /** What it can be told to do while it is used, by name, with the words that each takes: `reset`, `snapshot`. */
  get controls(): Readonly<Record<string, string>> {
    const controls = this.#host.controlsOf(this.#unit)
    return Object.fromEntries(Object.entries(controls).map(([name, { usage }]) => [name, usage]))
  }

  /**
   * Has its device, its storage or a filter in front of it do one of `controls`, such as `lun.control('snapshot', 'next.overlay')`; initiators are
   * told where what they have read may be another. Rejects with OperatorError, and nothing has changed.
   */
  control(name: string, ...words: readonly string[]): Promise<ControlAnswer> {
    return this.#host.change(() => this.#host.control(this.#unit, name, words))
  }

  /**
   * Puts a medium into a drive, in the place of the one that is there, and closes the tray: what stands behind `cdrom:`, or an object with
   * size and read. Initiators hear of it. Where one prevents the removal of what is there, all are told that the operator wants it, and
   * this rejects; `force` takes it from them. Rejects with OperatorError, and an image that was given is closed again.
   */
  async insert(source: LunSource, options: MediumOptions = {}): Promise<void> {
    this.#needDrive()
    const { spec, store } = await openSource(source, `medium of LUN ${this.lun}`, this.#host.here)
    try {
      await this.#host.change(() => this.#host.insert(this.#unit, store, options))
    } catch (error) {
      await store.close()
      throw error
    }
    this.#opened = { ...this.#opened, spec: { ...spec, kind: this.kind } }
  }

  /** Opens a drive's tray and takes the medium out; its storage is let go. With an initiator that prevents it as in `insert`. */
  async eject(options: MediumOptions = {}): Promise<void> {
    this.#needDrive()
    await this.#host.change(() => this.#host.eject(this.#unit, options))
    this.#opened = {
      ...this.#opened,
      spec: { kind: this.kind, store: null, keys: {}, label: `${this.kind}:` },
    }
  }

  #needDrive(): void {
    if (this.#unit.device.drive !== undefined) return
    throw new OperatorError('NO_DRIVE', `LUN ${this.lun} is a ${this.kind}, whose medium cannot be changed`, {
      hint: 'replace the LUN (replaceLun), or serve a drive (cdrom:)',
    })
  }

  /** Takes other names for those given; the others stay. Throws OperatorError. */
  rename(names: UnitNames): void {
    const { storage, spec, records } = this.#opened
    const { naa, serial } = this.#unit.identity
    const kept = { ...this.#opened.names, serial, naa: Buffer.from(naa).toString('hex') }
    const unknown = Object.keys(names).find(name => !Object.hasOwn(UNIT_PARAMETERS, name))
    if (unknown !== undefined) {
      throw new OperatorError('LUN_KEY_UNKNOWN', `A unit has no name '${unknown}'`, {
        hint: `names are ${Object.keys(UNIT_PARAMETERS).join(', ')}`,
      })
    }
    const all = { ...kept, ...keysOf(names) }
    const identity = makeIdentity(storage, all, this.#opened.device.names)
    if (records !== null && !Buffer.from(identity.naa).equals(naa)) {
      throw new OperatorError('NAA_FIXED', `'${spec.label}' keeps its records under its NAA`, {
        hint: 'stop the target, give it the new NAA, and start it again',
      })
    }
    this.#host.others(this.#unit).refuseTwin({ spec, storage, identity })
    this.#opened = { ...this.#opened, names: all, identity }
    this.#unit.rename(identity)
  }

  /** Tells initiators that what runs the unit has been changed, and its revision with it, if that is given. */
  microcodeChanged(revision?: string): void {
    if (revision !== undefined) makeIdentity(this.#opened.storage, { revision })
    this.#unit.microcodeChanged(revision)
  }

  /** Says which target port groups lead to which blocks; an empty list: all lead to all. Throws OperatorError. */
  setReferrals(referrals: readonly Referral[]): void {
    const segments = referrals.map(
      ({ firstLba, lastLba, groups }): ReferralSegment => ({
        firstLba,
        lastLba,
        groups: groups.map(({ id, state }) => ({ id, state: stateOf(state) })),
      }),
    )
    checkSegments(segments, this.#unit.device.blocks, this.#host.groupIds)
    this.#unit.referrals = segments
    this.#unit.attention(INQUIRY_DATA_HAS_CHANGED, null)
  }

  /** The plain facts. */
  toJSON(): LunView {
    const { lun, group, url, bytes, kind, filters, store, serial, naa } = this
    return { lun, group, url, bytes, kind, filters, store, serial, naa }
  }

  /** For the target: what is behind it. */
  get behind(): { readonly opened: OpenedLun; readonly unit: Unit } {
    return { opened: this.#opened, unit: this.#unit }
  }

  /** For the target: another unit has taken the place. */
  take(opened: OpenedLun, unit: Unit): void {
    this.#opened = opened
    this.#unit = unit
  }
}

function checkSegments(
  segments: readonly ReferralSegment[],
  blocks: number,
  groupIds: readonly number[],
): void {
  const wrong = (message: string, hint: string): OperatorError =>
    new OperatorError('REFERRALS', message, { hint })
  let next = 0
  for (const { firstLba, lastLba, groups } of segments) {
    if (firstLba !== next || !Number.isSafeInteger(lastLba) || lastLba < firstLba) {
      throw wrong(`Segment of blocks ${firstLba} to ${lastLba} does not follow`, `begin it with ${next}`)
    }
    const stray = groups.find(({ id }) => !groupIds.includes(id))
    if (stray !== undefined) {
      throw wrong(`There is no target port group ${stray.id}`, `groups are ${groupIds.join(', ') || 'none'}`)
    }
    if (groups.length === 0 || groups.length > 255) {
      throw wrong(`Segment from block ${firstLba} on has ${groups.length} groups`, 'give it 1 to 255')
    }
    next = lastLba + 1
  }
  if (segments.length > 0 && next !== blocks) {
    throw wrong(`The segments end before block ${next}`, `end the last one with ${blocks - 1}`)
  }
}
