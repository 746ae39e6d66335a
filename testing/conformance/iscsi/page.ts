// SPDX-License-Identifier: Apache-2.0
// docs/compliance/rfc7143.md: every rule with its tests, what is left out and why, and the test plans of UNH-IOL.
import { cell, type Requirement } from '../requirements.ts'
import type { Rule } from './rule.ts'
import { type PlannedTest, SUITES } from './unh-iol.ts'

type Tests = ReadonlyMap<string, readonly Requirement[]>

const link = ({ file, test }: Requirement): string => `[${cell(test)}](../../${file})`

function ruleRow({ id, binds, text, leftOut }: Rule, tests: Tests): string {
  const shown = (tests.get(id) ?? []).map(link).join('<br>')
  const why = leftOut === null ? '' : `Left out: ${cell(leftOut)}`
  return `| ${id} | ${binds} | ${cell(text)} | ${[shown, why].filter(part => part !== '').join('<br>')} |`
}

const plannedRow = ({ number, name, shows }: PlannedTest): string =>
  `| ${number} | ${cell(name)} | ${shows.map(id => `[${id}](#${anchor(id)})`).join(', ')} |`

/** The heading of a rule's section. */
const anchor = (id: string): string => `section-${id.split('/')[0]!.replaceAll('.', '').toLowerCase()}`

export function pageOf(rules: readonly Rule[], tests: Tests): string {
  const sections = [...new Set(rules.map(({ section }) => section))]
  const tested = rules.filter(({ id }) => tests.has(id)).length
  const left = rules.filter(({ leftOut }) => leftOut !== null).length
  const tables = sections.map(section => {
    const rows = rules.filter(rule => rule.section === section).map(rule => ruleRow(rule, tests))
    return `\n### Section ${section}\n\n| Rule | Binds | What has to hold | Tests |\n|---|---|---|---|\n${rows.join('\n')}\n`
  })
  const plans = SUITES.map(
    ({ name, source, tests: planned }) =>
      `\n### ${name}\n\n${source}\n\n| Test | About | Rules that show it |\n|---|---|---|\n${planned.map(plannedRow).join('\n')}\n`,
  )
  return `# RFC 7143, rule by rule

Made from the tables in \`testing/conformance/iscsi/\` and the tags of the tests by \`testing/conformance/iscsi/rules.test.ts\`:
${rules.length} rules in words of our own, ${tested} of them shown by tests, ${left} left out with their reasons. A rule is what the standard
says with MUST or MUST NOT, or without which such a rule would mean nothing; numbers count within a section. The appendices have no such
rules, but for SendTargets (C). The scripted peers of the tests send raw bytes and share no code with the initiator.

## Rules
${tables.join('')}
## Test plans of UNH-IOL

The InterOperability Laboratory of the University of New Hampshire has published test plans for iSCSI. Each of their tests is here
by its number, with a short name of our own, and the rules above whose tests show what it looks at.
${plans.join('')}`
}
