// SPDX-License-Identifier: Apache-2.0
// A bridge to a unit in this process: keeps what it was given, and holds, reorders, loses or lies when a test wants it.
import { readSense } from '@lunkit/spec'
import { ManagementFunction } from '@lunkit/target-api'
import { device as absent } from '@lunkit/target-devices/absent'
import { device as disk } from '@lunkit/target-devices/disk'
import { type LocalNexus, openLocal } from '@lunkit/target-driver-local'
import { TargetEngine } from '@lunkit/target-engine'
import {
  type Bridge,
  type BridgeAnswer,
  type BridgeOpeners,
  type BridgeRequest,
  unanswered,
} from '@lunkit/target-passthrough'
import { StandInStore } from './stand-in-store.ts'

const SIZE = 1024 * 1024
const TARGET = 'real'
const IDENTITY = {
  vendor: 'ACME',
  product: 'REAL DISK',
  revision: '7',
  serial: 'REAL-0001',
  naa: Uint8Array.of(0x50, 1, 2, 3, 4, 5, 6, 7),
}
const VALUES = { block: 512, physical: 512, wce: true, readonly: false, rotation: 1 }

/** A stand-in for a real unit, and the way to it. */
export class LocalBridge implements Bridge {
  readonly store: StandInStore
  readonly engine: TargetEngine
  readonly nexus: LocalNexus
  /** CDBs, in the order in which they came. */
  readonly cdbs: Buffer[] = []
  resets = 0
  /** Answers that are kept until `release`. */
  held: (() => void)[] | null = null
  /** Why everything is lost, or null. */
  away: string | null = null
  /** Does something else instead; true if it did. */
  instead: ((request: BridgeRequest) => boolean) | null = null
  /** Single commands can be ended. */
  cancels = true
  closed = false
  readonly #unit: ReturnType<TargetEngine['addUnit']>

  private constructor(engine: TargetEngine, store: StandInStore, unit: LocalBridge['unit']) {
    this.engine = engine
    this.store = store
    this.#unit = unit
    this.nexus = openLocal(engine, TARGET, 'iqn.2026-11.test:lunkit')
  }

  static async open(removable = false): Promise<LocalBridge> {
    const engine = new TargetEngine({ observe: () => {}, absent: await absent.open(null, {}) })
    const store = new StandInStore({ size: SIZE, thin: true })
    const unit = engine.addUnit(await disk.open(store, { ...VALUES, removable }), IDENTITY)
    engine.addTarget({ name: TARGET }).map(0, unit)
    return new LocalBridge(engine, store, unit)
  }

  /** The real unit: what its device does there, initiators of the gateway hear of through the bridge alone. */
  get unit(): ReturnType<TargetEngine['addUnit']> {
    return this.#unit
  }

  /** For `passthrough:local:…`. */
  get openers(): BridgeOpeners {
    const opened = {
      bridge: this,
      identity: 'local:real',
      maxTransfer: SIZE,
      longestCdb: 32,
      close: async () => {
        this.closed = true
        await this.engine.close()
      },
    }
    return { local: { parameters: {}, open: async () => opened } }
  }

  execute(request: BridgeRequest): void {
    this.cdbs.push(Buffer.from(request.cdb))
    if (this.instead?.(request)) return
    if (this.away !== null) {
      request.finish(unanswered('lost', this.away))
      return
    }
    const cancel = new AbortController()
    if (this.cancels) request.cancel = () => cancel.abort()
    const { dataIn, dataOut, cdb } = request
    const finish = (answer: BridgeAnswer): void => {
      if (this.held === null) request.finish(answer)
      else this.held.push(() => request.finish(answer))
    }
    const out = dataOut.length > 0 ? { dataOut: Buffer.concat(dataOut) } : {}
    this.nexus.execute({ lun: 0, cdb, expectedIn: dataIn.length, signal: cancel.signal, ...out }).then(
      ({ status, sense, dataIn: brought, residual }) => {
        brought.copy(dataIn)
        finish({
          outcome: 'done',
          status,
          sense,
          received: brought.length,
          excess: dataIn.length > 0 && residual < 0 ? -residual : 0,
          outResidual: request.direction === 'out' && residual > 0 ? residual : 0,
          reason: '',
        })
      },
      (error: unknown) => finish(unanswered('ended', String(error))),
    )
  }

  reset(): void {
    this.resets++
    void this.nexus.manage(ManagementFunction.logicalUnitReset)
  }

  /** Gives the kept answers, in another order if `pick` says so, and keeps none any more. */
  release(pick: (answers: (() => void)[]) => (() => void)[] = answers => answers): void {
    const answers = this.held ?? []
    this.held = null
    for (const answer of pick(answers)) answer()
  }

  /** Operation codes that came, in hexadecimal. */
  get opcodes(): string[] {
    return this.cdbs.map(cdb => cdb[0]!.toString(16).padStart(2, '0'))
  }
}

/** ASC and ASCQ of sense data, as `29/00`; empty if there are none. */
export function codeText(sense: Uint8Array): string {
  const report = readSense(sense)
  const hex = (value: number): string => value.toString(16).padStart(2, '0')
  return report === null ? '' : `${hex(report.asc)}/${hex(report.ascq)}`
}
