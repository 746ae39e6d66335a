// SPDX-License-Identifier: Apache-2.0
// Stands between a driver and its engine and counts: every call of the contract has exactly one answer.
import assert from 'node:assert/strict'
import type { SenseCode } from '@lunkit/spec'
import {
  type Engine,
  type InitiatorPort,
  type Management,
  type Nexus,
  type NexusView,
  type Observer,
  type Target,
  type TargetPort,
  type Task,
  TaskState,
} from '@lunkit/target-api'

/** What has happened to one task since it was submitted. */
interface Life {
  /** fetchData() was called and has no answer yet. */
  fetching: boolean
  /** sendResponse() or abandon() was called. */
  ended: boolean
}

export class WatchedEngine implements Engine {
  readonly inner: Engine
  /** Breaches of the contract, in words: empty at the end of a good run. */
  readonly breaches: string[] = []
  readonly nexuses = new Set<Nexus>()
  readonly #lives = new Map<Task, Life>()
  readonly #requests = new Set<Management>()
  submitted = 0
  fetches = 0
  abandoned = 0

  constructor(inner: Engine) {
    this.inner = inner
  }

  /** Fails unless every call has had its answer. */
  check(): void {
    assert.deepEqual(this.breaches, [])
    assert.equal(this.#lives.size, 0, `${this.#lives.size} tasks have not come back`)
    assert.equal(this.#requests.size, 0, `${this.#requests.size} task management requests have no answer`)
  }

  get observe(): Observer {
    return this.inner.observe
  }
  get ports(): readonly TargetPort[] {
    return this.inner.ports
  }
  get targets(): readonly Target[] {
    return this.inner.targets
  }
  findTarget(name: string): Target | null {
    return this.inner.findTarget(name)
  }

  openPort(port: TargetPort): void {
    this.inner.openPort(port)
  }
  closePort(port: TargetPort): void {
    this.inner.closePort(port)
  }

  openNexus(port: TargetPort, target: Target, initiator: InitiatorPort, view?: NexusView): Nexus {
    const nexus = this.inner.openNexus(this.#watch(port), target, initiator, view)
    this.nexuses.add(nexus)
    return nexus
  }

  changeView(nexus: Nexus, view: NexusView): boolean {
    this.#expect(this.nexuses.has(nexus), 'the view of a closed nexus was changed')
    return this.inner.changeView(nexus, view)
  }

  closeNexus(nexus: Nexus, attention?: SenseCode): Promise<void> {
    this.#expect(this.nexuses.delete(nexus), 'a nexus was closed twice')
    return this.inner.closeNexus(nexus, attention)
  }

  raiseAttention(nexus: Nexus, lun: number, code: SenseCode): void {
    this.#expect(this.nexuses.has(nexus), 'a closed nexus was to hear of something')
    this.inner.raiseAttention(nexus, lun, code)
  }

  takeTask(nexus: Nexus): Task {
    return this.inner.takeTask(nexus)
  }

  submit(task: Task): void {
    this.#expect(!this.#lives.has(task), 'a task was submitted twice')
    this.#expect(this.nexuses.has(task.nexus), 'a task was submitted to a closed nexus')
    this.#expect(bytesOf(task) === task.received, 'submit(): `received` is not what `segments` hold')
    this.#lives.set(task, { fetching: false, ended: false })
    this.submitted++
    this.inner.submit(task)
  }

  dataArrived(task: Task): void {
    this.#endFetch(task, 'dataArrived()')
    const wanted = Math.min(task.outLength, task.expectedOut)
    this.#expect(bytesOf(task) === task.received, 'dataArrived(): `received` is not what `segments` hold')
    this.#expect(task.received === wanted, `dataArrived(): ${task.received} bytes instead of ${wanted}`)
    this.inner.dataArrived(task)
  }

  dataFailed(task: Task, code: SenseCode): void {
    this.#endFetch(task, 'dataFailed()')
    this.inner.dataFailed(task, code)
  }

  responseSent(task: Task): void {
    const life = this.#lives.get(task)
    this.#expect(life?.ended === true, 'responseSent() without sendResponse() or abandon()')
    this.#lives.delete(task)
    this.inner.responseSent(task)
  }

  manage(request: Management): void {
    this.#expect(!this.#requests.has(request), 'a task management request was given twice')
    this.#requests.add(request)
    this.inner.manage(request)
  }

  #endFetch(task: Task, call: string): void {
    const life = this.#lives.get(task)
    this.#expect(life?.fetching === true && task.state === TaskState.waitData, `${call} without fetchData()`)
    if (life !== undefined) life.fetching = false
  }

  #expect(good: boolean, breach: string): void {
    if (!good) this.breaches.push(breach)
  }

  #end(task: Task, call: string): void {
    const life = this.#lives.get(task)
    this.#expect(life?.ended === false, `${call} for a task that has ended`)
    if (life === undefined) return
    // The data that was asked for is not waited for any more.
    life.fetching = false
    life.ended = true
  }

  /** The port as the engine sees it. */
  #watch(port: TargetPort): TargetPort {
    return {
      relativeId: port.relativeId,
      protocol: port.protocol,
      portName: target => port.portName(target),
      fetchData: task => {
        const life = this.#lives.get(task)
        this.#expect(life?.fetching === false && !life.ended, 'fetchData() twice, or after the end')
        if (life !== undefined) life.fetching = true
        this.fetches++
        port.fetchData(task)
      },
      sendResponse: task => {
        this.#end(task, 'sendResponse()')
        port.sendResponse(task)
      },
      abandon: task => {
        this.#end(task, 'abandon()')
        this.abandoned++
        port.abandon(task)
      },
      managementDone: request => {
        this.#expect(this.#requests.delete(request), 'managementDone() for a request that has its answer')
        port.managementDone(request)
      },
      creditRestored: nexus => port.creditRestored(nexus),
      attentionRaised: (nexus, lun, code) => port.attentionRaised?.(nexus, lun, code),
      stop: graceMs => port.stop(graceMs),
    }
  }
}

const bytesOf = (task: Task): number => task.segments.reduce((sum, { length }) => sum + length, 0)
