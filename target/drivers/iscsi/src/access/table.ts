// SPDX-License-Identifier: Apache-2.0
// The access table of a port: who gets what of a target. Logins, discovery and explanations all ask here.
import { isDeepStrictEqual } from 'node:util'
import type { NexusView, Target } from '@lunkit/target-api'
import { quoted } from '../login/chap.ts'
import { checkAccess, checkAccounts, checkDirections } from './checks.ts'
import { type Condition, conditionsOf } from './conditions.ts'
import type { Who } from './facts.ts'
import type { Access, AccessAccount, AccessOptions, AccessRule, Chap, Given } from './options.ts'

/** What a decision needs of a target. */
export type TargetFacts = Pick<Target, 'name' | 'groupOf' | 'lunsOf'>

interface Judged {
  /** In words: which rule it was. */
  readonly rule: string
  /** Rules before it, each with why it was not the one. */
  readonly skipped: readonly string[]
}

export interface Granted extends Judged {
  readonly allowed: true
  /** Whether one of the accounts has to be proved; `optional`: it need not, but can be. */
  readonly proof: 'required' | 'optional' | 'none'
  readonly accounts: readonly AccessAccount[]
  /** To whoever proves an account that says nothing else. */
  readonly view: NexusView
}

export interface Denied extends Judged {
  readonly allowed: false
  /** A login is told that there is no such target. */
  readonly hidden: boolean
  readonly reason: string
}

export type Decision = Granted | Denied

/** What somebody gets who has proved to be `user`, or has not had to prove anything. */
export type Grant = { readonly view: NexusView } | Denied

interface Row {
  readonly label: string
  readonly rule: AccessRule
  readonly conditions: readonly Condition[]
  readonly proof: Granted['proof']
  readonly accounts: readonly AccessAccount[]
}

interface Entry {
  readonly lists: readonly Condition[]
  readonly rows: readonly Row[]
}

export class AccessTable {
  /** Accounts of discovery sessions; null if they need none. */
  readonly discovery: readonly Chap[] | null
  readonly #entries: ReadonlyMap<string, Entry>
  readonly #users: ReadonlySet<string>
  readonly #accounts: readonly Chap[]

  /**
   * Throws OperatorError on what cannot be meant; `warn` hears of what is allowed but unwise. `others` are the tables of
   * the other ports, whose secrets must not prove the other side here.
   */
  constructor(
    { access = {}, discoveryChap }: AccessOptions,
    warn: (reason: string) => void,
    others: readonly AccessTable[] = [],
  ) {
    for (const [name, one] of Object.entries(access)) checkAccess(name, one, warn)
    this.discovery = discoveryChap === undefined ? null : [discoveryChap].flat()
    if (this.discovery !== null) checkAccounts('discovery', this.discovery, warn)
    this.#entries = new Map(Object.entries(access).map(([name, one]) => [name, entryOf(name, one)]))
    const rows = [...this.#entries.values()].flatMap(one => one.rows)
    this.#users = new Set(rows.flatMap(({ accounts }) => accounts.map(({ user }) => user)))
    this.#accounts = [
      ...(this.discovery ?? []),
      ...Object.values(access)
        .flatMap(one => [one, ...(one.rules ?? [])])
        .flatMap(accountsOf),
    ]
    checkDirections([...this.#accounts, ...others.flatMap(other => other.#accounts)])
  }

  /** Who has not proved anything yet, and what of a target that one is to prove and gets then. */
  decide(target: TargetFacts, who: Who): Decision {
    const entry = this.#entries.get(target.name) ?? this.#entries.get('*')
    if (entry === undefined)
      return judge(target, who, OPEN, { rule: 'no entry for the target: it is open to all', skipped: [] })
    for (const condition of entry.lists) {
      const reason = condition(who)
      if (reason !== null) return { ...DENIED, rule: 'the lists of the target', reason: sentence(reason) }
    }
    const skipped: string[] = []
    for (const row of entry.rows) {
      const because = firstOf(row.conditions, who)
      if (because === null) return judge(target, who, row, { rule: row.label, skipped })
      skipped.push(`${row.label}: ${because}`)
    }
    return { ...DENIED, rule: 'the end of the rules', skipped, reason: 'No rule of the target lets it in' }
  }

  /** What a decision comes to for who has proved to be `user`; null: has not proved anything. */
  grant(decision: Decision, target: TargetFacts, who: Who, user: string | null): Grant {
    if (!decision.allowed || decision.proof !== 'required') return decision
    const { accounts, rule, skipped, view } = decision
    const account = user === null ? undefined : accounts.find(one => one.user === user)
    if (account === undefined) {
      const reason = user === null ? 'CHAP is wanted' : `User ${quoted(user)} has no account for it`
      return { ...DENIED, rule, skipped, reason }
    }
    const own = { ...view, ...viewOf(account) }
    return refusalOf(target, who, own, { rule, skipped }) ?? { view: own }
  }

  /** Whether discovery by `user` (null: nobody has proved anything) is to list a target that was decided so. */
  lists(decision: Decision, target: TargetFacts, who: Who, user: string | null): boolean {
    if (!decision.allowed) return false
    // An account that is for discovery alone says nothing of who will log in.
    if (user === null || decision.proof !== 'required' || !this.#users.has(user)) return true
    return 'view' in this.grant(decision, target, who, user)
  }
}

/** Whether two decisions come to the same, whatever rules they are by. */
export function givesAlike(one: Decision, other: Decision): boolean {
  if (!one.allowed || !other.allowed) return one.allowed === other.allowed
  return (
    one.proof === other.proof && isDeepStrictEqual([one.view, one.accounts], [other.view, other.accounts])
  )
}

const DENIED: Omit<Denied, 'rule' | 'reason'> = { allowed: false, hidden: false, skipped: [] }
const OPEN: Omit<Row, 'label' | 'conditions'> = { rule: {}, proof: 'none', accounts: [] }

/** What a rule that fits says. */
function judge(target: TargetFacts, who: Who, row: Omit<Row, 'label' | 'conditions'>, by: Judged): Decision {
  if (row.rule.hide === true) return { ...DENIED, ...by, hidden: true, reason: 'The rule hides the target' }
  const view = viewOf(row.rule)
  const { proof, accounts } = row
  return refusalOf(target, who, view, by) ?? { ...by, allowed: true, proof, accounts, view }
}

/** A group without LUNs hides the target from those who are in it. */
function refusalOf(target: TargetFacts, who: Who, view: NexusView, by: Judged): Denied | null {
  const group = view.group ?? target.groupOf(who.initiator)
  if (group === null) return null
  const luns = target.lunsOf(who.initiator, view)
  if (luns !== null && luns.length > 0) return null
  const reason = luns === null ? `There is no group '${group}'` : `Group '${group}' has no LUNs`
  return { ...DENIED, ...by, hidden: true, reason }
}

const viewOf = ({ group, readonly }: Given): NexusView => ({
  ...(group !== undefined && { group }),
  ...(readonly !== undefined && { readonly }),
})

function firstOf(conditions: readonly Condition[], who: Who): string | null {
  for (const condition of conditions) {
    const because = condition(who)
    if (because !== null) return because
  }
  return null
}

const accountsOf = ({ chap }: Pick<AccessRule, 'chap'>): readonly Chap[] =>
  chap === undefined || chap === 'none' ? [] : [chap].flat()

function entryOf(name: string, access: Access): Entry {
  const what = name === '*' ? 'all targets' : `target ${name}`
  const { chap, initiators, addresses, rules } = access
  const accounts = chap === undefined ? [] : [chap].flat()
  const lists = conditionsOf(what, {
    ...(initiators !== undefined && { initiators }),
    ...(addresses !== undefined && { addresses }),
  })
  if (rules === undefined) {
    const proof = accounts.length > 0 ? 'required' : 'none'
    return {
      lists,
      rows: [{ label: "the target's own settings", rule: {}, conditions: [], proof, accounts }],
    }
  }
  return {
    lists,
    rows: rules.map((rule, at) => ({
      label: `rule ${at + 1}${rule.name === undefined ? '' : ` (${rule.name})`}`,
      rule,
      conditions: conditionsOf(`rule ${at + 1} of ${what}`, rule),
      ...proofOf(rule, accounts),
    })),
  }
}

function proofOf(rule: AccessRule, accounts: readonly AccessAccount[]): Pick<Row, 'proof' | 'accounts'> {
  if (rule.chap === 'none') return { proof: accounts.length > 0 ? 'optional' : 'none', accounts }
  const own = rule.chap === undefined ? accounts : [rule.chap].flat()
  const allowed = rule.users === undefined ? own : own.filter(({ user }) => rule.users!.includes(user))
  return { proof: own.length > 0 ? 'required' : 'none', accounts: allowed }
}

const sentence = (words: string): string => `${words[0]!.toUpperCase()}${words.slice(1)}`
