// SPDX-License-Identifier: Apache-2.0
// The device type user against the contract of a device: a disk, and a unit without blocks, on a handler that says yes to everything.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import { INQUIRY, REPORT_SUPPORTED_OPERATION_CODES, REQUEST_SENSE } from '@lunkit/spec'
import { readParameters } from '@lunkit/target-api'
import { deviceSuite } from '@lunkit/testing/kit/device-suite.ts'
import { device } from './index.ts'
import { Kind } from './link/protocol.ts'
import { ScriptedHandler } from './scripted-handler.test-kit.ts'

/** What these say is the handler's. */
const SAYS: readonly unknown[] = [INQUIRY, REQUEST_SENSE, REPORT_SUPPORTED_OPERATION_CODES]
const type = { ...device, bindings: device.bindings.filter(({ command }) => !SAYS.includes(command)) }

for (const [name, hello] of [
  ['a disk', { type: 0, block: 512, blocks: 2048 }],
  ['a processor', { type: 3 }],
] as const) {
  describe(name, () => {
    const folder = mkdtempSync(join(tmpdir(), 'lunkit-'))
    const handler = new ScriptedHandler(join(folder, 'unit.sock'), hello)
    handler.otherwise = ({ kind, tag }, peer) => {
      if (kind === Kind.execute) peer.answer(tag)
      return kind === Kind.execute
    }
    before(() => handler.listen())
    after(async () => {
      await handler.die()
      rmSync(folder, { recursive: true, force: true })
    })
    deviceSuite(type, {
      size: null,
      values: readParameters('user', device.parameters, { socket: handler.path, shared: 'no' }),
      rounds: 5,
    })
  })
}
