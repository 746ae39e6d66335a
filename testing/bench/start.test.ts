// SPDX-License-Identifier: Apache-2.0
// The measurement of starts itself: a short one gives figures of both commands, and says nothing on how good they are.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

test('a short measurement of starts has figures of both commands', async () => {
  const script = join(import.meta.dirname, 'start.ts')
  const words = ['--runs', '1', '--sessions', '3', '--seconds', '0.1', '--json']
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...words])
  const rows = JSON.parse(stdout) as { command: string; loginMs: number; cpuMs: number; idleMiB: number }[]
  assert.deepEqual(
    rows.map(({ command }) => command),
    ['published', 'tree'],
  )
  for (const { command, loginMs, cpuMs, idleMiB } of rows) {
    assert.ok(loginMs > 0 && cpuMs > 0 && idleMiB > 0, `figures of ${command}`)
  }
})
