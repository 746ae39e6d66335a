// SPDX-License-Identifier: Apache-2.0
// Targets that are served in a process of their own: it is sent connections, and started again if it ends.
import { type ChildProcess, fork } from 'node:child_process'
import { OperatorError } from '@lunkit/target-api'
import { type Arrival, partWith } from '@lunkit/target-driver-iscsi'
import { failed, type Reply } from '../control/reply.ts'
import { eventWords, type Say } from '../say.ts'
import { LATE_MS, type Report } from '../signals.ts'
import { LIFELINE } from './end-with-parent.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import type { TargetPlan } from './plan.ts'
import { RestartPace } from './restart-pace.ts'
import type { Serving } from './serving.ts'
import type { Portals, ServedLun } from './share.ts'

/** A process that has left so many questions unanswered, one every BEAT_MS, hangs: it is ended, and started again. */
const MOST_UNANSWERED = 10
const BEAT_MS = 1000

/**
 * V8's young generation grows to 128 MiB while sessions come and go, and is kept by a process that then does nothing. Commands leave so little
 * behind that they are no faster for it. Whoever has set it otherwise has his way.
 */
const YOUNG = /semi[-_]space/.test(process.env['NODE_OPTIONS'] ?? '') ? [] : ['--max-semi-space-size=8']

/** One that hangs does not hear that this process has ended, and would keep its files: it does not outlive it. */
const children = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

export interface OwnProcessOptions {
  /** 1 for the first. */
  readonly number: number
  readonly plans: readonly TargetPlan[]
  /** Asked when it is started: by then they are open. */
  readonly portals: () => Portals
  /** How long a login waits for a process that is not there. */
  readonly holdMs: number
  readonly say: Say
}

export class OwnProcess implements Serving {
  readonly #options: OwnProcessOptions
  #child: ChildProcess | null = null
  #isReady = false
  #closing = false
  readonly #pace = new RestartPace()
  #restart: NodeJS.Timeout | null = null
  #beat: NodeJS.Timeout | null = null
  #unanswered = 0
  #waiting: Arrival[] = []
  /** On its way: another is sent only when it has arrived, so that it is known which ones were lost with a process. */
  #sending: { readonly id: number; readonly late: NodeJS.Timeout; close(): void } | null = null
  /** For each connection that is there, by number: what to call when it has closed. */
  readonly #away: Map<number, () => void> = new Map()
  #lastId = 0
  /** Control lines that it has not answered, by number. */
  readonly #asked: Map<number, (reply: Reply) => void> = new Map()
  #reports: ((reports: readonly Report[]) => void)[] = []
  #opened: ((luns: readonly ServedLun[]) => void) | null = null
  #failed: ((error: Error) => void) | null = null
  #ended: (() => void) | null = null

  constructor(options: OwnProcessOptions) {
    this.#options = options
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  open(): Promise<readonly ServedLun[]> {
    return new Promise((resolve, reject) => {
      this.#opened = resolve
      this.#failed = reject
      this.#start()
    })
  }

  give(arrival: Arrival): void {
    this.#waiting = this.#waiting.filter(one => !one.over)
    this.#waiting.push(arrival)
    if (!this.#isReady) setTimeout(() => arrival.refuse(), this.#options.holdMs).unref()
    this.#send()
  }

  report(): Promise<readonly Report[]> {
    if (!this.#isReady) return Promise.resolve([])
    this.#tell({ type: 'report' })
    return new Promise(resolve => this.#reports.push(resolve))
  }

  get serves(): boolean {
    return this.#isReady && !this.#closing
  }

  obey(target: string, line: string): Promise<Reply> {
    if (!this.serves) return Promise.resolve(failed(downError(target)))
    const id = ++this.#lastId
    this.#tell({ type: 'control', id, target, line })
    return new Promise(resolve => this.#asked.set(id, resolve))
  }

  look(): void {
    if (this.#isReady) this.#tell({ type: 'look' })
  }

  close(graceMs: number): Promise<void> {
    this.#closing = true
    if (this.#restart !== null) clearTimeout(this.#restart)
    this.#stopAsking()
    const child = this.#child
    if (child === null) return Promise.resolve()
    // It ends by itself a little later than it should, or it hangs.
    setTimeout(() => child.kill('SIGKILL'), graceMs + 2 * LATE_MS).unref()
    this.#tell({ type: 'stop', graceMs })
    return new Promise(resolve => {
      this.#ended = resolve
    })
  }

  #start(): void {
    const { plans, portals } = this.#options
    this.#restart = null
    // This same command. Nothing is read from the terminal, and lines come as messages, so that no two processes write into
    // each other's.
    const child = fork(process.argv[1]!, ['run-worker'], {
      serialization: 'advanced',
      execArgv: [...YOUNG, ...process.execArgv],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'],
    })
    this.#child = child
    children.add(child)
    child.stdio[LIFELINE]?.on('error', () => undefined)
    child.on('message', message => this.#hear(message as FromWorker))
    child.once('exit', (code, signal) => this.#gone(child, signal ?? `exit code ${code}`))
    child.on('error', error => {
      // It could not be started; else what failed is a message to a process that is about to end.
      if (child.pid === undefined) this.#gone(child, error.message)
    })
    this.#tell({ type: 'start', plans, portals: portals().texts })
  }

  #tell(message: ToWorker): void {
    const child = this.#child
    if (child?.connected === true) child.send(message, () => undefined)
  }

  #hear(message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        this.#ready(message.luns)
        break
      case 'failed': {
        const { code, message: words, hint } = message
        if (this.#failed === null) this.#say('process-failed', { reason: words, hint })
        else this.#failed(new OperatorError(code, words, { hint }))
        this.#settle()
        break
      }
      case 'took':
        // One that was given up may arrive after all.
        if (message.id === this.#sending?.id) this.#sent()
        break
      case 'left':
        this.#away.get(message.id)?.()
        this.#away.delete(message.id)
        break
      case 'login': {
        const { door } = this.#options.portals().of(message.tag)
        if (message.status === null) door.proved(message.address)
        else door.refused(message.address, message.status)
        break
      }
      case 'say':
        this.#options.say(message.fields, message.words)
        break
      case 'beat':
        this.#unanswered = 0
        break
      case 'control':
        this.#asked.get(message.id)?.(message.reply)
        this.#asked.delete(message.id)
        break
      case 'report':
        this.#reports.shift()?.(message.reports)
        break
    }
  }

  #ready(luns: readonly ServedLun[]): void {
    this.#isReady = true
    this.#pace.started(performance.now())
    this.#unanswered = 0
    this.#beat = setInterval(() => this.#ask(), BEAT_MS)
    if (this.#opened === null) this.#say('process-started', { pid: this.pid })
    else this.#opened(luns)
    this.#settle()
    this.#send()
  }

  /** Counted, not timed: time in which this process did not run either is no fault of the other's. */
  #ask(): void {
    if (this.#unanswered++ < MOST_UNANSWERED) this.#tell({ type: 'beat' })
    else if (this.#child !== null) {
      this.#say('process-hangs', { pid: this.pid })
      this.#stopAsking()
      this.#child.kill('SIGKILL')
    }
  }

  #stopAsking(): void {
    if (this.#beat !== null) clearInterval(this.#beat)
    this.#beat = null
  }

  /** The first start is over, one way or the other. */
  #settle(): void {
    this.#opened = null
    this.#failed = null
  }

  #send(): void {
    const child = this.#child
    if (!this.#isReady || this.#sending !== null || child?.connected !== true) return
    let arrival = this.#waiting.shift()
    while (arrival?.over === true) arrival = this.#waiting.shift()
    if (arrival === undefined) return
    const { target, tag, address } = arrival
    const { socket, bytes, msLeft, left } = arrival.release()
    const id = ++this.#lastId
    this.#away.set(id, left)
    const late = setTimeout(() => this.#lost(id, address), this.#options.holdMs)
    this.#sending = { id, late, close: partWith(socket) }
    const message: ToWorker = { type: 'connection', id, target, tag, bytes, msLeft }
    child.send(message, socket, () => undefined)
  }

  #sent(): void {
    if (this.#sending !== null) clearTimeout(this.#sending.late)
    this.#sending = null
    this.#send()
  }

  /** Node closes a socket that a process cannot take, as one that has too many open files, and tells nobody of it. */
  #lost(id: number, address: string): void {
    this.#sending?.close()
    this.#away.get(id)?.()
    this.#away.delete(id)
    this.#say('connection-not-taken', { pid: this.pid, address })
    this.#sent()
  }

  #gone(child: ChildProcess, cause: string): void {
    children.delete(child)
    child.stdio[LIFELINE]?.destroy()
    if (this.#child !== child) return
    this.#child = null
    this.#isReady = false
    this.#stopAsking()
    if (this.#sending !== null) clearTimeout(this.#sending.late)
    this.#sending?.close()
    this.#sending = null
    for (const left of this.#away.values()) left()
    this.#away.clear()
    for (const resolve of this.#reports.splice(0)) resolve([])
    for (const resolve of this.#asked.values()) resolve(failed(lostError(cause)))
    this.#asked.clear()
    if (this.#closing) {
      this.#ended?.()
      return
    }
    if (this.#failed !== null) {
      this.#failed(new OperatorError('PROCESS_ENDED', `A process ended before it served: ${cause}`))
      this.#settle()
      return
    }
    this.#again(child, cause)
  }

  #again(child: ChildProcess, cause: string): void {
    const waitMs = this.#pace.ended(performance.now())
    this.#say('process-ended', { pid: child.pid, cause, waitMs })
    this.#restart = setTimeout(() => this.#start(), waitMs)
    // Those that wait have their time from when they came, or from now if nobody was missing then.
    for (const arrival of this.#waiting) setTimeout(() => arrival.refuse(), this.#options.holdMs).unref()
  }

  #say(event: string, fields: Readonly<Record<string, unknown>>): void {
    const { number, plans, say } = this.#options
    const told = { process: number, ...fields, targets: plans.map(({ name }) => name) }
    say({ event, ...told }, eventWords(event, told))
  }
}

const downError = (target: string): OperatorError =>
  new OperatorError(
    'TARGET_DOWN',
    `Target ${target} is not served now: its process is being started, or ended`,
    {
      hint: 'try again; events of lunkit run tell of the process',
    },
  )

const lostError = (cause: string): OperatorError =>
  new OperatorError('TARGET_LOST', `The process of the target ended before it answered: ${cause}`, {
    hint: 'it is started again; look whether it has been done before you repeat it',
  })
