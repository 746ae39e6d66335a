// SPDX-License-Identifier: Apache-2.0
// A SCSI target device: which unit stands behind which LUN, for everybody and for groups of initiators.
import {
  I_T_NEXUS_LOSS_OCCURRED,
  INQUIRY_DATA_HAS_CHANGED,
  POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED,
  REPORTED_LUNS_DATA_HAS_CHANGED,
  type SenseCode,
} from '@lunkit/spec'
import { type Nexus, OperatorError, type Target, type TargetPort } from '@lunkit/target-api'
import { accessFloor } from './access-rules.ts'
import { type AccessOptions, type AccessWatcher, PortGroupSet } from './access-states.ts'
import type { Unit } from './logical-unit.ts'
import { ItlNexus, type ItNexus } from './nexus.ts'

/** The highest LUN of the flat space addressing method (SAM-5). */
const HIGHEST_LUN = 16383

/** Closed nexuses that are remembered; one that was forgotten hears of a power on, which says more, not less. */
const MOST_REMEMBERED = 1024

type View = Map<number, Unit>

/** Initiators with a LUN map of their own. */
interface Group {
  readonly name: string
  readonly patterns: readonly RegExp[]
  readonly view: View
}

export class TargetDevice implements Target, AccessWatcher {
  readonly name: string
  readonly alias: string
  readonly nexuses = new Set<ItNexus>()
  readonly ports: readonly TargetPort[]
  portGroups: PortGroupSet | null = null
  readonly #everybody: View = new Map()
  readonly #groups: Group[] = []
  /** Initiator ports that have been here, the latest last. */
  readonly #gone = new Set<string>()

  /** `ports` is the engine's own list. */
  constructor(name: string, alias: string, ports: readonly TargetPort[]) {
    this.name = name
    this.ports = ports
    this.alias = alias
  }

  /**
   * Adds a group: initiators whose name matches one of `initiators` (`*` any text, `?` one character) see the group's
   * LUNs and no others. An initiator belongs to the first group that matches.
   */
  addGroup(name: string, initiators: readonly string[]): void {
    if (this.#groups.some(group => group.name === name)) {
      throw new OperatorError('GROUP_EXISTS', `Target ${this.name} already has a group '${name}'`)
    }
    this.#groups.push({ name, patterns: initiators.map(glob), view: new Map() })
    this.#refresh()
  }

  /** Puts a unit behind a LUN, for the group of that name or for everybody who is in none. */
  map(lun: number, unit: Unit, group: string | null = null): void {
    this.checkFree(lun, group)
    this.#view(group).set(lun, unit)
    this.#refresh()
  }

  /** Throws OperatorError if no unit can be put there. */
  checkFree(lun: number, group: string | null = null): void {
    if (!Number.isInteger(lun) || lun < 0 || lun > HIGHEST_LUN) {
      throw new OperatorError('LUN_INVALID', `${lun} is no LUN`, { hint: `give 0 to ${HIGHEST_LUN}` })
    }
    const view = this.#view(group)
    if (view.has(lun)) {
      throw new OperatorError('LUN_EXISTS', `LUN ${lun} of target ${this.name} is taken`, {
        hint: 'take that LUN away first, or choose another number',
      })
    }
  }

  /** Puts another unit behind a LUN; to initiators it is a new one there. Returns the unit that was. */
  replace(lun: number, unit: Unit, group: string | null = null): Unit {
    const view = this.#view(group)
    const before = view.get(lun)
    if (before === undefined) throw new OperatorError('LUN_MISSING', `Target ${this.name} has no LUN ${lun}`)
    view.set(lun, unit)
    this.#refresh()
    return before
  }

  /** The unit behind a LUN of that map, or null. */
  unitAt(lun: number, group: string | null = null): Unit | null {
    return this.#view(group).get(lun) ?? null
  }

  /** Takes a LUN away. Commands under way end as usual; later ones get LOGICAL UNIT NOT SUPPORTED. */
  unmap(lun: number, group: string | null = null): void {
    if (!this.#view(group).delete(lun)) {
      throw new OperatorError('LUN_MISSING', `Target ${this.name} has no LUN ${lun}`)
    }
    this.#refresh()
  }

  /** Every unit of every map, once. */
  units(): Set<Unit> {
    const found = new Set(this.#everybody.values())
    for (const { view } of this.#groups) for (const unit of view.values()) found.add(unit)
    return found
  }

  /** Asymmetric access to all units of the target. Before the first nexus; throws OperatorError. */
  setPortGroups(options: AccessOptions): PortGroupSet {
    this.portGroups = new PortGroupSet(options, this)
    this.statesChanged(null, null)
    return this.portGroups
  }

  statesChanged(attention: SenseCode | null, except: Nexus | null): void {
    for (const nexus of this.nexuses) {
      this.#takeState(nexus)
      if (attention === null || nexus === except) continue
      for (const { attentions } of nexus.units()) attentions.add(attention)
    }
  }

  #takeState(nexus: ItNexus): void {
    if (this.portGroups === null) return
    nexus.accessState = this.portGroups.stateOf(nexus.port.relativeId)
    nexus.accessFloor = accessFloor(nexus.accessState)
  }

  /** First contact is a power on to the initiator; coming back is the loss of the nexus that it had. */
  open(nexus: ItNexus): void {
    this.nexuses.add(nexus)
    this.#takeState(nexus)
    const back = this.#gone.delete(portOf(nexus))
    const code = back ? I_T_NEXUS_LOSS_OCCURRED : POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED
    for (const [lun, unit] of this.#viewOf(nexus)) see(nexus, unit, lun, code)
  }

  close(nexus: ItNexus): void {
    if (!this.nexuses.delete(nexus)) return
    for (const itl of nexus.units()) nexus.remove(itl)
    this.#gone.add(portOf(nexus))
    if (this.#gone.size > MOST_REMEMBERED) this.#gone.delete(this.#gone.values().next().value!)
  }

  /** All who come back hear of a power on. */
  forgetAll(): void {
    this.#gone.clear()
  }

  #view(group: string | null): View {
    if (group === null) return this.#everybody
    const found = this.#groups.find(({ name }) => name === group)
    if (found !== undefined) return found.view
    throw new OperatorError('GROUP_MISSING', `Target ${this.name} has no group '${group}'`, {
      hint: 'add the group with its initiators first: addGroup(name, initiators)',
    })
  }

  #viewOf(nexus: ItNexus): View {
    const { name } = nexus.initiator
    const group = this.#groups.find(({ patterns }) => patterns.some(pattern => pattern.test(name)))
    return group?.view ?? this.#everybody
  }

  /** Brings open nexuses to their view; those whose view changes are told, and only they. */
  #refresh(): void {
    this.forgetAll()
    for (const nexus of this.nexuses) {
      const view = this.#viewOf(nexus)
      let changed = false
      const replaced = new Set<number>()
      for (const itl of nexus.units()) {
        if (view.get(itl.lun) === itl.unit) continue
        nexus.remove(itl)
        replaced.add(itl.lun)
        changed = true
      }
      for (const [lun, unit] of view) {
        if (nexus.at(lun) !== nexus.absent) continue
        see(nexus, unit, lun, POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED)
        if (replaced.has(lun)) nexus.at(lun).attentions.add(INQUIRY_DATA_HAS_CHANGED)
        changed = true
      }
      if (!changed) continue
      for (const itl of nexus.units()) itl.raise(REPORTED_LUNS_DATA_HAS_CHANGED)
    }
  }
}

function glob(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'i')
}

/** An I_T nexus beyond its life: the initiator port, through this target port. */
const portOf = ({ initiator, port }: ItNexus): string =>
  `${port.relativeId},${initiator.name},${initiator.port}`

function see(nexus: ItNexus, unit: Unit, lun: number, code: SenseCode): void {
  const itl = new ItlNexus(nexus, unit, lun)
  itl.attentions.add(code)
  nexus.set(itl)
}
