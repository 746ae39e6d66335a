// SPDX-License-Identifier: Apache-2.0
// Asymmetric access: the port groups of one target, their states, and how they change (SPC-4, target port asymmetric access states).
import { AccessState, AccessStatus, ASYMMETRIC_ACCESS_STATE_CHANGED } from '@lunkit/spec'
import {
  type Nexus,
  OperatorError,
  type PortGroup,
  type PortGroupChange,
  type PortGroups,
} from '@lunkit/target-api'

export interface PortGroupOptions {
  /** 0 to 65535. */
  readonly id: number
  /** Relative target port identifiers, 1 to 65535; a port is in one group. */
  readonly ports: readonly number[]
  /** At first: active/optimized if not given. */
  readonly state?: AccessState
  readonly preferred?: boolean
  /** States that it can be put in: all if not given. Logical block dependent is for units with referrals. */
  readonly states?: readonly AccessState[]
}

export interface AccessOptions {
  readonly groups: readonly PortGroupOptions[]
  /** Initiators may change states: yes if not given. */
  readonly explicit?: boolean
  /** How long a group is transitioning when its state changes, in milliseconds: 0 if not given. */
  readonly transitionMs?: number
  /** LOGICAL UNIT GROUP: 0 if not given. */
  readonly unitGroup?: number
}

interface Group extends PortGroup {
  state: AccessState
  preferred: boolean
  statusCode: number
  /** The end of the change that it is in; a later change takes its place. */
  end: (() => void) | null
}

const PRIMARY: readonly AccessState[] = [
  AccessState.optimized,
  AccessState.nonOptimized,
  AccessState.standby,
  AccessState.unavailable,
  AccessState.offline,
]
/** The longest that IMPLICIT TRANSITION TIME can say, in milliseconds. */
const LONGEST_TRANSITION = 255_000

/** Of a target: what its nexuses do when states change is the target's affair. */
export interface AccessWatcher {
  /** States have changed: nexuses look up theirs again; all but `except` are told with `attention`, if there is one. */
  statesChanged(attention: typeof ASYMMETRIC_ACCESS_STATE_CHANGED | null, except: Nexus | null): void
}

export class PortGroupSet implements PortGroups {
  readonly explicit: boolean
  readonly transitionSeconds: number
  readonly unitGroup: number
  readonly #groups: readonly Group[]
  readonly #transitionMs: number
  readonly #watcher: AccessWatcher
  /** Transitions under way, to be ended at once when the target goes. */
  readonly #pending = new Set<() => void>()

  /** Throws OperatorError for groups that cannot be. */
  constructor(options: AccessOptions, watcher: AccessWatcher) {
    check(options)
    this.explicit = options.explicit ?? true
    this.#transitionMs = options.transitionMs ?? 0
    this.transitionSeconds = Math.ceil(this.#transitionMs / 1000)
    this.unitGroup = options.unitGroup ?? 0
    this.#watcher = watcher
    const transitions = this.#transitionMs > 0 ? [AccessState.transitioning] : []
    this.#groups = options.groups.map(({ id, ports, state, preferred, states }) => ({
      id,
      ports: ports.toSorted((a, b) => a - b),
      states: [...(states ?? PRIMARY), ...transitions],
      state: state ?? AccessState.optimized,
      preferred: preferred ?? false,
      statusCode: AccessStatus.none,
      end: null,
    }))
  }

  get all(): readonly PortGroup[] {
    return this.#groups
  }

  groupOf(relativePort: number): PortGroup | null {
    return this.#groups.find(({ ports }) => ports.includes(relativePort)) ?? null
  }

  /** Of a port in no group nothing is known: it is as good as the best. */
  stateOf(relativePort: number): AccessState {
    return this.groupOf(relativePort)?.state ?? AccessState.optimized
  }

  allows({ id, state }: PortGroupChange): boolean {
    const group = this.#groups.find(one => one.id === id)
    return group?.states.includes(state) === true && state !== AccessState.transitioning
  }

  prefer(id: number, preferred: boolean): void {
    this.#group(id).preferred = preferred
  }

  change(changes: readonly PortGroupChange[], by: Nexus | null, done: () => void): void {
    const statusCode = by === null ? AccessStatus.implicit : AccessStatus.explicit
    // One that is in transition is not where it was, even if it goes back there.
    const steps = changes
      .map(({ id, state }) => ({ group: this.#group(id), state }))
      .filter(({ group, state }) => group.state !== state)
    if (steps.length === 0) {
      done()
      return
    }
    const end = (): void => {
      if (!this.#pending.delete(end)) return
      clearTimeout(timer)
      const own = steps.filter(({ group }) => group.end === end)
      for (const { group, state } of own) {
        group.state = state
        group.statusCode = statusCode
        group.end = null
      }
      if (own.length > 0) this.#watcher.statesChanged(ASYMMETRIC_ACCESS_STATE_CHANGED, by)
      done()
    }
    const timer = this.#transitionMs > 0 ? setTimeout(end, this.#transitionMs) : undefined
    this.#pending.add(end)
    for (const { group } of steps) group.end = end
    if (timer === undefined) {
      end()
      return
    }
    for (const { group } of steps) group.state = AccessState.transitioning
    this.#watcher.statesChanged(null, by)
  }

  /** Nobody waits for a transition any more: all are at their end. */
  close(): void {
    for (const end of [...this.#pending]) end()
  }

  #group(id: number): Group {
    const found = this.#groups.find(group => group.id === id)
    if (found !== undefined) return found
    throw new OperatorError('PORT_GROUP_MISSING', `There is no target port group ${id}`, {
      hint: `groups are ${this.#groups.map(group => group.id).join(', ')}`,
    })
  }
}

const within = (value: number, from: number, to: number): boolean =>
  Number.isInteger(value) && value >= from && value <= to

function check({ groups, transitionMs = 0, unitGroup = 0 }: AccessOptions): void {
  const wrong = (message: string, hint: string): OperatorError =>
    new OperatorError('PORT_GROUP_VALUE', message, { hint })
  if (groups.length === 0) throw wrong('Asymmetric access needs a target port group', 'give at least one')
  if (!within(transitionMs, 0, LONGEST_TRANSITION)) {
    throw wrong(`A transition of ${transitionMs} ms cannot be reported`, `give 0 to ${LONGEST_TRANSITION}`)
  }
  if (!within(unitGroup, 0, 65_535)) throw wrong(`${unitGroup} is no logical unit group`, 'give 0 to 65535')
  const ids = new Set<number>()
  const ports = new Set<number>()
  for (const { id, ports: own, state = AccessState.optimized, states = PRIMARY } of groups) {
    if (!within(id, 0, 65_535)) throw wrong(`${id} is no target port group`, 'give 0 to 65535')
    if (ids.has(id)) throw wrong(`There are two target port groups ${id}`, 'give each its own number')
    ids.add(id)
    if (own.length === 0 || own.length > 255) {
      throw wrong(`Target port group ${id} has ${own.length} ports`, 'give it 1 to 255')
    }
    for (const port of own) {
      if (!within(port, 1, 65_535)) throw wrong(`${port} is no relative port identifier`, 'give 1 to 65535')
      if (ports.has(port)) throw wrong(`Port ${port} is in two target port groups`, 'take it out of one')
      ports.add(port)
    }
    const settable: readonly number[] = [...PRIMARY, AccessState.blockDependent]
    const stray = [state, ...states].find(one => !settable.includes(one))
    if (stray !== undefined || !states.includes(state)) {
      throw wrong(
        `Target port group ${id} cannot be in state ${stray ?? state}`,
        'give one that it supports: optimized 0, nonOptimized 1, standby 2, unavailable 3, blockDependent 4, offline 14',
      )
    }
  }
}
