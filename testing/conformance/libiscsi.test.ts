// SPDX-License-Identifier: Apache-2.0
// libiscsi's conformance suite, family by family, judged by its exit code and its text; and docs/compliance from it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type ServedTarget, serve, workFolder } from '../kit/serve-process.ts'
import { need } from '../peers.ts'
import { FAMILIES, type Family, LATER, UNITS, type Unit } from './libiscsi-families.ts'

const PAGE = join(dirname(fileURLToPath(import.meta.url)), '../../docs/compliance/libiscsi.md')
/** A family that takes longer hangs: the longest takes a few seconds. */
const LIMIT_MS = 120_000

const folder = workFolder()
let target: ServedTarget | null = null

before(async () => {
  target = await serve(
    Object.values(UNITS).map(argument =>
      argument.startsWith('memory:') ? argument : join(folder.path, argument),
    ),
  )
})
after(async () => {
  await target?.stop()
  folder.dispose()
})

function run(...words: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn('iscsi-test-cu', words, { timeout: LIMIT_MS, killSignal: 'SIGKILL' })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => void (output += data))
  return new Promise(resolve => child.on('close', code => resolve({ code, output })))
}

/**
 * Names and texts of the tests in the suite's output. "[FAILED]" in the text of a test that passed is a step whose failure the
 * test wants (a wrong DataSN) or waits out (a unit attention). What follows "passed" comes from the family's clean-up, which asks
 * for reservations to clear and is no test.
 */
function outcomes(output: string): { name: string; text: string; passed: boolean }[] {
  return output
    .split(/^ {2}Test: /m)
    .slice(1)
    .map(part => {
      const [, name, rest] = /^(\S+) \.\.\.([\s\S]*)$/.exec(part.split(/^Run Summary/m)[0]!)!
      const end = /^([\s\S]*?)passed\s*?(\n|\s{2}|$)/.exec(rest!)
      const text = (end?.[1] ?? rest!).trim()
      return { name: name!, text, passed: end !== null && !text.includes('SKIPPED') }
    })
}

const urlOf = (unit: Unit): string => target!.ready.luns[Object.keys(UNITS).indexOf(unit)]!.url

async function runFamily(family: Family): Promise<{ name: string; text: string }[]> {
  const url = urlOf(family.unit)
  const { code, output } = await run('--dataloss', '--fail', `--test=ALL.${family.name}`, url, url)
  const tests = outcomes(output)
  assert.ok(tests.length > 0, `the suite ran nothing:\n${output}`)
  const judged = tests.filter(({ name }) => family.without?.[name] === undefined)
  const bad = judged.filter(({ passed }) => !passed)
  assert.deepEqual(bad, [], output)
  if (judged.length === tests.length) assert.equal(code, 0, output)
  return tests
}

const seen = new Map<string, string[]>()

for (const family of FAMILIES) {
  test(`libiscsi ${family.name} on a ${family.unit} unit`, async t => {
    if (!need(t, 'iscsi-test-cu')) return
    const tests = await runFamily(family)
    seen.set(
      family.name,
      tests.map(({ name }) => name),
    )
  })
}

test('every family of the suite is run, or named as one for later', async t => {
  if (!need(t, 'iscsi-test-cu')) return
  const { output } = await run('--list')
  const families = new Set([...output.matchAll(/^ALL\.(\w+)$/gm)].map(match => match[1]!))
  assert.deepEqual([...families].sort(), [...FAMILIES.map(({ name }) => name), ...LATER].sort())
})

test('docs/compliance/libiscsi.md says what was run', t => {
  if (!need(t, 'iscsi-test-cu')) return
  const rows = FAMILIES.map(({ name, unit, without = {} }) => {
    const passed = (seen.get(name) ?? []).filter(one => without[one] === undefined)
    const left = Object.entries(without).map(([one, why]) => `; not ${one}: ${why}`)
    return `| ${name} | ${unit} | ${passed.length} | ${passed.join(', ')}${left.join('')} |`
  })
  const count = FAMILIES.reduce(
    (sum, { name, without = {} }) => sum + (seen.get(name)?.length ?? 0) - Object.keys(without).length,
    0,
  )
  const page = `# libiscsi's test suite

Made by \`testing/conformance/libiscsi.test.ts\`, which runs the suite of Debian's libiscsi-bin 1.19 against \`lunkit serve\`,
each family in a process of its own and with two paths to the unit. A test with a skipped step is not counted as passed.
${count} tests pass; none fails, none is skipped.

| Family | Unit | Passed | Tests |
|---|---|---|---|
${rows.join('\n')}

Commands that lunkit does not have yet, or not to the full, so their families are not run: ${LATER.join(', ')}.
`
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, page)
  assert.equal(readFileSync(PAGE, 'utf8'), page, 'run the test with UPDATE_DOCS=1 to write the page anew')
})
