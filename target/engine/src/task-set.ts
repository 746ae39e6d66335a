// SPDX-License-Identifier: Apache-2.0
// The task set of a unit: its commands by age, which of them wait, and each for what.
import { type Task, TaskState } from '@lunkit/target-api'
import { CLASSES, ClassNumber, RULES, Rule } from './order-matrix.ts'
import { Regions } from './regions.ts'

/** What a task's attribute makes of it: the lower bits of `task.order`, above them its class. 0: outside of the set. */
export const Kind = Object.freeze({
  simple: 1,
  ordered: 2,
  head: 3,
  /** Runs while an auto contingent allegiance holds up the others. */
  aca: 4,
  /** A device's own command: ahead of all that wait, and nobody waits for it because of its attribute. */
  inner: 5,
} as const)
const KIND_MASK = 7
const CLASS_SHIFT = 3
/** Counted among the reads. */
const COUNTED = 64

/** Goes ahead of all that wait, but not into the blocks of what runs or of an urgent one that was there before. */
const isUrgent = (task: Task): boolean => kindOf(task) > Kind.ordered

export const kindOf = (task: Task): number => task.order & KIND_MASK
/** Whether a task of this kind is in the set. */
export function hasKind(set: TaskSet, kind: number): boolean {
  for (let task = set.oldest; task !== null; task = task.younger) if (kindOf(task) === kind) return true
  return false
}

const classOf = (task: Task): number => (task.order >> CLASS_SHIFT) & 7

const READ = ClassNumber.read
const WRITE = ClassNumber.write
const ATOMIC = ClassNumber.atomic

const PLAIN_READ = Kind.simple | (READ << CLASS_SHIFT)
const PLAIN_WRITE = Kind.simple | (WRITE << CLASS_SHIFT)

/** The policies that ordering needs. */
interface Policies {
  readonly tst: number
  readonly queueAlgorithm: number
}

/**
 * Every task is in one list, the oldest first; HEAD OF QUEUE ones enter at the old end. A task that has to wait
 * remembers the youngest of its elders that it waits for, and hangs there; when that one leaves, the search goes on from
 * its place, so in all its time a task looks at each elder once.
 */
export class TaskSet {
  oldest: Task | null = null
  youngest: Task | null = null
  length = 0
  /** Tasks for which a look at the regions is not enough: by attribute, or alone with the medium. */
  #loud = 0
  #atomic = 0
  #entered = 0
  readonly #writes = new Regions()
  /** Reads are counted while reordering is restricted. */
  readonly #reads = new Regions()

  /** Adds the task, whose `lba` and `rangeEnd` are set; false if it has to wait. */
  enter(task: Task, kind: number, klass: number, policies: Policies): boolean {
    const restricted = policies.queueAlgorithm === 0
    // The usual case, and all that it needs: a plain read or write that nobody is in the way of.
    if (kind === Kind.simple && this.#loud === 0 && !restricted) {
      if (
        klass === READ ? this.#atomic === 0 : klass === WRITE && this.#writes.tryAdd(task.lba, task.rangeEnd)
      ) {
        task.order = klass === READ ? PLAIN_READ : PLAIN_WRITE
        this.length++
        this.#addYoungest(task)
        return true
      }
    }
    const quiet = kind === Kind.simple && this.#loud === 0 && this.#isFree(task, klass, restricted)
    task.order = kind | (klass << CLASS_SHIFT) | (restricted ? COUNTED : 0)
    this.#count(task, 1)
    const urgent = isUrgent(task)
    if (urgent) {
      task.entered = ++this.#entered
      this.#addOldest(task)
    } else this.#addYoungest(task)
    if (quiet) return true
    const blocker = find(task, urgent ? this.youngest : task.older, policies)
    if (blocker === null) return true
    hang(task, blocker)
    return false
  }

  /** Takes the task out; `go` gets each of those that waited for it and for nobody else. */
  leave(task: Task, policies: Policies, go: (task: Task) => void): void {
    if (task.blocker !== null) unhang(task)
    const elder = task.older
    if (task.order === PLAIN_READ) this.length--
    else this.#count(task, -1)
    this.#unlink(task)
    task.order = 0
    if (task.firstWaiter !== null) wake(task, elder, policies, go)
  }

  /**
   * No initiator waits for the task any more, but the store may still change its blocks: it holds up only what would
   * touch them, reads too: whoever took over after it (PREEMPT AND ABORT, a reset) is not to see them before and after.
   */
  forget(task: Task, policies: Policies, go: (task: Task) => void): void {
    if (task.order === 0) return
    const klass = classOf(task)
    if (klass !== WRITE && klass !== ATOMIC && klass !== ClassNumber.medium) {
      this.leave(task, policies, go)
      return
    }
    this.#count(task, -1)
    task.order = Kind.inner | ((klass === WRITE ? ATOMIC : klass) << CLASS_SHIFT) | (task.order & COUNTED)
    this.#count(task, 1)
    // Those that waited look again; they may find this one again.
    if (task.firstWaiter !== null) wake(task, task, policies, go)
  }

  #isFree(task: Task, klass: number, restricted: boolean): boolean {
    const { lba, rangeEnd } = task
    if (klass === READ) return (!restricted && this.#atomic === 0) || this.#writes.isFree(lba, rangeEnd)
    if (klass === WRITE) {
      return this.#writes.isFree(lba, rangeEnd) && (!restricted || this.#reads.isFree(lba, rangeEnd))
    }
    return klass === ClassNumber.sync || klass === ClassNumber.nothing
  }

  #count(task: Task, sign: 1 | -1): void {
    const klass = classOf(task)
    const kind = kindOf(task)
    if (klass === READ) {
      if ((task.order & COUNTED) !== 0) this.#reads.add(task.lba, task.rangeEnd, sign)
    } else if (klass === WRITE || klass === ATOMIC) {
      this.#writes.add(task.lba, task.rangeEnd, sign)
      if (klass === ATOMIC) this.#atomic += sign
    } else if (klass === ClassNumber.medium || klass === ClassNumber.unit) this.#loud += sign
    if (kind === Kind.ordered || kind === Kind.head || kind === Kind.aca) this.#loud += sign
    this.length += sign
  }

  #addYoungest(task: Task): void {
    task.older = this.youngest
    if (this.youngest === null) this.oldest = task
    else this.youngest.younger = task
    this.youngest = task
  }

  #addOldest(task: Task): void {
    task.younger = this.oldest
    if (this.oldest === null) this.youngest = task
    else this.oldest.older = task
    this.oldest = task
  }

  #unlink(task: Task): void {
    const { older, younger } = task
    if (older === null) this.oldest = younger
    else older.younger = younger
    if (younger === null) this.youngest = older
    else younger.older = older
    task.older = null
    task.younger = null
  }
}

/** The first that the task waits for, from `from` on to the oldest; or null. */
function find(task: Task, from: Task | null, policies: Policies): Task | null {
  for (let other = from; other !== null; other = other.older) {
    if (other !== task && waitsFor(task, other, policies)) return other
  }
  return null
}

function waitsFor(task: Task, other: Task, policies: Policies): boolean {
  const kind = kindOf(task)
  if (kind === Kind.simple || kind === Kind.ordered) {
    const theirs = kindOf(other)
    if (kind === Kind.ordered ? theirs !== Kind.inner : theirs === Kind.ordered || theirs === Kind.head) {
      if (policies.tst === 0 || task.nexus === other.nexus) return true
    }
  } else if (other.blocker !== null && (kind === Kind.inner || !isBefore(other, task))) return false
  // What an auto contingent allegiance holds up will not end before it is cleared.
  else if (kind === Kind.aca && other.state !== TaskState.execute) return false
  const rule = RULES[classOf(task) * CLASSES + classOf(other)]!
  if (rule === Rule.beside) return false
  if (rule === Rule.after) return true
  if (rule === Rule.restricted && policies.queueAlgorithm !== 0) return false
  return task.lba < other.rangeEnd && other.lba < task.rangeEnd
}

/** Of two urgent ones; an inner one does not look at it: the other may wait for the very command that it is part of. */
const isBefore = (other: Task, task: Task): boolean => isUrgent(other) && other.entered < task.entered

function hang(task: Task, blocker: Task): void {
  task.blocker = blocker
  task.previous = blocker.lastWaiter
  task.next = null
  if (blocker.lastWaiter === null) blocker.firstWaiter = task
  else blocker.lastWaiter.next = task
  blocker.lastWaiter = task
}

function unhang(task: Task): void {
  const blocker = task.blocker!
  const { previous, next } = task
  if (previous === null) blocker.firstWaiter = next
  else previous.next = next
  if (next === null) blocker.lastWaiter = previous
  else next.previous = previous
  task.previous = null
  task.next = null
  task.blocker = null
}

function wake(gone: Task, from: Task | null, policies: Policies, go: (task: Task) => void): void {
  let waiter = gone.firstWaiter
  gone.firstWaiter = null
  gone.lastWaiter = null
  while (waiter !== null) {
    const { next } = waiter
    waiter.previous = null
    waiter.next = null
    waiter.blocker = null
    // One that is being aborted does not run: it need not look on.
    const blocker = waiter.aborted ? null : find(waiter, from, policies)
    if (blocker !== null) hang(waiter, blocker)
    else go(waiter)
    waiter = next
  }
}
