// SPDX-License-Identifier: Apache-2.0
// The contract of a target driver (a transport) and of the port it opens.
import type { SenseCode } from '@lunkit/spec'
import type { Engine, Management } from './engine.ts'
import type { Nexus } from './nexus.ts'
import type { Task } from './task.ts'

/** A kind of transport. One value per package, stateless. `Options` is the driver's own. */
export interface TargetDriver<Options> {
  readonly apiVersion: 1
  readonly name: string
  /** Resolves when an initiator could log in. Rejects with OperatorError (port in use, bad address). */
  start(engine: Engine, options: Options): Promise<TargetPort>
}

/** A target port. The data calls are hot: no promise, no throw, no allocation that is not needed. */
export interface TargetPort {
  /** Relative target port identifier, 1 to 65535. */
  readonly relativeId: number
  /** SCSI target port name (iSCSI: `<iqn>,t,0x<tpgt>`), for VPD page 83h. */
  portName(target: string): string
  /** SPC protocol identifier: 5 for iSCSI. */
  readonly protocol: number
  /** MUST bring min(outLength, expectedOut) - received further bytes into `segments`, then dataArrived(). */
  fetchData(task: Task): void
  /**
   * MUST send data-in, status and sense as the task says, then responseSent(). With TASK ABORTED also called between
   * fetchData() and dataArrived(), which then must not follow.
   */
  sendResponse(task: Task): void
  /**
   * MUST let go of an aborted task without an answer to the initiator, then responseSent(). Also called between
   * fetchData() and dataArrived(), which then must not follow.
   */
  abandon(task: Task): void
  /** MUST if the transport carries task management. */
  managementDone(request: Management): void
  /** `credit` of a nexus rose from zero: a closed window may open. */
  creditRestored(nexus: Nexus): void
  /**
   * A unit attention has become pending for an initiator without a command of its own: a port that can send events may tell
   * of it now. It stays pending all the same. MUST NOT throw.
   */
  attentionRaised?(nexus: Nexus, lun: number, code: SenseCode): void
  /** Ends every session; within `graceMs` politely, then by force. Resolves when sockets and timers are gone. */
  stop(graceMs: number): Promise<void>
}
