// SPDX-License-Identifier: Apache-2.0
// ErrorRecoveryLevel 2: a lost connection is taken out of the session and its tasks go on elsewhere (RFC 7143, 7.1.5).
import { setTimeout as wait } from 'node:timers/promises'
import { LoginError, TransportError } from '@lunkit/initiator-core'
import {
  IscsiTaskResponse,
  LoginStatus,
  LogoutReason,
  LogoutResponse,
  logoutResponseText,
  taskManagementResponseText,
} from '@lunkit/spec'
import { cutToWhole } from './data-recovery.ts'
import type { FullFeature } from './full-feature.ts'
import type { Task } from './task.ts'
import { bounded } from './task-management.ts'

export interface RecoveryHost {
  /** Logs in a connection under this CID; it is one of the session's when the promise resolves. */
  join(cid: number, expStatSn: number): Promise<FullFeature>
  /** A task that was given up by its caller is at hand again: it is to be aborted. */
  abortAgain(task: Task): void
  /** The target knows nothing of a task that it had taken in. */
  vanished(task: Task, error: TransportError, ran: boolean): void
}

export interface Recovered {
  readonly reassigned: number
  readonly retried: number
  /** The connection that took the place of the lost one; null where one is still to be made. */
  readonly instead: FullFeature | null
}

/** What the target has told of the time that there is (RFC 7143, 7.5). */
interface Time {
  /** Clock of the session, when all has to be done. */
  deadline: number
  /** Time2Retain that was agreed on, in ms: more is not waited for, whatever the target tells. */
  readonly longestMs: number
  /** Whether it has kept the tasks that it had taken in. */
  keepsTasks: boolean
}

/** Longest Time2Wait that is waited for. */
const LONGEST_WAIT_MS = 60_000
/** Waits in ms between tries, each twice the one before. */
const DELAYS = { first: 20, longest: 1000 } as const

/**
 * Takes a connection that is gone out of the session, waits as the target asks, and moves its tasks: those that the
 * target has taken in by TASK REASSIGN, the others by sending them again under the same number and tag, so that none runs
 * twice. Rejects where the target cannot do it, or did not in Time2Wait and Time2Retain; then only session recovery is
 * left.
 */
export async function recoverConnection(lost: FullFeature, host: RecoveryHost): Promise<Recovered> {
  const { links, settings } = lost
  const { signal } = links
  const beforeMs = lost.retryAfterMs >= 0 ? lost.retryAfterMs : settings.time2Wait * 1000
  // Commands hang meanwhile, also those that nobody wants any more: no longer than was agreed on.
  const longestMs = settings.time2Retain * 1000
  const retainMs = lost.retainMs >= 0 ? Math.min(lost.retainMs, longestMs) : longestMs
  const time: Time = { deadline: performance.now() + beforeMs + retainMs, longestMs, keepsTasks: true }
  checkWait(beforeMs)
  if (retainMs === 0) throw late('it keeps no task of a lost connection')
  await pause(beforeMs, signal)
  const count = { reassigned: 0, retried: 0 }
  let instead: FullFeature | null = null
  // Connections may be lost while this goes on: then it begins anew with those that are left.
  for (let out = false; ; ) {
    if (!out || links.leastLoaded() === null) {
      instead = (await takeOut(lost, host, time, signal)) ?? instead
      out = true
    }
    if (await moveTasks(lost, host, time, count)) break
  }
  return { ...count, instead: instead !== null && instead.gone === null ? instead : null }
}

/** Repeats a login while it may work later. */
export async function persist<T>(login: () => Promise<T>, tries: number, signal: AbortSignal): Promise<T> {
  for (
    let left = tries - 1, delay: number = DELAYS.first;
    ;
    left--, delay = Math.min(DELAYS.longest, delay * 2)
  ) {
    try {
      return await login()
    } catch (error) {
      signal.throwIfAborted()
      if (left <= 0 || !mayPass(error)) throw error
    }
    await pause(delay, signal)
  }
}

/** Makes the target forget the connection: by a logout on another one, or by a login under its CID. */
async function takeOut(
  lost: FullFeature,
  host: RecoveryHost,
  time: Time,
  signal: AbortSignal,
): Promise<FullFeature | null> {
  const { links, cid } = lost
  for (let delay: number = DELAYS.first; ; delay = Math.min(DELAYS.longest, delay * 2)) {
    if (performance.now() > time.deadline) throw late('no connection could be made in time')
    const other = links.leastLoaded()
    if (other !== null) {
      if (await logOut(other, cid, time, signal)) return null
      continue
    }
    try {
      // An implicit logout for recovery (RFC 7143, 6.3.4), with the last acknowledgement of the old connection.
      return await host.join(cid, lost.connection.expStatSn)
    } catch (error) {
      signal.throwIfAborted()
      if (!mayPass(error)) throw error
    }
    await pause(delay, signal)
  }
}

/**
 * Whether the same login may work later: the road failed, the target is in trouble, or it has not noticed yet that other
 * connections are gone.
 */
function mayPass(error: unknown): boolean {
  if (!(error instanceof LoginError)) return error instanceof TransportError
  const status = (error.statusClass << 8) | error.statusDetail
  return (
    status === LoginStatus.tooManyConnections ||
    error.code === 'LOGIN_TIMEOUT' ||
    error.code === 'LOGIN_TARGET_ERROR'
  )
}

/** Returns false if the other connection is lost as well. */
async function logOut(other: FullFeature, cid: number, time: Time, signal: AbortSignal): Promise<boolean> {
  const answer = other.exchanges.logout(LogoutReason.removeConnectionForRecovery, cid)
  const outcome = await bounded(other, answer, 'a logout for recovery').catch((error: unknown) => {
    if (other.gone === null) throw error
    return null
  })
  if (outcome === null) return false
  const { response, time2Wait, time2Retain } = outcome
  if (response === LogoutResponse.closed) {
    checkWait(time2Wait * 1000)
    // The times begin anew; without any the tasks are gone already (RFC 7143, 11.15.4).
    time.deadline = performance.now() + time2Wait * 1000 + Math.min(time2Retain * 1000, time.longestMs)
    time.keepsTasks = time2Retain > 0
    await pause(time2Wait * 1000, signal)
  }
  if (response !== LogoutResponse.closed && response !== LogoutResponse.cidNotFound)
    throw late(logoutResponseText(response))
  return true
}

/** Returns false if there is no connection left to move them to. */
async function moveTasks(
  lost: FullFeature,
  host: RecoveryHost,
  time: Time,
  count: { reassigned: number; retried: number },
): Promise<boolean> {
  const { links } = lost
  const orphans = [...links.tasksOf(lost)].sort((a, b) => (a.cmdSn - b.cmdSn) | 0)
  const taken: Task[] = []
  // First those that the target waits for: no command after them is begun before.
  for (const task of orphans) {
    if (links.window.acknowledged(task.cmdSn)) {
      taken.push(task)
      continue
    }
    const link = links.leastLoaded()
    if (link === null) return false
    link.resume(task)
    count.retried++
    if (task.state === 'ending') host.abortAgain(task)
  }
  for (const task of taken) {
    if (task.link !== lost || task.state === 'done') continue
    const link = links.leastLoaded()
    if (link === null) return false
    if (!time.keepsTasks) {
      lost.forget(task, true)
      host.vanished(task, late('it has kept no task of a lost connection'), true)
    } else if (performance.now() > time.deadline) throw late('its tasks could not be moved in time')
    else if (await reassign(task, link, host, time.deadline)) count.reassigned++
  }
  return true
}

/** Returns false if the connection was lost meanwhile, which then recovers the task, or if the task is none any more. */
async function reassign(
  task: Task,
  link: FullFeature,
  host: RecoveryHost,
  deadline: number,
): Promise<boolean> {
  link.take(task)
  const expDataSn = cutToWhole(task)
  task.reassigned = true
  for (let delay: number = DELAYS.first; ; delay = Math.min(DELAYS.longest, delay * 2)) {
    const answer = bounded(link, link.exchanges.reassign(task, expDataSn), 'TASK REASSIGN')
    const code = await answer.catch((error: unknown) => {
      if (link.gone === null) throw error
      return -1
    })
    if (code === -1 || task.link !== link) return false
    if (code === IscsiTaskResponse.functionComplete) {
      if (task.state === 'ending') host.abortAgain(task)
      return true
    }
    if (task.state === 'done') return false
    const words = taskManagementResponseText(code)
    if (code === IscsiTaskResponse.taskDoesNotExist || code === IscsiTaskResponse.lunDoesNotExist) {
      link.forget(task, true)
      host.vanished(task, late(words), true)
      return false
    }
    if (code !== IscsiTaskResponse.taskStillAllegiant || performance.now() > deadline) throw late(words)
    await pause(delay, link.links.signal)
  }
}

/** Commands hang meanwhile: a target may not make them do so for hours. */
function checkWait(ms: number): void {
  if (ms > LONGEST_WAIT_MS) throw late(`it asks to wait for ${ms / 1000} s`)
}

const late = (why: string): TransportError =>
  new TransportError('TRANSPORT_CONNECTION_LOST', `The target cannot recover a lost connection: ${why}`)

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await wait(ms, undefined, { signal })
  signal.throwIfAborted()
}
