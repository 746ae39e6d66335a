// SPDX-License-Identifier: Apache-2.0
// A target without LUNs that sends every login elsewhere, as one does that has moved.
import type { TestContext } from 'node:test'
import { device as absent } from '@lunkit/target-devices/absent'
import { driver } from '@lunkit/target-driver-iscsi'
import { TargetEngine } from '@lunkit/target-engine'

/** Listens on a free port of loopback, under this target name, until the test is over. */
export async function redirecting(t: TestContext, name: string, to: string) {
  const engine = new TargetEngine({ observe: () => {}, absent: await absent.open(null, {}) })
  engine.addTarget({ name })
  const portals = [{ host: '127.0.0.1', port: 0 }]
  const port = await driver.start(engine, { portals, redirect: { to } })
  t.after(async () => {
    await port.stop(0)
    await engine.close()
  })
  return {
    portal: `127.0.0.1:${port.portals[0]!.port}`,
    /** From now on it sends logins there. */
    redirect: (elsewhere: string) => port.control.redirect({ to: elsewhere }),
  }
}
