// SPDX-License-Identifier: Apache-2.0
// `lunkit devices` on this machine: it lists what Linux shows, or says that there is nothing. The Linux guest has devices to list.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const MAIN = join(import.meta.dirname, '../../cli/bin/lunkit.mjs')

function devices(...flags: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'devices', ...flags], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  return stdout
}

function nodes(): string[] {
  try {
    return readdirSync('/sys/class/scsi_generic').map(node => `/dev/${node}`)
  } catch {
    return []
  }
}

test('lunkit devices lists the SCSI devices of this machine, or says that there are none', () => {
  const listed = JSON.parse(devices('--json')) as { path: string; servable: boolean }[]
  assert.deepEqual(listed.map(({ path }) => path).sort(), nodes().sort())
  const words = devices()
  if (listed.length === 0) assert.match(words, /^No SCSI devices here: /)
  else for (const { path } of listed) assert.ok(words.includes(path))
})
