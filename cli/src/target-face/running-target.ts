// SPDX-License-Identifier: Apache-2.0
// A running target: its LUNs, ports and groups, how they are changed, and its end.
import { EventEmitter } from 'node:events'
import { type Observer, OperatorError, type TargetEvent } from '@lunkit/target-api'
import {
  AccessTable,
  type Capture,
  type Drained,
  type Explanation,
  type IscsiPort,
  type IsnsRegistration,
  type IsnsState,
  type LoginReport,
  type SessionChange,
  type SessionReport,
} from '@lunkit/target-driver-iscsi'
import type { RemoveOptions, TargetDevice, TargetEngine, Unit } from '@lunkit/target-engine'
import { type AccessSettings, accessOf, LOCAL, type OpenGuard, type ViewQuestion } from './access.ts'
import { checkGroups, type GroupPlace, hasGroup, placeGroups, settleGroups } from './groups.ts'
import { Initiators, sum } from './initiators.ts'
import { Lun, type LunHost } from './lun.ts'
import { type LunSource, type OpenedLun, openLun } from './open-lun.ts'
import type { Here } from './own-portals.ts'
import { type AccessStateName, type PortGroupView, stateOf, viewOf } from './port-groups.ts'
import { formatPortal, parsePortal } from './portal.ts'
import { ServedUnits } from './served-units.ts'

type EventsByName = { [T in TargetEvent['type']]: [event: Extract<TargetEvent, { type: T }>] } & {
  event: [event: TargetEvent]
  /** Nothing of the target is left. */
  closed: []
}

/** How long a close waits for initiators to log out before it cuts them off. */
const GRACE_MS = 2000

/** Where a LUN is put. */
export interface LunPlace {
  /** The lowest number that is free if not given. */
  readonly lun?: number
  /** Group of initiators that are to see it (`addGroup`); if not given, all that are in none. */
  readonly group?: string | null
  /** Whoever sees it there may only read it. */
  readonly readonly?: boolean
}

export interface TargetParts {
  readonly engine: TargetEngine
  readonly device: TargetDevice
  readonly ports: readonly IscsiPort[]
  readonly capture: Capture | null
  /** Where this machine reaches it. */
  readonly place: { readonly host: string; readonly port: number }
  readonly isns: IsnsRegistration | null
  readonly here: Here
  readonly opened: readonly OpenedLun[]
  /** Folder of the units' records, or null. */
  readonly state: string | null
  readonly observe: Observer
  readonly guard: OpenGuard
  /** Groups of its settings, as they are in place. */
  readonly declared: ReadonlyMap<string, readonly GroupPlace[]>
}

/** A running target. Emits each TargetEvent under its type and under `event`. */
export class RunningTarget extends EventEmitter<EventsByName> {
  readonly name: string
  /** As bound: `127.0.0.1:3260`. */
  readonly portals: readonly string[]
  /** Messages to initiators, ends of their sessions, redirects, rehearsed path loss. */
  readonly initiators: Initiators
  readonly #parts: TargetParts
  readonly #luns: Lun[] = []
  readonly #host: LunHost
  /** Names of the groups that come from its settings. */
  #declared: readonly string[]
  #closing: Promise<void> | null = null
  /** The change that was asked for last. */
  #changing: Promise<unknown> = Promise.resolve()

  constructor(parts: TargetParts) {
    super()
    const { engine, device, ports, place, opened } = parts
    this.#parts = parts
    this.initiators = new Initiators(ports)
    this.name = device.name
    this.portals = ports.flatMap(port => port.portals.map(formatPortal))
    const base = `iscsi://${formatPortal(place)}/${device.name}`
    this.#host = {
      urlOf: lun => `${base}/${lun}`,
      change: act => this.#change(act),
      resize: (unit, bytes, options) => engine.resizeUnit(unit, bytes, options),
      rescan: unit => engine.rescanUnit(unit),
      controlsOf: unit => engine.controlsOf(unit),
      control: (unit, name, words) => engine.controlUnit(unit, name, words),
      insert: (unit, medium, options) => engine.insertMedium(unit, medium, options),
      eject: (unit, options) => engine.ejectMedium(unit, options),
      others: unit => this.#openedBeside(unit),
      here: parts.here,
      get groupIds() {
        return device.portGroups?.all.map(({ id }) => id) ?? []
      },
    }
    for (const [lun, one] of opened.entries()) this.#luns.push(this.#lun(lun, null, one, device.unitAt(lun)!))
    this.#declared = [...parts.declared.keys()]
    for (const [group, places] of parts.declared) {
      for (const { lun, as } of places) this.#keep(this.#lun(as, group, opened[lun]!, device.unitAt(lun)!))
    }
  }

  /** By group and number. */
  get luns(): readonly Lun[] {
    return this.#luns
  }

  /** URL of the first LUN, as libiscsi and QEMU take it. */
  get url(): string {
    return this.#luns[0]?.url ?? this.#host.urlOf(0)
  }

  /** Sessions as they are now, with their connections and counters: copies. */
  sessions(): readonly SessionReport[] {
    return this.#parts.ports.flatMap(port => port.watch.sessions())
  }

  /** What became of all logins since the start, by portal group. */
  logins(): readonly LoginReport[] {
    return this.#parts.ports.map(port => port.watch.logins())
  }

  /**
   * Initiators whose name is on the list (`*`, `?`, and `!` before those that are not) see the group's LUNs and no others;
   * as long as it has none, they do not see the target. Throws OperatorError.
   */
  addGroup(name: string, initiators: readonly string[]): void {
    this.#parts.device.addGroup(name, initiators)
  }

  /** Other initiators for a group: those who see other LUNs by it hear of that. Throws OperatorError. */
  setGroup(name: string, initiators: readonly string[]): void {
    this.#parts.device.setGroup(name, initiators)
  }

  /** From now on whoever sees a LUN at its place may only read it, or may write again. Throws OperatorError. */
  setReadonly(
    lun: number | Lun,
    readonly: boolean,
    { group = null }: { readonly group?: string | null } = {},
  ) {
    const one = this.#find(lun, group)
    this.#parts.device.setReadonly(one.lun, readonly, one.group)
  }

  /**
   * Other rules, accounts and groups in the place of those there were. Sessions that may no longer be are told so and
   * ended; those that see something else, or may only read it now, hear of that; the others go on. Resolves with those
   * that it meant something to. Rejects with OperatorError if that cannot be, and then nothing has changed.
   */
  setAccess(settings: AccessSettings): Promise<readonly SessionChange[]> {
    return this.#change(async () => {
      const { device, ports, guard } = this.#parts
      guard(settings)
      const groups = settleGroups(settings, lun => device.unitAt(lun) !== null)
      const stays = (name: string): boolean => !this.#declared.includes(name) && hasGroup(device, name)
      checkGroups(settings, name => groups.has(name) || stays(name))
      const options = accessOf(this.name, settings)
      // Throws before anything has changed.
      new AccessTable(options, () => undefined)
      const before = device.units()
      placeGroups(device, this.#luns, groups, (...one) => this.#lun(...one))
      const changes = ports.flatMap(port => port.access.set(options))
      for (const name of this.#declared) if (!groups.has(name)) this.#removeGroup(name)
      this.#declared = [...groups.keys()]
      this.#sort()
      for (const unit of before) await this.#letGo(unit, {})
      return changes
    })
  }

  #removeGroup(name: string): void {
    this.#parts.device.removeGroup(name)
    for (const one of this.#luns.filter(({ group }) => group === name))
      this.#luns.splice(this.#luns.indexOf(one), 1)
  }

  /** What an initiator sees of the target, or would, and why: its login and its discovery are decided by the same. */
  explain({ address = LOCAL, portal, ...question }: ViewQuestion): readonly Explanation[] {
    const named = portal === undefined ? null : parsePortal(portal)
    return this.#parts.ports.flatMap(port => {
      if (named !== null && named.tag !== port.relativeId) return []
      const portals = named === null ? port.portals : [named]
      return portals.flatMap(({ host, port: number }) =>
        port.access.explain({ ...question, address, portal: { host, port: number } }),
      )
    })
  }

  /**
   * Serves one more LUN; initiators that see it hear of it. What is given is as for `createTarget`, or a LUN of this
   * target, which then is seen at both places. Rejects with OperatorError, and nothing has changed.
   */
  addLun(given: LunSource | Lun, { lun, group = null, readonly = false }: LunPlace = {}): Promise<Lun> {
    return this.#change(async () => {
      const { engine, device } = this.#parts
      const number = lun ?? this.#freeLun(group)
      if (given instanceof Lun) {
        const { opened, unit } = given.behind
        device.map(number, unit, group, readonly)
        return this.#keep(this.#lun(number, group, opened, unit))
      }
      device.checkFree(number, group)
      const opened = await this.#open(given, number)
      const unit = engine.addUnit(opened.device, opened.identity, opened.records)
      device.map(number, unit, group, readonly)
      return this.#keep(this.#lun(number, group, opened, unit))
    })
  }

  /**
   * Takes a LUN away: initiators hear of it, later commands get LOGICAL UNIT NOT SUPPORTED. Those under way end, or are
   * aborted after the grace; then the storage is let go, if no other LUN leads to it.
   */
  removeLun(lun: number | Lun, options: RemoveOptions & { readonly group?: string } = {}): Promise<void> {
    return this.#change(async () => {
      const one = this.#find(lun, options.group ?? null)
      const { unit } = one.behind
      this.#parts.device.unmap(one.lun, one.group)
      this.#luns.splice(this.#luns.indexOf(one), 1)
      await this.#letGo(unit, options)
    })
  }

  /** Puts other storage behind a LUN; to initiators it is a new disk there. What was there is let go as in `removeLun`. */
  replaceLun(lun: number | Lun, given: LunSource, options: RemoveOptions & { readonly group?: string } = {}) {
    return this.#change(async (): Promise<Lun> => {
      const { engine, device } = this.#parts
      const one = this.#find(lun, options.group ?? null)
      const opened = await this.#open(given, one.lun, one.behind.unit)
      const unit = engine.addUnit(opened.device, opened.identity, opened.records)
      const before = device.replace(one.lun, unit, one.group)
      one.take(opened, unit)
      await this.#letGo(before, options)
      return one
    })
  }

  /** Target port groups (ALUA); empty if all ports are alike. */
  get portGroups(): readonly PortGroupView[] {
    return this.#parts.device.portGroups?.all.map(viewOf) ?? []
  }

  /** Puts a target port group into a state; resolves when it is there. Rejects with OperatorError. */
  async setPortGroup(
    id: number,
    { state, preferred }: { readonly state?: AccessStateName; readonly preferred?: boolean },
  ): Promise<void> {
    const groups = this.#parts.device.portGroups
    if (groups === null) {
      throw new OperatorError('PORT_GROUP_MISSING', `Target ${this.name} has no target port groups`, {
        hint: "give createTarget 'portGroups', or portals with tags, such as 127.0.0.1:3260,2",
      })
    }
    const change = state === undefined ? null : { id, state: stateOf(state) }
    if (change !== null && groups.all.some(group => group.id === id) && !groups.allows(change)) {
      throw new OperatorError('ACCESS_STATE', `Target port group ${id} cannot be put into state '${state}'`)
    }
    if (preferred !== undefined) groups.prefer(id, preferred)
    if (change !== null) await new Promise<void>(resolve => groups.change([change], null, resolve))
  }

  /**
   * Reads the certificates of portals with TLS anew, for connections that come from now on. Rejects with OperatorError
   * where they are no good; that portal goes on with what it had.
   */
  async reloadCertificates(): Promise<void> {
    for (const port of this.#parts.ports) await port.reloadCertificates()
  }

  /**
   * Asks all initiators to log out, and drops those that have not after `seconds`. From then on nobody is let in, which
   * initiators are told as service unavailable, or they are redirected where a redirect is set; until `readmit`.
   */
  async drain(seconds = 10): Promise<Drained> {
    return sum(await Promise.all(this.#parts.ports.map(port => port.control.drain(seconds))))
  }

  /** Lets initiators in again after a drain. */
  readmit(): void {
    for (const port of this.#parts.ports) port.control.readmit()
  }

  /** How things stand with each iSNS server. */
  get isns(): readonly IsnsState[] {
    return this.#parts.isns?.servers ?? []
  }

  /** Inquiries of iSNS servers that were answered. */
  get isnsInquiries(): number {
    return this.#parts.isns?.inquiries ?? 0
  }

  /** Drains for up to `graceMs`, ends sessions, flushes and closes the stores. May be called twice. */
  close({ graceMs = GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    this.#closing ??= (async () => {
      const { ports, capture, engine, isns } = this.#parts
      try {
        const farewell = isns?.close()
        if (graceMs > 0) await this.drain(graceMs / 1000)
        await Promise.all([farewell, ...ports.map(port => port.stop(0))])
        await engine.close()
      } finally {
        await capture?.close()
        this.emit('closed')
      }
    })()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #lun(lun: number, group: string | null, opened: OpenedLun, unit: Unit): Lun {
    return new Lun(this.#host, lun, group, opened, unit)
  }

  #keep(lun: Lun): Lun {
    this.#luns.push(lun)
    this.#sort()
    return lun
  }

  #sort(): void {
    this.#luns.sort((a, b) => (a.group ?? '').localeCompare(b.group ?? '') || a.lun - b.lun)
  }

  #open(given: LunSource, lun: number, instead: Unit | null = null): Promise<OpenedLun> {
    const { state, observe, here } = this.#parts
    const others = this.#openedBeside(instead)
    return openLun(given, { label: `${this.name} LUN ${lun}`, state, here, others, observe })
  }

  #openedBeside(unit: Unit | null): ServedUnits {
    const others = this.#luns.filter(({ behind }) => behind.unit !== unit)
    return new ServedUnits(others.map(({ behind }) => behind.opened))
  }

  #find(lun: number | Lun, group: string | null): Lun {
    const found = this.#luns.find(one =>
      lun instanceof Lun ? one === lun : one.lun === lun && one.group === group,
    )
    if (found !== undefined) return found
    throw new OperatorError(
      'LUN_MISSING',
      `Target ${this.name} has no LUN ${lun instanceof Lun ? lun.lun : lun}`,
      {
        hint: 'its LUNs are in target.luns',
      },
    )
  }

  #freeLun(group: string | null): number {
    const { device } = this.#parts
    let lun = 0
    while (device.unitAt(lun, group) !== null) lun++
    return lun
  }

  async #letGo(unit: Unit, options: RemoveOptions): Promise<void> {
    const { engine, device } = this.#parts
    if (!device.units().has(unit)) await engine.removeUnit(unit, options)
  }

  #change<T>(act: () => Promise<T>): Promise<T> {
    const next = this.#changing.then(async () => {
      if (this.#closing !== null) {
        throw new OperatorError('TARGET_CLOSED', `Target ${this.name} is closed`)
      }
      return act()
    })
    this.#changing = next.catch(() => undefined)
    return next
  }
}
