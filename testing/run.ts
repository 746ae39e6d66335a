// SPDX-License-Identifier: Apache-2.0
// `npm test`: fetches the real peers where it may, then runs every test of the tree in one run of node:test.
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { installPeers } from './peers.ts'

const USAGE = `npm test -- [--without linux,fuzz,…] [PATTERN…]
  PATTERN      test files to run (all: **/*.test.ts)
  --without    leave out files with these words in their path
`

/** A run takes a few minutes. One whose process hangs is ended, and node:test names the files that still ran. */
const LONGEST_MS = 2_700_000

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { without: { type: 'string', default: '' }, help: { type: 'boolean' } },
})
if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}

/** Everything that holds tests; architecture/ runs the compiler and the linters. */
const ALL = ['spec', 'target', 'initiator', 'cli', 'testing', 'docs', 'architecture'].map(
  part => `${part}/**/*.test.ts`,
)
const left = values.without.split(',').filter(word => word !== '')
const files = globSync(positionals.length > 0 ? positionals : ALL)
  .filter(file => !file.includes('node_modules') && !left.some(word => file.includes(word)))
  .sort()
if (files.length === 0) {
  process.stderr.write(`No test file fits ${positionals.join(' ')}\n`)
  process.exit(2)
}

installPeers()
const child = spawn(process.execPath, ['--test', '--test-concurrency=2', ...files], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
const limit = setTimeout(() => {
  process.stderr.write(`The run is ended after ${LONGEST_MS / 60_000} minutes\n`)
  child.kill('SIGTERM')
}, LONGEST_MS)
child.on('exit', (code, signal) => {
  clearTimeout(limit)
  process.exitCode = signal === null ? (code ?? 1) : 1
})
