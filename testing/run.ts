// SPDX-License-Identifier: Apache-2.0
// `npm test`: fetches the real peers where it may, then runs every test of the tree in one run of node:test.
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { installPeers } from './peers.ts'

const USAGE = `npm test -- [--without linux,fuzz,…] [PATTERN…]
  PATTERN      test files to run (all: **/*.test.ts)
  --without    leave out the suites of testing/ with these words in their path
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { without: { type: 'string', default: '' }, help: { type: 'boolean' } },
})
if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}

/** Everything that holds tests; architecture/ runs the compiler and the linters. */
const ALL = ['spec', 'target', 'initiator', 'cli', 'testing', 'architecture'].map(
  part => `${part}/**/*.test.ts`,
)
const skipped = values.without.split(',').filter(word => word !== '')

installPeers()
const child = spawn(
  process.execPath,
  ['--test', '--test-concurrency=2', ...(positionals.length > 0 ? positionals : ALL)],
  { stdio: 'inherit', env: { ...process.env, LUNKIT_TEST_WITHOUT: skipped.join(',') } },
)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 1
})
