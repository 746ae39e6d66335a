// SPDX-License-Identifier: Apache-2.0
// libiscsi's conformance suite, family by family, judged by its exit code and its text; and docs/compliance from it.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ROOT } from '../../architecture/sources.ts'
import { serve, workFolder } from '../kit/serve-process.ts'
import { need } from '../peers.ts'
import {
  askedOn,
  CDROM_FAMILIES,
  countsOn,
  FAMILIES,
  type Family,
  runsOn,
  UNITS,
  type Unit,
} from './libiscsi-families.ts'
import { type Outcome, runFamily, suite } from './libiscsi-run.ts'
import { startPatientTarget } from './patient-target.ts'

const PAGE = join(ROOT, 'docs/compliance/libiscsi.md')
const ALL_UNITS = Object.keys(UNITS) as Unit[]

/** Names of the tests that passed, by family and unit. */
const seen = new Map<string, string[]>()

/** Runs what a family has for this unit: all but the tests that are run elsewhere, or just those that are run here. */
async function judge(family: Family, unit: Unit, url: string): Promise<Outcome[]> {
  const judged: Outcome[] = []
  for (const name of askedOn(family, unit)) {
    const { code, output, outcomes } = await runFamily(`ALL.${name}`, url)
    assert.ok(outcomes.length > 0, `the suite ran nothing:\n${output}`)
    const counted = outcomes.filter(one => countsOn(family, unit, one.name))
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

const servedAs = (unit: Unit): string => {
  const { lun } = UNITS[unit]
  return lun === null
    ? '`testing/conformance/patient-target.ts`'
    : `\`lunkit serve ${lun.replace(`${ROOT}/`, '')}\``
}

interface Running {
  readonly url: string
  stop(): Promise<unknown>
}

async function start(unit: Unit, folder: string): Promise<Running> {
  const { lun } = UNITS[unit]
  if (lun === null) return startPatientTarget()
  const served = await serve([/^[a-z]+:/.test(lun) ? lun : join(folder, lun)])
  return { url: served.ready.luns[0]!.url, stop: () => served.stop() }
}

// Each unit has a target of its own, so that a reset of one does not reach the others: they are run side by side.
describe('libiscsi', { concurrency: 3 }, () => {
  for (const unit of ALL_UNITS.filter(one => runsOn(one).length > 0)) {
    describe(`unit ${unit}`, { concurrency: 1 }, () => {
      const folder = workFolder()
      let target: Running | null = null
      before(async () => {
        target = await start(unit, folder.path)
      })
      after(async () => {
        await target?.stop()
        folder.dispose()
      })
      for (const family of runsOn(unit)) {
        test(family.name, async t => {
          if (!need(t, 'iscsi-test-cu')) return
          const tests = await judge(family, unit, target!.url)
          seen.set(
            `${family.name} ${unit}`,
            tests.map(({ name }) => name),
          )
        })
      }
    })
  }
})

describe('libiscsi on a CD drive', { concurrency: 1 }, () => {
  const folder = workFolder()
  let target: Running | null = null
  before(async () => {
    const image = join(folder.path, 'disc.iso')
    writeFileSync(image, Buffer.alloc(4 * 1024 * 1024, 'disc'))
    const served = await serve([`cdrom:${image}`])
    target = { url: served.ready.luns[0]!.url, stop: () => served.stop() }
  })
  after(async () => {
    await target?.stop()
    folder.dispose()
  })
  // Families of the session itself pass as they do on every unit.
  for (const { name } of FAMILIES.filter(
    one => !one.name.startsWith('iSCSI') || one.name in CDROM_FAMILIES,
  )) {
    test(name, async t => {
      if (!need(t, 'iscsi-test-cu')) return
      const { url } = target!
      const { output, outcomes } = await runFamily(`ALL.${name}`, url, [url])
      assert.ok(outcomes.length > 0, output)
      const passed = outcomes.filter(one => one.passed).map(one => one.name)
      assert.deepEqual(passed.sort(), [...(CDROM_FAMILIES[name] ?? [])].sort(), output)
    })
  }
})

test('every family of the suite is run', async t => {
  if (!need(t, 'iscsi-test-cu')) return
  const { output } = await suite('--list')
  const families = new Set([...output.matchAll(/^ALL\.(\w+)$/gm)].map(match => match[1]!))
  assert.deepEqual([...families].sort(), FAMILIES.map(({ name }) => name).sort())
})

test('docs/compliance/libiscsi.md says what was run', t => {
  if (!need(t, 'iscsi-test-cu')) return
  const rows = FAMILIES.flatMap(family =>
    ALL_UNITS.filter(unit => runsOn(unit).includes(family)).map(unit => {
      const passed = seen.get(`${family.name} ${unit}`) ?? []
      return `| ${family.name} | ${unit} | ${passed.length} | ${passed.join(', ')} |`
    }),
  )
  const cdrom = Object.entries(CDROM_FAMILIES).map(
    ([family, tests]) => `| ${family} | ${tests.length} | ${tests.join(', ')} |`,
  )
  const cdromCount = Object.values(CDROM_FAMILIES).flat().length
  const count = [...seen.values()].reduce((sum, { length }) => sum + length, 0)
  const units = ALL_UNITS.filter(unit => runsOn(unit).length > 0).map(
    unit => `| ${unit} | ${servedAs(unit)} | ${UNITS[unit].why} |`,
  )
  const page = `# libiscsi's test suite

Made by \`testing/conformance/libiscsi.test.ts\`, which runs the suite of Debian's libiscsi-bin 1.19 against \`lunkit serve\`,
each family in a process of its own and with two paths to the unit. A test with a skipped step is not counted as passed.
${count} tests pass; none fails, none is skipped.

Tests that need another kind of unit, or that skip themselves without one, are run on one of that kind:

| Unit | Served as | Why |
|---|---|---|
${units.join('\n')}

| Family | Unit | Passed | Tests |
|---|---|---|---|
${rows.join('\n')}

## On a CD drive

The suite is made for disks, and skips most of itself on \`lunkit serve cdrom:disc.iso\`, also what has to do with media (NoMedia,
PreventAllow, ReadOnly); other tests write, or want the power conditions of SBC. ${cdromCount} tests have something to ask of a drive that
reads, and pass; no other passes there, but those of the session itself (iSCSIcmdsn, iSCSIdatasn):

| Family | Passed | Tests |
|---|---|---|
${cdrom.join('\n')}
`
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, page)
  assert.equal(readFileSync(PAGE, 'utf8'), page, 'run the test with UPDATE_DOCS=1 to write the page anew')
})
