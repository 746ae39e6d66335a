// SPDX-License-Identifier: Apache-2.0
// Groups with LUN maps of their own, which rules and accounts give: how they are declared, and put in place.
import { OperatorError } from '@lunkit/target-api'
import type { TargetDevice, Unit } from '@lunkit/target-engine'
import type { AccessSettings } from './access.ts'
import type { Lun } from './lun.ts'
import type { OpenedLun } from './open-lun.ts'

/** A LUN of a group: one of those that everybody sees, under the same number if no other is given. */
export type GroupLun = number | { readonly lun: number; readonly as?: number; readonly readonly?: boolean }

/** A LUN of a group, settled. */
export interface GroupPlace {
  readonly lun: number
  readonly as: number
  readonly readonly: boolean
}

/** Groups by name. Throws OperatorError: a LUN twice, or one that is not there. */
export function settleGroups(
  { groups = {} }: AccessSettings,
  hasLun: (lun: number) => boolean,
): ReadonlyMap<string, readonly GroupPlace[]> {
  const settled = new Map<string, readonly GroupPlace[]>()
  for (const [name, luns] of Object.entries(groups)) {
    const places = luns.map((one): GroupPlace => {
      const place = typeof one === 'number' ? { lun: one } : one
      return { as: place.lun, readonly: false, ...place }
    })
    for (const [at, { lun, as }] of places.entries()) {
      if (!hasLun(lun)) {
        throw new OperatorError('LUN_MISSING', `Group '${name}' is to see LUN ${lun}, which is not there`, {
          hint: 'give numbers of LUNs that everybody sees',
        })
      }
      if (places.findIndex(other => other.as === as) < at)
        throw new OperatorError('LUN_EXISTS', `Group '${name}' is to see two LUNs as LUN ${as}`)
    }
    settled.set(name, places)
  }
  return settled
}

/** Throws OperatorError if a rule or an account gives a group that is not there. */
export function checkGroups(
  { chap = [], rules = [] }: AccessSettings,
  known: (name: string) => boolean,
): void {
  const own = rules.flatMap(rule => (rule.chap === undefined || rule.chap === 'none' ? [] : rule.chap))
  for (const { group } of [...[chap].flat(), ...rules, ...own]) {
    if (group === undefined || known(group)) continue
    throw new OperatorError('GROUP_MISSING', `Access gives group '${group}', which is not there`, {
      hint: "say in 'groups' which LUNs it sees",
    })
  }
}

export const hasGroup = (device: TargetDevice, name: string): boolean =>
  device.lunsOf('', { group: name }) !== null

/** Gives every group its LUNs in the device, and none besides. `luns` are all that the target has; they are kept up. */
export function placeGroups(
  device: TargetDevice,
  luns: Lun[],
  groups: ReadonlyMap<string, readonly GroupPlace[]>,
  make: (lun: number, group: string, opened: OpenedLun, unit: Unit) => Lun,
): void {
  for (const [name, places] of groups) {
    if (!hasGroup(device, name)) device.addGroup(name, [])
    for (const one of luns.filter(({ group }) => group === name)) {
      const place = places.find(({ as }) => as === one.lun)
      if (place !== undefined && device.unitAt(place.lun) === one.behind.unit) continue
      device.unmap(one.lun, name)
      luns.splice(luns.indexOf(one), 1)
    }
    for (const { lun, as, readonly } of places) {
      const { opened, unit } = luns.find(one => one.group === null && one.lun === lun)!.behind
      if (device.unitAt(as, name) === unit) device.setReadonly(as, readonly, name)
      else {
        device.map(as, unit, name, readonly)
        luns.push(make(as, name, opened, unit))
      }
    }
  }
}
