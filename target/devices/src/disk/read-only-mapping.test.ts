// SPDX-License-Identifier: Apache-2.0
// A LUN that is mapped for reading only: no command of a disk that writes gets to it, reads do.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WRITE_PROTECTED } from '@lunkit/spec'
import { cdbOf } from '../../../../testing/kit/device-bench.ts'
import { copyBench } from './copy/copy.test-kit.ts'

// Requirement: SBC-4, Write protection: commands that write to the medium end with WRITE PROTECTED, others run.
test('every command that writes is refused, and none that reads', async () => {
  const { nexus, target, send, stores, engine } = await copyBench([512])
  target.setReadonly(0, true)
  await send(new Uint8Array(6))
  stores[0]!.bytes.fill(5)
  const counts = { writing: 0, reading: 0 }
  for (const { command } of target.unitAt(0)!.device.type.bindings) {
    if (!command.writes && command.touches !== 'medium-read') continue
    const { report } = await send(cdbOf(command))
    const isProtected = report?.asc === WRITE_PROTECTED.asc && report.key === WRITE_PROTECTED.key
    assert.equal(isProtected, command.writes, command.name)
    counts[command.writes ? 'writing' : 'reading']++
  }
  assert.ok(counts.writing > 15 && counts.reading > 8, JSON.stringify(counts))
  assert.ok(stores[0]!.bytes.every(byte => byte === 5))
  await nexus.close()
  await engine.close()
})
