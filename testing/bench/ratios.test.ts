// SPDX-License-Identifier: Apache-2.0
// The benchmark's smoke form: commands cost lunkit less processor time than tgtd, with so much room that a busy machine is no matter.
import assert from 'node:assert/strict'
import { cpus } from 'node:os'
import { test } from 'node:test'
import { workFolder } from '../kit/serve-process.ts'
import { need } from '../peers.ts'
import { CASES } from './cases.ts'
import { type Contestant, start } from './contestants.ts'
import { chooseGenerator } from './generators/generator.ts'
import { measure } from './measure.ts'

/** lunkit's processor time a command to tgtd's: what is allowed; it is about half of that. */
const RATIOS = [
  { name: 'randread-4k-qd32', most: 1 },
  { name: 'read-128k-qd8', most: 1 },
] as const
/** The best of so many decides. */
const TRIES = 5
const CORE = 0
const CLIENT_CORE = Math.min(1, cpus().length - 1)
const BYTES = 64 << 20
const SECONDS = 1

test("a command costs lunkit less than tgtd's processor time", async t => {
  if (!need(t, 'tgtd', 'tgtadm', 'iscsi-perf', 'qemu-img', 'block-iscsi.so')) return
  const { path, dispose } = workFolder()
  const generator = chooseGenerator(CLIENT_CORE, undefined)
  const team: Contestant[] = []
  // The images last: a target that ends looks at its own.
  t.after(async () => {
    for (const one of team) await one.stop()
    dispose()
  })
  for (const name of ['lunkit', 'tgtd'])
    team.push(await start(name, CORE, path, { store: 'file', luns: 1, onDisk: false }, BYTES))
  const [own, peer] = team as [Contestant, Contestant]
  for (const { name, most } of RATIOS) {
    await t.test(name, async () => {
      const one = CASES.find(found => found.name === name)!
      const cost = async (who: Contestant): Promise<number> =>
        (await measure(generator, who, one, SECONDS, () => false)).cost
      const costs = { own: Infinity, peer: Infinity }
      for (let attempt = 0; attempt < TRIES && (attempt === 0 || costs.own > most * costs.peer); attempt++) {
        costs.own = Math.min(costs.own, await cost(own))
        costs.peer = Math.min(costs.peer, await cost(peer))
      }
      t.diagnostic(`${name}: ${costs.own.toFixed(1)} µs of lunkit's, ${costs.peer.toFixed(1)} µs of tgtd's`)
      assert.ok(costs.own <= most * costs.peer, `more than ${most} times tgtd's`)
    })
  }
})
