// SPDX-License-Identifier: Apache-2.0
// What an initiator would see of each target, and why: the decisions of the access table in words.
import type { MappedLun } from '@lunkit/target-api'
import type { PortalFacts, Who } from './facts.ts'
import type { AccessAccount } from './options.ts'
import type { AccessTable, Granted, TargetFacts } from './table.ts'

/** Of one target; one for each account where accounts differ in what they get and no user was named. */
export interface Explanation {
  readonly target: string
  readonly portal: PortalFacts
  /** Whether it may log in, by `user` where a proof is required, and discovery lists the target. */
  readonly visible: boolean
  /** What decided, such as `rule 2 (backup)`. */
  readonly rule: string
  /** Why it is not visible; empty if it is. */
  readonly reason: string
  /** How a login that may not be is answered. */
  readonly answer: 'login' | 'authentication failure' | 'authorization failure' | 'not found'
  /** Rules before that one, each with why it did not fit. */
  readonly skipped: readonly string[]
  /** CHAP, as one of these users; an optional proof changes nothing. */
  readonly proof: Granted['proof']
  readonly users: readonly string[]
  /** The target can prove itself, too. */
  readonly mutual: boolean
  /** The user that this is for, or null: for all of them, or nobody has to prove anything. */
  readonly user: string | null
  /** The group whose LUN map it sees, or null: that of everybody. */
  readonly group: string | null
  readonly luns: readonly MappedLun[]
}

export function explain(
  table: AccessTable,
  targets: readonly TargetFacts[],
  who: Who,
  user: string | null = null,
): Explanation[] {
  return targets.flatMap(target => explainTarget(table, target, who, user))
}

function explainTarget(
  table: AccessTable,
  target: TargetFacts,
  who: Who,
  user: string | null,
): Explanation[] {
  const decision = table.decide(target, who)
  const { rule, skipped } = decision
  const all = { target: target.name, portal: who.portal, rule, skipped }
  if (!decision.allowed) {
    const answer = decision.hidden ? 'not found' : 'authorization failure'
    return [{ ...all, ...NOTHING, reason: decision.reason, answer, user }]
  }
  const { proof, accounts } = decision
  const one = (account: AccessAccount | undefined, name: string | null): Explanation => {
    const grant = table.grant(decision, target, who, account?.user ?? name)
    const users = accounts.map(each => each.user)
    const mutual = (account === undefined ? accounts : [account]).some(each => each.mutual !== undefined)
    if (!('view' in grant)) {
      const answer = grant.hidden ? 'not found' : 'authentication failure'
      return { ...all, ...NOTHING, proof, users, mutual, reason: grant.reason, answer, user: name }
    }
    const { view } = grant
    return {
      ...all,
      visible: true,
      reason: '',
      answer: 'login',
      proof,
      users,
      mutual,
      user: name,
      group: view.group ?? target.groupOf(who.initiator),
      luns: target.lunsOf(who.initiator, view) ?? [],
    }
  }
  if (proof !== 'required') return [one(undefined, null)]
  if (user !== null)
    return [
      one(
        accounts.find(account => account.user === user),
        user,
      ),
    ]
  const differ = accounts.some(({ group, readonly }) => (group ?? readonly) !== undefined)
  if (differ) return accounts.map(account => one(account, account.user))
  return [{ ...one(accounts[0], null), user: null }]
}

const NOTHING = {
  visible: false,
  proof: 'none',
  users: [],
  mutual: false,
  group: null,
  luns: [],
} as const
