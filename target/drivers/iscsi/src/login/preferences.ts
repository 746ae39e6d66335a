// SPDX-License-Identifier: Apache-2.0
// What a target asks for where an initiator leaves a choice, and what it insists on: digests, unsolicited data.
import { OperatorError } from '@lunkit/target-api'
import type { DependentWish, Negotiation, Want } from './negotiate.ts'

const DIGESTS = ['CRC32C', 'None'] as const
export type Digest = (typeof DIGESTS)[number]

export interface Preferences {
  /** Every write's data is asked for by R2T: only immediate data may come before. */
  readonly initialR2T: boolean
  /** A command's PDU may bring data. */
  readonly immediateData: boolean
  /** Digests that are taken; the initiator's order decides. Without None, a login that ends without CRC32C is refused. */
  readonly headerDigest: readonly Digest[]
  readonly dataDigest: readonly Digest[]
}

export const DEFAULT_PREFERENCES: Preferences = Object.freeze({
  initialR2T: false,
  immediateData: true,
  headerDigest: DIGESTS,
  dataDigest: DIGESTS,
})

/** Fills in defaults. Throws OperatorError for an unknown digest, or a list of none. */
export function settlePreferences(given: Partial<Preferences> | undefined): Preferences {
  const all = { ...DEFAULT_PREFERENCES, ...given }
  for (const key of ['headerDigest', 'dataDigest'] as const) {
    const stranger = all[key].find(one => !DIGESTS.includes(one))
    if (stranger === undefined && all[key].length > 0) continue
    throw new OperatorError('DIGEST', `preferences.${key} has '${stranger ?? ''}'`, {
      hint: `give one or both of ${DIGESTS.join(', ')}`,
    })
  }
  return all
}

/** A discovery session reads names and addresses only: it may always do without. */
export const digestWish = (wanted: readonly Digest[]): DependentWish => ({
  after: [],
  want: (value): Want => (value('SessionType') === 'Discovery' ? DIGESTS : wanted),
})

/** Why a finished negotiation is not what the target insists on; null if it is. */
export function missingDigest(preferences: Preferences, negotiation: Negotiation): string | null {
  const { headerDigest, dataDigest } = preferences
  if (!headerDigest.includes('None') && negotiation.value('HeaderDigest') === 'None')
    return 'Target insists on header digests'
  if (!dataDigest.includes('None') && negotiation.value('DataDigest') === 'None')
    return 'Target insists on data digests'
  return null
}
