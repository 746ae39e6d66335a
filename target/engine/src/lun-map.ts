// SPDX-License-Identifier: Apache-2.0
// A SCSI target device: which unit stands behind which LUN, for everybody and for groups of initiators.
import {
  I_T_NEXUS_LOSS_OCCURRED,
  INQUIRY_DATA_HAS_CHANGED,
  MODE_PARAMETERS_CHANGED,
  POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED,
  REPORTED_LUNS_DATA_HAS_CHANGED,
  type SenseCode,
} from '@lunkit/spec'
import {
  type MappedLun,
  type Nexus,
  type NexusView,
  namesInclude,
  OperatorError,
  type Target,
  type TargetPort,
} from '@lunkit/target-api'
import { accessFloor } from './access-rules.ts'
import { type AccessOptions, type AccessWatcher, PortGroupSet } from './access-states.ts'
import type { Unit } from './logical-unit.ts'
import { ItlNexus, type ItNexus } from './nexus.ts'

/** The highest LUN of the flat space addressing method (SAM-5). */
const HIGHEST_LUN = 16383

/** Closed nexuses that are remembered; one that was forgotten hears of a power on, which says more, not less. */
const MOST_REMEMBERED = 1024

/** What is behind a LUN. */
interface Mapping {
  unit: Unit
  /** For reading only, to whoever sees it by this map. */
  readonly: boolean
}

type LunMap = Map<number, Mapping>

/** Initiators with a LUN map of their own. */
interface Group {
  readonly name: string
  initiators: readonly string[]
  readonly map: LunMap
}

const NOTHING: LunMap = new Map()

export class TargetDevice implements Target, AccessWatcher {
  readonly name: string
  readonly alias: string
  readonly nexuses = new Set<ItNexus>()
  readonly ports: readonly TargetPort[]
  portGroups: PortGroupSet | null = null
  readonly #everybody: LunMap = new Map()
  readonly #groups: Group[] = []
  /** Initiator ports that have been here, the latest last, and what their LUNs have to tell when they come back. */
  readonly #gone = new Map<string, Map<number, SenseCode> | null>()

  /** `ports` is the engine's own list. */
  constructor(name: string, alias: string, ports: readonly TargetPort[]) {
    this.name = name
    this.ports = ports
    this.alias = alias
  }

  /**
   * Adds a group: initiators whose name is on the list (`*` any text, `?` one character, `!` before a pattern takes names
   * out) see the group's LUNs and no others. An initiator belongs to the first group that lists it.
   */
  addGroup(name: string, initiators: readonly string[]): void {
    if (this.#groups.some(group => group.name === name)) {
      throw new OperatorError('GROUP_EXISTS', `Target ${this.name} already has a group '${name}'`)
    }
    this.#groups.push({ name, initiators, map: new Map() })
    this.#refresh()
  }

  /** Other initiators for a group; those who see other LUNs by it are told. */
  setGroup(name: string, initiators: readonly string[]): void {
    this.#group(name).initiators = initiators
    this.#refresh()
  }

  /** Takes a group away, with its map. */
  removeGroup(name: string): void {
    this.#groups.splice(this.#groups.indexOf(this.#group(name)), 1)
    this.#refresh()
  }

  /** Puts a unit behind a LUN, for the group of that name or for everybody who is in none. */
  map(lun: number, unit: Unit, group: string | null = null, readonly = false): void {
    this.checkFree(lun, group)
    this.#map(group).set(lun, { unit, readonly })
    this.#refresh()
  }

  /** From now on, whoever sees a LUN by that map may only read, or may write again. */
  setReadonly(lun: number, readonly: boolean, group: string | null = null): void {
    this.#mapping(lun, group).readonly = readonly
    this.#refresh()
  }

  /** Throws OperatorError if no unit can be put there. */
  checkFree(lun: number, group: string | null = null): void {
    if (!Number.isInteger(lun) || lun < 0 || lun > HIGHEST_LUN) {
      throw new OperatorError('LUN_INVALID', `${lun} is no LUN`, { hint: `give 0 to ${HIGHEST_LUN}` })
    }
    if (this.#map(group).has(lun)) {
      throw new OperatorError('LUN_EXISTS', `LUN ${lun} of target ${this.name} is taken`, {
        hint: 'take that LUN away first, or choose another number',
      })
    }
  }

  /** Puts another unit behind a LUN; to initiators it is a new one there. Returns the unit that was. */
  replace(lun: number, unit: Unit, group: string | null = null): Unit {
    const mapping = this.#mapping(lun, group)
    const before = mapping.unit
    mapping.unit = unit
    this.#refresh()
    return before
  }

  /** The unit behind a LUN of that map, or null. */
  unitAt(lun: number, group: string | null = null): Unit | null {
    return this.#map(group).get(lun)?.unit ?? null
  }

  /** Takes a LUN away. Commands under way end as usual; later ones get LOGICAL UNIT NOT SUPPORTED. */
  unmap(lun: number, group: string | null = null): void {
    this.#mapping(lun, group)
    this.#map(group).delete(lun)
    this.#refresh()
  }

  /** Every unit of every map, once. */
  units(): Set<Unit> {
    const maps = [this.#everybody, ...this.#groups.map(({ map }) => map)]
    return new Set(maps.flatMap(map => [...map.values()].map(({ unit }) => unit)))
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
    const port = portOf(nexus)
    const news = this.#gone.get(port) ?? null
    const back = this.#gone.delete(port)
    const code = back ? I_T_NEXUS_LOSS_OCCURRED : POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED
    for (const [lun, mapping] of this.#mapOf(nexus.initiator.name, nexus.view) ?? NOTHING)
      see(nexus, mapping, lun, code)
    for (const [lun, more] of news ?? []) {
      const itl = nexus.at(lun)
      if (itl !== nexus.absent) itl.attentions.add(more)
    }
  }

  changeView(nexus: ItNexus, view: NexusView): boolean {
    nexus.view = view
    return this.#show(nexus)
  }

  groupOf(initiator: string): string | null {
    return this.#groups.find(({ initiators }) => namesInclude(initiators, initiator))?.name ?? null
  }

  lunsOf(initiator: string, view: NexusView = {}): readonly MappedLun[] | null {
    const map = this.#mapOf(initiator, view)
    if (map === null) return null
    return [...map]
      .map(([lun, mapping]) => ({ lun, readonly: mapping.readonly || isReadonly(view, lun) }))
      .sort((a, b) => a.lun - b.lun)
  }

  close(nexus: ItNexus): void {
    if (!this.nexuses.delete(nexus)) return
    for (const itl of nexus.units()) nexus.remove(itl)
    this.#gone.set(portOf(nexus), null)
    if (this.#gone.size > MOST_REMEMBERED) this.#gone.delete(this.#gone.keys().next().value!)
  }

  /** A closed nexus is told of this at the LUN when it comes back; there is one such condition for each LUN. */
  remember(nexus: ItNexus, lun: number, code: SenseCode): void {
    const port = portOf(nexus)
    const news = this.#gone.get(port)
    if (news === undefined) return
    if (news === null) this.#gone.set(port, new Map([[lun, code]]))
    else news.set(lun, code)
  }

  /** All who come back hear of a power on. */
  forgetAll(): void {
    this.#gone.clear()
  }

  #group(name: string): Group {
    const found = this.#groups.find(group => group.name === name)
    if (found !== undefined) return found
    throw new OperatorError('GROUP_MISSING', `Target ${this.name} has no group '${name}'`, {
      hint: 'add the group with its initiators first: addGroup(name, initiators)',
    })
  }

  #map(group: string | null): LunMap {
    return group === null ? this.#everybody : this.#group(group).map
  }

  #mapping(lun: number, group: string | null): Mapping {
    const mapping = this.#map(group).get(lun)
    if (mapping !== undefined) return mapping
    throw new OperatorError('LUN_MISSING', `Target ${this.name} has no LUN ${lun}`)
  }

  /** The map that a nexus sees; null if its group does not exist. */
  #mapOf(initiator: string, view: NexusView): LunMap | null {
    const name = view.group === undefined ? this.groupOf(initiator) : view.group
    if (name === null) return this.#everybody
    return this.#groups.find(group => group.name === name)?.map ?? null
  }

  /** Brings all open nexuses to what they may see now. */
  #refresh(): void {
    for (const nexus of this.nexuses) this.#show(nexus)
    this.forgetAll()
  }

  /** Brings a nexus to what it may see now; if that is something else, it is told, and true is returned. */
  #show(nexus: ItNexus): boolean {
    const map = this.#mapOf(nexus.initiator.name, nexus.view) ?? NOTHING
    let changed = false
    let turned = false
    const replaced = new Set<number>()
    for (const itl of nexus.units()) {
      const mapping = map.get(itl.lun)
      if (mapping?.unit === itl.unit) {
        turned = turn(itl, mapping) || turned
        continue
      }
      nexus.remove(itl)
      replaced.add(itl.lun)
      changed = true
    }
    for (const [lun, mapping] of map) {
      if (nexus.at(lun) !== nexus.absent) continue
      see(nexus, mapping, lun, POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED)
      if (replaced.has(lun)) nexus.at(lun).attentions.add(INQUIRY_DATA_HAS_CHANGED)
      changed = true
    }
    if (changed) for (const itl of nexus.units()) itl.raise(REPORTED_LUNS_DATA_HAS_CHANGED)
    return changed || turned
  }
}

/** Takes over whether a LUN is for reading only; the WP bit of mode parameters tells of it (SPC-4, MODE SENSE). */
function turn(itl: ItlNexus, mapping: Mapping): boolean {
  const readonly = mapping.readonly || isReadonly(itl.nexus.view, itl.lun)
  if (itl.readonly === readonly) return false
  itl.readonly = readonly
  itl.raise(MODE_PARAMETERS_CHANGED)
  return true
}

const isReadonly = ({ readonly = false }: NexusView, lun: number): boolean =>
  typeof readonly === 'boolean' ? readonly : readonly.includes(lun)

/** An I_T nexus beyond its life: the initiator port, through this target port. */
const portOf = ({ initiator, port }: ItNexus): string =>
  `${port.relativeId},${initiator.name},${initiator.port}`

function see(nexus: ItNexus, mapping: Mapping, lun: number, code: SenseCode): void {
  const itl = new ItlNexus(nexus, mapping.unit, lun)
  itl.readonly = mapping.readonly || isReadonly(nexus.view, lun)
  itl.attentions.add(code)
  nexus.set(itl)
}
