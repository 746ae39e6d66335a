// SPDX-License-Identifier: Apache-2.0
// libiscsi's whole suite on a unit of tgtd, and on the same unit passed through lunkit, test by test; and docs/compliance from it.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { ROOT } from '../../architecture/sources.ts'
import { TARGET, Tgtd } from '../../initiator/drivers/iscsi/src/tgtd.test-kit.ts'
import { type ServedTarget, serve } from '../kit/serve-process.ts'
import { need } from '../peers.ts'
import { FAMILIES } from './libiscsi-families.ts'
import { listTests, runFamily, type Verdict } from './libiscsi-run.ts'

const PAGE = join(ROOT, 'docs/compliance/gateway.md')

/** Units side by side, each of a tgtd of its own: the suite waits for much, and resets all that a target has. */
const SIDE_BY_SIDE = 8

/** Tests that end otherwise through lunkit, and must: tgtd does not pass them. */
const DIFFERENCES: readonly {
  readonly tests: readonly string[]
  readonly tgtd: Verdict
  readonly why: string
}[] = [
  {
    tests: ['iSCSIdatasn.iSCSIDataSnInvalid'],
    tgtd: 'failed',
    why: "Data-Out is checked by lunkit's own target",
  },
  {
    tests: [
      'PrinServiceactionRange.Range',
      'ProutReserve.OwnershipEA',
      'ProutReserve.OwnershipWE',
      'ProutReserve.OwnershipEARO',
      'ProutReserve.OwnershipWERO',
    ],
    tgtd: 'failed',
    why: "reservations are lunkit's (`reservations=own`)",
  },
  {
    tests: ['Reserve6.2Initiators'],
    tgtd: 'failed',
    why: 'RESERVE is of each initiator, though lunkit is one for tgtd',
  },
  {
    tests: ['Reserve6.TargetColdReset', 'Reserve6.TargetWarmReset'],
    tgtd: 'skipped',
    why: "target resets are lunkit's",
  },
]
const differs = (name: string) => DIFFERENCES.find(({ tests }) => tests.includes(name))

/** How each test ended: on tgtd, and through lunkit. */
const seen = new Map<string, readonly [Verdict, Verdict]>()

describe("libiscsi's suite on tgtd and through lunkit", { concurrency: SIDE_BY_SIDE }, () => {
  for (let unit = 0; unit < SIDE_BY_SIDE; unit++) {
    describe(`unit ${unit}`, { concurrency: 1 }, () => {
      let tgtd: Tgtd | null = null
      let gateway: ServedTarget | null = null
      let direct = ''
      before(async () => {
        tgtd = await Tgtd.start().catch(() => null)
        if (tgtd === null) return
        direct = `iscsi://127.0.0.1:${tgtd.port}/${TARGET}/1`
        gateway = await serve([`passthrough:${direct}`])
      })
      after(async () => {
        await gateway?.stop()
        await tgtd?.[Symbol.asyncDispose]()
      })
      for (const family of FAMILIES.filter((_, i) => i % SIDE_BY_SIDE === unit)) {
        test(family.name, async t => {
          if (!need(t, 'tgtd', 'iscsi-test-cu')) return
          const there = await runFamily(`ALL.${family.name}`, direct)
          const here = await runFamily(`ALL.${family.name}`, gateway!.ready.luns[0]!.url)
          const names = there.outcomes.map(({ name }) => name)
          assert.ok(names.length > 0, there.output)
          assert.deepEqual(
            here.outcomes.map(({ name }) => name),
            names,
            here.output,
          )
          for (const [i, name] of names.entries()) {
            seen.set(`${family.name}.${name}`, [there.outcomes[i]!.verdict, here.outcomes[i]!.verdict])
          }
          const ended = names.map(name => [name, ...seen.get(`${family.name}.${name}`)!])
          const wanted = names.map((name, i) => {
            const own = differs(`${family.name}.${name}`)
            return own === undefined
              ? [name, ...Array(2).fill(there.outcomes[i]!.verdict)]
              : [name, own.tgtd, 'passed']
          })
          assert.deepEqual(ended, wanted, `${there.output}\n${here.output}`)
        })
      }
    })
  }
})

test('docs/compliance/gateway.md says what was run', async t => {
  if (!need(t, 'tgtd', 'iscsi-test-cu')) return
  const all = await listTests()
  assert.deepEqual([...seen.keys()].sort(), [...all].sort(), 'every test of the suite has run on both')
  const same = (verdict: Verdict): number =>
    all.filter(name => !differs(name) && seen.get(name)![0] === verdict).length
  const count = all.filter(name => !differs(name)).length
  const rows = DIFFERENCES.map(
    ({ tests, tgtd, why }) => `| ${tests.join(', ')} | ${tgtd} | passed | ${why} |`,
  )
  const families = FAMILIES.map(({ name: family }) => {
    const own = all.filter(name => name.startsWith(`${family}.`))
    const names = (verdict: Verdict): string[] =>
      own.filter(name => !differs(name) && seen.get(name)![0] === verdict).map(name => name.split('.')[1]!)
    return `| ${family} | ${names('passed').length} | ${names('failed').join(', ')} | ${names('skipped').join(', ')} |`
  })
  const page = `# tgtd through lunkit

Made by \`testing/conformance/libiscsi-gateway.test.ts\`, which runs libiscsi's test suite, whole, on a unit of tgtd (Debian's tgt 1.0.85,
thin, 64 MiB) and on the same unit passed through \`lunkit serve passthrough:…\`. ${count} of ${all.length} tests must have the same outcome and have:
${same('passed')} pass on both, ${same('failed')} fail on both, ${same('skipped')} skip themselves on both. The others are what lunkit does itself for each initiator,
and tgtd does not pass:

| Test | tgtd | through lunkit | Why |
| --- | --- | --- | --- |
${rows.join('\n')}

| Family | Pass on both | Fail on both | Skip themselves on both |
| --- | --- | --- | --- |
${families.join('\n')}
`
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, page)
  assert.equal(readFileSync(PAGE, 'utf8'), page, 'run the test with UPDATE_DOCS=1 to write the page anew')
})
