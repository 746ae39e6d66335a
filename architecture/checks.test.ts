// SPDX-License-Identifier: Apache-2.0
// The compiler, the linter and the search for dead code, as tests; each must have looked at the tree.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { files, ROOT } from './sources.ts'

function run(script: string, ...words: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'node_modules', script), ...words],
    {
      cwd: ROOT,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    },
  )
  return { status, output: `${stdout}${stderr}` }
}

test('types', () => {
  const { status, output } = run('typescript/bin/tsc', '-p', 'tsconfig.json', '--listFiles')
  const own = output.split('\n').filter(line => line.startsWith(ROOT) && !line.includes('node_modules'))
  assert.equal(
    status,
    0,
    output
      .split('\n')
      .filter(line => line.includes('error'))
      .join('\n'),
  )
  assert.ok(
    own.length >= files('.ts').length,
    `only ${own.length} of ${files('.ts').length} files were checked`,
  )
})

test('lint and format', () => {
  const { status, output } = run('@biomejs/biome/bin/biome', 'ci', '--colors=off', '--error-on-warnings', '.')
  assert.equal(status, 0, output)
  const seen = Number(/Checked (\d+) files/.exec(output)?.[1])
  assert.ok(seen >= files('.ts').length, `only ${seen} files were checked`)
})

test('no dead code', () => {
  const { status, output } = run('knip/bin/knip.js', '--no-progress')
  assert.equal(status, 0, output)
})
