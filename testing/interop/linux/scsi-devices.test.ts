// SPDX-License-Identifier: Apache-2.0
// lunkit within the guest: real SCSI devices of Linux (scsi_debug's) are passed through to open-iscsi.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { bundle } from '../../../architecture/bundle.ts'
import { noGuest } from './skip.ts'
import { runInGuest } from './vm.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

test('SCSI devices of Linux are passed through: a disk, a tape, a processor device', async t => {
  if (noGuest(t)) return
  // Within the tree, so that it finds the packages that the tree has
  const cache = join(ROOT, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const programs = mkdtempSync(join(cache, 'guest-'))
  t.after(() => rmSync(programs, { recursive: true }))
  bundle('cli/src/main.ts', 'lunkit', programs)
  bundle(relative(ROOT, join(import.meta.dirname, 'guest/order.ts')), 'order', programs)
  const script = join(import.meta.dirname, 'guest/scsi-devices.sh')
  const env = { PROGRAMS: relative(ROOT, programs) }
  const result = await runInGuest({ script, env, share: ROOT, memory: 1024, timeoutSeconds: 300 })
  assert.equal(result.status, 0, `${result.output}\n--- kernel\n${result.kernelLog}`)
  for (const line of result.output.trimEnd().split('\n')) t.diagnostic(line)
})
