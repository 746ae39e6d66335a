// SPDX-License-Identifier: Apache-2.0
// Who may see and use what, as an operator writes it: accounts, lists and rules of a target.
import type { ChapAlgorithm } from '../login/chap.ts'

export interface ChapAccount {
  readonly user: string
  readonly secret: string
}

/** A CHAP account: the initiator proves `user`; with `mutual` the target proves itself too. */
export interface Chap extends ChapAccount {
  readonly mutual?: ChapAccount
  /** Allowed algorithms; all four if not given. The initiator's order decides. */
  readonly algorithms?: readonly ChapAlgorithm[]
}

/** What somebody gets of a target. */
export interface Given {
  /** Group whose LUN map is seen; if not given, that which the target has the initiator's name in, or that of everybody. */
  readonly group?: string
  /** For reading only: all LUNs, or these. */
  readonly readonly?: boolean | readonly number[]
}

/** An account of a target. What it gives goes before what its rule gives. */
export interface AccessAccount extends Chap, Given {}

/**
 * A rule: if all conditions that it has hold, it decides. A condition is a list, of which one entry has to fit; entries
 * with `!` before them take out what they fit, and a list of such entries alone takes in all others.
 */
export interface AccessRule extends Given {
  /** For explanations and events; the rule's number if not given. */
  readonly name?: string
  /** Initiator names, with `*` and `?`. */
  readonly initiators?: readonly string[]
  /** Addresses and subnets that initiators come from: `10.0.0.0/8`, `fd00::/8`, `::1`. */
  readonly addresses?: readonly string[]
  /** Where they come to: portal group tags (`2`), addresses and subnets of portals, or an address and port (`[::1]:3260`). */
  readonly portals?: readonly (string | number)[]
  /** Names in a verified certificate of the initiator (with `*` and `?`), or its SHA-256 fingerprint (`AB:CD:…`). */
  readonly certificates?: readonly string[]
  /** To these the target does not exist: discovery leaves it out, and a login is told that there is none. */
  readonly hide?: boolean
  /** Accounts instead of those of the target; `none`: nobody here has to prove anything, but may. */
  readonly chap?: AccessAccount | readonly AccessAccount[] | 'none'
  /** Names of those accounts of the target that may log in by this rule; all if not given. */
  readonly users?: readonly string[]
}

/** Who may log in to a target, and what they get. */
export interface Access {
  /** Accounts, one of which initiators have to prove; nobody has to prove anything if not given. */
  readonly chap?: AccessAccount | readonly AccessAccount[]
  /** Initiator names and addresses, lists as in a rule: whoever is not on both may not log in, whatever the rules say. */
  readonly initiators?: readonly string[]
  readonly addresses?: readonly string[]
  /** The first that fits decides, and whoever fits none may not log in. If not given, all that are on the lists may. */
  readonly rules?: readonly AccessRule[]
}

/** Access to all targets of a port. */
export interface AccessOptions {
  /** By target name; `*` is for all that are not named. No entry: everybody, without authentication. */
  readonly access?: Readonly<Record<string, Access>>
  /** Required of every discovery session. If not given, discovery is open, and CHAP is done where the initiator wants it. */
  readonly discoveryChap?: Chap | readonly Chap[]
}
