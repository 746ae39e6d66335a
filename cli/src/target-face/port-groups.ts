// SPDX-License-Identifier: Apache-2.0
// Portal groups as target ports, and the target port groups (ALUA) that they are put in.
import { AccessState } from '@lunkit/spec'
import { OperatorError, type PortGroup } from '@lunkit/target-api'
import type { AccessOptions } from '@lunkit/target-engine'
import type { Portal } from './portal.ts'

const STATES = Object.freeze({
  'active/optimized': AccessState.optimized,
  'active/non-optimized': AccessState.nonOptimized,
  standby: AccessState.standby,
  unavailable: AccessState.unavailable,
  'logical block dependent': AccessState.blockDependent,
  offline: AccessState.offline,
  transitioning: AccessState.transitioning,
} as const)

/** Asymmetric access states by SPC-4's names. */
export type AccessStateName = keyof typeof STATES

/** A target port group: portal groups that always have one state. */
export interface PortGroupSetting {
  /** TARGET PORT GROUP, 0 to 65535: the tag of its first portal group if not given. */
  readonly id?: number
  /** Tags of portal groups, which are relative target port identifiers as well. */
  readonly portals: readonly number[]
  /** At first: `active/optimized` if not given. */
  readonly state?: AccessStateName
  readonly preferred?: boolean
}

export interface PortGroupSettings {
  /** One for each portal group if not given. */
  readonly groups?: readonly PortGroupSetting[]
  /** Initiators may change states by SET TARGET PORT GROUPS: no if not given. */
  readonly explicit?: boolean
  /** How long a group is transitioning when its state changes, in milliseconds: 0 if not given. */
  readonly transitionMs?: number
  /** LOGICAL UNIT GROUP designator of all units: 0 if not given. */
  readonly unitGroup?: number
}

/** A target port group as it is now. */
export interface PortGroupView {
  readonly id: number
  readonly portals: readonly number[]
  readonly state: AccessStateName
  readonly preferred: boolean
}

export function stateOf(name: string): AccessState {
  if (Object.hasOwn(STATES, name)) return STATES[name as AccessStateName]
  throw new OperatorError('ACCESS_STATE', `'${name}' is no asymmetric access state`, {
    hint: `states are ${Object.keys(STATES).join(', ')}`,
  })
}

export function viewOf({ id, ports, state, preferred }: PortGroup): PortGroupView {
  const name = Object.entries(STATES).find(([, value]) => value === state)![0] as AccessStateName
  return { id, portals: ports, state: name, preferred }
}

/** Portals by tag, ascending. */
export function byTag<P extends Portal>(portals: readonly P[]): ReadonlyMap<number, readonly P[]> {
  const groups = new Map<number, P[]>()
  for (const portal of portals.toSorted((a, b) => a.tag - b.tag)) {
    const group = groups.get(portal.tag)
    if (group === undefined) groups.set(portal.tag, [portal])
    else group.push(portal)
  }
  return groups
}

/** What the engine is told; null where there is but one portal group and nobody asked for more. */
export function accessOptions(
  tags: readonly number[],
  settings: PortGroupSettings | undefined,
): AccessOptions | null {
  if (settings === undefined && tags.length < 2) return null
  const { groups = tags.map(tag => ({ portals: [tag] })), ...rest } = settings ?? {}
  const all: readonly PortGroupSetting[] = groups
  for (const { portals } of all) {
    const stray = portals.find(tag => !tags.includes(tag))
    if (stray === undefined) continue
    throw new OperatorError('PORT_GROUP_VALUE', `There is no portal group ${stray}`, {
      hint: `portal groups are ${tags.join(', ')}; ',${stray}' behind a portal puts it there`,
    })
  }
  return {
    explicit: false,
    ...rest,
    groups: all.map(({ id, portals, state, preferred }) => ({
      id: id ?? portals[0]!,
      ports: portals,
      ...(state !== undefined && { state: stateOf(state) }),
      ...(preferred !== undefined && { preferred }),
    })),
  }
}
