// SPDX-License-Identifier: Apache-2.0
// libiscsi's suite on every kind of storage that becomes a disk; and docs/compliance from it.
import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { connect } from 'lunkit/initiator'
import { ROOT } from '../../architecture/sources.ts'
import { DISK_KINDS, type DiskKind, type Ends } from '../kit/disk-kinds.ts'
import { needLoops } from '../kit/loop-device.ts'
import { scratch } from '../kit/scratch.ts'
import { serve } from '../kit/serve-process.ts'
import { need } from '../peers.ts'
import { EXCEPTIONS, wantedOn } from './libiscsi-exceptions.ts'
import { askedOn, countsOn, FAMILIES, type Family, runsOn, type Unit } from './libiscsi-families.ts'
import { type FamilyRun, listTests, runFamily } from './libiscsi-run.ts'

const PAGE = join(ROOT, 'docs/compliance/kinds.md')
/** LUNKIT_LIBISCSI=whole asks every kind for everything. */
const WHOLE = process.env['LUNKIT_LIBISCSI'] === 'whole'
const SIZE = 32 * 2 ** 20

/** Families that are asked of every kind in every run: short ones that read, write and compare, and how room is told. */
const DATA = ['GetLBAStatus', 'Read16', 'Verify16', 'Write16', 'WriteVerify16']

/** LUNs of a kind, for the units that the suite needs. Units that are not here have more than a kind of storage to them. */
const LUNS: readonly { readonly units: readonly Unit[]; readonly keys: (block: number) => string }[] = [
  { units: ['disk', 'thin'], keys: () => '' },
  { units: ['removable'], keys: () => ',removable=yes' },
  { units: ['read-only'], keys: () => ',disk.readonly=yes' },
  { units: ['thin-512n'], keys: block => `,physical=${block}` },
  { units: ['cdb-16'], keys: () => ',cdb=16' },
  { units: ['fresh'], keys: () => '' },
]
const UNITS = LUNS.flatMap(({ units }) => units)

/** How many tests ended as they had to, by kind. */
const seen = new Map<string, number>()

/** Families of a unit that this kind is asked for. */
const families = (kind: DiskKind, unit: Unit): Family[] =>
  runsOn(unit).filter(({ name }) => WHOLE || kind.name === 'block' || DATA.includes(name))

/** Serves the LUNs that a kind needs; gives their URLs with their units. */
async function start(kind: DiskKind, parent: string, ends: Ends): Promise<[string, readonly Unit[]][]> {
  const rows = LUNS.filter(({ units }) => units.some(unit => families(kind, unit).length > 0))
  const luns: string[] = []
  for (const [lun, { keys }] of rows.entries()) {
    const folder = join(parent, String(lun))
    await mkdir(folder)
    luns.push((await kind.make(folder, SIZE, ends)) + keys(kind.block ?? 512))
  }
  const served = await serve(luns)
  ends.after(() => served.stop())
  const urls = served.ready.luns.map(({ url }) => url)
  const fresh = rows.findIndex(({ units }) => units.includes('fresh'))
  if (fresh >= 0) {
    // The suite wants zeros there, and new storage need not read as such: behind `encrypt` it is noise.
    await using disk = await connect(urls[fresh]!)
    await disk.write(0, Buffer.alloc(2 ** 20))
  }
  return rows.map(({ units }, lun) => [urls[lun]!, units])
}

/** Whether this run has the unit that a test needs. */
function hasUnit(test: string): boolean {
  const [name, one] = test.split('.') as [string, string]
  const { unit, on } = FAMILIES.find(family => family.name === name)!
  return UNITS.includes(on?.[one] ?? unit)
}

/**
 * What the suite is asked for. Of a family with tests that have no unit here the others are asked for one by one: that on resets amid SANITIZE
 * sleeps for a minute where it sees one at work for long.
 */
async function asked(family: Family, unit: Unit): Promise<string[]> {
  const own = (await listTests()).filter(one => one.startsWith(`${family.name}.`))
  return own.every(hasUnit) ? askedOn(family, unit) : own.filter(hasUnit)
}

async function judge(t: TestContext, kind: DiskKind, luns: Awaited<ReturnType<typeof start>>): Promise<void> {
  let count = 0
  for (const [url, units] of luns) {
    for (const unit of units) {
      for (const family of families(kind, unit)) {
        await t.test(family.name, async () => {
          const runs: FamilyRun[] = []
          for (const name of await asked(family, unit)) runs.push(await runFamily(`ALL.${name}`, url))
          const output = runs.map(run => run.output).join('')
          const counted = runs.flatMap(run => run.outcomes).filter(one => countsOn(family, unit, one.name))
          assert.ok(counted.length > 0, output)
          const ended = counted.map(one => `${one.name} ${one.verdict}`)
          const wanted = counted.map(
            one => `${one.name} ${wantedOn(kind.name, `${family.name}.${one.name}`)}`,
          )
          assert.deepEqual(ended, wanted, output)
          count += counted.length
        })
      }
    }
  }
  seen.set(kind.name, count)
}

describe("libiscsi's suite on every kind of disk", { concurrency: 4 }, () => {
  for (const kind of DISK_KINDS) {
    test(kind.name, async t => {
      if (!need(t, 'iscsi-test-cu', ...kind.peers)) return
      if (kind.peers.includes('losetup') && !needLoops(t)) return
      await using stack = new AsyncDisposableStack()
      const ends: Ends = { after: fn => stack.defer(async () => void (await fn())) }
      await judge(t, kind, await start(kind, await scratch(ends), ends))
    })
  }
})

test('docs/compliance/kinds.md says what holds', async t => {
  if (!need(t, 'iscsi-test-cu')) return
  const all = await listTests()
  const tests = all.filter(hasUnit)
  const kinds = DISK_KINDS.map(kind => {
    const ended = (verdict: string): number =>
      tests.filter(one => wantedOn(kind.name, one) === verdict).length
    if (WHOLE) assert.equal(seen.get(kind.name), tests.length, kind.name)
    return `| ${kind.name} | \`lunkit serve ${kind.served}\` | ${ended('passed')} | ${ended('skipped')} | ${ended('failed')} |`
  })
  const exceptions = EXCEPTIONS.map(({ family, tests: which, kinds: on, verdict, why }) => {
    const where = 'allBut' in on ? `all but ${on.allBut.join('; ')}` : on.join('; ')
    return `| ${family}: ${which.join(', ')} | ${verdict} | ${where} | ${why} |`
  })
  const others = all.filter(one => !hasUnit(one))
  const page = `# libiscsi's test suite on every kind of disk

Made by \`testing/conformance/libiscsi-kinds.test.ts\`, which runs the suite of Debian's libiscsi-bin 1.19 on each kind of storage that becomes a
disk, with two paths to it: on a disk of 32 MiB, on one that is removable, on one that is read-only, and so on as the tests want it ([libiscsi.md](libiscsi.md)).
Each of ${tests.length} tests must end as this page says. ${others.join(' and ')} need a unit that is made for them, and are run on that one.

Every test run asks \`block:\` for all of it, and the other kinds for the families ${DATA.join(', ')}. All of it, for all:

    LUNKIT_LIBISCSI=whole npm test -- testing/conformance/libiscsi-kinds.test.ts

| Kind | Served as | Passed | Skipped | Failed |
| --- | --- | --- | --- | --- |
${kinds.join('\n')}

What does not pass:

| Tests | End | On | Why |
| --- | --- | --- | --- |
${exceptions.join('\n')}
`
  if (process.env['UPDATE_DOCS'] === '1') await writeFile(PAGE, page)
  assert.equal(await readFile(PAGE, 'utf8'), page, 'run the test with UPDATE_DOCS=1 to write the page anew')
})
