// SPDX-License-Identifier: Apache-2.0
// Access options that cannot be meant are refused before they count; what is allowed but unwise is warned of.
import { DEFAULT_VALUE_BYTES, parseIscsiName } from '@lunkit/spec'
import { OperatorError } from '@lunkit/target-api'
import { CHAP_ALGORITHMS } from '../login/chap.ts'
import type { Access, AccessAccount, AccessRule, Chap, Given } from './options.ts'

/** Shortest CHAP secret that the standard allows (RFC 7143, 9.2.1), in bytes. */
export const SECRET_BYTES = 12

type Warn = (reason: string) => void

/** The entry of a target; `*` for all. */
export function checkAccess(name: string, access: Access, warn: Warn): void {
  if (name !== '*' && !parseIscsiName(name, true).ok)
    throw new OperatorError('TARGET_NAME', `Access names '${name}', which is no iSCSI name`)
  const what = `target ${name}`
  const accounts = access.chap === undefined ? [] : [access.chap].flat()
  if (access.chap !== undefined) checkAccounts(what, accounts, warn)
  for (const [at, rule] of (access.rules ?? []).entries())
    checkRule(`rule ${at + 1} of ${what}`, rule, accounts, warn)
}

function checkRule(what: string, rule: AccessRule, accounts: readonly AccessAccount[], warn: Warn): void {
  if (rule.hide === true && (rule.group ?? rule.readonly ?? rule.chap ?? rule.users) !== undefined)
    throw clash(what, 'hides the target and gives something of it', 'leave out all but its conditions')
  checkGiven(what, rule)
  if (rule.users !== undefined) {
    if (rule.chap !== undefined)
      throw clash(what, 'has accounts of its own and names users', 'give it either chap or users')
    const unknown = rule.users.find(user => !accounts.some(one => one.user === user))
    if (unknown !== undefined || rule.users.length === 0) {
      throw clash(
        what,
        unknown === undefined ? 'names no user' : `names user '${unknown}', which the target has not`,
        `users of the target are ${accounts.map(({ user }) => user).join(', ') || 'none: give it chap'}`,
      )
    }
  }
  if (rule.chap !== undefined && rule.chap !== 'none') checkAccounts(what, [rule.chap].flat(), warn)
}

function checkGiven(what: string, { group, readonly }: Given): void {
  if (group === '') throw clash(what, 'has a group without a name', 'leave it out for the LUNs of everybody')
  if (typeof readonly !== 'object') return
  const odd = readonly.find(lun => !Number.isInteger(lun) || lun < 0 || lun > 16_383)
  if (odd !== undefined) throw clash(what, `lets LUN ${odd} only be read`, 'give numbers from 0 to 16383')
}

const clash = (what: string, fault: string, hint: string): OperatorError =>
  new OperatorError('ACCESS_RULE', `${what[0]!.toUpperCase()}${what.slice(1)} ${fault}`, { hint })

/** Accounts of one list: each user once. */
export function checkAccounts(what: string, accounts: readonly (Chap & Given)[], warn: Warn): void {
  if (accounts.length === 0) {
    throw new OperatorError('CHAP_EMPTY', `CHAP for ${what} has no account`, {
      hint: 'leave it out where nobody has to prove anything',
    })
  }
  const users = new Set<string>()
  for (const chap of accounts) {
    checkSecrets(what, chap, warn)
    checkAlgorithms(what, chap)
    checkGiven(`account '${chap.user}' of ${what}`, chap)
    if (users.has(chap.user)) {
      throw new OperatorError('CHAP_USER', `CHAP for ${what} has user '${chap.user}' twice`, {
        hint: 'give each user one secret',
      })
    }
    users.add(chap.user)
  }
}

function checkSecrets(what: string, chap: Chap, warn: Warn): void {
  for (const account of chap.mutual === undefined ? [chap] : [chap, chap.mutual]) {
    if (account.user === '' || account.secret === '')
      throw new OperatorError('CHAP_EMPTY', `CHAP for ${what} has an empty user or secret`)
    if (/\p{Cc}/u.test(account.user) || Buffer.byteLength(account.user) > DEFAULT_VALUE_BYTES) {
      const user = JSON.stringify(account.user.slice(0, 64))
      throw new OperatorError('CHAP_USER', `CHAP for ${what} has user ${user}, which no text key can tell`, {
        hint: `give a name of up to ${DEFAULT_VALUE_BYTES} bytes without control characters`,
      })
    }
    if (Buffer.byteLength(account.secret) < SECRET_BYTES)
      warn(`CHAP secret for ${what} is shorter than ${SECRET_BYTES} bytes and can be guessed from a trace`)
  }
}

/** No secret proves an initiator here and a target there (RFC 7143, 9.2.1): `accounts` are those of all lists. */
export function checkDirections(accounts: readonly Chap[]): void {
  const initiators = new Map(accounts.map(({ secret, user }) => [secret, user]))
  for (const { mutual } of accounts) {
    const user = mutual === undefined ? undefined : initiators.get(mutual.secret)
    if (user === undefined) continue
    const problem = `CHAP has one secret for both directions: initiators prove '${user}' by it, and a target '${mutual!.user}'`
    throw new OperatorError('CHAP_SAME_SECRET', problem, {
      hint: 'give the target a secret of its own: with one for both, either side can play the other',
    })
  }
}

function checkAlgorithms(what: string, chap: Chap): void {
  for (const one of chap.algorithms ?? []) {
    if (CHAP_ALGORITHMS.some(row => row.name === one)) continue
    throw new OperatorError('CHAP_ALGORITHM', `CHAP for ${what} names the unknown algorithm '${one}'`, {
      hint: `known are ${CHAP_ALGORITHMS.map(row => row.name).join(', ')}`,
    })
  }
  if (chap.algorithms?.length === 0)
    throw new OperatorError('CHAP_ALGORITHM', `CHAP for ${what} allows no algorithm`)
}
