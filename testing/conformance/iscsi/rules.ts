// SPDX-License-Identifier: Apache-2.0
// All rules of RFC 7143 in the order of their sections.
import type { Rule } from './rule.ts'
import { CONCEPTS } from './rules-concepts.ts'
import { KEY_RULES } from './rules-keys.ts'
import { LOGIN } from './rules-login.ts'
import { PDUS } from './rules-pdus.ts'
import { RECOVERY } from './rules-recovery.ts'
import { SECURITY } from './rules-security.ts'

/** `4.2.2.1` before `4.2.10`; an appendix behind all sections. */
function compareSections(one: string, other: string): number {
  const parts = (section: string): number[] =>
    section.split('.').map(part => (/^\d+$/.test(part) ? Number(part) : 1000))
  const [left, right] = [parts(one), parts(other)]
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? -1) - (right[at] ?? -1)
    if (difference !== 0) return difference
  }
  return 0
}

export const RULES: readonly Rule[] = [
  ...CONCEPTS,
  ...LOGIN,
  ...RECOVERY,
  ...SECURITY,
  ...PDUS,
  ...KEY_RULES,
].sort((one, other) => compareSections(one.section, other.section))
