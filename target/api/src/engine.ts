// SPDX-License-Identifier: Apache-2.0
// What the engine offers a driver.
import type { SenseCode } from '@lunkit/spec'
import type { InitiatorPort, Nexus, NexusView, Target } from './nexus.ts'
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
  queryTask: 9,
  queryTaskSet: 10,
  nexusReset: 11,
  queryAsynchronousEvent: 12,
} as const)

/** Answers to them, with iSCSI's numbers (RFC 7143, 11.6.1; RFC 7144). */
export const ManagementResponse = Object.freeze({
  /** FUNCTION COMPLETE; of a query: there is nothing of what was asked for. */
  complete: 0,
  taskDoesNotExist: 1,
  lunDoesNotExist: 2,
  notSupported: 5,
  /** FUNCTION SUCCEEDED: what a query asked for is there. */
  succeeded: 7,
  rejected: 255,
} as const)

/** One task management request; the driver's until `manage()`, the engine's until `managementDone()`. */
export class Management {
  readonly nexus: Nexus
  readonly fn: number
  /** Decoded LUN; ignored by target resets and I_T NEXUS RESET. */
  readonly lun: number
  /** Tag of the task that is meant; for ABORT TASK and QUERY TASK only. */
  readonly tag: number
  response: number = ManagementResponse.complete
  /**
   * Additional response information of QUERY ASYNCHRONOUS EVENT (SAM-5), 24 bits: what would be reported next, as UADE
   * DEPTH and sense key, ASC, and ASCQ; else 0.
   */
  information = 0
  /** Tasks that must end before the answer: the engine's. */
  waiting = 0
  driverData: unknown = null
  /**
   * Which tasks of its own nexus it is about, of those that it finds; null: all. On several connections later commands may
   * have come before it.
   */
  readonly covers: ((task: Task) => boolean) | null
  constructor(
    nexus: Nexus,
    fn: number,
    lun: number,
    tag: number,
    covers: ((task: Task) => boolean) | null = null,
  ) {
    this.covers = covers
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
  /** Ports that said that they are open. */
  readonly ports: readonly TargetPort[]
  /** The target of that name, or null. */
  findTarget(name: string): Target | null
  /** A port begins to serve the targets, and has ended to. MAY be left out by a port that nobody is to hear of. */
  openPort(port: TargetPort): void
  closePort(port: TargetPort): void
  /** A `view` whose group does not exist sees nothing. */
  openNexus(port: TargetPort, target: Target, initiator: InitiatorPort, view?: NexusView): Nexus
  /** Gives a nexus another view; its initiator hears of what that changes. True if it changes something. */
  changeView(nexus: Nexus, view: NexusView): boolean
  /**
   * Ends in `abandon()` every task of the nexus; resolves when none of them can touch a store any more, or when the time
   * for task management is over: what a store has not answered by then keeps others from its blocks until it does. The
   * nexus must not be used after the call. Where tasks ended, the initiator port hears of `attention` when it comes back.
   */
  closeNexus(nexus: Nexus, attention?: SenseCode): Promise<void>
  /** Establishes a unit attention for one nexus at one LUN; nothing where it sees no unit. */
  raiseAttention(nexus: Nexus, lun: number, code: SenseCode): void
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
  /** Answered by `managementDone()`, once, within the engine's time for task management. */
  manage(request: Management): void
}
