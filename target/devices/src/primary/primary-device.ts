// SPDX-License-Identifier: Apache-2.0
// What the commands of every device type need to know about their device.
import type { SenseCode } from '@lunkit/spec'
import type { Device, LogicalUnit, Occupation, Task } from '@lunkit/target-api'
import type { Buffers } from './buffers.ts'
import type { InformationalExceptions } from './informational-exceptions.ts'
import type { LogBases, LogPage } from './log-page.ts'
import type { ModePages } from './mode-pages.ts'
import type { PowerConditions } from './power-conditions.ts'
import type { SelfTests } from './self-test.ts'
import type { UnitNotes } from './unit-notes.ts'
import type { VpdPage } from './vpd-page.ts'

/** A device that answers the primary commands (SPC) from its tables. */
export interface PrimaryDevice extends Device {
  /** The unit it has become; set by `attach`. */
  readonly unit: LogicalUnit
  /** The medium can be taken out (RMB). */
  readonly removable: boolean
  /** Blocks can have protection information (PROTECT). */
  readonly hasProtection: boolean
  /** Version descriptors of the standards it follows, at most eight. */
  readonly versions: readonly number[]
  /** Vital product data pages but for page 00h, which lists them. */
  readonly vpdPages: readonly VpdPage[]
  readonly modePages: ModePages
  /** Log pages but for 00h and 00h/FFh, which list them; ascending. */
  readonly logPages: readonly LogPage[]
  readonly logBases: LogBases
  /** How often START STOP UNIT stopped or ejected it. */
  cycles: number
  readonly selfTests: SelfTests
  readonly buffers: Buffers
  occupied: Occupation | null
  /** Since it was opened. */
  minutesOn(): number
  /** Null where there are none but active and stopped. */
  readonly power: PowerConditions | null
  readonly exceptions: InformationalExceptions
  /** What initiators wrote on the unit. */
  readonly notes: UnitNotes
  /** MEDIUM NOT PRESENT (ejected), INITIALIZING COMMAND REQUIRED (stopped), or null. START STOP UNIT changes it. */
  notReady: SenseCode | null
  /** DEVICE-SPECIFIC PARAMETER of the mode parameter header, for a nexus that may only read or one that may do more. */
  modeParameter(readonly: boolean): number
  /** Block descriptor of the mode parameter list, or null; `long` asks for one with 64-bit LBAs. */
  blockDescriptor(long: boolean): Uint8Array | null
  /** Offset of the first wrong byte in a block descriptor of MODE SELECT, or -1. */
  checkBlockDescriptor(bytes: Uint8Array, long: boolean): number
  /** Mode pages were changed by MODE SELECT: takes them over and MUST end the task. */
  modesSelected(task: Task): void
  /** Makes all finished writes durable, then calls `next`, with the result in `task.io.error`. */
  flush(task: Task, next: (task: Task) => void): void
  /** The same beside the task's life, for commands that are answered before it is done (IMMED). */
  flushInBackground(): void
}

/** The device of a task that runs on a primary device. */
export const deviceOf = (task: Task): PrimaryDevice => task.nexusUnit.unit.device as PrimaryDevice
