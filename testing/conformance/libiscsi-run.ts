// SPDX-License-Identifier: Apache-2.0
// Runs a family of libiscsi's test suite against a unit, in a process of its own, and reads what came of each test.
import { spawn } from 'node:child_process'

/** A family that takes longer hangs: the longest sleeps for a minute and a half. */
const LIMIT_MS = 180_000

/** Passed is without a skipped step. */
export type Verdict = 'passed' | 'skipped' | 'failed'

export interface Outcome {
  readonly name: string
  /** What the suite printed about it. */
  readonly text: string
  readonly verdict: Verdict
  readonly passed: boolean
}

export interface FamilyRun {
  readonly code: number | null
  readonly output: string
  readonly outcomes: readonly Outcome[]
}

/** Runs `iscsi-test-cu` with these words to its end. */
export function suite(...words: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn('iscsi-test-cu', words, { timeout: LIMIT_MS, killSignal: 'SIGKILL' })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => void (output += data))
  return new Promise(resolve => child.on('close', code => resolve({ code, output })))
}

let listed: Promise<string[]> | null = null

/** Names of all tests of the suite, as `Family.Test`. */
export function listTests(): Promise<string[]> {
  listed ??= suite('--list').then(({ output }) =>
    [...output.matchAll(/^ALL\.(\w+\.\S+)$/gm)].map(match => match[1]!),
  )
  return listed
}

/** Runs a suite, a family or one test of it (`ALL.Family.Test`), with two paths to the unit if it has not just one. */
export async function runFamily(name: string, url: string, paths = [url, url]): Promise<FamilyRun> {
  const switches = ['--dataloss', '--allow-sanitize', '--fail']
  const { code, output } = await suite(...switches, `--test=${name}`, ...paths)
  return { code, output, outcomes: outcomes(output) }
}

/**
 * Names and texts of the tests in the suite's output. "[FAILED]" in the text of a test that passed is a step whose failure the
 * test wants (a wrong DataSN) or waits out (a unit attention). What follows "passed" comes from the family's clean-up, which asks
 * for reservations to clear and is no test.
 */
function outcomes(output: string): Outcome[] {
  return output
    .split(/^ {2}Test: /m)
    .slice(1)
    .map(part => {
      const [, name, rest] = /^(\S+) \.\.\.([\s\S]*)$/.exec(part.split(/^Run Summary/m)[0]!)!
      const end = /^([\s\S]*?)passed\s*?(\n|\s{2}|$)/.exec(rest!)
      const text = (end?.[1] ?? rest!).trim()
      const verdict = end === null ? 'failed' : text.includes('SKIPPED') ? 'skipped' : 'passed'
      return { name: name!, text, verdict, passed: verdict === 'passed' }
    })
}
