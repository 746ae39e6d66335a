// SPDX-License-Identifier: Apache-2.0
// A logical unit: its device, its task set, and the I_T_L nexuses that see it.
import { isDeepStrictEqual } from 'node:util'
import { INQUIRY_DATA_HAS_CHANGED, MICROCODE_HAS_BEEN_CHANGED, type SenseCode } from '@lunkit/spec'
import {
  type Device,
  type Identity,
  type InnerCommands,
  type LogicalUnit,
  type Nexus,
  type ReferralSegment,
  type Task,
  UnitCounters,
  type UnitRecords,
} from '@lunkit/target-api'
import { Aca } from './aca.ts'
import type { Core } from './core.ts'
import type { Dispatch } from './dispatch.ts'
import type { ItlNexus } from './nexus.ts'
import { LocalReservations } from './reservations/reservation-store.ts'
import { type AbortPreempted, UnitReservations } from './reservations/unit-reservations.ts'
import { TaskList } from './task-list.ts'
import { TaskSet } from './task-set.ts'

export class Unit implements LogicalUnit {
  identity: Identity
  referrals: readonly ReferralSegment[] = []
  readonly device: Device
  readonly records: UnitRecords | null
  readonly inner: InnerCommands
  readonly counters = new UnitCounters()
  readonly dispatch: Dispatch
  readonly reservations: UnitReservations
  readonly nexuses = new Set<ItlNexus>()
  onChange: ((lba: number, blocks: number) => void) | null = null

  readonly set = new TaskSet()
  /** Tasks with the device or waiting for their data. */
  readonly enabled = new TaskList()
  readonly aca: Aca
  /** Bytes charged, and the last pass over the waiting tasks in which its ceiling was short. */
  memory = 0
  shortIn = 0
  readonly managementLimit: number
  #closing: Promise<void> | null = null
  readonly #warn: (reason: string) => void

  constructor(
    device: Device,
    identity: Identity,
    dispatch: Dispatch,
    records: UnitRecords | null,
    inner: InnerCommands,
    warn: (reason: string) => void,
    abortPreempted: AbortPreempted,
    managementLimit: number,
    core: Core,
  ) {
    this.device = device
    this.aca = new Aca(core)
    this.records = records
    this.inner = inner
    this.identity = identity
    this.dispatch = dispatch
    this.#warn = warn
    this.reservations = new UnitReservations(
      this,
      new LocalReservations(records, identity.naa, warn),
      abortPreempted,
    )
    this.managementLimit = managementLimit
  }

  warn(reason: string): void {
    this.#warn(reason)
  }

  /** Takes other names; everybody is told, unless they are the same. */
  rename(identity: Identity): void {
    if (isDeepStrictEqual(identity, this.identity)) return
    this.identity = identity
    this.attention(INQUIRY_DATA_HAS_CHANGED, null)
  }

  /** What the device runs has been changed, and perhaps its PRODUCT REVISION LEVEL with it. */
  microcodeChanged(revision = this.identity.revision): void {
    this.attention(MICROCODE_HAS_BEEN_CHANGED, null)
    this.rename({ ...this.identity, revision })
  }

  /** Closes the device, once. */
  close(): Promise<void> {
    this.#closing ??= this.device.close()
    return this.#closing
  }

  attention(code: SenseCode, except: Nexus | null): void {
    for (const itl of this.nexuses) if (itl.nexus !== except) itl.raise(code)
  }

  get removalPrevented(): boolean {
    for (const itl of this.nexuses) if (itl.preventsRemoval) return true
    return false
  }
}

/** The unit that a task of this engine is for. */
export const unitOf = (task: Task): Unit => task.nexusUnit.unit as Unit
