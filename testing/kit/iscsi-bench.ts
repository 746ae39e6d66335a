// SPDX-License-Identifier: Apache-2.0
// What tests of the iSCSI driver run on: an engine with one disk on a store that can be held, the driver, raw peers.
import assert from 'node:assert/strict'
import { Opcode, READ_10, SCSI_RESPONSE, Status, TEST_UNIT_READY, WRITE_10 } from '@lunkit/spec'
import type { Identity, TargetEvent } from '@lunkit/target-api'
import { device as absent } from '@lunkit/target-devices/absent'
import { device as disk } from '@lunkit/target-devices/disk'
import { driver, type IscsiOptions, type IscsiPort } from '@lunkit/target-driver-iscsi'
import { type EngineOptions, type TargetDevice, TargetEngine } from '@lunkit/target-engine'
import { fieldsOf, type LoginOptions, type RawPdu, RawPeer } from './raw-peer.ts'
import { StandInStore } from './stand-in-store.ts'
import { WatchedEngine } from './watched-engine.ts'

export const TARGET = 'iqn.2026-11.test.lunkit:disk'
export const BLOCK = 512
const PATIENCE_MS = 20_000
const SIZE = 8 * 1024 * 1024

const identity: Identity = {
  vendor: 'LUNKIT',
  product: 'RAW BENCH',
  revision: '1',
  serial: '1',
  naa: Uint8Array.of(0x30, 0, 0, 0, 0, 0, 0, 2),
}
const VALUES = { block: BLOCK, physical: BLOCK, wce: true, readonly: false, removable: false, rotation: 1 }

export interface BenchOptions extends Partial<IscsiOptions> {
  readonly engineLimits?: EngineOptions['limits']
}

export const read10 = (lba: number, blocks: number): Uint8Array =>
  READ_10.cdb.write({ opcode: READ_10.opcode, lba, blocks } as never)
export const write10 = (lba: number, blocks: number): Uint8Array =>
  WRITE_10.cdb.write({ opcode: WRITE_10.opcode, lba, blocks } as never)
export const testUnitReady = (): Uint8Array => new Uint8Array(6)

/** Sense key, ASC and ASCQ of a SCSI response in fixed format, as six hexadecimal digits. */
export function senseOf(pdu: RawPdu): string {
  const sense = pdu.data.subarray(2)
  return Buffer.of(sense[2]! & 0xf, sense[12]!, sense[13]!).toString('hex')
}

export class IscsiBench {
  readonly engine: TargetEngine
  readonly target: TargetDevice
  readonly watched: WatchedEngine
  readonly store: StandInStore
  readonly events: TargetEvent[]
  readonly port: IscsiPort
  readonly #peers: RawPeer[] = []

  private constructor(
    engine: TargetEngine,
    target: TargetDevice,
    watched: WatchedEngine,
    store: StandInStore,
    events: TargetEvent[],
    port: IscsiPort,
  ) {
    this.engine = engine
    this.target = target
    this.watched = watched
    this.store = store
    this.events = events
    this.port = port
  }

  static async open({ engineLimits = {}, ...options }: BenchOptions = {}): Promise<IscsiBench> {
    const events: TargetEvent[] = []
    const observe = (event: TargetEvent): void => void events.push(event)
    const engine = new TargetEngine({ observe, absent: await absent.open(null, {}), limits: engineLimits })
    const store = new StandInStore({ size: SIZE })
    const target = engine.addTarget({ name: TARGET, alias: 'bench' })
    target.map(0, engine.addUnit(await disk.open(store, VALUES), identity))
    const watched = new WatchedEngine(engine)
    const port = await driver.start(watched, {
      portals: [{ host: '127.0.0.1', port: 0 }],
      nop: { intervalMs: 0 },
      ...options,
    })
    // Whoever looks at received data for too long sees this.
    slabsOf(port).scrub = 0xa5
    return new IscsiBench(engine, target, watched, store, events, port)
  }

  async connect(): Promise<RawPeer> {
    const peer = await RawPeer.connect(this.port.portals[0]!.port)
    this.#peers.push(peer)
    return peer
  }

  /** A peer that is logged in and has seen its unit attention. */
  async peer(options: LoginOptions = {}): Promise<RawPeer> {
    const peer = await this.connect()
    await peer.login({ target: TARGET, ...options })
    let status: number
    do {
      peer.command(TEST_UNIT_READY.cdb.write({ opcode: TEST_UNIT_READY.opcode } as never))
      status = fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status
    } while (status !== Status.good)
    return peer
  }

  /** Events of one type so far. */
  of<T extends TargetEvent['type']>(type: T): Extract<TargetEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<TargetEvent, { type: T }> => event.type === type)
  }

  /** Waits until `condition` holds; gives up after a time that no machine needs. */
  async until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`Waited in vain for ${condition}`)
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  /** Ends all; every call of the contract must have had its answer then. */
  async close(): Promise<void> {
    this.store.release()
    await Promise.all(this.#peers.map(peer => peer.close()))
    await this.port.stop(0)
    assert.deepEqual(this.port.connections, { sessions: 0, pending: 0 })
    await this.engine.close()
    assert.equal(slabsOf(this.port).inUse, 0, 'memory of received data is still held')
    this.watched.check()
    assert.equal(this.watched.nexuses.size, 0, 'a nexus was left open')
  }
}

/** What the port's sockets are read into. */
const slabsOf = (port: IscsiPort) =>
  (port as IscsiPort & { readonly slabs: { scrub: number | null; readonly inUse: number } }).slabs

/** Runs a test on a bench of its own. */
export async function withBench(
  options: BenchOptions,
  run: (bench: IscsiBench) => Promise<void>,
): Promise<void> {
  const bench = await IscsiBench.open(options)
  try {
    await run(bench)
  } finally {
    await bench.close()
  }
}
