// SPDX-License-Identifier: Apache-2.0
// What the engine offers a driver.
import type { SenseCode } from '@lunkit/spec'
import type { InitiatorPort, Nexus, Target } from './nexus.ts'
import type { TargetPort } from './target-driver.ts'
import type { Observer } from './target-event.ts'
import type { Task } from './task.ts'

/** Task management functions (SAM-5), with iSCSI's numbers (RFC 7143, 11.5.1; RFC 7144). */
export const ManagementFunction = Object.freeze({
  abortTask: 1,
  abortTaskSet: 2,
  clearAca: 3,
  clearTaskSet: 4,
  logicalUnitReset: 5,
  targetWarmReset: 6,
  targetColdReset: 7,
} as const)

/** Answers to them, with iSCSI's numbers (RFC 7143, 11.6.1). */
export const ManagementResponse = Object.freeze({
  complete: 0,
  taskDoesNotExist: 1,
  lunDoesNotExist: 2,
  notSupported: 5,
  rejected: 255,
} as const)

/** One task management request; the driver's until `manage()`, the engine's until `managementDone()`. */
export class Management {
  readonly nexus: Nexus
  readonly fn: number
  /** Decoded LUN; ignored by target resets. */
  readonly lun: number
  /** Tag of the task to abort; for ABORT TASK only. */
  readonly tag: number
  response: number = ManagementResponse.complete
  /** Tasks that must end before the answer: the engine's. */
  waiting = 0
  driverData: unknown = null
  constructor(nexus: Nexus, fn: number, lun: number, tag: number) {
    this.nexus = nexus
    this.fn = fn
    this.lun = lun
    this.tag = tag
  }
}

/** All calls but closeNexus return at once; none throws. */
export interface Engine {
  readonly observe: Observer
  readonly targets: readonly Target[]
  /** The target of that name, or null. */
  findTarget(name: string): Target | null
  /** A port begins to serve the targets, and has ended to. MAY be left out by a port that nobody is to hear of. */
  openPort(port: TargetPort): void
  closePort(port: TargetPort): void
  openNexus(port: TargetPort, target: Target, initiator: InitiatorPort): Nexus
  /**
   * Ends in `abandon()` every task of the nexus; resolves when none of them can touch a store any more. The nexus
   * must not be used after the call.
   */
  closeNexus(nexus: Nexus): Promise<void>
  /** A task to fill and submit. Never refuses: the driver keeps to `nexus.credit`. */
  takeTask(nexus: Nexus): Task
  /** In the order in which the initiator wants them (iSCSI: CmdSN). */
  submit(task: Task): void
  /** MUST follow each fetchData(), once, when min(outLength, expectedOut) bytes are in `segments`. */
  dataArrived(task: Task): void
  /** MAY follow fetchData() instead of dataArrived(): the data cannot be had (digest error, wrong sequence). */
  dataFailed(task: Task, code: SenseCode): void
  /** MUST follow each sendResponse() or abandon(), once; the task is the engine's again. */
  responseSent(task: Task): void
  /** Answered by `managementDone()`, once. */
  manage(request: Management): void
}
