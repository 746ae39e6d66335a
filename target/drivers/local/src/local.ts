// SPDX-License-Identifier: Apache-2.0
// The smallest driver, to be read first: an initiator in the same process, without any transport between.
import { createHash } from 'node:crypto'
import { ProtocolId, TaskAttribute } from '@lunkit/spec'
import {
  type Engine,
  LONGEST_CDB,
  Management,
  ManagementFunction,
  type Nexus,
  OperatorError,
  type TargetPort,
  type Task,
} from '@lunkit/target-api'
import type { LocalAnswer, LocalCommand } from './local-command.ts'

/** One command on its way: what a transport driver would keep beside the task, here the two ends of a promise. */
interface Call {
  readonly command: LocalCommand
  readonly tag: number
  readonly abort: () => void
  readonly resolve: (answer: LocalAnswer) => void
  readonly reject: (reason: unknown) => void
}

/** What the nexus is to reservations and reports, where it stands for one of another transport. */
export interface LocalPort {
  /** Relative target port identifier: 1 if not given. */
  readonly relativeId?: number
  /** The initiator port's TransportID, of the protocol that stands in it; made from the initiator's name if not given. */
  readonly transportId?: Uint8Array
}

/** Opens an I_T nexus to the target of that name. Throws OperatorError if there is none. */
export function openLocal(
  engine: Engine,
  targetName: string,
  initiatorName: string,
  port: LocalPort = {},
): LocalNexus {
  return new LocalNexus(engine, targetName, initiatorName, port)
}

/** SPC-4 has no TransportID for "no specific protocol": the identifier, and what tells one name from another. */
function localTransportId(name: string): Uint8Array {
  const transportId = new Uint8Array(24)
  transportId[0] = ProtocolId.none
  transportId.set(createHash('sha256').update(name).digest().subarray(0, 20), 4)
  return transportId
}

/** Both ends of the wire: `execute`, `manage` and `close` are the initiator's, the rest is what a driver has to be. */
export class LocalNexus implements TargetPort {
  readonly relativeId: number
  /** SPC protocol identifier. */
  readonly protocol: number
  readonly #engine: Engine
  readonly #nexus: Nexus
  /** Commands beyond the nexus's credit. A transport closes its window instead and lets the initiator wait. */
  readonly #waiting: Call[] = []
  #lastTag = 0
  #closing: Promise<void> | null = null

  constructor(engine: Engine, targetName: string, initiatorName: string, port: LocalPort) {
    const target = engine.findTarget(targetName)
    if (target === null) throw new OperatorError('TARGET_MISSING', `There is no target ${targetName}`)
    this.#engine = engine
    const transportId = port.transportId ?? localTransportId(initiatorName)
    this.relativeId = port.relativeId ?? 1
    this.protocol = transportId[0]! & 0x0f
    // A login ends with this call.
    this.#nexus = engine.openNexus(this, target, { name: initiatorName, port: 'local', transportId })
  }

  // ---- The initiator's end ----

  execute(command: LocalCommand): Promise<LocalAnswer> {
    return new Promise((resolve, reject) => {
      const { signal, cdb } = command
      if (signal?.aborted) return reject(signal.reason)
      if (this.#closing !== null) return reject(closed())
      if (cdb.length > LONGEST_CDB) return reject(new RangeError(`A CDB of ${cdb.length} bytes is too long`))
      const call: Call = { command, tag: ++this.#lastTag, abort: () => this.#abort(call), resolve, reject }
      signal?.addEventListener('abort', call.abort)
      this.#waiting.push(call)
      this.#submitWaiting()
    })
  }

  /** Carries out a ManagementFunction and gives the ManagementResponse. */
  manage(fn: number, lun = 0, tag = 0): Promise<number> {
    return new Promise(resolve => {
      const request = new Management(this.#nexus, fn, lun, tag)
      request.driverData = resolve
      this.#engine.manage(request)
    })
  }

  /** Ends the nexus; commands under way are rejected. Resolves when none of them can touch a store any more. */
  close(): Promise<void> {
    for (const call of this.#waiting.splice(0)) end(call).reject(closed())
    this.#closing ??= this.#engine.closeNexus(this.#nexus)
    return this.#closing
  }

  #submitWaiting(): void {
    while (this.#waiting.length > 0 && this.#nexus.running < this.#nexus.credit) {
      this.#submit(this.#waiting.shift()!)
    }
  }

  /** A command has arrived: fill a task and hand it over. From `submit()` on it is the engine's. */
  #submit(call: Call): void {
    const { lun, cdb, dataOut, expectedIn = 0, attribute = TaskAttribute.simple } = call.command
    const task = this.#engine.takeTask(this.#nexus)
    task.cdb.fill(0)
    task.cdb.set(cdb)
    task.lun = lun
    task.tag = call.tag
    task.attribute = attribute
    task.expectedIn = expectedIn
    task.expectedOut = dataOut?.length ?? 0
    task.driverData = call
    this.#engine.submit(task)
  }

  #abort(call: Call): void {
    const at = this.#waiting.indexOf(call)
    if (at < 0) void this.manage(ManagementFunction.abortTask, call.command.lun, call.tag)
    else {
      this.#waiting.splice(at, 1)
      end(call).reject(call.command.signal!.reason)
    }
  }

  // ---- The driver's end: what the engine calls, and how each call is answered, exactly once ----

  portName(target: string): string {
    return `${target},local`
  }

  /** The engine has room for the data now and asks for it: fill `segments`, count, then `dataArrived()`. */
  fetchData(task: Task): void {
    const { dataOut } = (task.driverData as Call).command
    const length = Math.min(task.outLength, task.expectedOut)
    task.segments.push(Buffer.from(dataOut!.buffer, dataOut!.byteOffset, length))
    task.received += length
    this.#engine.dataArrived(task)
  }

  /** The command has ended: take data, status and sense from the task, then `responseSent()`, and it is gone. */
  sendResponse(task: Task): void {
    const { command, resolve } = end(task.driverData as Call)
    const length = Math.min(task.inLength, task.expectedIn)
    const answer = {
      status: task.status,
      sense: Buffer.from(task.sense.subarray(0, task.senseLength)),
      // A copy, for the segments go back to their pool. A transport gives them to its socket and calls later.
      dataIn: Buffer.concat(task.segments, length),
      residual:
        command.dataOut === undefined ? task.expectedIn - task.inLength : task.expectedOut - task.outLength,
    }
    this.#engine.responseSent(task)
    resolve(answer)
    this.#submitWaiting()
  }

  /** The command was aborted: nothing of it may reach the initiator, but the engine still waits for its task. */
  abandon(task: Task): void {
    const { command, reject } = end(task.driverData as Call)
    this.#engine.responseSent(task)
    reject(command.signal?.aborted ? command.signal.reason : closed())
    this.#submitWaiting()
  }

  managementDone(request: Management): void {
    ;(request.driverData as (response: number) => void)(request.response)
  }

  /** Memory had been short and no command was taken; now the window opens again. */
  creditRestored(): void {
    this.#submitWaiting()
  }

  stop(): Promise<void> {
    return this.close()
  }
}

/** The call has its end: nobody listens to its signal any more. */
function end(call: Call): Call {
  call.command.signal?.removeEventListener('abort', call.abort)
  return call
}

const closed = (): OperatorError =>
  new OperatorError('COMMAND_ABANDONED', 'The command was aborted by the target')
