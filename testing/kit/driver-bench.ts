// SPDX-License-Identifier: Apache-2.0
// What the cases of the driver suite run on: an engine with two disks, watched, and initiators behind the driver.
import assert from 'node:assert/strict'
import {
  type Command,
  type FieldRows,
  READ_10,
  Status,
  TEST_UNIT_READY,
  type Values,
  WRITE_10,
} from '@lunkit/spec'
import type { Engine, Identity } from '@lunkit/target-api'
import { device as absent } from '@lunkit/target-devices/absent'
import { device as disk } from '@lunkit/target-devices/disk'
import { type EngineOptions, TargetEngine } from '@lunkit/target-engine'
import { StandInStore } from './stand-in-store.ts'
import { WatchedEngine } from './watched-engine.ts'

export interface ScriptedCommand {
  readonly lun: number
  readonly cdb: Uint8Array
  readonly dataOut?: Uint8Array
  readonly expectedIn?: number
  readonly attribute?: number
  /** Sends ABORT TASK when it fires. */
  readonly signal?: AbortSignal
}

export interface ScriptedAnswer {
  readonly status: number
  readonly sense: Uint8Array
  readonly dataIn: Uint8Array
  /** Expected less moved: above zero an underflow, below an overflow. */
  readonly residual: number
}

/** An initiator on the other end of the driver under test. */
export interface ScriptedInitiator {
  /** In the order of the calls. Rejects if the command was aborted or the nexus ended. */
  execute(command: ScriptedCommand): Promise<ScriptedAnswer>
  /** Sends a ManagementFunction, gives the ManagementResponse. */
  manage(fn: number, lun: number): Promise<number>
  /** Ends the nexus, whatever is under way; resolves at the latest when the target has let go. */
  close(): Promise<void>
}

/** The driver under test, running on the suite's engine. */
export interface RunningDriver {
  connect(initiatorName: string): Promise<ScriptedInitiator>
  stop(): Promise<void>
}

export type StartDriver = (engine: Engine, targetName: string) => Promise<RunningDriver>

export type Limits = NonNullable<EngineOptions['limits']>

const TARGET = 'iqn.2026-11.test.lunkit:driver-suite'
const NAME = 'iqn.2026-11.test.lunkit:initiator'
export const SIZE = 8 * 1024 * 1024
export const BLOCK = 512

const identity: Identity = {
  vendor: 'LUNKIT',
  product: 'DRIVER SUITE',
  revision: '1',
  serial: '1',
  naa: Uint8Array.of(0x30, 0, 0, 0, 0, 0, 0, 1),
}

/** Two disks on stores that can be held, behind LUN 0 and 1. */
export class Bench {
  readonly watched: WatchedEngine
  readonly stores: readonly StandInStore[]
  readonly driver: RunningDriver
  readonly #engine: TargetEngine

  private constructor(
    engine: TargetEngine,
    watched: WatchedEngine,
    stores: readonly StandInStore[],
    driver: RunningDriver,
  ) {
    this.#engine = engine
    this.watched = watched
    this.stores = stores
    this.driver = driver
  }

  static async open(start: StartDriver, limits: Limits): Promise<Bench> {
    const engine = new TargetEngine({ observe: () => {}, absent: await absent.open(null, {}), limits })
    const target = engine.addTarget({ name: TARGET })
    const stores = [new StandInStore({ size: SIZE, later: true }), new StandInStore({ size: SIZE })]
    for (const [lun, store] of stores.entries()) {
      const values = {
        block: BLOCK,
        physical: BLOCK,
        wce: true,
        readonly: false,
        removable: false,
        rotation: 1,
      }
      target.map(lun, engine.addUnit(await disk.open(store, values), identity))
    }
    const watched = new WatchedEngine(engine)
    return new Bench(engine, watched, stores, await start(watched, TARGET))
  }

  /** An initiator that has seen its power on conditions. */
  async connect(suffix = ''): Promise<Initiator> {
    const initiator = new Initiator(await this.driver.connect(NAME + suffix))
    for (const lun of [0, 1]) {
      while ((await initiator.send(TEST_UNIT_READY, {}, { lun })).status !== Status.good);
    }
    return initiator
  }

  /** Ends all; every call of the contract must have had its answer then. */
  async close(): Promise<void> {
    for (const store of this.stores) store.release()
    await this.driver.stop()
    await this.#engine.close()
    this.watched.check()
    assert.equal(this.watched.nexuses.size, 0, 'a nexus was left open')
    for (const store of this.stores) assert.ok(store.closed)
  }

  /** Waits until `condition` holds; the test's own time limit ends it. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise(resolve => setImmediate(resolve))
  }
}

export class Initiator {
  readonly scripted: ScriptedInitiator
  constructor(scripted: ScriptedInitiator) {
    this.scripted = scripted
  }

  send<R extends FieldRows>(
    command: Command<R>,
    values: Partial<Values<R>>,
    more: Partial<ScriptedCommand> = {},
  ): Promise<ScriptedAnswer> {
    const cdb = command.cdb.write({ opcode: command.opcode, ...values } as never)
    return this.scripted.execute({ lun: 0, cdb, ...more })
  }

  read(lba: number, blocks: number, more: Partial<ScriptedCommand> = {}): Promise<ScriptedAnswer> {
    return this.send(READ_10, { lba, blocks }, { expectedIn: blocks * BLOCK, ...more })
  }

  write(lba: number, data: Uint8Array, more: Partial<ScriptedCommand> = {}): Promise<ScriptedAnswer> {
    return this.send(WRITE_10, { lba, blocks: data.length / BLOCK }, { dataOut: data, ...more })
  }
}

export function pattern(blocks: number, seed: number): Buffer {
  const bytes = Buffer.alloc(blocks * BLOCK)
  for (let at = 0; at < bytes.length; at++) bytes[at] = seed * 31 + at + (at >> 8) * 7
  return bytes
}

/** The end of a command in a word: its status, or that it was rejected. */
export const endOf = (command: Promise<ScriptedAnswer>): Promise<number | 'rejected'> =>
  command.then(
    ({ status }) => status,
    () => 'rejected' as const,
  )
