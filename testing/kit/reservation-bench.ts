// SPDX-License-Identifier: Apache-2.0
// An engine with a disk, and initiator ports at several target ports of it: who may do what under which reservation.
import assert from 'node:assert/strict'
import {
  type Command,
  PERSISTENT_RESERVE_OUT_REGISTER,
  ProtocolId,
  REGISTER_AND_MOVE_LIST,
  RESERVE_OUT_LIST,
  readSense,
  type SenseReport,
  Status,
  TEST_UNIT_READY,
  writeTransportId,
} from '@lunkit/spec'
import type { BackingStore, Device, Identity, TargetEvent } from '@lunkit/target-api'
import { device as absent } from '@lunkit/target-devices/absent'
import { device as disk } from '@lunkit/target-devices/disk'
import { type LocalNexus, openLocal } from '@lunkit/target-driver-local'
import { type EngineOptions, type TargetDevice, TargetEngine } from '@lunkit/target-engine'
import { cdbOf } from './device-bench.ts'
import type { MemoryRecords } from './memory-records.ts'
import { StandInStore } from './stand-in-store.ts'

// biome-ignore lint/suspicious/noExplicitAny: rows of any fields
type AnyCommand = Command<any>

export const TARGET = 'iqn.2026-11.test.lunkit:reserved'
const LIMIT = 65536

const identity: Identity = {
  vendor: 'LUNKIT',
  product: 'RESERVED',
  revision: '1',
  serial: '1',
  naa: Uint8Array.of(0x30, 0, 0, 0, 0, 0, 0, 3),
}

/** An initiator port of that number: its iSCSI TransportID. `isid` tells ports of one initiator apart. */
export const transportId = (name: string, isid: number | null = 1): Uint8Array =>
  writeTransportId({
    protocol: ProtocolId.iscsi,
    name: initiatorName(name),
    ...(isid !== null && { isid: isid.toString(16).padStart(12, '0') }),
  })

export const initiatorName = (name: string): string => `iqn.2026-11.test.lunkit:${name}`

/** The parts of a parameter list that a test cares about; the rest is zero. */
export interface OutList {
  readonly key?: number
  readonly newKey?: number
  readonly aptpl?: boolean
  readonly allPorts?: boolean
  /** SPEC_I_PT. */
  readonly others?: readonly Uint8Array[]
}

export interface MoveList {
  readonly key?: number
  readonly newKey?: number
  readonly aptpl?: boolean
  readonly unregister?: boolean
  readonly port: number
  readonly to: Uint8Array
}

export interface PeerAnswer {
  readonly status: number
  readonly sense: SenseReport | null
  /** `05/2600`, or the status in words where there is no sense. */
  readonly word: string
  readonly data: Buffer
}

export function outList({ key = 0, newKey = 0, aptpl, allPorts, others }: OutList): Uint8Array {
  const list = RESERVE_OUT_LIST.write({
    key: BigInt(key),
    newKey: BigInt(newKey),
    aptpl: aptpl ? 1 : 0,
    allTgPt: allPorts ? 1 : 0,
    specIPt: others === undefined ? 0 : 1,
  })
  if (others === undefined) return list
  const ports = Buffer.concat(others)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(ports.length)
  return Buffer.concat([list, length, ports])
}

export function moveList({ key = 0, newKey = 0, aptpl, unregister, port, to }: MoveList): Uint8Array {
  const list = REGISTER_AND_MOVE_LIST.write({
    key: BigInt(key),
    newKey: BigInt(newKey),
    aptpl: aptpl ? 1 : 0,
    unreg: unregister ? 1 : 0,
    port,
    transportIdLength: to.length,
  })
  return Buffer.concat([list, to])
}

/** One I_T nexus. */
export class Peer {
  readonly nexus: LocalNexus
  constructor(nexus: LocalNexus) {
    this.nexus = nexus
  }

  async run(
    command: AnyCommand,
    values: Readonly<Record<string, number>> = {},
    dataOut?: Uint8Array,
  ): Promise<PeerAnswer> {
    return this.send(cdbOf(command, values), dataOut)
  }

  async send(cdb: Uint8Array, dataOut?: Uint8Array): Promise<PeerAnswer> {
    const answer = await this.nexus.execute({
      lun: 0,
      cdb,
      ...(dataOut === undefined ? { expectedIn: LIMIT } : { dataOut }),
    })
    const sense = answer.status === Status.checkCondition ? readSense(answer.sense) : null
    return { status: answer.status, sense, word: wordOf(answer.status, sense), data: answer.dataIn }
  }

  /** PERSISTENT RESERVE OUT; `list` as bytes or by its fields. Gives the answer's word. */
  async out(
    action: AnyCommand,
    list: OutList | Uint8Array = {},
    { type = 0, scope = 0 } = {},
  ): Promise<string> {
    return (await this.outAnswer(action, list, { type, scope })).word
  }

  outAnswer(
    action: AnyCommand,
    list: OutList | Uint8Array = {},
    { type = 0, scope = 0, parameterLength = -1 } = {},
  ): Promise<PeerAnswer> {
    const bytes = list instanceof Uint8Array ? list : outList(list)
    const length = parameterLength < 0 ? bytes.length : parameterLength
    return this.run(action, { type, scope, parameterLength: length }, bytes)
  }

  in(action: AnyCommand, allocation = 8192): Promise<PeerAnswer> {
    return this.run(action, { allocation })
  }

  register(newKey: number, aptpl = false): Promise<string> {
    return this.out(PERSISTENT_RESERVE_OUT_REGISTER, { newKey, aptpl })
  }

  /** Unit attentions that are pending, which are then none: `2a03` and the like. */
  async attentions(): Promise<string[]> {
    const found: string[] = []
    for (;;) {
      const { sense, word } = await this.run(TEST_UNIT_READY)
      if (sense === null || !word.startsWith('06/')) return found
      found.push(word.slice(3))
      assert.ok(found.length < 40)
    }
  }

  close(): Promise<void> {
    return this.nexus.close()
  }
}

function wordOf(status: number, sense: SenseReport | null): string {
  if (status === Status.good) return 'good'
  if (status === Status.reservationConflict) return 'conflict'
  if (sense === null) return `status ${status}`
  const hex = (value: number): string => value.toString(16).padStart(2, '0')
  return `${hex(sense.key)}/${hex(sense.asc)}${hex(sense.ascq)}`
}

export class ReservationBench {
  readonly engine: TargetEngine
  readonly events: TargetEvent[]
  readonly device: Device
  readonly target: TargetDevice
  readonly #peers: Peer[] = []

  private constructor(engine: TargetEngine, target: TargetDevice, device: Device, events: TargetEvent[]) {
    this.engine = engine
    this.target = target
    this.device = device
    this.events = events
  }

  /** `values` are the disk's parameters. */
  static async open(
    records: MemoryRecords | null = null,
    store: BackingStore = new StandInStore({ size: 1024 * 1024, maps: true, atomicWrite: 65536 }),
    values: Record<string, string | number | boolean> = {},
    limits: EngineOptions['limits'] = {},
  ): Promise<ReservationBench> {
    const events: TargetEvent[] = []
    const engine = new TargetEngine({
      observe: event => events.push(event),
      absent: await absent.open(null, {}),
      limits,
    })
    const device = await disk.open(store, { block: 512, physical: 512, ...values })
    const target = engine.addTarget({ name: TARGET })
    target.map(0, engine.addUnit(device, identity, records))
    return new ReservationBench(engine, target, device, events)
  }

  /** Opens a nexus of that initiator port; its first unit attention is taken. */
  async peer(name: string, { port = 1, isid = 1 } = {}): Promise<Peer> {
    const nexus = openLocal(this.engine, TARGET, initiatorName(name), {
      relativeId: port,
      transportId: transportId(name, isid),
    })
    this.engine.openPort(nexus)
    const peer = new Peer(nexus)
    this.#peers.push(peer)
    await peer.attentions()
    return peer
  }

  warnings(): string[] {
    return this.events.flatMap(event => (event.type === 'warning' ? [event.reason] : []))
  }

  /** What a power cut is to reservations: only records are left. */
  async close(): Promise<void> {
    for (const peer of this.#peers.splice(0)) await peer.close()
    await this.engine.close()
  }
}
