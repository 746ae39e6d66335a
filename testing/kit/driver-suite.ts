// SPDX-License-Identifier: Apache-2.0
// The contract of a target driver, as tests: give it a way to start the driver and to connect.
import { describe, test } from 'node:test'
import { Bench, type StartDriver } from './driver-bench.ts'
import { CASES } from './driver-cases.ts'

export type {
  RunningDriver,
  ScriptedAnswer,
  ScriptedCommand,
  ScriptedInitiator,
  StartDriver,
} from './driver-bench.ts'

/** Runs the suite for one driver; `name` is what the tests are called by. */
export function driverSuite(name: string, start: StartDriver): void {
  describe(name, { concurrency: false }, () => {
    for (const { name: what, limits = {}, run } of CASES) {
      test(what, { timeout: 60_000 }, async () => {
        const bench = await Bench.open(start, limits)
        try {
          await run(bench)
        } finally {
          await bench.close()
        }
      })
    }
  })
}
