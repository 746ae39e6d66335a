// SPDX-License-Identifier: Apache-2.0
// The target of slow-unit.ts, in a process of its own: a cached file, storage that takes 50 ms for each call, a cold file.
import { setTimeout as sleep } from 'node:timers/promises'
import { createTarget, file } from 'lunkit/target'

const DELAY_MS = 50
const [name, cached, cold] = process.argv.slice(2) as [string, string, string]
const slow = {
  size: 1 << 30,
  read: async (_offset: number, into: Uint8Array) => {
    await sleep(DELAY_MS)
    into.fill(0)
  },
  write: () => sleep(DELAY_MS),
  flush: () => sleep(DELAY_MS),
}
const target = await createTarget({ luns: [file(cached), slow, file(cold)], name })
process.on('disconnect', () => void target.close())
process.send!(target.url)
