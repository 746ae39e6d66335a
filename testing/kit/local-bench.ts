// SPDX-License-Identifier: Apache-2.0
// The whole road without a wire: an engine, one disk on a store that can be held, and initiators in this process.
import { Status, TEST_UNIT_READY } from '@lunkit/spec'
import type { Identity, TargetEvent } from '@lunkit/target-api'
import { device as absent } from '@lunkit/target-devices/absent'
import { device as disk } from '@lunkit/target-devices/disk'
import { type LocalNexus, openLocal } from '@lunkit/target-driver-local'
import { type EngineOptions, TargetEngine } from '@lunkit/target-engine'
import { cdbOf } from './device-bench.ts'
import { type StandInOptions, StandInStore } from './stand-in-store.ts'

const identity: Identity = {
  vendor: 'LUNKIT',
  product: 'LOCAL BENCH',
  revision: '1',
  serial: '1',
  naa: Uint8Array.of(0x30, 0, 0, 0, 0, 0, 0, 3),
}
const VALUES = { block: 512, physical: 512, wce: true, readonly: false, removable: false, rotation: 1 }
const SIZE = 1024 * 1024

export async function localBench(store: Partial<StandInOptions> = {}, limits: EngineOptions['limits'] = {}) {
  const events: TargetEvent[] = []
  const engine = new TargetEngine({
    observe: event => events.push(event),
    absent: await absent.open(null, {}),
    limits,
  })
  const backing = new StandInStore({ size: SIZE, ...store })
  const device = await disk.open(backing, VALUES)
  const target = engine.addTarget({ name: 'target' })
  const unit = engine.addUnit(device, identity)
  target.map(0, unit)
  /** An initiator that has seen its unit attentions. */
  const connect = async (name: string): Promise<LocalNexus> => {
    const nexus = openLocal(engine, 'target', name)
    while ((await nexus.execute({ lun: 0, cdb: cdbOf(TEST_UNIT_READY) })).status !== Status.good);
    return nexus
  }
  return { engine, target, unit, device, store: backing, events, connect }
}
