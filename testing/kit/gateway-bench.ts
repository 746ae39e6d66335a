// SPDX-License-Identifier: Apache-2.0
// A gateway without a wire: an engine whose LUN 0 is passed through a stand-in bridge, LUN 1 a disk of its own, and initiators.
import { Status, TEST_UNIT_READY } from '@lunkit/spec'
import type { Identity, ParameterValues, TargetEvent } from '@lunkit/target-api'
import { device as absent } from '@lunkit/target-devices/absent'
import { device as disk } from '@lunkit/target-devices/disk'
import { type LocalNexus, openLocal } from '@lunkit/target-driver-local'
import { type EngineOptions, TargetEngine } from '@lunkit/target-engine'
import { passthrough } from '@lunkit/target-passthrough'
import { cdbOf } from './device-bench.ts'
import { LocalBridge } from './local-bridge.ts'
import { StandInStore } from './stand-in-store.ts'

const OTHER: Identity = {
  vendor: 'LUNKIT',
  product: 'BESIDE',
  revision: '1',
  serial: 'beside',
  naa: Uint8Array.of(0x30, 0, 0, 0, 0, 0, 0, 9),
}
const VALUES = { unit: 'local:real', timeout: 60, wait: 20, reservations: 'own', readonly: false }

export async function gatewayBench(
  values: ParameterValues = {},
  { removable = false, limits = {} }: { removable?: boolean; limits?: EngineOptions['limits'] } = {},
) {
  const events: TargetEvent[] = []
  const engine = new TargetEngine({
    observe: event => events.push(event),
    absent: await absent.open(null, {}),
    limits,
  })
  const bridge = await LocalBridge.open(removable)
  const device = await passthrough(bridge.openers).open(null, { ...VALUES, ...values })
  const identity = { ...OTHER, ...device.names } as Identity
  const target = engine.addTarget({ name: 'target' })
  target.map(0, engine.addUnit(device, identity))
  const beside = await disk.open(new StandInStore({ size: 65536 }), { block: 512, physical: 512 })
  target.map(1, engine.addUnit(beside, OTHER))
  /** An initiator that has seen its unit attentions. */
  const connect = async (name: string): Promise<LocalNexus> => {
    const nexus = openLocal(engine, 'target', name)
    for (const lun of [0, 1]) {
      while ((await nexus.execute({ lun, cdb: cdbOf(TEST_UNIT_READY) })).status !== Status.good);
    }
    return nexus
  }
  /** The warnings so far, in one text. */
  const warnings = (): string =>
    events.map(event => (event.type === 'warning' ? event.reason : '')).join('\n')
  bridge.cdbs.length = 0
  return { engine, target, device, bridge, events, warnings, connect }
}

/** Looks again and again until it is true. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise(resolve => setTimeout(resolve, 20))
}
