// SPDX-License-Identifier: Apache-2.0
// REPORT and SET TARGET PORT GROUPS: the states of asymmetric access, and the initiator's wish to change them.
import {
  AccessState,
  GROUP_PORT_DESCRIPTOR,
  INVALID_FIELD_IN_CDB,
  INVALID_FIELD_IN_PARAMETER_LIST,
  PARAMETER_LIST_LENGTH_ERROR,
  PORT_GROUP_DESCRIPTOR,
  PORT_GROUPS_EXTENDED_HEADER,
  PORT_GROUPS_HEADER,
  PortGroupsFormat,
  REPORT_TARGET_PORT_GROUPS,
  SET_PORT_GROUP_DESCRIPTOR,
  SET_PORT_GROUPS_HEADER,
  SET_TARGET_PORT_GROUPS,
} from '@lunkit/spec'
import {
  type Binding,
  type FieldPlace,
  fail,
  failParameter,
  on,
  type PortGroup,
  type PortGroupChange,
  type PortGroups,
  reply,
  succeed,
  type Task,
} from '@lunkit/target-api'

const { dataFormat, allocation } = REPORT_TARGET_PORT_GROUPS.cdb.field
const { parameterLength } = SET_TARGET_PORT_GROUPS.cdb.field
const { state, group } = SET_PORT_GROUP_DESCRIPTOR.field

/** FORMAT TYPE of the extended header. */
const EXTENDED = 1

const report = on(
  REPORT_TARGET_PORT_GROUPS,
  (task: Task) => {
    const format = dataFormat.get(task.cdb, 0)
    if (format > PortGroupsFormat.extended) return fail(task, INVALID_FIELD_IN_CDB, dataFormat)
    const groups = task.nexus.target.portGroups!
    const extended = format === PortGroupsFormat.extended
    const header = extended ? PORT_GROUPS_EXTENDED_HEADER.length : PORT_GROUPS_HEADER.length
    const list = new Uint8Array(groups.all.reduce((sum, { ports }) => sum + lengthOf(ports), header))
    // RETURN DATA LENGTH counts from byte 4 in both formats.
    const length = list.length - PORT_GROUPS_HEADER.length
    if (extended) {
      const implicitTransitionTime = groups.transitionSeconds
      PORT_GROUPS_EXTENDED_HEADER.write({ length, formatType: EXTENDED, implicitTransitionTime }, list)
    } else PORT_GROUPS_HEADER.write({ length }, list)
    let at = header
    for (const one of groups.all) {
      describe(one, list, at)
      at += lengthOf(one.ports)
    }
    reply(task, list, allocation.get(task.cdb, 0))
  },
  { offered: task => task.nexus.target.portGroups !== null },
)

const lengthOf = (ports: readonly number[]): number =>
  PORT_GROUP_DESCRIPTOR.length + GROUP_PORT_DESCRIPTOR.length * ports.length

function describe(one: PortGroup, list: Uint8Array, at: number): void {
  const supports = (state: AccessState): number => (one.states.includes(state) ? 1 : 0)
  PORT_GROUP_DESCRIPTOR.write(
    {
      preferred: one.preferred ? 1 : 0,
      state: one.state,
      supportsTransitioning: supports(AccessState.transitioning),
      supportsOffline: supports(AccessState.offline),
      supportsBlockDependent: supports(AccessState.blockDependent),
      supportsUnavailable: supports(AccessState.unavailable),
      supportsStandby: supports(AccessState.standby),
      supportsNonOptimized: supports(AccessState.nonOptimized),
      supportsOptimized: supports(AccessState.optimized),
      group: one.id,
      statusCode: one.statusCode,
      portCount: one.ports.length,
    },
    list,
    at,
  )
  let next = at + PORT_GROUP_DESCRIPTOR.length
  for (const relativePort of one.ports) {
    GROUP_PORT_DESCRIPTOR.write({ relativePort }, list, next)
    next += GROUP_PORT_DESCRIPTOR.length
  }
}

const set = on(
  SET_TARGET_PORT_GROUPS,
  (task: Task) => {
    const promised = parameterLength.get(task.cdb, 0)
    if (promised === 0) return succeed(task)
    const head = SET_PORT_GROUPS_HEADER.length
    if (promised < head || (promised - head) % SET_PORT_GROUP_DESCRIPTOR.length !== 0) {
      return fail(task, INVALID_FIELD_IN_CDB, parameterLength)
    }
    if (task.received < promised) return fail(task, PARAMETER_LIST_LENGTH_ERROR)
    const list = Buffer.concat(task.segments, promised)
    const stray = SET_PORT_GROUPS_HEADER.reserved(list)
    if (stray !== null) return failParameter(task, INVALID_FIELD_IN_PARAMETER_LIST, stray.byte, stray.bit)
    const groups = task.nexus.target.portGroups!
    const changes: PortGroupChange[] = []
    for (let at = head; at < list.length; at += SET_PORT_GROUP_DESCRIPTOR.length) {
      const change = { id: group.get(list, at), state: state.get(list, at) as AccessState }
      const wrong = wrongField(list, at, change, groups, changes)
      if (wrong !== null) {
        return failParameter(task, INVALID_FIELD_IN_PARAMETER_LIST, wrong.byte, wrong.bit)
      }
      changes.push(change)
    }
    groups.change(changes, task.nexus, () => succeed(task))
  },
  { offered: task => task.nexus.target.portGroups?.explicit === true },
)

/** Where a descriptor at `at` is wrong, or null. Nobody is put offline or into transition by command. */
function wrongField(
  list: Uint8Array,
  at: number,
  change: PortGroupChange,
  groups: PortGroups,
  before: readonly PortGroupChange[],
): FieldPlace | null {
  const stray = SET_PORT_GROUP_DESCRIPTOR.reserved(list, at)
  if (stray !== null) return { byte: at + stray.byte, bit: stray.bit }
  const known = groups.all.some(({ id }) => id === change.id) && !before.some(({ id }) => id === change.id)
  if (!known) return { byte: at + group.byte, bit: group.bit }
  if (change.state <= AccessState.unavailable && groups.allows(change)) return null
  return { byte: at + state.byte, bit: state.bit }
}

export const targetPortGroups: readonly Binding[] = [report, set]
