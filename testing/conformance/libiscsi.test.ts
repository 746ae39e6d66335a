// SPDX-License-Identifier: Apache-2.0
// libiscsi's conformance suite, family by family, judged by its exit code and its text; and docs/compliance from it.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parseSize } from '@lunkit/target-api'
import { ROOT } from '../../architecture/sources.ts'
import { type ServedTarget, serve, workFolder } from '../kit/serve-process.ts'
import { need } from '../peers.ts'
import { FAMILIES, type Family, LATER, UNITS, type Unit } from './libiscsi-families.ts'
import { type Outcome, runFamily, suite } from './libiscsi-run.ts'
import { servePatiently } from './patient-target.ts'

const PAGE = join(ROOT, 'docs/compliance/libiscsi.md')
const ALL_UNITS = Object.keys(UNITS) as Unit[]

/** Names of the tests that passed, by family and unit. */
const seen = new Map<string, string[]>()

const runsOn = (unit: Unit): Family[] =>
  FAMILIES.filter(family => family.unit === unit || Object.values(family.on ?? {}).includes(unit))

/** Runs what a family has for this unit: all but the tests that are run elsewhere, or just those that are run here. */
async function judge(family: Family, unit: Unit, url: string): Promise<Outcome[]> {
  const elsewhere = family.on ?? {}
  const here = Object.keys(elsewhere).filter(name => elsewhere[name] === unit)
  const names = family.unit === unit ? [family.name] : here.map(name => `${family.name}.${name}`)
  const judged: Outcome[] = []
  for (const name of names) {
    const { code, output, outcomes } = await runFamily(name, url)
    assert.ok(outcomes.length > 0, `the suite ran nothing:\n${output}`)
    const skips = family.skips ?? {}
    const counted = outcomes.filter(
      one => skips[one.name] === undefined && (family.unit !== unit || elsewhere[one.name] === undefined),
    )
    // What skips a step still has to get to its end.
    for (const one of outcomes) if (skips[one.name] !== undefined) assert.match(one.text, /SKIPPED/, output)
    assert.deepEqual(
      counted.filter(({ passed }) => !passed),
      [],
      output,
    )
    if (counted.length === outcomes.length) assert.equal(code, 0, output)
    judged.push(...counted)
  }
  return judged
}

// Each unit has a target of its own, so that a reset of one does not reach the others: they are run side by side.
describe('libiscsi', { concurrency: 3 }, () => {
  for (const unit of ALL_UNITS.filter(one => runsOn(one).length > 0)) {
    describe(`unit ${unit}`, { concurrency: 1 }, () => {
      const folder = workFolder()
      let target: ServedTarget | null = null
      let patient: Awaited<ReturnType<typeof servePatiently>> | null = null
      before(async () => {
        const { lun } = UNITS[unit]
        if (unit === 'vast') patient = await servePatiently(parseSize(lun.split(':')[1]!)!)
        else target = await serve([/^[a-z]+:/.test(lun) ? lun : join(folder.path, lun)])
      })
      after(async () => {
        await target?.stop()
        await patient?.stop()
        folder.dispose()
      })
      for (const family of runsOn(unit)) {
        test(family.name, async t => {
          if (!need(t, 'iscsi-test-cu')) return
          const tests = await judge(family, unit, patient?.url ?? target!.ready.luns[0]!.url)
          seen.set(
            `${family.name} ${unit}`,
            tests.map(({ name }) => name),
          )
        })
      }
    })
  }
})

test('every family of the suite is run, or named as one for later', async t => {
  if (!need(t, 'iscsi-test-cu')) return
  const { output } = await suite('--list')
  const families = new Set([...output.matchAll(/^ALL\.(\w+)$/gm)].map(match => match[1]!))
  assert.deepEqual([...families].sort(), [...FAMILIES, ...LATER].map(({ name }) => name).sort())
})

test('docs/compliance/libiscsi.md says what was run', t => {
  if (!need(t, 'iscsi-test-cu')) return
  const rows = FAMILIES.flatMap(family =>
    ALL_UNITS.filter(unit => runsOn(unit).includes(family)).map(unit => {
      const passed = seen.get(`${family.name} ${unit}`) ?? []
      const skips = unit === family.unit ? Object.entries(family.skips ?? {}) : []
      const left = skips.map(([name, why]) => `; not ${name}: ${why}`).join('')
      return `| ${family.name} | ${unit} | ${passed.length} | ${passed.join(', ')}${left} |`
    }),
  )
  const count = [...seen.values()].reduce((sum, { length }) => sum + length, 0)
  const units = ALL_UNITS.filter(unit => runsOn(unit).length > 0).map(
    unit => `| ${unit} | \`${UNITS[unit].lun.replace(`${ROOT}/`, '')}\` | ${UNITS[unit].why} |`,
  )
  const later = LATER.map(({ name }) => name).join(', ')
  const left =
    later === ''
      ? ''
      : `\nCommands that lunkit does not have yet, or not to the full, so not run: ${later}.\n`
  const page = `# libiscsi's test suite

Made by \`testing/conformance/libiscsi.test.ts\`, which runs the suite of Debian's libiscsi-bin 1.19 against \`lunkit serve\`,
each family in a process of its own and with two paths to the unit. A test with a skipped step is not counted as passed.
${count} tests pass; none fails, and none is skipped but for those named below as such.

Tests that need another kind of unit, or that skip themselves without one, are run on one of that kind:

| Unit | Served as | Why |
|---|---|---|
${units.join('\n')}

| Family | Unit | Passed | Tests |
|---|---|---|---|
${rows.join('\n')}
${left}`
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, page)
  assert.equal(readFileSync(PAGE, 'utf8'), page, 'run the test with UPDATE_DOCS=1 to write the page anew')
})
