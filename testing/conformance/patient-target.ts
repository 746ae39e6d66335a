// SPDX-License-Identifier: Apache-2.0
// A target on a slow store that never asks whether the initiator is alive: the suite sleeps for a minute and answers nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Identity } from '@lunkit/target-api'
import { device as absent } from '@lunkit/target-devices/absent'
import { device as disk } from '@lunkit/target-devices/disk'
import { driver } from '@lunkit/target-driver-iscsi'
import { TargetEngine } from '@lunkit/target-engine'
import { fromObject } from '@lunkit/target-stores/object'

const NAME = 'iqn.2026-11.test.lunkit:patient'
const SIZE = 16 * 1024 * 1024
/** How long a write of all of it takes, whatever the machine. */
const WHOLE_MS = 12_000

const identity: Identity = {
  vendor: 'LUNKIT',
  product: 'PATIENT',
  revision: '1',
  serial: '1',
  naa: Uint8Array.of(0x30, 0, 0, 0, 0, 0, 0, 3),
}

/** Serves one disk as LUN 0. */
export async function startPatientTarget(): Promise<{ url: string; stop(): Promise<void> }> {
  const bytes = Buffer.alloc(SIZE)
  const store = fromObject({
    size: SIZE,
    read: (offset, buffer) => bytes.copy(buffer, 0, offset),
    async write(offset, buffer) {
      await sleep((WHOLE_MS * buffer.length) / SIZE)
      bytes.set(buffer, offset)
    },
  })
  const engine = new TargetEngine({ observe: () => {}, absent: await absent.open(null, {}) })
  engine.addTarget({ name: NAME }).map(0, engine.addUnit(await disk.open(store, {}), identity))
  const port = await driver.start(engine, {
    portals: [{ host: '127.0.0.1', port: 0 }],
    nop: { intervalMs: 0 },
  })
  return {
    url: `iscsi://127.0.0.1:${port.portals[0]!.port}/${NAME}/0`,
    async stop() {
      await port.stop(0)
      await engine.close()
    },
  }
}
