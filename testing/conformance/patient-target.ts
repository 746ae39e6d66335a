// SPDX-License-Identifier: Apache-2.0
// A target that asks no silent peer for a sign of life, for tests of libiscsi's suite that sleep for a minute.
import type { Identity } from '@lunkit/target-api'
import { device as absent } from '@lunkit/target-devices/absent'
import { device as disk } from '@lunkit/target-devices/disk'
import { driver } from '@lunkit/target-driver-iscsi'
import { TargetEngine } from '@lunkit/target-engine'
import { store as nothing } from '@lunkit/target-stores/null'

const NAME = 'iqn.2026-11.test.lunkit:patient'
const identity: Identity = {
  vendor: 'LUNKIT',
  product: 'PATIENT',
  revision: '1',
  serial: '1',
  naa: Uint8Array.of(0x30, 0, 0, 0, 0, 0, 0, 4),
}

/** Serves a disk of so many bytes that remembers nothing. */
export async function servePatiently(size: number): Promise<{ url: string; stop(): Promise<void> }> {
  const engine = new TargetEngine({ observe: () => {}, absent: await absent.open(null, {}) })
  const target = engine.addTarget({ name: NAME })
  target.map(0, engine.addUnit(await disk.open(await nothing.open({ size }), {}), identity))
  const portals = [{ host: '127.0.0.1', port: 0 }]
  const port = await driver.start(engine, { portals, nop: { intervalMs: 0 } })
  return {
    url: `iscsi://127.0.0.1:${port.portals[0]!.port}/${NAME}/0`,
    async stop() {
      await port.stop(0)
      await engine.close()
    },
  }
}
